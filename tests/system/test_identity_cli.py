"""The commands of `herald` for identities, against real servers: what they do, say and end with (design.md, section 5).

What happens when servers fail is in test_identity_cli_failures.py, settings, import and export in
test_identity_cli_files.py."""

import getpass
import json
import os
import pty
import pwd
import re
import select
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from herald_harness import Deadline, admin, eventually, fingerprint, new_id, new_name, new_secret
from herald_harness.command import Command, command_environment, herald, herald_run

DONE, REFUSED, USAGE, UNREACHABLE, UNKNOWN = range(5)
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def url(server):
    return f"http://127.0.0.1:{server.http_port}"


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def run(home, shared):
    """Runs herald against the shared server."""
    return lambda *words, **more: herald_run(home, *words, **{"HERALD_SERVERS": url(shared), **more})


@pytest.fixture
def token(shared):
    return admin(shared)


def created(run, password=None):
    name = new_name()
    done = run("create", name, *(["--password", password] if password else []))
    assert done.returncode == DONE, done.stderr
    return name


def found(run, login):
    """The identity with this login, or None."""
    done = run("lookup", login, "--json")
    assert done.returncode in (DONE, REFUSED), done.stderr
    return json.loads(done.stdout) if done.returncode == DONE else None


# --- create, lookup ---------------------------------------------------------------------------------------------


def test_an_identity_is_created_and_found(run):
    name = new_name()
    done = run("create", name, "Alice", "Liddell")
    assert done.returncode == DONE and not done.stderr
    uuid = re.fullmatch(rf"created {name}: ({UUID})\n", done.stdout)[1]
    done = run("lookup", name.upper())
    assert done.returncode == DONE and not done.stderr
    rows = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert rows["login"] == name and rows["name"] == "Alice Liddell" and rows["uuid"] == uuid
    assert re.fullmatch(r"\S+Z from 127\.0\.0\.1", rows["created"])
    assert run("reverse-lookup", uuid).stdout == done.stdout


def test_for_a_program_it_is_one_object(run):
    name = new_name()
    told = json.loads(run("create", name, "A", "--json").stdout)
    assert set(told) == {"uuid", "login", "name", "created_at", "modified_at", "created_from"}
    assert json.loads(run("lookup", name, "--json").stdout) == told
    assert json.loads(run("reverse-lookup", told["uuid"], "--json").stdout) == told


def test_the_real_name_is_the_user_s_own_when_it_is_left_out(run):
    """Seeds 000 and 001: the name of the user of the operating system."""
    user = pwd.getpwnam(getpass.getuser())
    assert found(run, created(run))["name"] == (user.pw_gecos.split(",")[0] or user.pw_name)
    name = new_name()
    run("create", name, "")
    assert found(run, name)["name"] == ""


COURSE = [
    (["--create", "{a}", "Real Name", "--password", "{p}"], DONE), (["--lookup", "{a}"], DONE),
    (["--modify", "{a}", "{b}", "--password", "{p}"], DONE), (["--lookup", "{a}"], REFUSED), (["-l", "{b}"], DONE),
    (["-m", "{b}", "{a}", "-p", "{p}"], DONE), (["--get", "users"], DONE), (["-g", "uuids"], DONE), (["-g", "all"], DONE),
    (["--delete", "{a}", "--password", "{p}"], DONE), (["-l", "{a}"], REFUSED), (["-c", "{a}"], DONE),
]


def test_the_forms_of_the_course(home, shared):
    """design.md, section 5; seeds 000 to 002: --server and --numport before or behind."""
    names = {"a": new_name(), "b": new_name(), "p": new_secret()}
    servers = [["--server", "127.0.0.1", "--numport", shared.http_port], ["-s", "127.0.0.1", "-n", shared.http_port]]
    for n, (words, status) in enumerate(COURSE):
        words = [word.format(**names) for word in words]
        place = servers[n % 2]
        done = herald_run(home, *([*place, *words] if n % 3 else [*words, *place]))
        assert done.returncode == status, (words, done.stderr)
        assert names["p"] not in done.stdout + done.stderr
    uuid = json.loads(herald_run(home, "-l", names["a"], "--json", *servers[0]).stdout)["uuid"]
    assert herald_run(home, "--reverse-lookup", uuid, *servers[1]).returncode == DONE
    assert herald_run(home, "-r", uuid, *servers[0]).returncode == DONE


# --- modify, delete ---------------------------------------------------------------------------------------------


def test_an_identity_is_renamed_by_who_has_its_password(run):
    secret = new_secret()
    name, new = created(run, secret), new_name()
    before = found(run, name)
    done = run("modify", name, "--login", new, "--name", "Another Name", "--password", secret)
    assert done.returncode == DONE, done.stderr
    assert done.stdout == f"modified {new}: {before['uuid']}\n"
    assert found(run, name) is None
    after = found(run, new)
    assert (after["uuid"], after["name"], after["created_at"]) == (before["uuid"], "Another Name", before["created_at"])


def test_a_new_password_takes_the_place_of_the_old_one(run):
    old, new = new_secret(), new_secret()
    name = created(run, old)
    assert run("modify", name, "--new-password", new, "-p", old).returncode == DONE
    done = run("modify", name, "--name", "x", "-p", old)
    assert done.returncode == REFUSED and "password" in done.stderr
    assert run("delete", name, "-p", new).stdout == f"deleted {name}\n"
    assert found(run, name) is None


def test_it_is_the_password_of_the_stream_too(run, shared):
    """One roll: who is created here logs in there."""
    secret = new_secret()
    name = created(run, secret)
    assert run("login", name, "-s", secret, HERALD_SERVERS=shared.address).returncode == DONE
    run("modify", name, "--new-password", "x" + secret, "-p", secret)
    assert run("login", name, "-s", secret, HERALD_SERVERS=shared.address).returncode == REFUSED


def test_without_a_password_only_an_administrator_changes_it(run, token, home):
    name = created(run)
    assert run("delete", name, "-p", new_secret()).returncode == REFUSED
    assert found(run, name)
    assert run("modify", name, "--name", "x", HERALD_TOKEN=token).returncode == DONE
    path = home / "token"
    path.write_text(token + "\n")
    path.chmod(0o600)
    assert run("modify", name, "--name", "y", "--token-file", path).returncode == DONE
    saved = home / ".config/herald/token"
    saved.parent.mkdir(parents=True, exist_ok=True)
    path.rename(saved)
    assert run("delete", name).returncode == DONE
    name = created(run)
    saved.chmod(0o644)
    done = run("delete", name)
    assert done.returncode == USAGE and "chmod 600" in done.stderr


def test_lists_have_everybody_in_the_order_of_creation(run):
    names = [created(run) for _ in range(3)]
    users = run("list", "users").stdout.splitlines()
    assert [user for user in users if user in names] == names
    everything = [json.loads(line) for line in run("list", "all", "--json").stdout.splitlines()]
    assert [one["login"] for one in everything] == users
    assert run("list", "uuids").stdout.splitlines() == [one["uuid"] for one in everything]
    rows = run("list", "all").stdout.splitlines()
    assert re.fullmatch(rf"{everything[-1]['uuid']}  \S+Z  {names[-1]} {{2,}}\S.*", rows[-1]), rows[-1]


def test_a_list_longer_than_a_page_is_whole(run, home, tmp_path, token):
    names = [f"p{new_id()}-{n}" for n in range(1500)]
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"login": name}) + "\n" for name in names))
    assert run("import", path, HERALD_TOKEN=token).returncode == DONE
    assert set(names) <= set(run("list", "users").stdout.splitlines())


def test_names_are_shown_safely(run):
    """What others have written cannot play with a terminal."""
    name = new_name()
    assert run("create", name, "a\u202eb").returncode == DONE
    assert "\u202e" not in run("lookup", name).stdout and "\\u202e" in run("lookup", name).stdout
    assert "\u202e" not in run("list", "all").stdout


# --- passwords --------------------------------------------------------------------------------------------------


def test_a_password_may_stand_in_a_file_or_on_standard_input(run, tmp_path):
    secret = new_secret()
    path = tmp_path / "password"
    path.write_text(secret + "\n")
    path.chmod(0o600)
    name = new_name()
    assert run("create", name, "--password-file", path).returncode == DONE
    assert run("modify", name, "--name", "x", "--password", "-", input=secret + "\n").returncode == DONE
    both = f"{secret}\nnew-{secret}\n"
    assert run("modify", name, "-p", "-", "--new-password", "-", input=both).returncode == DONE
    path.write_text("new-" + secret)
    assert run("delete", name, "--password-file", path).returncode == DONE


@pytest.mark.parametrize("text, mode", [("hushed", 0o644), ("", 0o600), ("a\nb\n", 0o600), (None, 0o600)],
                         ids=["readable by others", "empty", "two lines", "absent"])
def test_a_password_file_that_is_wrong_is_refused(run, tmp_path, text, mode):
    path = tmp_path / "password"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    done = run("create", new_name(), "--password-file", path)
    assert done.returncode == USAGE and str(path) in done.stderr and "hushed" not in done.stderr


class Terminal:
    """herald on a terminal of its own: what it shows, and what is typed."""

    def __init__(self, home, *words, **more):
        self.seen = b""
        command, env = [str(herald()), *map(str, words)], command_environment(home, **more)
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execve(command[0], command, env)
        self.pid = pid

    def wait(self, text):
        deadline = Deadline()
        while text.encode() not in self.seen:
            assert select.select([self.fd], [], [], deadline.left())[0], self.seen
            self.seen += os.read(self.fd, 4096)

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """Its exit status."""
        while True:
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            if not data:
                break
            self.seen += data
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_password_is_asked_for_without_echo(home, shared, run):
    secret, name = new_secret(), new_name()
    terminal = Terminal(home, "create", name, "--password", HERALD_SERVERS=url(shared))
    terminal.wait("password: ")
    terminal.type(secret + "\n")
    terminal.wait("again: ")
    terminal.type(secret + "\n")
    assert terminal.end() == DONE and secret.encode() not in terminal.seen
    terminal = Terminal(home, "modify", name, "--new-password", HERALD_SERVERS=url(shared))
    terminal.wait(f"password of {name}: ")  # it is not given: asked for
    terminal.type(secret + "\n")
    terminal.wait("new password: ")
    terminal.type("new-" + secret + "\n")
    terminal.wait("again: ")
    terminal.type("new-" + secret + "\n")
    assert terminal.end() == DONE and secret.encode() not in terminal.seen
    assert run("delete", name, "-p", "new-" + secret).returncode == DONE


def test_two_answers_that_differ_are_no_password(home, shared, run):
    name = new_name()
    terminal = Terminal(home, "create", name, "--password", HERALD_SERVERS=url(shared))
    terminal.wait("password: ")
    terminal.type("one\n")
    terminal.wait("again: ")
    terminal.type("two\n")
    assert terminal.end() == USAGE and b"not the same" in terminal.seen
    assert found(run, name) is None


def test_no_password_is_in_the_list_of_processes_or_on_the_disk(start, home):
    server = start()
    secret, name = new_secret(), new_name()
    server.signal(signal.SIGSTOP)
    eventually(server.stopped, "it stands still")
    command = start.keep(Command(home, "create", name, "--password", secret, "--timeout", "60s", HERALD_SERVERS=url(server)))
    eventually(lambda: (home / ".local/state/herald/intents").exists(), "the intent is noted")
    words = Path(f"/proc/{command.process.pid}/cmdline").read_bytes()
    assert name.encode() in words and secret.encode() not in words
    server.signal(signal.SIGCONT)
    command.expect_exit(DONE)
    for path in home.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


# --- refusals ---------------------------------------------------------------------------------------------------


def test_every_refusal_says_what_to_do_next(run, shared):
    secret = new_secret()
    name, other = created(run, secret), created(run)
    refusals = [
        (["create", name], "taken", "herald lookup"),
        (["create", "no blanks"], "login", "white space"),
        (["create", "anonymous"], "login", "another"),
        (["lookup", new_name()], "no such identity", "herald list"),
        (["reverse-lookup", "7c9e6679-7425-40de-944b-e07fc1f90ae7"], "no such identity", "herald list"),
        (["modify", name, "--login", other, "-p", secret], "taken", "choose another"),
        (["modify", name, "--name", "x", "-p", new_secret()], "wrong", "administrator"),
        (["delete", other, "-p", new_secret()], "wrong", "administrator"),
        (["settings", "set", "k", "v"], "credentials", "herald admin token add"),
        (["settings", "get", "no-such-key"], "no such setting", "herald settings list"),
    ]
    for words, why, cure in refusals:
        done = run(*words)
        assert done.returncode == REFUSED and not done.stdout, (words, done)
        assert why in done.stderr and cure in done.stderr, (words, done.stderr)
        assert all(line.startswith("herald: ") for line in done.stderr.splitlines())
        assert secret not in done.stderr


def test_an_unknown_token_is_refused(run):
    done = run("delete", created(run), HERALD_TOKEN="herald_" + "a" * 52)
    assert done.returncode == REFUSED and "herald admin token add" in done.stderr


WRONG = [
    (["create"], "LOGIN"), (["lookup"], "LOGIN"), (["lookup", "a", "b"], "too much"), (["reverse-lookup", "alice"], "UUID"),
    (["list", "everything"], "users, uuids or all"), (["modify", "alice", "-p", "x"], "--new-password"),
    (["lookup", "alice", "--password", "x"], "--user"), (["lookup", "alice", "--server", "http://h/path"], "h/path"),
    (["lookup", "alice", "--ca", "/no/such"], "/no/such"), (["lookup", "alice", "-n", "0"], "--numport"),
    (["delete", "alice"], "--password-file"), (["create", "alice", "-p"], "--password-file"),
    (["settings"], "herald settings"), (["settings", "got", "x"], "settings get KEY"), (["settings", "set", "k"], "--file"),
    (["settings", "get", "k", "--expect", "1"], "--expect"), (["admin", "token"], "herald admin"),
    (["admin", "token", "make", "x"], "token add"), (["import", "file"], "--format"), (["import", "/no/such.csv"], "/no/such"),
    (["export", "file"], "--format"), (["delete", "a:b", "-p", "x"], "colon"),
]


@pytest.mark.parametrize("words, named", WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_wrong_words_end_with_status_2_and_name_what_to_do(run, words, named):
    done = run(*words)
    assert done.returncode == USAGE, done.stderr
    assert named in done.stderr and not done.stdout
    assert all(line.startswith("herald: ") for line in done.stderr.splitlines())


def test_output_that_cannot_be_written_is_told(run, home, shared):
    name = created(run)
    for words in (["lookup", name], ["list", "users"], ["export"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([herald(), *words], stdout=full, stderr=subprocess.PIPE, check=False,
                                  env=command_environment(home, HERALD_SERVERS=url(shared)))
        assert done.returncode == REFUSED and b"write" in done.stderr, (words, done.stderr)


# --- who may do what --------------------------------------------------------------------------------------------


def test_where_only_accounts_may_look_up_one_says_who_asks(start, home):
    server = start("--directory", "authenticated")

    def run(*words, **more):
        return herald_run(home, *words, HERALD_SERVERS=url(server), **more)
    secret, name = new_secret(), new_name()
    assert run("create", name, "-p", secret).returncode == DONE
    done = run("lookup", name)
    assert done.returncode == REFUSED and "--user LOGIN --password" in done.stderr
    for words in (["lookup", name], ["list", "users"], ["export"]):
        assert run(*words, "--user", name, "-p", secret).returncode == DONE
    assert run("modify", name, "--name", "x", "-p", secret).returncode == DONE


def test_where_only_administrators_create_a_token_is_needed(start, home):
    server = start(registration="admin")
    done = herald_run(home, "create", new_name(), HERALD_SERVERS=url(server))
    assert done.returncode == REFUSED and "herald admin token add" in done.stderr
    token = admin(server)
    assert herald_run(home, "create", new_name(), HERALD_SERVERS=url(server), HERALD_TOKEN=token).returncode == DONE


# --- admin tokens -----------------------------------------------------------------------------------------------


def test_an_admin_token_is_made_used_and_revoked(run, shared):
    data = ["--data", shared.directory]
    done = run("admin", "token", "add", "the backup", *data)
    assert done.returncode == DONE and "not shown again" in done.stderr
    token = done.stdout.strip()
    name = created(run)
    assert run("modify", name, "--name", "x", HERALD_TOKEN=token).returncode == DONE
    listed = [json.loads(line) for line in run("admin", "token", "list", "--json", *data).stdout.splitlines()]
    mine = [one for one in listed if one["label"] == "the backup"]
    assert len(mine) == 1 and token not in str(listed)
    assert f"{mine[0]['id']}  {mine[0]['created_at']}  the backup" in run("admin", "token", "list", *data).stdout
    assert run("admin", "token", "revoke", mine[0]["id"], *data).stdout == f"revoked {mine[0]['id']}\n"
    assert run("modify", name, "--name", "y", HERALD_TOKEN=token).returncode == REFUSED
    done = run("admin", "token", "revoke", mine[0]["id"], *data)
    assert done.returncode == REFUSED and "no such token" in done.stderr
    told = json.loads(run("admin", "token", "add", "b", "--json", *data).stdout)
    assert set(told) >= {"id", "label", "token"}


def test_without_a_server_there_is_no_control_socket(run, tmp_path):
    done = run("admin", "token", "list", "--data", tmp_path)
    assert done.returncode == UNREACHABLE and "--data" in done.stderr


# --- TLS --------------------------------------------------------------------------------------------------------


@pytest.fixture
def veiled(start):
    return start(tls="auto")


def key_of(server):
    return fingerprint(server.directory / "tls_certificate.pem")


def test_a_server_is_known_by_its_key_from_the_first_time_on(veiled, home):
    """Without an authority: the fingerprint that heraldd prints is the one that is remembered."""
    servers = f"https://127.0.0.1:{veiled.http_port}"
    secret = new_secret()
    name = new_name()
    done = herald_run(home, "create", name, "-p", secret, HERALD_SERVERS=servers)
    assert done.returncode == DONE and key_of(veiled) in done.stderr, done.stderr
    known = home / ".config/herald/known_servers"
    assert known.read_text() == f"127.0.0.1:{veiled.http_port} {key_of(veiled)}\n"
    assert stat.S_IMODE(known.stat().st_mode) == 0o600
    done = herald_run(home, "lookup", name, HERALD_SERVERS=servers)
    assert done.returncode == DONE and not done.stderr


def test_another_key_is_refused_before_anything_is_said(veiled, home, start):
    servers = f"https://127.0.0.1:{veiled.http_port}"
    assert herald_run(home, "create", new_name(), HERALD_SERVERS=servers).returncode == DONE
    known = home / ".config/herald/known_servers"
    known.write_text(known.read_text().replace(key_of(veiled), "SHA256:" + "A" * 43 + "="))
    name = new_name()
    done = herald_run(home, "create", name, HERALD_SERVERS=servers)
    assert done.returncode == REFUSED and "another one than before" in done.stderr and str(known) in done.stderr
    known.unlink()
    assert herald_run(home, "lookup", name, HERALD_SERVERS=servers).returncode == REFUSED  # it was not made


def test_an_authority_vouches_instead(veiled, home):
    servers = f"https://localhost:{veiled.http_port}"
    own = veiled.directory / "tls_certificate.pem"
    done = herald_run(home, "create", new_name(), "--ca", own, HERALD_SERVERS=servers)
    assert done.returncode == DONE and not done.stderr, done.stderr
    assert not (home / ".config/herald/known_servers").exists()
    done = herald_run(home, "create", new_name(), "--ca", "/etc/ssl/certs/ca-certificates.crt", HERALD_SERVERS=servers)
    assert done.returncode == REFUSED and "--ca" in done.stderr


def test_the_stream_knows_servers_by_the_same_keys(veiled, home):
    """--tls of register, login, post, follow and chat."""
    name, secret = new_name(), new_secret()

    def run(*words):
        return herald_run(home, *words, "-s", secret, HERALD_SERVERS=veiled.address)
    done = run("register", name, "--tls")
    assert done.returncode == DONE and key_of(veiled) in done.stderr, done.stderr
    known = home / ".config/herald/known_servers"
    assert known.read_text() == f"{veiled.address} {key_of(veiled)}\n"
    done = run("login", name, "--tls")
    assert done.returncode == DONE and not done.stderr
    assert run("login", name, "--ca", veiled.directory / "tls_certificate.pem").returncode == DONE
    known.write_text(known.read_text().replace(key_of(veiled), "SHA256:" + "A" * 43 + "="))
    done = run("login", name, "--tls")
    assert done.returncode == UNREACHABLE and str(known) in done.stderr, done.stderr
    assert run("login", name, "--ca", veiled.directory / "tls_certificate.pem").returncode == DONE
