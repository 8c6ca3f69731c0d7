"""The harness itself, tried on small sockets: a test that cannot fail proves nothing."""

import socket
import threading
import time
from pathlib import Path

import pytest

from . import clock
from .connection import Client, Message, check_message
from .names import SECRET_MARK, new_name, new_secret
from .peer import Parent, Peer
from .server import LogLine, arguments, reserve_port
from .swarm import Swarm, SwarmClient
from .values import Members, Number, exact, plain, stamped, without_stamp

LOGIN_SUCCESS = b'{"command":"LOGIN_SUCCESS","info":"logged in as user anonymous"}\n'


@pytest.fixture
def ends():
    """A Client and the bare socket of the server at its other end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(socket.create_connection(listener.getsockname()))
        theirs, _ = listener.accept()
    yield client, theirs
    client.close()
    theirs.close()


@pytest.fixture(autouse=True)
def impatient():
    """Failures here are expected, and need not take long."""
    before = clock.patience()
    clock._seconds = 0.2
    yield
    clock._seconds = before


# --- values -----------------------------------------------------------------------------------------------------


def test_numbers_keep_their_text():
    assert exact("1.10") == Number("1.10") != exact("1.1")
    assert exact("1") != exact("1.0") and exact("1") != exact('"1"') and exact("-0") != exact("0")
    assert exact("1e400") == Number("1e400") and plain(exact("1e400")) == float("inf")


def test_objects_keep_order_and_duplicates():
    assert exact('{"a":1,"b":2}') != exact('{"b":2,"a":1}')
    assert exact('{"a":1,"a":2}').all("a") == [Number("1"), Number("2")]
    assert exact('{"a":1,"a":2}') != exact('{"a":2}')
    assert exact("{}") != exact("[]") and exact('{"a":1}') != exact('[["a",1]]')
    assert exact(r'{"\u0061":"\u00e9"}') == exact('{"a":"é"}')


@pytest.mark.parametrize("text", [b"NaN", b"[1,]", b'{"a":1', b'"\xff"', b"01", b'"\t"'])
def test_what_is_not_json_is_not_parsed(text):
    with pytest.raises(ValueError):
        exact(text)


def test_stamps_are_counted():
    activity = exact('{"a":1,"authenticated_user":"x","b":2}')
    assert stamped(activity) == "x" and without_stamp(activity) == Members((("a", Number("1")), ("b", Number("2"))))
    for text in ('{"a":1}', '{"authenticated_user":"x","authenticated_user":"x"}'):
        with pytest.raises(AssertionError):
            stamped(exact(text))


# --- messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [
    b'{"command":"LOGIN_SUCCESS"}',
    b'{"command":"LOGIN_SUCCESS","info":""}',
    b'{"command":"LOGIN_SUCCESS","info":5}',
    b'{"command":"LOGIN_SUCCESS","info":"x","more":1}',
    b'{"command":"LOGIN_SUCCESS","info":"x","info":"x"}',
    b'{"command":"INVALID_MESSAGE","info":"wrong: ' + SECRET_MARK.encode() + b'"}',
    b'{"command":"REDIRECT","hostname":"h","port":"1"}',
    b'{"command":"REDIRECT","hostname":"h","port":0}',
    b'{"command":"SERVER_ANNOUNCE","id":"x","load":-1,"hostname":"h","port":1}',
    b'{"command":"SERVER_ANNOUNCE","id":"x","load":1.0,"hostname":"h","port":1}',
    b'{"command":"ACTIVITY_BROADCAST","activity":"{}"}',
    b'{"command":"ACTIVITY_BROADCAST","activity":{},"origin":"x"}',
    b'{"command":"HERALD","id":"x"}',
    b'{"info":"x"}',
])
def test_a_message_that_is_not_as_the_protocol_has_it_fails(line):
    with pytest.raises(AssertionError):
        check_message(Message(line))


def test_a_herald_may_be_told_more():
    check_message(Message(b'{"command":"ACTIVITY_BROADCAST","activity":{},"origin":"x"}'), herald=True)
    check_message(Message(b'{"command":"HERALD","id":"x"}'), herald=True)


# --- connections ------------------------------------------------------------------------------------------------


def test_a_line_in_pieces_is_one_line(ends):
    client, server = ends
    client.send_login()
    assert server.recv(1000) == b'{"command":"LOGIN","username":"anonymous"}\n'
    for byte in LOGIN_SUCCESS:
        server.sendall(bytes([byte]))
    assert client.expect("LOGIN_SUCCESS")["info"].startswith("logged in")


def test_another_command_fails_and_shows_what_passed(ends):
    client, server = ends
    server.sendall(LOGIN_SUCCESS)
    with pytest.raises(AssertionError, match="LOGIN_SUCCESS instead of REDIRECT.*what passed"):
        client.expect("REDIRECT")


def test_a_field_that_does_not_fit_fails(ends):
    client, server = ends
    server.sendall(LOGIN_SUCCESS)
    with pytest.raises(AssertionError, match="info is"):
        client.expect("LOGIN_SUCCESS", info="something else")


def test_silence_fails_at_the_deadline(ends):
    client, _ = ends
    began = time.monotonic()
    with pytest.raises(AssertionError, match="nothing came"):
        client.expect("LOGIN_SUCCESS")
    assert 0.15 < time.monotonic() - began < 5


def test_a_close_is_told_from_silence_and_from_words(ends):
    client, server = ends
    with pytest.raises(AssertionError, match="nothing came"):
        client.expect_close()
    server.sendall(b"x")
    with pytest.raises(AssertionError, match="instead of a close"):
        client.expect_close()


def test_an_end_is_told_from_a_reset(ends):
    client, server = ends
    client.send_some(b"unread")
    client.sock.setblocking(False)
    assert server.recv(1) == b"u"
    server.close()  # with unread bytes: a reset
    with pytest.raises(AssertionError, match="reset"):
        client.expect_close(orderly=True)


def test_chatter_is_no_close():
    """A server that goes on announcing must not keep a test waiting for ever."""
    parent = Parent()
    child = Peer(socket.create_connection(("127.0.0.1", parent.port)))
    peer = parent.accept_raw()
    child.keep_announcing(load=1)
    for wait in (peer.read_to_close, peer.read_to_end, peer.expect_close, lambda: peer.expect("LOCK_DENIED"),
                 lambda: peer.expect_announce(load=2), lambda: peer.expect_announces("load", {1, 2})):
        with pytest.raises(AssertionError):
            wait()
    child.close()
    parent.close()


def test_a_client_is_not_sent_what_is_for_servers(ends):
    client, server = ends
    server.sendall(b'{"command":"LOCK_REQUEST","username":"x","secret":"y"}\n')
    with pytest.raises(AssertionError, match="a client was sent"):
        client.receive()


def test_staying_is_proved_by_the_next_line(ends):
    client, server = ends
    server.sendall(b'{"command":"REDIRECT","hostname":"h","port":1}\n')
    with pytest.raises(AssertionError, match="REDIRECT instead of"):
        client.proves_to_stay()


def test_publishing_sends_raw_activities_as_they_are(ends):
    client, server = ends
    client.user, client.secret = "ann", "s"
    client.publish(b'{ "n" : 1.10 }', {"n": 2})
    assert server.recv(1000) == (
        b'{"command":"ACTIVITY_MESSAGE","username":"ann","secret":"s","activity":{ "n" : 1.10 }}\n'
        b'{"command":"ACTIVITY_MESSAGE","username":"ann","secret":"s","activity":{"n":2}}\n')


def test_a_peer_puts_announces_aside():
    parent = Parent()
    child = Peer(socket.create_connection(("127.0.0.1", parent.port)))
    peer = parent.accept_raw()
    child.announce(load=3)
    child.deny("x", "y")
    assert peer.expect("LOCK_DENIED")["username"] == "x"
    assert [one["load"] for one in peer.announces] == [3]
    child.keep_announcing(load=4)
    for _ in range(3):
        peer.expect_announce(load=4)
    child.close()
    peer.expect_close()
    parent.close()


# --- the rest ---------------------------------------------------------------------------------------------------


def test_eventually_fails_at_its_deadline():
    turns = iter([False, False, "yes"])
    assert clock.eventually(lambda: next(turns), "the third") == "yes"
    with pytest.raises(AssertionError, match="never this"):
        clock.eventually(lambda: False, "never this")


def test_log_lines_are_read():
    line = LogLine('time=2026-01-01T00:00:00.000Z level=info msg="link up" peer="a \\"b\\"" port=5 empty=""')
    assert line.msg == "link up"
    assert (line.fields["peer"], line.fields["port"], line.fields["empty"]) == ('a "b"', "5", "")
    assert LogLine("msg=listening address=127.0.0.1:5").msg == "listening"
    assert LogLine('{"msg":"link up","port":5}').fields == {"msg": "link up", "port": 5}
    assert LogLine("server secret: x").msg == ""


def test_options_become_arguments():
    assert arguments({"lock_window": "1s", "connect": ["a", "b"], "check": True, "data": None}) == \
        ["--lock-window", "1s", "--connect", "a", "--connect", "b", "--check"]


def test_names_differ_and_secrets_are_marked():
    assert new_name("a") != new_name("a") and new_secret().startswith(SECRET_MARK)


def test_a_swarm_serves_many():
    class Echo(SwarmClient):
        heard = 0

        def on_open(self):
            self.send(b"hello\n")

        def on_line(self, line):
            assert line == b"hello"
            Echo.heard += 1

    def serve(listener):
        for _ in range(20):
            sock, _ = listener.accept()
            sock.sendall(sock.recv(100))
            sock.close()

    with socket.create_server(("127.0.0.1", 0)) as listener, Swarm() as swarm:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        for _ in range(20):
            swarm.add(Echo(listener.getsockname()))
        swarm.run(lambda: Echo.heard == 20 and not swarm.members, "all echoed", seconds=10)
        thread.join()
        with pytest.raises(AssertionError, match="not within"):
            swarm.run(lambda: False, "never", seconds=0.1)


def test_a_swarm_serves_for_a_while():
    with Swarm() as swarm:
        assert swarm.serve(lambda: True, 0)
        assert not swarm.serve(lambda: False, 0.01)


def test_a_metronome_counts_what_the_machine_took():
    metronome = clock.Metronome()
    sum(range(30_000_000))  # one call: no other thread runs meanwhile
    clock.eventually(lambda: metronome.late > 0.05, "it was late", 5)
    metronome.close()


def test_reserved_ports_are_not_those_that_the_system_gives_away():
    ports = {reserve_port() for _ in range(100)}
    least = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert len(ports) == 100 and (least <= 12000 or max(ports) + 1 < least)
    assert not {port + 1 for port in ports} & ports, "the next is where a server answers HTTP"
