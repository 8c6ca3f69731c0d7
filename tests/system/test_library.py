"""libherald (include/herald.h, docs/man/herald.3): against heraldd, and against servers that misbehave."""

import json
import re
import signal
import socket
import subprocess
import threading

import pytest
from herald_harness import Fake, Library, built, eventually, new_name, new_secret, reserve_port
from herald_harness.server import REPORTS, ROOT, environment, is_sanitized

DONE, REFUSED, UNREACHABLE, UNKNOWN = 0, 1, 3, 4


@pytest.fixture
def session(start):
    """Makes sessions of libherald."""
    return lambda *servers, **options: start.keep(Library(*servers, **options))


@pytest.fixture
def fake(start):
    """Makes servers by hand."""
    return lambda *args, **kwargs: start.keep(Fake(*args, **kwargs))


def sanitized():
    return is_sanitized(built("tests", "unit", "client", "drive"))


def shell(*command, seconds=60, **kwargs):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds,
                          stdin=subprocess.DEVNULL, check=False, **kwargs)
    assert not REPORTS.search(done.stderr), done.stderr
    return done


# --- what is shipped --------------------------------------------------------------------------------------------


def test_the_shared_library_exports_the_header_and_nothing_else(plain):
    header = (ROOT / "include" / "herald.h").read_text()
    promised = set(re.findall(r"^HERALD_API [^;]*?\b(herald_\w+)\(", header, re.M))
    assert len(promised) >= 13
    shared = shell("nm", "-D", "--defined-only", plain / "src" / "client" / "libherald.so.0").stdout
    assert set(re.findall(r"^\w+ [B-Z] (\w+)@@HERALD_0$", shared, re.M)) == promised
    assert len(shared.splitlines()) == len(promised) + 1  # and HERALD_0 itself
    static = shell("nm", "-g", "--defined-only", plain / "src" / "client" / "libherald.a").stdout
    assert set(re.findall(r"^\w+ [A-Z] (\w+)$", static, re.M)) == promised


def test_the_header_is_plain_c_and_plain_cpp(tmp_path):
    header = ROOT / "include" / "herald.h"
    for language, standard in (("c", "c99"), ("c", "c17"), ("c++", "c++11"), ("c++", "c++20")):
        done = shell("clang", "-x", language, f"-std={standard}", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic",
                     "-Werror", header)
        assert done.returncode == 0, f"{standard}: {done.stderr}"
    both = tmp_path / "both.cc"
    both.write_text('#include <herald.h>\n#include <herald.h>\nint main() { return herald_version() == 0; }\n')
    done = shell("clang", "-x", "c++", "-fsyntax-only", f"-I{header.parent}", both)
    assert done.returncode == 0, done.stderr


def test_the_manual_is_clean_and_tells_of_everything(tmp_path):
    manual = ROOT / "docs" / "man" / "herald.3"
    done = shell("mandoc", "-Tlint", "-Wwarning", manual)
    assert (done.returncode, done.stdout) == (0, "")
    text = shell("mandoc", "-Tascii", "-O", "width=200", manual).stdout
    text = re.sub(".\b", "", text)
    header = (ROOT / "include" / "herald.h").read_text()
    header = re.sub(r"//.*", "", header)
    for name in set(re.findall(r"\b(herald_\w+)\(", header)) | set(re.findall(r"\b(HERALD_[A-Z_]+) *[=,]", header)):
        assert re.search(rf"\b{name}\b", text), f"herald(3) does not tell of {name}"
    for name in re.findall(r"\b(\w+);", header[header.index("struct herald_options {"):header.index("typedef")]):
        assert re.search(rf"\b{name}\b", text), f"herald(3) does not tell of the option {name}"
    example = re.search(r"^\.Bd -literal.*?\n(.*?)^\.Ed", manual.read_text(), re.S | re.M)[1].replace("\\e", "\\")
    source = tmp_path / "example.c"
    source.write_text(f"#include <herald.h>\n#include <stdio.h>\nint main(void) {{\n{example}}}\n")
    done = shell("clang", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{ROOT / 'include'}", source)
    assert done.returncode == 0, done.stderr


def test_a_program_is_built_with_pkg_config_alone(plain, shared, tmp_path):
    """As its opening comment says."""
    where = plain / "src" / "client"
    description = plain / "meson-private" / "libherald.pc"
    place = [f"--define-variable=libdir={where}", f"--define-variable=includedir={ROOT / 'include'}"]
    flags = shell("pkg-config", *place, "--cflags", "--libs", description).stdout.split()
    assert shell("cc", ROOT / "examples" / "echo.c", *flags, "-o", tmp_path / "echo").returncode == 0
    done = shell(tmp_path / "echo", shared.address, env={"LD_LIBRARY_PATH": str(where)})
    assert (done.returncode, done.stderr) == (0, "")
    flags = shell("pkg-config", *place, "--static", "--libs", description).stdout.split()
    done = shell("cc", f"-I{ROOT / 'include'}", ROOT / "examples" / "echo.c", where / "libherald.a",
                 *(flag for flag in flags if flag != "-lherald"), "-o", tmp_path / "still")
    assert done.returncode == 0, done.stderr
    assert shell(tmp_path / "still", shared.address).returncode == 0


def test_the_example_is_short_and_does_what_it_says(shared):
    assert len((ROOT / "examples" / "echo.c").read_text().splitlines()) < 60
    echo = built("examples", "echo")
    done = shell(echo, shared.address, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"logged in at {shared.address} as anonymous",
        'anonymous: {"type":"Note","content":"Is anybody there?","authenticated_user":"anonymous"}']
    name, secret = shared.register()
    done = shell(echo, f"localhost:{shared.port}", name, secret, env=environment())
    assert done.returncode == 0 and f"as {name}" in done.stdout and done.stderr == ""
    done = shell(echo, shared.address, name, new_secret(), env=environment())
    assert (done.returncode, done.stderr) == (1, "unknown user or wrong secret\n")
    assert shell(echo, "a b", env=environment()).returncode == 2


def test_the_example_is_clean_under_valgrind(plain, shared):
    name, secret = shared.register()
    done = shell("valgrind", "-q", "--leak-check=full", "--show-leak-kinds=all", "--track-fds=yes",
                 "--error-exitcode=99", plain / "examples" / "echo", f"localhost:{shared.port}", name, secret)
    assert done.returncode == 0, done.stderr


# --- with heraldd -----------------------------------------------------------------------------------------------


def test_it_registers_logs_in_publishes_hears_itself_and_logs_out(shared, session):
    name = new_name("lib")
    one = session(shared, user=name, register=1)
    assert one.expect("CONNECTED", server=shared.address)["latency_ms"] < 5000
    secret = one.expect("REGISTERED", user=name)["text"]
    assert re.fullmatch("[a-z2-7]{26}", secret)
    one.expect("LOGGED_IN", user=name, server=shared.address)
    one.publish('{ "type" : "Note",\t"n": 1.10, "content": "\\u00e9\\/" }')
    event = one.expect("ACTIVITY", user=name)
    assert event["json"].startswith('{"type":"Note","n":1.10,"content":"') and "é" in event["json"]
    one.logout()
    assert one.ends(DONE)["text"] == ""
    shared.client().login(name, secret)
    again = session(shared, user=name, secret=secret)
    again.logged_in()


def test_refusals_are_told_in_the_servers_words(shared, session):
    name, secret = shared.register()
    assert session(shared, user=name, secret="wrong").ends(REFUSED)["text"] == "unknown user or wrong secret"
    taken = session(shared, user=name.upper(), secret=secret, register=1).ends(REFUSED)
    assert "already registered" in taken["text"]
    one = session(shared)
    one.logged_in()
    one.publish('{"deep":' + "[" * 100 + "]" * 100 + "}")
    assert "nested" in one.ends(REFUSED)["text"]


def test_what_cannot_be_sent_is_said_at_once(shared, session):
    one = session(shared, max_unsent=1000)
    one.logged_in()
    for text in ("", "[]", '"x"', "{", '{"a":1} x', "{'a':1}", '{"a":"' + "x" * 1000 + '"}'):
        one.publish(text)
        one.expect("NOT_TAKEN", status=-1)
    one.publish({"a": 1})
    one.hears(a=1)


def test_when_the_server_is_killed_and_started_again_the_session_is_back(start, session):
    server = start()
    name, secret = server.register()
    one = session(server, user=name, secret=secret)
    one.logged_in()
    server.kill()
    lost = one.expect("LOST", server=server.address)
    assert lost["text"] and 200 <= lost["wait_ms"] <= 400
    again = start.restart(server, listen=server.address)
    one.logged_in(30, user=name)
    one.publish({"n": 1})
    one.hears(n=1)
    again.stop()
    one.expect("LOST")


def test_of_two_servers_it_goes_to_the_one_that_is_left(start, session):
    first, second = start(), start()
    servers = {first.address: first, second.address: second}
    one = session(first, second)
    home = servers.pop(one.logged_in()["server"])
    home.kill()
    (address, other), = servers.items()
    one.logged_in(server=address)
    other.anonymous().publish({"n": 1})
    one.hears(n=1)


def test_ten_thousand_publications_arrive_all_and_in_order(shared, session):
    one = session(shared, max_unsent=1 << 18)
    one.logged_in()
    listener = shared.anonymous()
    before = one.stats()["cpu_ms"]
    one.tell("burst 10000")
    for n in range(10000):
        assert listener.hear()["n"] == n
    for n in range(10000):
        one.hears(n=n)
    used = one.stats()["cpu_ms"] - before
    assert used < (10000 if sanitized() else 1000), f"{used} ms of CPU for a second's worth"
    one.logout()
    one.ends(DONE)


def test_a_post_is_heard_once_wherever_the_tree_sends_it(start, session):
    """A server that redirects at login has not taken what came behind the LOGIN: it goes out at the other one."""
    root = start()
    listeners = [root.anonymous() for _ in range(4)]
    child = start(parent=root)
    posts = iter(range(1000))

    def posts_one():
        n = next(posts)
        one = session(root, once=1)
        one.publish({"n": n})
        one.logout()
        one.ends(DONE)
        assert listeners[0].hear()["n"] == n
        return any(event["event"] == "REDIRECTED" for event in one.events)
    sent_on = []

    def five_were_sent_on():
        sent_on.append(posts_one())
        return sum(sent_on) >= 5
    eventually(five_were_sent_on, "the root sends clients to its child")
    listeners[0].proves_to_stay()
    assert child.running()


def test_a_server_that_stops_sends_us_on_with_nothing_lost_and_nothing_twice(start, session):
    root = start()
    child = start(parent=root)
    root.wait_log(msg="link up")
    one = session(root)
    one.logged_in()
    listener = child.anonymous().proves_to_stay()
    one.tell("burst 2000")
    for n in range(100):
        assert listener.hear()["n"] == n
    root.signal(signal.SIGTERM)
    one.logout()
    for n in range(100, 2000):
        assert listener.hear()["n"] == n
    one.ends(DONE)
    assert root.wait_exit() == 0


# --- names ------------------------------------------------------------------------------------------------------


def test_a_name_is_looked_up_without_holding_up_the_others(shared, session):
    one = session("no-such-host.invalid:1", f"localhost:{shared.port}")
    assert one.logged_in()["server"] == f"localhost:{shared.port}"


def test_a_name_that_is_nowhere_is_told(session):
    ended = session("no-such-host.invalid", once=1, connect_timeout=500).ends(UNREACHABLE)
    assert ended["text"].startswith("no server answered: no-such-host.invalid:3780: ")


# --- servers that misbehave -------------------------------------------------------------------------------------


def test_redirects_in_a_circle_end_with_a_clear_word(fake, session):
    a, b = fake(), fake()
    one = session(a)
    for here, there in ((a, b), (b, a), (a, b)):
        here.accept().lets_in().redirect(there)
    assert one.ends(UNREACHABLE)["text"] == \
        "the servers redirect in a circle: " + " -> ".join(one.address for one in (a, b, a, b))


def test_redirects_without_end_end(fake, session):
    fakes = [fake() for _ in range(5)]
    one = session(fakes[0], max_redirects=3)
    for here, there in zip(fakes, fakes[1:]):
        here.accept().lets_in().redirect(there)
    assert "4 times in a row" in one.ends(UNREACHABLE)["text"]


def test_a_redirect_to_a_dead_server_leads_back(fake, session):
    a, dead = fake(), fake()
    dead.close()
    one = session(a)
    a.accept().lets_in().redirect(dead)
    one.expect("LOST", skip=True, server=dead.address)
    a.accept().lets_in()
    one.logged_in(server=a.address)


def test_a_dead_list_ends_with_a_word_on_each(session):
    ports = [reserve_port(), reserve_port()]
    ended = session(*(f"127.0.0.1:{port}" for port in ports), once=1).ends(UNREACHABLE)
    assert ended["text"] == "no server answered: " + "; ".join(f"127.0.0.1:{port}: Connection refused" for port in ports)
    assert ended["steps"] < 20
    assert "no login within 700 ms" in session(f"127.0.0.1:{ports[0]}", give_up=700).ends(UNREACHABLE)["text"]


def test_a_silent_server_is_left_for_another_and_no_time_is_burnt(fake, session):
    silent, other = fake(), fake()
    one = session(silent, other, connect_timeout=700)
    first = one.expect("CONNECTED")["server"]
    second = {silent.address: other, other.address: silent}[first]
    quiet = {silent.address: silent, other.address: other}[first].accept()
    quiet.expect("LOGIN", username="anonymous")
    second.accept().lets_in()
    one.logged_in(server=second.address)
    assert one.stats()["steps"] < 40
    quiet.expect_close()


def test_a_lone_silent_server_is_no_server(fake, session):
    silent = fake()
    ended = session(silent, once=1, connect_timeout=300).ends(UNREACHABLE)
    assert ended["text"] == f"no server answered: {silent.address}: did not answer in time"
    assert ended["steps"] < 20


def test_a_server_that_never_accepts_is_no_server(session):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        crowd = []
        while len(crowd) < 4:  # fills the backlog
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(sock.getsockname())
            crowd.append(one)
        address = f"127.0.0.1:{sock.getsockname()[1]}"
        ended = session(address, once=1, connect_timeout=500).ends(UNREACHABLE)
        assert "in time" in ended["text"] or "timed out" in ended["text"]
        for one in crowd:
            one.close()


@pytest.mark.parametrize("wrong, why", [
    (b"\n", "empty"),
    (b"hello\n", "JSON parse error"),
    (b"\xff\xfe\n", "JSON parse error"),
    (b"[]\n", "not a JSON object"),
    (b"{}\n", "did not contain a command"),
    (b'{"command":"DANCE"}\n', "unknown command"),
    (b'{"command":"ACTIVITY_BROADCAST"}\n', "activity is missing"),
    (b'{"command":"ACTIVITY_BROADCAST","activity":7}\n', "activity must be an object"),
    (b'{"command":"ACTIVITY_BROADCAST","activity":' + b"[" * 2000 + b"]" * 2000 + b"}\n", "nested"),
    (b'{"command":"REDIRECT","hostname":"a b","port":1}\n', "REDIRECT is not expected"),
    (b'{"command":"REDIRECT","hostname":"a","port":0}\n', "port must be"),
    (b'{"command":"LOGIN_SUCCESS","info":"again"}\n', "LOGIN_SUCCESS is not expected"),
    (b'{"command":"SERVER_ANNOUNCE","id":"a","load":1,"hostname":"a","port":1}\n', "not expected"),
    (b'{"command":"LOGIN_SUCCESS","command":"LOGIN_SUCCESS"}\n', "twice"),
    (b"x" * 5000, "longer than max_message"),
])
def test_a_wrong_message_is_answered_and_the_server_left(fake, session, wrong, why):
    server = fake()
    one = session(server, max_message=4096)
    visitor = server.accept().lets_in()
    one.logged_in()
    visitor.send(wrong)
    assert why in visitor.expect("INVALID_MESSAGE")["info"]
    visitor.expect_close()
    assert one.expect("LOST", server=server.address)["text"].startswith("sent a wrong message: ")
    server.accept().lets_in()
    one.logged_in()


def test_wrong_messages_before_the_login_are_no_answer(fake, session):
    server = fake()
    one = session(server, once=1)
    visitor = server.accept()
    visitor.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    assert "sent a wrong message" in one.ends(UNREACHABLE)["text"]


def test_a_close_in_the_middle_of_a_line_loses_the_line_only(fake, session):
    server = fake()
    one = session(server)
    visitor = server.accept().lets_in()
    visitor.broadcast({"n": 1})
    visitor.send(b'{"command":"ACTIVITY_BROADCAST","acti')
    visitor.close()
    one.logged_in()
    one.hears(n=1)
    one.expect("LOST", text="closed the connection")


def test_a_server_may_speak_byte_by_byte(fake, session):
    server = fake()
    one = session(server)
    visitor = server.accept()
    visitor.expect("LOGIN")
    for byte in b'{"command":"LOGIN_SUCCESS"}\r\n{"command":"ACTIVITY_BROADCAST","activity":{"n":1.50}}\n':
        visitor.send(bytes([byte]))
    one.logged_in()
    assert one.expect("ACTIVITY", user="anonymous")["json"] == '{"n":1.50}'


def test_a_huge_line_passes_up_to_the_limit(fake, session):
    server = fake()
    one = session(server)
    visitor = server.accept().lets_in()
    visitor.broadcast({"text": "é" * 1_500_000})
    one.logged_in()
    assert len(one.hears()["text"]) == 1_500_000
    visitor.send_some(b'{"x":"' + b"y" * 5_000_000)
    one.expect("LOST")
    assert one.rss()[1] < (400 if sanitized() else 64) << 20


def test_an_endless_line_is_not_collected(fake, session):
    server = fake()
    one = session(server, max_message=1 << 20)
    visitor = server.accept().lets_in()
    one.logged_in()
    visitor.send_some(b" " * (64 << 20), seconds=5)
    one.expect("LOST")
    assert one.rss()[1] < (400 if sanitized() else 32) << 20


def test_a_server_that_never_reads_does_not_grow_us(fake, session):
    server = fake()
    one = session(server, max_unsent=100_000)
    visitor = server.accept().lets_in()
    one.logged_in()
    one.tell("burst 1000000000")
    eventually(lambda: one.stats()["unsent"] > 90_000, "the queue is full")
    steps = one.stats()["steps"]
    visitor.broadcast({"n": 1})  # and we go on hearing
    one.hears(n=1)
    assert one.stats()["steps"] - steps < 50  # without spinning
    assert one.rss()[0] < (200 if sanitized() else 16) << 20


def test_a_program_that_takes_no_events_does_not_grow(fake, session):
    server = fake()
    one = session(server)
    visitor = server.accept().lets_in()
    one.logged_in()
    one.tell("deaf")
    one.stats()
    total, line = 0, b'{"command":"ACTIVITY_BROADCAST","activity":{"n":%d,"fill":"' + b"x" * 1000 + b'"}}\n'
    while not visitor.send_some(b"".join(line % n for n in range(total, total + 1000)), seconds=1):
        total += 1000
        assert total < 100_000, "somebody collects it all"
    steps = one.stats()["steps"]
    assert one.rss()[0] < (200 if sanitized() else 24) << 20
    assert one.stats()["steps"] - steps < 10
    one.tell("hear")
    for n in range(total):
        one.hears(n=n)


def test_both_may_send_at_once_without_end(fake, session):
    """Reading and writing interleave: 16 MiB each way through a server that does both."""
    server = fake()
    one = session(server, max_unsent=1 << 26)
    visitor = server.accept().lets_in()
    one.logged_in()
    count = 60_000
    one.tell(f"burst {count}")
    fill = "x" * 200
    flood = b"".join(b'{"command":"ACTIVITY_BROADCAST","activity":{"n":%d,"fill":"%s"}}\n' % (n, fill.encode())
                     for n in range(count))
    sender = threading.Thread(target=visitor.send_some, args=(flood, 60))
    sender.start()
    for n in range(count):
        line = visitor.receive_line(60)
        assert b'"n":%d}' % n in line, line
    sender.join()
    for n in range(count):
        one.hears(n=n)


# --- publications and lost connections --------------------------------------------------------------------------


def heard_by(visitor, count):
    return [visitor.expect("ACTIVITY_MESSAGE")["activity"] for _ in range(count)]


def test_publications_wait_for_the_login_and_carry_the_identity(fake, session):
    server = fake()
    one = session(server, user="ann", secret='s"1')
    one.publish({"n": 1}, {"n": 2})
    visitor = server.accept()
    visitor.expect("LOGIN", username="ann", secret='s"1')
    visitor.say("LOGIN_SUCCESS")
    for n in (1, 2):
        assert visitor.receive() == {"command": "ACTIVITY_MESSAGE", "username": "ann", "secret": 's"1',
                                     "activity": {"n": n}}
    one.logout()
    assert visitor.receive() == {"command": "LOGOUT"}
    visitor.close()
    one.ends(DONE)


def test_what_was_begun_to_be_sent_is_never_sent_twice(fake, session):
    server = fake()
    one = session(server)
    visitor = server.accept()
    visitor.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    visitor.lets_in()
    one.logged_in()
    one.tell("burst 100000")
    received = [visitor.expect("ACTIVITY_MESSAGE")["activity"]["n"] for _ in range(10)]
    visitor.abort()
    lost = one.expect("LOST")
    doubtful = int(re.search(r"; (\d+) publications may or may not have been taken by the server$", lost["text"])[1])
    next_visitor = server.accept().lets_in()
    first = next_visitor.expect("ACTIVITY_MESSAGE")["activity"]["n"]
    assert received == list(range(10)) and first == doubtful > 10
    for n in range(first + 1, 100000):
        assert b'"n":%d}' % n in next_visitor.receive_line()
    one.logout()
    assert next_visitor.receive() == {"command": "LOGOUT"}
    next_visitor.close()
    assert f"{doubtful} publications" in one.ends(UNKNOWN)["text"]


def test_what_was_sent_before_a_redirect_is_taken_along(fake, session):
    a, b = fake(), fake()
    one = session(a)
    one.publish({"n": 1}, {"n": 2})
    one.logout()
    visitor = a.accept().lets_in()
    heard_by(visitor, 2)
    visitor.expect("LOGOUT")
    visitor.redirect(b)
    visitor.close()
    visitor = b.accept().lets_in()
    assert heard_by(visitor, 2) == [{"n": 1}, {"n": 2}]
    visitor.expect("LOGOUT")
    visitor.close()
    one.ends(DONE)


def test_a_later_redirect_takes_along_what_was_not_heard_back(fake, session):
    """As a Herald does that stops: it takes nothing more, and has sent back what it took."""
    a, b = fake(), fake()
    one = session(a)
    one.publish({"n": 1}, {"n": 2})
    visitor = a.accept().lets_in()
    heard_by(visitor, 2)
    visitor.broadcast({"n": 0}, {"n": 1, "authenticated_user": "anonymous"})
    one.logged_in()
    one.hears(n=0)
    one.hears(n=1)
    visitor.redirect(b)
    visitor = b.accept().lets_in()
    assert heard_by(visitor, 1) == [{"n": 2}]
    one.logout()
    visitor.expect("LOGOUT")
    visitor.close()
    one.ends(DONE)


def test_but_not_from_one_who_says_other_things_only(fake, session):
    """A server that changes what it is told cannot be understood: what was sent there is in doubt."""
    a, b = fake(), fake()
    one = session(a)
    one.publish({"n": 1})
    visitor = a.accept().lets_in()
    heard_by(visitor, 1)
    visitor.broadcast({"n": 1.0})
    one.logged_in()
    one.hears(n=1)
    visitor.redirect(b)
    visitor = b.accept().lets_in()
    one.publish({"n": 3})
    one.logout()
    assert heard_by(visitor, 1) == [{"n": 3}]
    visitor.expect("LOGOUT")
    visitor.close()
    assert "1 publication may" in one.ends(UNKNOWN)["text"]


def test_what_was_heard_back_is_not_in_doubt(fake, session):
    server = fake()
    one = session(server, user="ann", secret="s")
    one.publish({"n": 1}, {"n": 2}, {"n": 3})
    visitor = server.accept().lets_in()
    heard_by(visitor, 3)
    visitor.broadcast({"n": 2, "authenticated_user": "Ann"}, {"n": 3, "authenticated_user": "bob"})
    one.logged_in()
    one.hears(n=2)
    one.hears(n=3)
    visitor.close()
    assert one.expect("LOST")["text"] == \
        "closed the connection; 1 publication may or may not have been taken by the server"


def test_a_refusal_that_comes_with_a_reset_is_still_heard(fake, session):
    server = fake()
    one = session(server, once=1)
    one.tell("burst 1000")
    visitor = server.accept().lets_in()
    heard_by(visitor, 1)
    visitor.say("AUTHENTICATION_FAIL", info="not like this")
    visitor.close()  # with unread input: a reset
    assert one.ends(REFUSED)["text"] == "not like this"


def test_a_logout_is_answered_by_the_servers_close(fake, session):
    server = fake()
    for answer, status in (("close", DONE), ("abort", UNKNOWN), ("nothing", UNKNOWN), ("refusal", REFUSED)):
        one = session(server, connect_timeout=500)
        one.publish({"n": 1})
        one.logout()
        visitor = server.accept().lets_in()
        heard_by(visitor, 1)
        visitor.expect("LOGOUT")
        if answer == "close":
            visitor.close()
        elif answer == "abort":
            visitor.abort()
        elif answer == "refusal":
            visitor.say("INVALID_MESSAGE", info="no")
        one.ends(status)
        one.close()


def test_with_once_a_lost_connection_is_the_end(fake, session):
    server = fake()
    for sent, status in ((False, UNREACHABLE), (True, UNKNOWN)):
        one = session(server, once=1)
        visitor = server.accept().lets_in()
        one.logged_in()
        if sent:
            one.publish({"n": 1})
            heard_by(visitor, 1)
        visitor.close()
        assert one.ends(status)["text"].startswith(f"lost {server.address}: closed the connection")


# --- registering ------------------------------------------------------------------------------------------------


def test_a_registration_cut_off_is_tried_as_a_login_first(fake, session):
    server = fake()
    for known in (True, False):
        one = session(server, user="ann", secret="s", register=1)
        visitor = server.accept()
        visitor.expect("REGISTER", username="ann", secret="s")
        visitor.abort()
        visitor = server.accept()
        visitor.expect("LOGIN", username="ann", secret="s")
        if known:
            visitor.say("LOGIN_SUCCESS")
        else:
            visitor.say("LOGIN_FAILED", info="unknown")
            visitor.close()
            visitor = server.accept()
            visitor.expect("REGISTER")
            visitor.say("REGISTER_SUCCESS", info="done")
            visitor.lets_in()
        one.expect("REGISTERED", skip=True, text="s")
        one.logged_in()
        one.close()


# --- options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, why", [
    ([], "name 1 to 1024 servers"),
    (["a b"], "a b is not a server: write host:port, [address]:port or host"),
    (["a:0"], "is not a server"), (["a:65536"], "is not a server"), ([":1"], "is not a server"),
    (["[::1"], "is not a server"), (["[::g]:1"], "is not a server"),
    (["a", "user=ann"], "a user needs a secret"),
    (["a", "user="], "1 to 1024 bytes"),
    (["a", "user=anonymous", "register=1"], "anonymous needs no registration"),
    (["a", "register=1"], "name a user to register"),
])
def test_wrong_options_are_refused_with_a_reason(words, why):
    done = shell(built("tests", "unit", "client", "drive"), *words, env=environment())
    assert done.returncode == 64 and why in done.stderr


def test_a_user_named_anonymous_needs_no_secret(shared, session):
    for user in ("anonymous", "ANONYMOUS"):
        session(shared, user=user, secret="whatever").logged_in(user="anonymous")
