"""The commands of `herald` for identities when servers fail, hang or come back with other data."""

import json
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading

import pytest
from herald_harness import Http, admin, eventually, new_name, new_secret, reserve_port
from herald_harness.command import Command, command_environment, herald, herald_run

DONE, REFUSED, USAGE, UNREACHABLE, UNKNOWN = range(5)


def url(server):
    return f"http://127.0.0.1:{server.http_port}"


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def at(home):
    """Runs herald against these servers, in this order."""
    def run(servers, *words, **more):
        urls = ",".join(one if isinstance(one, str) else url(one) for one in servers)
        return herald_run(home, *words, HERALD_SERVERS=urls, **more)
    return run


def nobody():
    """A server that is not there."""
    return f"http://127.0.0.1:{reserve_port()}"


def users(at, server):
    return at([server], "list", "users").stdout.splitlines()


def counted(server, status):
    """How many requests the server has answered with this status."""
    with Http(server) as http:
        text = http.get("/metrics").body.decode()
    return sum(map(int, re.findall(rf'herald_http_requests_total{{[^}}]*status="{status}"}} (\d+)', text)))


def replaced(start, server):
    """An empty one at the same address: the clock that was seen there does not come any more."""
    where = server.http_port
    server.stop()
    return start(http=f"127.0.0.1:{where}")


def halted(server):
    server.signal(signal.SIGSTOP)
    eventually(server.stopped, "it stands still")


# --- which server -----------------------------------------------------------------------------------------------


def test_no_server_ends_with_status_3_and_tells_of_each(at):
    servers = [nobody(), nobody()]
    done = at(servers, "lookup", "alice")
    assert done.returncode == UNREACHABLE and not done.stdout
    assert all(one in done.stderr for one in servers) and "heraldd" in done.stderr


def test_with_patience_no_server_ends_with_status_3_and_tells_of_each_too(at):
    """What the last round has met, and not only that time is over."""
    servers = [nobody(), nobody()]
    done = at(servers, "lookup", "alice", "--timeout", "1s")
    assert done.returncode == UNREACHABLE and not done.stdout
    assert all(one in done.stderr for one in servers), done.stderr


def test_what_is_no_http_server_is_told(at, start):
    done = at([f"http://{start().address}"], "create", "alice")
    assert done.returncode == UNREACHABLE and "does not speak HTTP" in done.stderr


def test_the_next_server_is_asked_after_a_failure(at, start):
    server = start()
    name = new_name()
    assert at([nobody(), server], "create", name).returncode == DONE
    assert at([nobody(), nobody(), server], "lookup", name).returncode == DONE
    assert users(at, server) == [name]


def test_a_server_that_hangs_is_left_for_the_next(at, start, home):
    """It has connected and does not answer: 6 s, and then it is asked last."""
    stuck, server = start(), start()
    name = new_name()
    at([server], "create", name)
    halted(stuck)
    urls = [url(stuck), url(server)]
    assert at(urls, "lookup", name, "--timeout", "20s").returncode == DONE
    halted_once = (home / ".local/state/herald/servers").read_text()
    assert re.search(rf"{urls[0]} \d+ \d+ [1-9]\d+ ", halted_once)  # when it failed
    done = at(urls, "lookup", name, "--timeout", "3s")  # no time to ask the other one first
    assert done.returncode == DONE, done.stderr
    stuck.signal(signal.SIGCONT)


def test_servers_are_asked_in_the_order_of_their_latency(at, start, home):
    """Two rolls in one list, so that it is seen who has answered; at the same clock, so that either may."""
    first, second = start(), start()
    a, b = new_name(), new_name()
    at([first], "create", a)
    at([second], "create", b)
    memory = home / ".local/state/herald/servers"
    memory.unlink()
    both = [first, second]

    def asked():
        return "first" if at(both, "lookup", a).returncode == DONE else "second"
    assert asked() == "first"  # as given
    assert asked() == "second"  # it was not measured yet
    for near, far, name in ((first, second, "first"), (second, first, "second")):
        now = re.search(r" (\d+) 1\.1$", memory.read_text(), re.M)[1]
        memory.write_text(f"{url(near)} 100 {now} 0 {now} 1.1\n{url(far)} 90000 {now} 0 {now} 1.1\n")
        assert [asked() for _ in range(3)] == [name] * 3


def test_memory_is_private_and_survives_garbage(at, start, home):
    server = start()
    name = new_name()
    assert at([server], "create", name).returncode == DONE
    memory = home / ".local/state/herald/servers"
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600 and stat.S_IMODE(memory.parent.stat().st_mode) == 0o700
    for garbage in (b"\0\xff\n" * 1000, b"x" * (2 << 20), url(server).encode() + b" 1 2 3 4 five\n", b""):
        memory.write_bytes(garbage)
        assert at([server], "lookup", name).returncode == DONE
        assert memory.read_text().startswith(url(server))
    memory.unlink()
    memory.mkdir()
    assert at([server], "lookup", name).returncode == DONE


def test_without_a_home_it_works_all_the_same(at, start):
    server = start()
    name = new_name()
    more = {"HOME": "/dev/null", "XDG_STATE_HOME": "/dev/null/x", "XDG_CONFIG_HOME": "/dev/null/y"}
    assert at([server], "create", name, **more).returncode == DONE
    assert at([server], "lookup", name, **more).returncode == DONE


def test_many_at_a_time_do_not_spoil_the_memory(at, start, home):
    server = start()
    names = [new_name() for _ in range(24)]
    env = command_environment(home, HERALD_SERVERS=url(server))
    running = [subprocess.Popen([herald(), "create", name], env=env, stdout=subprocess.DEVNULL) for name in names]
    assert [one.wait(30) for one in running] == [DONE] * len(names)
    memory = (home / ".local/state/herald/servers").read_text()
    assert re.fullmatch(rf"{url(server)} \d+ \d+ 0 \d+ 1\.{len(names)}\n", memory), memory
    assert (home / ".local/state/herald/intents").read_text() == ""
    assert sorted(users(at, server)) == sorted(names)


# --- reading what was written -----------------------------------------------------------------------------------


def test_a_server_that_lags_is_not_believed(at, start, home, tmp_path):
    """Here: its data was replaced by an older copy. The clock that was seen is asked for, and is not there."""
    server = start()
    name, later = new_name(), new_name()
    at([server], "create", name)
    server.stop()
    shutil.copytree(server.directory, tmp_path / "copy")
    server = start.restart(server)
    at([server], "create", later)
    where = server.http_port
    server.stop()
    old = start(data=tmp_path / "copy", http=f"127.0.0.1:{where}")
    done = at([old], "lookup", name)
    assert done.returncode == REFUSED and "1.2" in done.stderr and "--forget" in done.stderr, done.stderr
    assert at([old], "lookup", name, "--forget").returncode == DONE
    assert at([old], "lookup", name).returncode == DONE  # and from then on


def test_what_was_written_at_one_server_is_asked_for_at_the_next(at, start):
    """The clock is remembered for the list: the other one, which does not have it, may not answer for the first."""
    first, second = start(), start()
    name = new_name()
    at([first], "create", name)
    where = url(first)
    first.stop()
    done = at([where, second], "lookup", name)
    assert done.returncode == REFUSED and "has not reached" in done.stderr, done.stderr


def test_with_patience_too_it_is_told_of_a_clock_that_does_not_come(at, start):
    """And not that nobody has answered: what would be cut short by the end of the time is not asked."""
    server = start()
    at([server], "create", new_name())
    server = replaced(start, server)
    done = at([server], "create", new_name(), "--timeout", "9s")
    assert done.returncode == REFUSED and "has not reached" in done.stderr and "--forget" in done.stderr, done.stderr


def test_who_has_no_time_to_wait_for_the_clock_is_told_of_it(at, start):
    """Servers say after 5 s that they do not have it."""
    server = start()
    name = new_name()
    at([server], "create", new_name())
    server = replaced(start, server)
    done = at([server], "create", name, "--timeout", "2s")
    unknown(done)
    assert "1.1" in done.stderr and "--forget" in done.stderr
    done = at([server], "lookup", name, "--timeout", "2s")
    assert done.returncode == UNREACHABLE and "--forget" in done.stderr, done.stderr
    assert at([server], "create", name, "--forget").returncode == DONE
    assert users(at, server) == [name]


def test_a_server_that_lags_is_asked_last(at, start):
    """It holds up one request: not the next page of a list, and not the next command."""
    behind, server = start(), start()
    token = admin(server)
    with Http(server) as http:
        http.send("".join(f"PUT /v1/settings/key{n:04} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                          f"Authorization: Bearer {token}\r\n\r\nv" for n in range(1001)))
        assert {http.answer("PUT").status for _ in range(1001)} == {200}
    assert at([server], "settings", "get", "key0000").returncode == DONE  # and the clock is seen
    done = at([behind, server], "settings", "list")
    assert len(done.stdout.splitlines()) == 1001, done.stderr
    assert counted(behind, 503) == 1
    assert at([behind, server], "settings", "get", "key1000").returncode == DONE
    assert counted(behind, 503) == 1


# --- outcome unknown --------------------------------------------------------------------------------------------


def unknown(done):
    assert done.returncode == UNKNOWN, done.stderr
    assert "outcome unknown" in done.stderr and "the same command again is safe" in done.stderr


def test_a_create_without_an_answer_is_made_once(at, start, home):
    server = start()
    server.http_port  # noqa: B018: waits for it
    name, secret = new_name(), new_secret()
    halted(server)
    done = at([server], "create", name, "-p", secret, "--timeout", "500ms")
    unknown(done)
    assert "--forget" not in done.stderr  # no clock was seen before
    server.signal(signal.SIGCONT)
    eventually(lambda: users(at, server) == [name], "it was made after all")
    done = at([server], "create", name, "-p", secret)
    assert done.returncode == DONE and done.stdout.startswith(f"created {name}: "), done.stderr
    assert users(at, server) == [name]
    assert (home / ".local/state/herald/intents").read_text() == ""
    assert at([server], "create", name, "-p", secret).returncode == REFUSED  # that was a new wish


def test_with_another_password_it_is_another_wish(at, start):
    """Or it would say done, and the password would be the first one."""
    server = start()
    server.http_port  # noqa: B018
    name = new_name()
    halted(server)
    unknown(at([server], "create", name, "-p", "first-" + name, "--timeout", "500ms"))
    server.signal(signal.SIGCONT)
    eventually(lambda: users(at, server) == [name], "it was made after all")
    done = at([server], "create", name, "-p", "second-" + name)
    assert done.returncode == REFUSED and "earlier command may have done it" in done.stderr
    assert at([server], "delete", name, "-p", "first-" + name).returncode == DONE


def test_a_rename_without_an_answer_is_made_once(at, start):
    """The login is another one by the second time: the identity is the one that was noted."""
    server = start()
    name, new, secret = new_name(), new_name(), new_secret()
    at([server], "create", name, "-p", secret)
    before = json.loads(at([server], "lookup", name, "--json").stdout)
    words = ["modify", name, "--login", new, "-p", secret]
    cut_answers(at, server, words)
    done = at([server], *words)
    assert done.returncode == DONE and done.stdout == f"modified {new}: {before['uuid']}\n", done.stderr
    assert users(at, server) == [new]


def test_a_delete_without_an_answer_is_made_once(at, start):
    server = start()
    name, secret = new_name(), new_secret()
    at([server], "create", name, "-p", secret)
    words = ["delete", name, "-p", secret]
    cut_answers(at, server, words)
    assert at([server], *words).returncode == DONE
    assert users(at, server) == []


def test_what_is_unknown_of_one_roll_is_not_mistaken_for_another(at, start):
    """The identity that was noted is none of its identities: the login is looked up there."""
    first, second = start(), start()
    name, secret = new_name(), new_secret()
    for server in (first, second):
        at([server], "create", name, "-p", secret)
    words = ["modify", name, "--name", "Zed", "-p", secret]
    cut_answers(at, first, words)
    done = at([second], *words)
    assert done.returncode == DONE, done.stderr
    assert json.loads(at([second], "lookup", name, "--json").stdout)["name"] == "Zed"
    cut_answers(at, first, ["delete", name], HERALD_TOKEN=admin(first))  # an admin is not forbidden it, but told: absent
    done = at([second], "delete", name, HERALD_TOKEN=admin(second))
    assert done.returncode == DONE, done.stderr
    assert users(at, first) == users(at, second) == []
    done = at([second], "delete", name, HERALD_TOKEN=admin(second))
    assert done.returncode == REFUSED and "no such identity" in done.stderr


def cut_answers(at, server, words, **more):
    """The command, through a line that breaks when the server has answered the change: the answer does not arrive."""
    listening = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def pass_on():
        while not done.is_set():
            try:
                near, _ = listening.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", server.http_port))
            while request := near.recv(65536):
                far.sendall(request)
                answer = far.recv(65536)
                if not request.startswith(b"GET"):
                    break
                near.sendall(answer)
            near.close()
            far.close()
    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    unknown(at([f"http://127.0.0.1:{listening.getsockname()[1]}"], *words, **more))
    done.set()
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(10)


def test_an_interrupted_change_is_of_unknown_outcome(start, home, at):
    server = start()
    where, name = url(server), new_name()
    halted(server)
    command = start.keep(Command(home, "create", name, "--timeout", "60s", HERALD_SERVERS=where))
    eventually(lambda: (home / ".local/state/herald/intents").exists(), "it has begun")
    command.signal(signal.SIGINT)
    command.expect_exit(UNKNOWN)
    server.signal(signal.SIGCONT)
    assert at([server], "create", name).returncode == DONE
    assert users(at, server) == [name]


def test_a_killed_command_is_found_again(start, home, at):
    """Not even the word "unknown" could be said."""
    server = start()
    where, name = url(server), new_name()
    halted(server)
    command = start.keep(Command(home, "create", name, "--timeout", "60s", HERALD_SERVERS=where))
    eventually(lambda: (home / ".local/state/herald/intents").exists() and established(server), "it has asked")
    command.process.kill()
    command.process.wait()
    server.signal(signal.SIGCONT)
    eventually(lambda: users(at, server) == [name], "it was made after all")
    assert at([server], "create", name).returncode == DONE
    assert users(at, server) == [name]


def established(server):
    """Does somebody's request wait at the server?"""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return any(row[1].endswith(f":{server.http_port:04X}") and row[3] == "01" and int(row[4].split(":")[1], 16) > 0
               for row in rows)


def test_with_patience_a_server_that_starts_late_is_found(start, home):
    port = reserve_port()
    command = start.keep(Command(home, "create", "alice", "--timeout", "30s", HERALD_SERVERS=f"http://127.0.0.1:{port}"))
    eventually(lambda: (home / ".local/state/herald/intents").exists(), "it has begun")
    start(http=f"127.0.0.1:{port}")
    command.expect_exit(DONE, 30)


# --- what is asked ----------------------------------------------------------------------------------------------


def test_a_key_with_dots_is_not_taken_for_a_way_through_folders(at, start):
    """The server hears of the key, and says what it thinks of it: it is not asked for /v1/ in its place."""
    server = start()
    token = admin(server)
    for key in ("..", "."):
        done = at([server], "settings", "set", key, "v", HERALD_TOKEN=token)
        assert done.returncode == REFUSED and "between slashes" in done.stderr, done.stderr
