"""How heraldd is started and stopped: flags, files, signals, exit statuses (design.md, section 5)."""

import json
import os
import re
import signal
import socket

import pytest
from herald_harness import Peer, Server, eventually, new_name, new_secret, run


def config_text(path, **changes):
    """A herald.conf: what --print-config prints, with some keys changed (None: left out)."""
    text = run("--print-config", data=path).stdout
    for key, value in changes.items():
        line = "" if value is None else f"{key} = {value}"
        text, count = re.subn(rf"(?m)^#?\s*{key}\s*=.*$", lambda _, line=line: line, text)
        if count == 0:
            text = f"{line}\n{text}"
    return text


# --- asking and checking ----------------------------------------------------------------------------------------


def test_help_names_every_option():
    """--help: exit status 0, on standard output."""
    done = run("--help")
    assert done.returncode == 0
    for flag in ("--data", "--listen", "--advertise", "--secret", "--secret-file", "--connect", "--tls",
                 "--tls-certificate", "--tls-key", "--plaintext", "--shards",
                 "--announce-interval", "--register-timeout", "--lock-window", "--lock-allowed-server",
                 "--max-message", "--max-depth", "--max-connections", "--connections-per-address",
                 "--first-message-timeout", "--registers-per-minute", "--login-failures", "--login-delay",
                 "--login-delay-max", "--reel-segments", "--reel-segment-size", "--hash-threads", "--hash-queue",
                 "--verified-ttl", "--drain-timeout", "--log-level", "--log-format", "-c", "--check",
                 "--print-config", "--version", "-lp", "-lh", "-rp", "-rh", "-s", "-a"):
        assert re.search(rf"(?m)(^|[\s,]){re.escape(flag)}([\s,=]|$)", done.stdout), flag


def test_version():
    """--version: exit status 0, a number."""
    done = run("--version")
    assert done.returncode == 0 and re.search(r"\d+\.\d+\.\d+", done.stdout)


def test_check_of_good_options(tmp_path):
    """--check: says nothing is wrong, starts nothing."""
    done = run("--check", data=tmp_path / "data", listen="127.0.0.1:0", secret=new_secret())
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "data").exists()


WRONG = [
    ["--no-such-flag"], ["surplus"], ["--listen"], ["--listen", "nowhere"], ["--listen", "127.0.0.1:65536"],
    ["--listen", "127.0.0.1:http"], ["--announce-interval", "soon"], ["--announce-interval", "-1s"],
    ["--max-message", "1XiB"], ["--max-message", "-5"], ["--max-message", "99999999999999999999"],
    ["--max-depth", "0"], ["--max-depth", "two"], ["--shards", "-1"], ["--lock-allowed-server", "perhaps"],
    ["--log-level", "loud"], ["--log-format", "xml"], ["--connect", "nohost"], ["--connect", "h:0"],
    ["--reel-segments", "0"], ["--secret", ""], ["-c", "/no/such/file"], ["-lp", "x"], ["-a", "x"],
]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
@pytest.mark.parametrize("check", [True, False], ids=["--check", "to run"])
def test_wrong_options_end_with_status_2(tmp_path, words, check):
    """Exit status 2: usage or configuration; the message names what was wrong."""
    done = run(*(["--check"] if check else []), *words, data=tmp_path / "data")
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert words[0].lstrip("-").split("=")[0] in done.stderr or words[-1] in done.stderr, done.stderr
    assert not (tmp_path / "data").exists()


def test_everything_wrong_is_said_at_once(tmp_path):
    """--check: every fault of the options, not only the first."""
    done = run("--check", "--log-level", "loud", "--shards", "many", data=tmp_path / "data")
    assert done.returncode == 2
    assert "log" in done.stderr and "shards" in done.stderr


def test_print_config_can_be_read_again(tmp_path):
    """--print-config shows what is in force, as a herald.conf that means the same."""
    secret = tmp_path / "secret"
    secret.write_text(new_secret())
    secret.chmod(0o600)
    options = {"data": tmp_path / "data", "secret_file": secret, "announce_interval": "1700ms", "max_message": "64KiB",
               "lock_allowed_server": "no", "connect": ["127.0.0.1:4001", "127.0.0.1:4002"]}
    first = run("--print-config", **options)
    assert first.returncode == 0, first.stderr
    path = tmp_path / "herald.conf"
    path.write_text(first.stdout)
    again = run("-c", path, "--print-config")
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert "1700" in again.stdout and "4002" in again.stdout


def test_print_config_keeps_the_secret_to_itself(tmp_path):
    """design.md, decision 9: secrets are never logged or echoed."""
    secret = new_secret()
    done = run("--print-config", data=tmp_path / "data", secret=secret)
    assert done.returncode == 0 and secret not in done.stdout + done.stderr


def test_a_wrong_file_is_refused_with_its_line(tmp_path):
    """Exit status 2: usage or configuration."""
    path = tmp_path / "herald.conf"
    path.write_text("log_level = debug\nlog_format = xml\nno_such_key = 1\n")
    done = run("--check", "-c", path)
    assert done.returncode == 2
    assert "log_format" in done.stderr and "no_such_key" in done.stderr
    assert "2" in done.stderr and "3" in done.stderr


def test_flags_win_over_the_file(tmp_path):
    """Options from flags over herald.conf over defaults."""
    path = tmp_path / "herald.conf"
    path.write_text("max_depth = 10\nmax_message = 2KiB\n")
    done = run("-c", path, "--max-depth", 20, "--print-config")
    assert re.search(r"(?m)^max_depth\s*=\s*20$", done.stdout) and re.search(r"(?m)^max_message\s*=\s*2", done.stdout)


# --- starting ---------------------------------------------------------------------------------------------------


def test_started_alone_it_prints_its_secret(tmp_path, start):
    """seed 004, Technical aspects: the server will print its secret to the screen if it started alone."""
    server = start(secret=None)
    (line,) = [one.text for one in server.log if one.text.startswith("server secret: ")]
    secret = line.removeprefix("server secret: ").strip()
    assert len(secret) >= 26
    Peer.dial(server, secret=secret).sync().close()
    assert "\n".join(one.text for one in server.log).count(secret) == 1


def test_two_servers_started_alone_have_two_secrets(start):
    """protocol.md, Clients: generated secrets are 130 random bits."""
    lines = [[one.text for one in start(secret=None).log if "server secret: " in one.text] for _ in range(2)]
    assert lines[0] != lines[1]


def test_a_secret_given_is_not_printed(start):
    """seed 004, Technical aspects; design.md, decision 9."""
    server = start()
    assert server.count_log("server secret:") == 0
    assert server.secret not in server.log_text()


def test_a_secret_given_does_not_stay_in_the_process_list(start):
    """design.md, decision 9: secrets are wiped."""
    server = start()
    with open(f"/proc/{server.process.pid}/cmdline", "rb") as file:
        assert server.secret.encode() not in file.read()


def test_the_secret_may_stand_in_a_file(tmp_path, start, dial):
    """--secret-file F: mode 0600; its newline does not count."""
    path = tmp_path / "secret"
    secret = new_secret()
    path.write_text(secret + "\n")
    path.chmod(0o600)
    server = start(secret=None, secret_file=path)
    dial(server, secret=secret).sync()


@pytest.mark.parametrize("text, mode", [("hushed-open", 0o644), ("", 0o600), ("a\nb\n", 0o600), (None, 0o600)],
                         ids=["readable by others", "empty", "two lines", "absent"])
def test_a_secret_file_that_is_wrong_is_refused(tmp_path, text, mode):
    """Exit status 2: usage or configuration."""
    path = tmp_path / "secret"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    done = run("--check", data=tmp_path / "data", secret_file=path)
    assert done.returncode == 2 and "secret" in done.stderr and "hushed-open" not in done.stderr


def test_the_flags_of_the_course(tmp_path, start):
    """design.md, section 5: course flags, same meaning as the 2016/2018 skeletons: -lp -lh -rp -rh -s -a."""
    secret = new_secret()
    root = start.add(Server(tmp_path / "a", "-lh", "127.0.0.1", "-lp", 0, "-s", secret, "-a", 500, plain=True,
                            data=tmp_path / "a"))
    leaf = start.add(Server(tmp_path / "b", "-lh", "localhost", "-lp", 0, "-rh", "127.0.0.1", "-rp", root.port,
                            "-s", secret, "-a", 500, plain=True, data=tmp_path / "b"))
    leaf.wait_log(msg="link up")
    root.wait_log(msg="link up")
    speaker, listener = root.anonymous(), leaf.anonymous()
    speaker.publish({"n": 1})
    listener.hear(n=1)


def test_more_connections_than_descriptors_are_refused(tmp_path):
    """Exit status 2: more connections than open files allow; the message says how many do."""
    done = run("--check", "--max-connections", 100_000_000, data=tmp_path / "data")
    assert done.returncode == 2 and "max_connections" in done.stderr.replace("-", "_")


def test_a_parent_needs_a_secret(tmp_path):
    """seed 004, Technical aspects: the secret to use if connecting to an existing server."""
    done = run("--check", data=tmp_path / "data", connect="127.0.0.1:4001")
    assert done.returncode == 2 and "secret" in done.stderr


def test_the_log_can_be_json(start):
    """--log-format json: one JSON object a line."""
    server = start(log_format="json")
    server.register()
    assert all(isinstance(json.loads(line.text), dict) for line in server.log)


def test_a_taken_port_is_said_and_ends_with_status_1(tmp_path):
    """Exit status 1: start failure; the message names the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run(data=tmp_path / "data", listen=address, secret=new_secret())
    assert done.returncode == 1 and address in done.stderr, done.stderr


def test_a_second_server_on_a_data_directory_is_refused(start):
    """store.h: refuses a directory that another process's writer holds open, names the directory; the first goes on."""
    server = start()
    name, secret = server.register()
    done = run(data=server.directory, listen="127.0.0.1:0", secret=new_secret())
    assert done.returncode == 1 and str(server.directory) in done.stderr, done.stderr
    server.client().login(name, secret)


def test_a_data_directory_that_others_may_read_is_refused(tmp_path):
    """store.h: refuses a directory that others may read (says chmod 700)."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    done = run(data=directory, listen="127.0.0.1:0", secret=new_secret())
    assert done.returncode in (1, 2) and "chmod" in done.stderr, done.stderr


def test_the_data_directory_is_made_for_the_owner_alone(start):
    """store.h: makes the directory (0700)."""
    server = start()
    server.register()
    assert server.directory.stat().st_mode & 0o777 == 0o700
    for path in server.directory.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_secret_lies_on_the_disk(start):
    """design.md, decision 9: argon2id; secrets are wiped, never logged."""
    server = start()
    name, secret = server.register()
    server.client().login(name, secret)
    assert server.on_disk(name) and not server.on_disk(secret) and server.on_disk("$argon2id$")


# --- stopping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_it_cleanly(start, number):
    """Exit status 0: clean stop; clients and links see a close."""
    server = start()
    clients = [server.client(), server.anonymous(), server.anonymous()]
    peer = Peer.dial(server)
    server.wait_log(msg="link up")
    server.signal(number)
    for client in clients:
        client.expect_close()
    peer.read_to_close()
    assert server.wait_exit() == 0


def test_clients_get_what_was_pending_at_the_stop(start):
    """stream.h: stops accepting, lets every client take what is pending, closes all. The reader reads nothing
    until the server has been told to stop."""
    server = start(drain_timeout="20s", log_level="info")
    reader = server.anonymous()
    speaker = server.anonymous()
    for n in range(400):
        speaker.publish({"n": n, "t": "x" * 20_000})
        speaker.hear(n=n)
    server.signal(signal.SIGTERM)
    speaker.expect_close()
    for n in range(400):
        reader.hear(n=n)
    reader.expect_close(orderly=True)
    assert server.wait_exit() == 0


def test_a_client_that_takes_nothing_does_not_hold_up_the_stop(start):
    """stream.h: at most settings.drain_ms."""
    server = start(drain_timeout="500ms", log_level="info")
    stuck, speaker = server.anonymous(), server.anonymous()
    for n in range(600):
        speaker.publish({"n": n, "t": "x" * 20_000})
        speaker.hear(n=n)
    server.stop()
    stuck.close()


def test_a_registration_under_way_at_the_stop_is_answered_or_cut(start, dial):
    """Exit status 0: clean stop, whatever is going on."""
    server = start()
    peer = dial(server)
    client = server.client()
    client.send_register(new_name(), new_secret())
    peer.expect("LOCK_REQUEST")
    busy = [server.client() for _ in range(20)]
    for one in busy:
        one.send_login(new_name(), new_secret())
    server.stop()


# --- SIGHUP -----------------------------------------------------------------------------------------------------


def reload_of(start, tmp_path, **changes):
    """A server whose options stand in a file; returns it and a function that changes the file and tells it."""
    path = tmp_path / "herald.conf"
    base = {"listen": "127.0.0.1:0", "registers_per_minute": 0, "announce_interval": "500ms", "drain_timeout": "1s",
            "secret": new_secret(), **changes}
    path.write_text(config_text(tmp_path / "data", **base))
    server = start.add(Server(tmp_path / "data", "-c", path, plain=True))
    server.secret = base["secret"]

    def tell(text=None, **more):
        path.write_text(text if text is not None else config_text(tmp_path / "data", **{**base, **more}))
        mark = server.log_length()
        server.signal(signal.SIGHUP)
        server.wait_log("(?i)config", after=mark)
        return mark
    return server, tell


def test_sighup_takes_over_a_good_file(start, tmp_path):
    """SIGHUP reads herald.conf again: here the limit of registrations."""
    server, tell = reload_of(start, tmp_path)
    client = server.anonymous()
    server.register()
    tell(registers_per_minute=1)

    def limited():
        newcomer = server.client()
        newcomer.send_register(new_name(), new_secret())
        return newcomer.expect(("REGISTER_SUCCESS", "REGISTER_FAILED"))["command"] == "REGISTER_FAILED"
    eventually(limited, "registrations are limited")
    client.proves_to_stay()


@pytest.mark.parametrize("bad", ["announce_interval = never\n", "no_such_key = 1\n", "[[[\n", "\0\1\2"],
                         ids=["value", "key", "syntax", "bytes"])
def test_sighup_with_a_bad_file_changes_nothing(start, tmp_path, bad):
    """SIGHUP with a bad file: it says what is wrong and goes on as before."""
    server, tell = reload_of(start, tmp_path)
    client = server.anonymous()
    tell(text=bad + "registers_per_minute = 1\n")
    for _ in range(3):
        server.register()
    client.proves_to_stay()


def test_sighup_says_what_needs_a_restart(start, tmp_path):
    """stream.h: everything but listen, advertise, shards, max_message … (the user is told)."""
    server, tell = reload_of(start, tmp_path)
    mark = tell(max_depth=10)
    server.wait_log("(?i)restart", after=mark)
    server.anonymous().proves_to_stay()


def test_sighup_without_a_file_is_survived(start):
    """SIGHUP: nothing to read again."""
    server = start()
    client = server.anonymous()
    mark = server.log_length()
    server.signal(signal.SIGHUP)
    server.wait_log("(?i)config", after=mark)
    client.proves_to_stay()
    assert os.path.exists(f"/proc/{server.process.pid}")
