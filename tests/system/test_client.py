"""The `herald` command without a terminal: every command, every exit status (design.md, section 5)."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import termios
import threading
from pathlib import Path

import pytest
from herald_harness import eventually, new_name, new_secret, reserve_port
from herald_harness.command import Command, command_environment, herald, herald_run
from herald_harness.connection import Client

COMMANDS = ["create", "lookup", "reverse-lookup", "modify", "delete", "list", "import", "export", "settings", "admin", "register",
            "login", "post", "follow", "chat", "logout"]
DONE, REFUSED, USAGE, UNREACHABLE, UNKNOWN = range(5)


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def run(home, shared):
    """Runs herald against the shared server."""
    return lambda *words, **more: herald_run(home, *words, **{"HERALD_SERVERS": shared.address, **more})


@pytest.fixture
def begin(home, shared, start):
    """Starts a herald against the shared server, or `at` another address."""
    def make(*words, at=None, **more):
        return start.keep(Command(home, *words, HERALD_SERVERS=at or shared.address, **more))
    return make


def heard(client, count):
    """The activities of the next `count` broadcasts."""
    return [client.hear() for _ in range(count)]


def texts(lines):
    """What stands behind the time and the name."""
    return [re.fullmatch(r"\d\d:\d\d:\d\d \S+: (.*)", line)[1] for line in lines]


# --- asking -----------------------------------------------------------------------------------------------------


def test_help_lists_every_command(run):
    done = run("--help")
    assert done.returncode == DONE and not done.stderr
    for command in COMMANDS:
        assert re.search(rf"(?m)^  {command} ", done.stdout), command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run, command):
    done = run(command, "--help")
    assert done.returncode == DONE and not done.stderr
    assert done.stdout.startswith(f"herald {command}: ")
    assert max(map(len, done.stdout.splitlines())) <= 110


def test_version(run):
    assert re.fullmatch(r"herald \d+\.\d+\.\d+\n", run("--version").stdout)


def test_help_that_cannot_be_written_is_refused(run, home):
    with open("/dev/full", "w") as full:
        done = subprocess.run([herald(), "--help"], stdout=full, stderr=subprocess.PIPE, env=command_environment(home),
                              check=False)
    assert done.returncode == REFUSED and b"standard output" in done.stderr


WRONG = [
    (["folow"], "did you mean follow?"), (["follow", "--jsno"], "did you mean --json?"), (["follow", "me"], "too much"),
    (["follow", "--count", "none"], "--count"), (["post"], "herald post --help"), (["post", "a", "--file", "b"], "post"),
    (["post", "--raw", "text"], "--raw"), (["login", "--timeout", "soon"], "--timeout"), (["-rp", "0"], "-rp"),
    (["follow", "--server", "a:b:c:1"], "a:b:c:1"), (["follow", "--server", "h:99999"], "h:99999"),
    (["register"], "herald register alice"), (["register", "anonymous"], "herald register alice"), (["logout"], "herald logout"),
    (["login", "nobody"], "herald register nobody"), (["login", "alice", "--secret-file", "/no/such"], "/no/such"),
    (["login", "alice", "-s"], "--secret-file"), (["login", "alice", "--secret="], "--secret"), (["-x"], "-x"),
    (["post", "-u", "anonymous", "-s", "x", "text"], "-u"),
]


@pytest.mark.parametrize("words, named", WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_wrong_words_end_with_status_2_and_name_what_to_do(run, words, named):
    done = run(*words)
    assert done.returncode == USAGE, done.stderr
    assert named in done.stderr and not done.stdout
    assert all(line.startswith("herald: ") for line in done.stderr.splitlines())


# --- register, login, logout ------------------------------------------------------------------------------------


def test_register_prints_a_secret_once_and_it_is_good(run):
    name = new_name()
    done = run("register", name)
    assert done.returncode == DONE and not done.stderr
    secret = re.search(r"(?m)^secret: ([a-z2-7]{26})$", done.stdout)[1]
    assert run("login", name, "-s", secret).returncode == DONE


def test_register_with_a_secret_does_not_print_it(run):
    name, secret = new_name(), new_secret()
    done = run("register", name, "-s", secret)
    assert done.returncode == DONE and secret not in done.stdout + done.stderr
    assert run("login", "-u", name, "-s", secret).returncode == DONE


def test_register_for_a_program(run):
    name = new_name()
    told = json.loads(run("register", name, "--json").stdout)
    assert told["user"] == name and re.fullmatch("[a-z2-7]{26}", told["secret"]) and ":" in told["server"]


def test_a_taken_name_is_refused_with_advice(run, shared):
    name, _ = shared.register()
    done = run("register", name.upper())
    assert done.returncode == REFUSED and not done.stdout
    assert "already registered" in done.stderr and "herald login" in done.stderr


def test_a_wrong_secret_is_refused_with_advice(run, shared):
    name, _ = shared.register()
    done = run("login", name, "-s", new_secret())
    assert done.returncode == REFUSED and not done.stdout
    assert "wrong secret" in done.stderr and "herald register" in done.stderr


def test_login_says_where_and_as_whom(run, shared):
    name, secret = shared.register()
    assert run("login", name, "-s", secret).stdout == f"logged in as {name} at {shared.address}\n"
    assert run("login").stdout == f"logged in as anonymous at {shared.address}\n"
    told = json.loads(run("login", name, "-s", secret, "--json").stdout)
    assert told == {"user": name, "server": shared.address}


def test_a_secret_in_a_file(run, shared, tmp_path):
    name, secret = shared.register()
    path = tmp_path / "secret"
    path.write_text(secret + "\n")
    path.chmod(0o600)
    assert run("login", name, "--secret-file", path).returncode == DONE
    path.chmod(0o644)
    done = run("login", name, "--secret-file", path)
    assert done.returncode == USAGE and "chmod 600" in done.stderr and secret not in done.stderr


def test_a_saved_secret_is_found_by_later_commands(run, home):
    name = new_name()
    assert run("register", name, "--save").returncode == DONE
    path = home / ".config/herald/secrets"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert run("login", name).returncode == DONE
    assert run("post", "-u", name, "hello").returncode == DONE
    path.chmod(0o640)
    assert "chmod 600" in run("login", name).stderr
    path.chmod(0o600)
    assert run("logout", name).returncode == DONE
    assert name not in path.read_text()
    assert run("login", name).returncode == USAGE
    assert run("logout", name).returncode == REFUSED


def test_a_given_secret_is_saved_once_it_was_right(run, shared, home):
    name, secret = shared.register()
    assert run("login", name, "-s", new_secret(), "--save").returncode == REFUSED
    assert not (home / ".config/herald/secrets").exists()
    assert run("login", name, "-s", secret, "--save").returncode == DONE
    assert run("login", name).returncode == DONE


def test_secrets_are_kept_where_the_user_says(run, tmp_path):
    place = tmp_path / "elsewhere"
    assert run("register", new_name(), "--save", XDG_CONFIG_HOME=str(place)).returncode == DONE
    assert (place / "herald/secrets").exists()


def test_the_secret_is_not_seen_in_the_list_of_processes(begin, shared):
    name, secret = shared.register()
    follower = begin("follow", "-u", name, "-s", secret).ready()
    words = Path(f"/proc/{follower.process.pid}/cmdline").read_bytes()
    assert name.encode() in words and secret.encode() not in words


# --- post -------------------------------------------------------------------------------------------------------


def test_a_text_is_posted_as_a_note(run, shared):
    name, secret = shared.register()
    listener = shared.anonymous()
    assert run("post", "-u", name, "-s", secret, "hello", "<b>wörld</b>").returncode == DONE
    activity = heard(listener, 1)[0]
    assert activity["@context"] == "https://www.w3.org/ns/activitystreams"
    assert activity["type"] == "Create" and activity["actor"] == {"type": "Person", "name": name}
    assert activity["object"] == {"type": "Note", "mediaType": "text/plain", "content": "hello <b>wörld</b>"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", activity["published"])
    assert activity["authenticated_user"] == name


def test_a_file_holds_one_activity(run, shared, tmp_path):
    listener = shared.anonymous()
    path = tmp_path / "activity.json"
    path.write_text('{\n  "type": "Arrive",\n  "level": 1.10\n}\n')
    assert run("post", "--file", path).returncode == DONE
    assert heard(listener, 1)[0]["type"] == "Arrive"
    path.write_text("[1]")
    done = run("post", "--file", path)
    assert done.returncode == REFUSED and "one activity" in done.stderr
    assert run("post", "--file", tmp_path / "none").returncode == REFUSED


def test_lines_are_activities_or_notes(run, shared):
    listener = shared.anonymous()
    done = run("post", "-", input='{"type":"Leave"}\r\n\n  \nplain {text}\n{not json\nthe end')
    assert done.returncode == DONE, done.stderr
    first, *notes = heard(listener, 4)
    assert first["type"] == "Leave"
    assert [note["object"]["content"] for note in notes] == ["plain {text}", "{not json", "the end"]


def test_raw_lines_end_at_the_first_that_is_no_json(run, shared):
    listener = shared.anonymous()
    done = run("post", "--raw", "-", input='{"n":1}\n{"n":2}\nthree\n{"n":4}\n')
    assert done.returncode == REFUSED and "line 3: " in done.stderr
    assert [activity["n"] for activity in heard(listener, 2)] == [1, 2]
    assert run("post", "last").returncode == DONE
    assert listener.hear()["type"] == "Create"  # and not the fourth


def test_a_line_that_is_too_long_is_named(run):
    done = run("post", "-", input="short\n" + "x" * (5 << 20) + "\n")
    assert done.returncode == REFUSED and "line 2: " in done.stderr


def test_a_line_that_the_server_refuses(start, home):
    """More than its max_message, but less than libherald's."""
    server = start(max_message="10KiB")
    done = herald_run(home, "post", "-", input="a\n" + "x" * 20000 + "\n", HERALD_SERVERS=server.address)
    assert done.returncode in (REFUSED, UNKNOWN) and done.stderr, done


def test_ten_thousand_lines_arrive_in_order(run, begin):
    follower = begin("follow", "--json").ready()
    lines = [json.dumps({"n": n, "text": "ünï " * 10}) for n in range(10000)]
    done = run("post", "-", input="\n".join(lines))
    assert done.returncode == DONE, done.stderr
    follower.wait_out(count=len(lines))
    assert [json.loads(line)["n"] for line in follower.out] == list(range(10000))


def test_a_pipe_that_stays_open_posts_as_it_comes(begin, shared):
    listener = shared.anonymous()
    post = begin("post", "-")
    for n in range(3):
        post.type(f"line {n}\n")
        assert heard(listener, 1)[0]["object"]["content"] == f"line {n}"
    post.end_input()
    post.expect_exit(DONE)


def test_an_interrupted_post_says_how_far_it_came(begin, shared):
    listener = shared.anonymous()
    post = begin("post", "-")
    post.type("one\n")
    heard(listener, 1)
    post.signal(signal.SIGINT)
    post.expect_exit(REFUSED)
    assert any("1 lines are posted" in line for line in post.err)


# --- follow -----------------------------------------------------------------------------------------------------


def test_follow_prints_a_line_for_each_activity(run, begin, shared):
    follower = begin("follow").ready()
    name, secret = shared.register()
    run("post", "-u", name, "-s", secret, "hello")
    line = follower.wait_out()
    assert re.fullmatch(rf"\d\d:\d\d:\d\d {name}: hello", line), line


def test_follow_is_safe_to_look_at(begin, shared):
    follower = begin("follow").ready()
    client = shared.anonymous()
    client.publish({"type": "Note", "content": "a\x1b[2J\x9b31m\u202eb\nc\x00\x07"})
    assert texts([follower.wait_out()]) == ["a\\u001b[2J\\u009b31m\\u202eb c\\u0000\\u0007"]


def test_follow_for_a_program_gives_the_activities_as_they_came(begin, shared):
    follower = begin("follow", "--json").ready()
    client = shared.anonymous()
    client.publish(b'{"b":1.10,"a":123456789012345678901234567890,"b":null,"t":"\\u001b"}')
    line = follower.wait_out()
    assert line.startswith('{"b":1.10,"a":123456789012345678901234567890,"b":null,"t":"\\u001')
    assert line.endswith(',"authenticated_user":"anonymous"}')


def test_follow_ends_after_so_many(begin, shared):
    follower = begin("follow", "-n", "2", "--json").ready()
    client = shared.anonymous()
    client.publish({"n": 1}, {"n": 2}, {"n": 3})
    follower.expect_exit(DONE)
    assert [json.loads(line)["n"] for line in follower.out] == [1, 2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_follow_ends_quietly_by_a_signal(begin, number):
    follower = begin("follow").ready()
    follower.signal(number)
    follower.expect_exit(DONE)
    assert len(follower.err) == 1 and not follower.out


def test_follow_ends_quietly_with_its_reader(home, shared):
    """`herald follow | head -n 1`: also when nothing more comes that could fail to be written."""
    client = shared.anonymous()
    pipe = subprocess.Popen(f"{herald()} follow | head -n 1; echo status ${{PIPESTATUS[0]}}", shell=True,
                            executable="/bin/bash", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=command_environment(home, HERALD_SERVERS=shared.address))
    assert "logged in" in pipe.stderr.readline()
    client.publish({"type": "Note", "content": "hello"})
    out, err = pipe.communicate(timeout=10)
    first, status = out.splitlines()
    assert texts([first]) == ["hello"] and status == "status 0" and not err


def test_follow_that_is_not_read_loses_nothing_that_waits(begin, shared, tmp_path):
    """A slow reader holds up neither Ctrl-C nor what it will read later."""
    reader, writer = os.pipe()
    follower = begin("follow", "--json", stdout=writer).ready()
    os.close(writer)
    client = shared.anonymous()
    client.publish(*({"n": n, "x": "y" * 1000} for n in range(400)))
    heard(client, 400)
    with os.fdopen(reader, "rb") as stream:
        assert [json.loads(stream.readline())["n"] for _ in range(400)] == list(range(400))
        client.publish(*({"n": n, "x": "y" * 1000} for n in range(400)))
        heard(client, 400)
        follower.signal(signal.SIGINT)
        follower.expect_exit(DONE)


def test_follow_goes_on_after_its_server_was_killed(start, begin):
    server = start(listen=f"127.0.0.1:{reserve_port()}")
    follower = begin("follow", at=server.address).ready()
    server.kill()
    follower.wait_err("trying again")
    server = start.restart(server, listen=server.address)
    follower.ready(2)
    client = server.anonymous()
    client.publish({"type": "Note", "content": "back"})
    assert texts([follower.wait_out()]) == ["back"]


def test_a_redirect_is_followed(start, home, begin):
    """Two servers in a tree, the first with clients: the next one is sent to the second."""
    first = start()
    quiet = [first.client().login() for _ in range(6)]
    second = start(parent=first)
    first.wait_links(1)
    address = eventually(lambda: sent_to(first), "the first server sends clients to the second")
    assert address == second.address
    follower = begin("follow", at=first.address)
    follower.wait_err(re.escape(second.address))
    done = herald_run(home, "post", "hello", HERALD_SERVERS=first.address)
    assert done.returncode == DONE, done.stderr
    assert texts([follower.wait_out()]) == ["hello"]
    assert len(quiet) == 6


def sent_to(server):
    client = Client(server.connect()).login()
    client.send({"command": "LOGOUT"})
    message = client.receive()
    client.close()
    return message and message["command"] == "REDIRECT" and f"{message['hostname']}:{message['port']}"


# --- servers that are not there ---------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["login"], ["register", "alice"], ["post", "x"], ["follow"], ["post", "-"], []],
                         ids=" ".join)
def test_no_server_ends_with_status_3(home, words):
    server = f"127.0.0.1:{reserve_port()}"
    done = herald_run(home, *words, "--server", server, input="line\n")
    assert done.returncode == UNREACHABLE and not done.stdout
    assert server in done.stderr and "--server" in done.stderr


def test_the_port_of_the_api_is_told_from_that_of_the_stream(home, shared):
    done = herald_run(home, "login", "--server", f"127.0.0.1:{shared.http_port}")
    assert done.returncode == UNREACHABLE and "speaks HTTP" in done.stderr, done.stderr


def test_a_server_that_comes_in_time_is_found(start, begin):
    address = f"127.0.0.1:{reserve_port()}"
    login = begin("login", "--timeout", "20s", at=address)
    start(listen=address)
    login.expect_exit(DONE)


def test_patience_ends(home):
    done = herald_run(home, "login", "--timeout", "300ms", "--server", f"127.0.0.1:{reserve_port()}")
    assert done.returncode == UNREACHABLE


def test_the_first_of_several_that_answers_is_taken(home, shared):
    servers = f"127.0.0.1:{reserve_port()},{shared.address}"
    assert herald_run(home, "login", HERALD_SERVERS=servers).stdout.endswith(f"at {shared.address}\n")


def freeze(server):
    """SIGSTOP; when this returns no thread of it runs any more."""
    server.signal(signal.SIGSTOP)
    tasks = Path(f"/proc/{server.process.pid}/task")
    eventually(lambda: all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T" for task in tasks.iterdir()),
               "every thread of the server is stopped")


def test_a_post_whose_server_is_killed_does_not_say_done(start, begin):
    """Its last word is missing: 4 if the second line was sent, for it may have been taken; 3 if it was not yet."""
    server = start()
    listener = server.anonymous()
    post = begin("post", "-", "--timeout", "500ms", at=server.address)
    post.type("one\n")
    heard(listener, 1)
    freeze(server)
    post.type("two\n")
    post.end_input()
    server.kill()
    status = post.wait_exit()
    told = {UNKNOWN: "may or may not", UNREACHABLE: "the last of them are not posted"}
    assert any(told[status] in line for line in post.err), (status, post.err)


def test_a_pipe_outlives_its_server_and_says_what_is_in_doubt(start, begin):
    """Killed in the middle of many lines, and started again: the rest is posted there, nothing twice. 0 if all
    that was sent to the dead one was heard back, else 4."""
    server = start(listen=f"127.0.0.1:{reserve_port()}")
    listener = server.anonymous()
    lines = [f'{{"n":{n},"x":"{"y" * 500}"}}\n' for n in range(20000)]
    post = begin("post", "-", at=server.address)
    feeding = threading.Thread(target=feed, args=(post, lines))
    feeding.start()
    first = [activity["n"] for activity in heard(listener, 100)]
    server.kill()
    while (message := listener.receive()) is not None:
        first.append(message["activity"]["n"])
    server = start.restart(server, listen=server.address)
    later = server.anonymous()
    status = post.wait_exit()
    feeding.join()
    later.publish({"n": len(lines)})
    numbers = first
    while numbers[-1] < len(lines):
        numbers.append(later.hear()["n"])
    assert numbers == sorted(set(numbers)), "out of order or twice"
    assert status in (DONE, UNKNOWN), post.err
    assert any("may or may not" in line for line in post.err) == (status == UNKNOWN)


def feed(command, lines):
    command.type("".join(lines))
    command.end_input()


def test_a_server_that_hangs_does_not_make_a_post_done(start, begin):
    server = start()
    post = begin("post", "-", at=server.address)
    listener = server.anonymous()
    post.type("one\n")
    heard(listener, 1)
    freeze(server)
    post.end_input()
    post.signal(signal.SIGINT)
    post.signal(signal.SIGINT)
    status = post.wait_exit()
    server.signal(signal.SIGCONT)
    assert status == UNKNOWN, post.err


# --- the course's form ------------------------------------------------------------------------------------------


def test_without_a_command_lines_are_posted_and_activities_printed(begin, shared):
    client = shared.anonymous()
    course = begin("-rh", "127.0.0.1", "-rp", shared.port).ready()
    course.type("hello\n")
    assert texts([course.wait_out()]) == ["hello"]
    assert heard(client, 1)[0]["object"]["content"] == "hello"
    client.publish({"type": "Note", "content": "hi"})
    assert texts([course.wait_out(count=2)]) == ["hi"]
    course.end_input()
    course.expect_exit(DONE)


def test_user_and_secret_log_in(begin, shared):
    name, secret = shared.register()
    course = begin("-u", name, "-s", secret).ready()
    course.type('{"type":"Leave"}\n')
    assert re.search(rf" {name}: \[Leave\]$", course.wait_out())
    course.end_input()
    course.expect_exit(DONE)


def test_a_user_alone_is_registered_and_told_the_secret_once(begin, run):
    name = new_name()
    course = begin("-u", name, "--save").ready()
    secret = re.search("secret is ([a-z2-7]{26})", course.wait_err("registered"))[1]
    course.end_input()
    course.expect_exit(DONE)
    assert run("login", name, "-s", secret).returncode == DONE
    again = begin("-u", name).ready()  # it was saved
    again.end_input()
    again.expect_exit(DONE)
    assert not any(secret in line for line in again.err)


def test_a_user_alone_whose_name_is_taken_is_refused(run, shared):
    name, _ = shared.register()
    done = run("-u", name, input="")
    assert done.returncode == REFUSED and "herald login" in done.stderr


# --- asking for a secret at the terminal ------------------------------------------------------------------------


def at_a_terminal(home, words, answers, **changes):
    """Runs herald with a terminal of its own; answers its questions. (status, what was seen)"""
    terminal, theirs = pty.openpty()
    process = subprocess.Popen([herald(), *map(str, words)], stdin=theirs, stdout=theirs, stderr=theirs,
                               env=command_environment(home, **changes), start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(theirs)
    seen, answers = "", list(answers)
    while select.select([terminal], [], [], 10)[0]:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        seen += data.decode()
        if answers and seen.endswith(answers[0][0]):
            os.write(terminal, answers.pop(0)[1].encode())
    os.close(terminal)
    return process.wait(10), seen


def test_a_secret_is_asked_for_without_echo(home, shared):
    name, secret = shared.register()
    ask = f"secret of {name}: "
    status, seen = at_a_terminal(home, ["login", name, "-s"], [(ask, f"x\x15{secret}ü\x7f\r")], HERALD_SERVERS=shared.address)
    assert status == DONE and secret not in seen and f"logged in as {name}" in seen


def test_a_new_secret_is_asked_for_twice(home, shared):
    name, secret = new_name(), new_secret()
    ask = f"secret of {name}: "
    status, seen = at_a_terminal(home, ["register", name, "-s"], [(ask, secret + "\r"), ("again: ", "another\r")],
                                 HERALD_SERVERS=shared.address)
    assert status == USAGE and "not the same" in seen
    status, seen = at_a_terminal(home, ["register", name, "-s"], [(ask, secret + "\r"), ("again: ", secret + "\r")],
                                 HERALD_SERVERS=shared.address)
    assert status == DONE and secret not in seen


@pytest.mark.parametrize("key", ["\x03", "\x04", "\r"], ids=["Ctrl-C", "Ctrl-D", "Enter"])
def test_who_gives_no_secret_gives_up(home, shared, key):
    status, seen = at_a_terminal(home, ["login", "alice", "-s"], [("secret of alice: ", key)], HERALD_SERVERS=shared.address)
    assert status == USAGE and "no secret" in seen
