"""protocol.md, Servers: AUTHENTICATE, SERVER_ANNOUNCE, ACTIVITY_BROADCAST and who may say what on a link."""

import re
import socket
import time

import pytest
from herald_harness import exact, new_id, new_name, new_secret, stamped, without_stamp


def deliver_marker(client, *links):
    """Publishes something as `client`; every link must hear it as its next message. Proves that nothing else
    was said there before."""
    marker = new_name("marker")
    client.publish({"marker": marker})
    client.hear(marker=marker)
    for link in links:
        link.hear(marker=marker)


# --- AUTHENTICATE -----------------------------------------------------------------------------------------------


def test_the_right_secret_is_answered_by_silence(start, dial):
    """protocol.md, Servers: AUTHENTICATE right: silence. What comes first is an announce or a broadcast."""
    server = start()
    peer = dial(server)
    peer.expect_announce()
    peer.sync()


@pytest.mark.parametrize("interval", ["100ms", "400ms", "1s"])
def test_a_new_child_hears_nothing_for_300_ms(start, dial, interval):
    """protocol.md, Servers: send nothing to the new child before the next announce tick, at least 300 ms later;
    not even what happens meanwhile, and that comes afterwards."""
    server = start(announce_interval=interval)
    speaker = server.anonymous()
    began = time.monotonic()
    peer = dial(server)
    server.wait_log(msg="link up")
    speaker.publish({"n": 1})
    server.client().send_register(new_name(), new_secret())
    commands = {peer.expect(("ACTIVITY_BROADCAST", "LOCK_REQUEST"))["command"] for _ in range(2)}
    assert commands == {"ACTIVITY_BROADCAST", "LOCK_REQUEST"}
    assert peer.first_byte_at - began >= 0.295


@pytest.mark.parametrize("change", [lambda s: s + "x", lambda s: s[:-1], lambda s: "", lambda s: s.upper()],
                         ids=["longer", "shorter", "empty", "upper case"])
def test_a_wrong_secret_is_refused(start, change):
    """protocol.md, Servers: AUTHENTICATE wrong: AUTHENTICATION_FAIL, close; the info does not repeat it."""
    server = start()
    client = server.client()
    client.send({"command": "AUTHENTICATE", "secret": change(server.secret)})
    client.expect_refusal("AUTHENTICATION_FAIL")


@pytest.mark.parametrize("members", [b"", b',"secret":null', b',"secret":5', b',"secret":{}', b',"secret":["%s"]',
                                     b',"secret":"%s","secret":"%s"'],
                         ids=["absent", "null", "a number", "an object", "in an array", "twice"])
def test_a_malformed_authenticate_is_refused(start, members):
    """protocol.md, Servers: AUTHENTICATE malformed: INVALID_MESSAGE, close."""
    server = start()
    client = server.client()
    client.send(b'{"command":"AUTHENTICATE"' + members.replace(b"%s", server.secret.encode()) + b"}\n")
    client.expect_refusal("INVALID_MESSAGE")


@pytest.mark.parametrize("right", [True, False], ids=["the right secret", "a wrong secret"])
@pytest.mark.parametrize("settled", [True, False], ids=["later", "at once"])
def test_a_second_authenticate_is_refused(start, dial, right, settled):
    """protocol.md, Servers: AUTHENTICATE a second time: INVALID_MESSAGE, close."""
    server = start()
    peer = dial(server)
    if settled:
        peer.expect_announce()
    peer.send({"command": "AUTHENTICATE", "secret": server.secret if right else new_secret()})
    peer.expect_refusal("INVALID_MESSAGE")


def test_authentication_works_again_after_a_refusal(start, dial):
    """seed 004, AUTHENTICATE: a refusal closes that connection only."""
    server = start()
    client = server.client()
    client.send({"command": "AUTHENTICATE", "secret": new_secret()})
    client.expect_refusal("AUTHENTICATION_FAIL")
    dial(server).sync()


# --- who may say what -------------------------------------------------------------------------------------------

SERVER_COMMANDS = {
    "SERVER_ANNOUNCE": {"command": "SERVER_ANNOUNCE", "id": "stranger", "load": 0, "hostname": "127.0.0.1", "port": 1},
    "ACTIVITY_BROADCAST": {"command": "ACTIVITY_BROADCAST", "activity": {"authenticated_user": "eve"}},
    "LOCK_REQUEST": {"command": "LOCK_REQUEST", "username": "eve", "secret": "evil"},
    "LOCK_ALLOWED": {"command": "LOCK_ALLOWED", "username": "eve", "secret": "evil"},
    "LOCK_DENIED": {"command": "LOCK_DENIED", "username": "eve", "secret": "evil"},
    "HERALD": {"command": "HERALD", "version": 1, "id": "stranger"},
}


@pytest.mark.parametrize("message", SERVER_COMMANDS.values(), ids=SERVER_COMMANDS)
def test_a_server_command_before_authenticate_is_refused(start, dial, message):
    """protocol.md, Servers: any server command before AUTHENTICATE: INVALID_MESSAGE, close; and no effect."""
    server = start()
    peer, listeners = dial(server), [server.anonymous(), server.anonymous()]
    stranger = server.client()
    stranger.send(message)
    stranger.expect_refusal("INVALID_MESSAGE")
    deliver_marker(listeners[0], peer)
    listeners[1].hear(marker=re.compile("marker"))
    assert "stranger" not in [one["id"] for one in peer.announces]


def test_a_lock_request_of_a_stranger_reserves_nothing(start):
    """seed 004, LOCK_REQUEST: INVALID_MESSAGE from an unauthenticated server."""
    server = start()
    name = new_name()
    stranger = server.client()
    stranger.send({"command": "LOCK_REQUEST", "username": name, "secret": new_secret()})
    stranger.expect_refusal("INVALID_MESSAGE")
    server.client().register(name, new_secret())


CLIENT_COMMANDS = {
    "LOGIN": {"command": "LOGIN", "username": "anonymous"},
    "LOGIN of a user": {"command": "LOGIN", "username": "aaron", "secret": "x"},
    "LOGOUT": {"command": "LOGOUT"},
    "REGISTER": {"command": "REGISTER", "username": "aaron", "secret": "x"},
    "ACTIVITY_MESSAGE": {"command": "ACTIVITY_MESSAGE", "username": "anonymous", "secret": "", "activity": {}},
    "LOGIN_SUCCESS": {"command": "LOGIN_SUCCESS", "info": "x"},
    "REGISTER_SUCCESS": {"command": "REGISTER_SUCCESS", "info": "x"},
    "REDIRECT": {"command": "REDIRECT", "hostname": "127.0.0.1", "port": 1},
    "unknown": {"command": "FLY"},
}


@pytest.mark.parametrize("message", CLIENT_COMMANDS.values(), ids=CLIENT_COMMANDS)
def test_a_client_command_on_a_link_is_refused(start, dial, message):
    """protocol.md, Servers: a client command on an authenticated server link: INVALID_MESSAGE, close."""
    server = start()
    listener = server.anonymous()
    peer = dial(server)
    peer.expect_announce()
    peer.send(message)
    peer.expect_refusal("INVALID_MESSAGE")
    listener.proves_to_stay()


ANNOUNCE = {"command": "SERVER_ANNOUNCE", "id": "peer", "load": 1, "hostname": "127.0.0.1", "port": 1}
MALFORMED = {
    **{f"SERVER_ANNOUNCE without {name}": {key: value for key, value in ANNOUNCE.items() if key != name}
       for name in ("id", "load", "hostname", "port")},
    **{f"SERVER_ANNOUNCE {name} {value!r}": {**ANNOUNCE, name: value}
       for name, value in [("id", 5), ("id", None), ("load", "many"), ("load", ""), ("load", -1), ("load", 1.5),
                           ("load", []), ("load", None), ("load", "-1"), ("hostname", 5), ("hostname", None),
                           ("port", 0), ("port", 65536), ("port", -1), ("port", "http"), ("port", ""), ("port", 80.5),
                           ("port", {}), ("port", True), ("port", "80x")]},
    "ACTIVITY_BROADCAST without activity": {"command": "ACTIVITY_BROADCAST"},
    "ACTIVITY_BROADCAST null": {"command": "ACTIVITY_BROADCAST", "activity": None},
    "ACTIVITY_BROADCAST number": {"command": "ACTIVITY_BROADCAST", "activity": 5},
    "ACTIVITY_BROADCAST array": {"command": "ACTIVITY_BROADCAST", "activity": []},
    **{f"{command} without username": {"command": command, "secret": "x"}
       for command in ("LOCK_REQUEST", "LOCK_ALLOWED", "LOCK_DENIED")},
    **{f"{command} username 5": {"command": command, "username": 5, "secret": "x"}
       for command in ("LOCK_REQUEST", "LOCK_ALLOWED", "LOCK_DENIED")},
    **{f"{command} secret 5": {"command": command, "username": "x", "secret": 5}
       for command in ("LOCK_REQUEST", "LOCK_ALLOWED", "LOCK_DENIED")},
    "empty line": b"\n",
    "bad JSON": b"hello\n",
    "no command": b"{}\n",
    "an array": b"[]\n",
    "bad UTF-8": b'{"command":"ACTIVITY_BROADCAST","activity":{"a":"\xff"}}\n',
    "duplicated": b'{"command":"ACTIVITY_BROADCAST","activity":{},"activity":{}}\n',
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
def test_an_incorrect_message_closes_the_link(shared, dial, message):
    """protocol.md, Framing; seed 004, every server message: INVALID_MESSAGE if the message is incorrect, close."""
    peer = dial(shared)
    peer.send(message)
    peer.expect_refusal("INVALID_MESSAGE")


def test_an_endless_line_closes_the_link(shared, dial):
    """protocol.md, Framing: a line over the limit likewise. (Servers stamp, so a link's limit lies a little higher.)"""
    peer = dial(shared)
    peer.send_some(b"x" * ((1 << 20) + (1 << 16)))
    peer.expect_refusal("INVALID_MESSAGE")


@pytest.mark.parametrize("command", ["INVALID_MESSAGE", "AUTHENTICATION_FAIL"])
@pytest.mark.parametrize("members", [b',"info":"x"', b""], ids=["info", "no info"])
def test_a_link_that_refuses_us_is_closed(shared, dial, command, members):
    """seed 004, INVALID_MESSAGE, AUTHENTICATION_FAIL: receivers must close the connection as well."""
    peer = dial(shared)
    peer.send(b'{"command":"' + command.encode() + b'"' + members + b"}\n")
    peer.expect_close()


def test_a_link_that_goes_is_logged(start, dial):
    """The log tells of every link: "link up" and "link down"."""
    server = start()
    peer = dial(server)
    server.wait_log(msg="link up")
    peer.close()
    server.wait_log(msg="link down")


# --- SERVER_ANNOUNCE --------------------------------------------------------------------------------------------


def test_an_announce_says_who_where_and_how_busy(start, dial):
    """seed 004, SERVER_ANNOUNCE: id, load, hostname, port; protocol.md: port and load are sent as numbers."""
    server = start()
    peer = dial(server)
    message = peer.expect_announce()
    assert message["id"] and message["load"] == 0
    assert (message["hostname"], message["port"]) == ("127.0.0.1", server.port)
    assert message["id"] == peer.expect_announce()["id"]


def test_two_servers_have_two_ids(start, dial):
    """seed 004, SERVER_ANNOUNCE: the id is a unique value that each server chooses for itself."""
    ids = [dial(start()).expect_announce()["id"] for _ in range(2)]
    assert ids[0] != ids[1]


def test_the_load_is_the_number_of_clients(start, dial):
    """seed 004, SERVER_ANNOUNCE: the load is the number of clients connected; links are not clients, and one
    that logs in twice is one."""
    server = start()
    peer, other = dial(server), dial(server)
    clients = [server.anonymous() for _ in range(3)]
    clients[0].login()
    peer.expect_announce(load=3)
    other.expect_announce(load=3)
    clients[0].send({"command": "LOGOUT"})
    peer.expect_announce(load=2)
    clients[1].close()
    peer.expect_announce(load=1)
    clients[2].abort()
    peer.expect_announce(load=0)


def test_a_client_that_was_refused_does_not_count(start, dial):
    """seed 004, SERVER_ANNOUNCE: the number of clients currently connected."""
    server = start()
    stays, goes = server.anonymous(), server.anonymous()
    goes.send(b"{}\n")
    goes.expect_refusal("INVALID_MESSAGE")
    peer = dial(server)
    peer.expect_announce(load=1)
    stays.proves_to_stay()


def test_announces_come_regularly(start, dial):
    """protocol.md, Servers: SERVER_ANNOUNCE every interval (5 s by default); not more often without a change."""
    server = start(announce_interval="400ms")
    peer = dial(server)
    peer.expect_announce()
    began = time.monotonic()
    for _ in range(3):
        peer.expect_announce(load=0)
    assert time.monotonic() - began >= 3 * 0.4 * 0.75


def test_a_change_of_load_is_announced_soon(start, dial):
    """protocol.md, Servers: and soon after load changes: here well before the next tick."""
    server = start(announce_interval="4s")
    peer = dial(server)
    peer.expect_announce(load=0)
    began = time.monotonic()
    server.anonymous()
    peer.expect_announce(load=1)
    assert time.monotonic() - began < 3


def test_announcing_changes_is_rate_limited(start, dial):
    """protocol.md, Servers: soon after load changes (rate-limited)."""
    server = start()
    peer = dial(server)
    peer.expect_announce(load=0)
    already = len(peer.announces)
    clients = [server.client() for _ in range(200)]
    for client in clients:
        client.send_login()
    for client in clients:
        client.expect("LOGIN_SUCCESS")
    peer.expect_announce(load=200)
    assert len(peer.announces) - already <= 100


def test_announces_are_forwarded_to_all_other_links(start, dial):
    """protocol.md, Servers: SERVER_ANNOUNCE: forwarded to all other links (and not back)."""
    server = start()
    client = server.anonymous()
    a, b, c = dial(server), dial(server), dial(server)
    said = a.announce(load=7, hostname="127.0.0.7", port=4007, id=new_id())
    for link in (b, c):
        heard = link.expect_announce(id=said["id"])
        assert dict(heard) == said
    deliver_marker(client, a, b, c)
    assert said["id"] not in [one["id"] for one in a.announces]


@pytest.mark.parametrize("load, port", [('"7"', '"4007"'), ("7.0", "4007.0"), ("7e0", "4007"), ("7", '"4007"')])
def test_numbers_of_an_announce_may_be_written_in_other_ways(start, dial, load, port):
    """protocol.md, Framing: port and load are accepted as a number or a decimal string, sent as numbers; peers
    turn 1 into 1.0."""
    server = start()
    a, b = dial(server), dial(server)
    name = new_id()
    a.send(f'{{"command":"SERVER_ANNOUNCE","id":"{name}","load":{load},"hostname":"127.0.0.7","port":{port}}}\n')
    heard = b.expect_announce(id=name)
    assert (heard["load"], heard["port"]) == (7, 4007)


def test_unknown_fields_of_an_announce_are_not_forwarded(start, dial):
    """protocol.md, Framing: unknown fields are ignored on input and never sent to a plain peer (every message
    received here is checked for that)."""
    server = start()
    a, b = dial(server), dial(server)
    a.announce(load=7, id="with-more", version="1.0", herald={"version": 1})
    b.expect_announce(id="with-more", load=7)


def test_the_advertised_host_is_announced(start, dial):
    """protocol.md, Servers: `hostname` announced: `--advertise`."""
    server = start(listen="0.0.0.0:0", advertise="localhost", plaintext=True)
    dial(server).expect_announce(hostname="localhost", port=server.port)


def test_a_wildcard_is_never_announced(start, dial):
    """protocol.md, Servers: `hostname` announced: never a wildcard. (Refusing to start so is fine as well.)"""
    try:
        server = start(listen="0.0.0.0:0", plaintext=True)
    except AssertionError as refusal:
        assert "advertise" in str(refusal)
        return
    heard = dial(server).expect_announce()
    assert heard["hostname"] not in ("0.0.0.0", "::", "")


def test_the_announced_host_resolves(start, dial):
    """protocol.md, Observed of peers: requiring that an announced `hostname` resolves."""
    heard = dial(start()).expect_announce()
    assert socket.getaddrinfo(heard["hostname"], heard["port"])


# --- ACTIVITY_BROADCAST -----------------------------------------------------------------------------------------


def test_a_client_s_activity_goes_to_all_links(start, dial):
    """protocol.md, Servers: where broadcasts go: to all links and all local sessions."""
    server = start()
    client, links = server.anonymous(), [dial(server) for _ in range(3)]
    for link in links:
        link.expect_announce()
    client.publish({"n": 1})
    for link in links:
        link.hear(n=1, authenticated_user="anonymous")


def test_a_broadcast_goes_everywhere_but_back(start, dial):
    """protocol.md, Servers: where broadcasts go: to all links but the one it came from, and all local sessions."""
    server = start()
    clients = [server.anonymous(), server.anonymous()]
    a, b, c = dial(server), dial(server), dial(server)
    a.broadcast({"n": 1, "authenticated_user": "bob"})
    for other in (*clients, b, c):
        other.hear(n=1, authenticated_user="bob")
    deliver_marker(clients[0], a, b, c)


def test_a_link_keeps_the_order_of_broadcasts(start, dial):
    """design.md, section 6: each sender's order holds at every receiver."""
    server = start()
    client, a, b = server.anonymous(), dial(server), dial(server)
    a.broadcast(*({"n": n, "authenticated_user": "bob"} for n in range(500)))
    for n in range(500):
        client.hear(n=n)
        b.hear(n=n)


UNSTAMPED = {
    "absent": '{"n":1}',
    "null": '{"n":1,"authenticated_user":null}',
    "a number": '{"authenticated_user":5,"n":1}',
    "an object": '{"authenticated_user":{"name":"bob"},"n":1}',
    "an array": '{"n":1,"authenticated_user":["bob"]}',
    "true": '{"n":1,"authenticated_user":true}',
    "other spelling": '{"n":1,"Authenticated_User":"bob"}',
    "deeper": '{"n":1,"actor":{"authenticated_user":"bob"}}',
}


@pytest.mark.parametrize("text", UNSTAMPED.values(), ids=UNSTAMPED)
def test_a_broadcast_without_a_proper_user_is_stamped_anonymous(start, dial, text):
    """protocol.md, Servers: ACTIVITY_BROADCAST without a proper authenticated_user: accepted, stamped `anonymous`
    before it goes on."""
    server = start()
    client, a, b = server.anonymous(), dial(server), dial(server)
    a.broadcast(text.encode())
    for heard in (client.hear_exact(), b.expect("ACTIVITY_BROADCAST").exact.one("activity")):
        assert stamped(heard) == "anonymous"
        assert without_stamp(heard) == without_stamp(exact(text))
    deliver_marker(client, a)


STAMPED = {
    "once": '{"n":1,"authenticated_user":"bob","m":2}',
    "twice": '{"authenticated_user":"bob","n":1,"authenticated_user":"eve"}',
    "after a number": '{"authenticated_user":5,"n":1,"authenticated_user":"bob","m":2,"authenticated_user":"eve"}',
    "escaped": r'{"n":1,"authenticated\u005fuser":"bob"}',
    "escaped first": r'{"authenticated\u005fuser":"bob","n":1,"authenticated_user":"eve"}',
    "escaped value": r'{"n":1,"authenticated_user":"\u0062ob"}',
}


@pytest.mark.parametrize("text", STAMPED.values(), ids=STAMPED)
def test_of_a_broadcast_s_users_the_first_string_is_kept(start, dial, text):
    """protocol.md, Framing: on ACTIVITY_BROADCAST one is written too, where the first string value is kept."""
    server = start()
    client, a, b = server.anonymous(), dial(server), dial(server)
    a.broadcast(text.encode())
    for heard in (client.hear_exact(), b.expect("ACTIVITY_BROADCAST").exact.one("activity")):
        assert stamped(heard) == "bob"
        assert without_stamp(heard) == without_stamp(exact(text))


def test_a_relayed_activity_passes_value_for_value(start, dial):
    """protocol.md, Framing: value for value, number text kept, duplicates inside an activity pass; also in relaying."""
    server = start()
    client, a, b = server.anonymous(), dial(server), dial(server)
    text = (r'{"z":1.10,"a":1e400,"big":123456789012345678901234567890,"d":{"x":1,"x":-0},"s":"\u0000\/\ud83d\ude42é",'
            r'"z":null,"":[],"authenticated_user":"bob"}')
    a.broadcast(text.encode())
    for heard in (client.hear_exact(), b.expect("ACTIVITY_BROADCAST").exact.one("activity")):
        assert without_stamp(heard) == without_stamp(exact(text))


def test_two_hundred_kilobytes_are_relayed(start, dial):
    """protocol.md, Framing: peers relay at least 200 kB."""
    server = start()
    client, a, b = server.anonymous(), dial(server), dial(server)
    a.broadcast({"t": "x" * 200_000, "authenticated_user": "bob"})
    client.hear(t="x" * 200_000)
    b.hear(t="x" * 200_000)


def test_unknown_fields_of_a_broadcast_are_not_forwarded(start, dial):
    """protocol.md, Framing: unknown fields are ignored on input and never sent to a plain peer (checked on
    every message received here)."""
    server = start()
    a, b = dial(server), dial(server)
    a.send({"command": "ACTIVITY_BROADCAST", "activity": {"n": 1}, "origin": "x", "sequence": 1, "hops": 3})
    b.hear(n=1)


@pytest.mark.parametrize("herald", [None, True], ids=["plain", "Herald"])
def test_a_link_hears_what_happens_while_it_is_not_read(start, dial, herald):
    """protocol.md, Servers: where broadcasts go; a link is given a larger lag than clients (fanout.md). So much that
    the sockets are full and a frame is cut in two."""
    server = start()
    client, link = server.anonymous(), dial(server, herald=herald)
    if herald:
        assert link.expect("HERALD")["id"]
    link.expect_announce()
    link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    for n in range(1500):
        client.publish({"n": n, "t": "x" * 8000})
        client.hear(n=n)
    for n in range(1500):
        link.hear(n=n)


# --- as a child -------------------------------------------------------------------------------------------------


def test_a_server_told_to_connect_authenticates_first(start, parent):
    """seed 004, AUTHENTICATE: sent from one server to another always and only as the first message."""
    up = parent()
    server = start(parent=up)
    child = up.accept(server.secret)
    child.expect_announce(hostname="127.0.0.1", port=server.port)


def test_on_a_link_to_its_parent_a_child_is_an_equal(start, parent, dial):
    """seed 004, Architecture: a tree; broadcasts and locks pass in both directions."""
    up = parent()
    server = start(parent=up)
    link = up.accept(server.secret)
    server.wait_log(msg="link up")
    client, below = server.anonymous(), dial(server)
    client.publish({"n": 1})
    for other in (client, link, below):
        other.hear(n=1)
    link.broadcast({"n": 2, "authenticated_user": "bob"})
    client.hear(n=2)
    below.hear(n=2)
    said = link.announce(load=3)
    below.expect_announce(id=said["id"])
    below.broadcast({"n": 3, "authenticated_user": "eve"})
    link.hear(n=3)
    client.hear(n=3)
    name, secret = new_name(), new_secret()
    link.request(name, secret)
    below.expect("LOCK_REQUEST", username=name, secret=secret)
    for side in (link, below):
        side.expect("LOCK_ALLOWED", username=name, secret=secret)


def test_without_a_parent_a_server_serves_and_dials_until_there_is_one(start, parent):
    """protocol.md: servers join any time. The parent appears after its child."""
    up = parent(deaf=True)
    server = start(parent=up)
    client = server.anonymous().proves_to_stay()
    up.listen()
    up.accept(server.secret)
    client.proves_to_stay()


@pytest.mark.parametrize("answer", ["AUTHENTICATION_FAIL", "AUTHTENTICATION_FAIL", "INVALID_MESSAGE", "nothing", "reset"])
def test_a_parent_that_refuses_is_survived_and_dialled_again(start, parent, answer):
    """protocol.md, Observed of peers: AUTHTENTICATION_FAIL (so spelled); closing without the reply."""
    up = parent()
    server = start(parent=up)
    client = server.anonymous()
    for _ in range(2):
        link = up.accept(server.secret)
        if answer == "reset":
            link.abort()
        elif answer == "nothing":
            link.close()
        else:
            link.send({"command": answer, "info": "no"})
            link.expect_close()
        client.proves_to_stay()
    mark = server.log_length()
    link = up.accept(server.secret)
    server.wait_log(msg="link up", after=mark)
    client.publish({"n": 1})
    client.hear(n=1)
    link.hear(n=1)


def test_a_parent_that_says_nonsense_is_left_with_a_reason(start, parent):
    """seed 004, Failure model: no server should be explicitly trusted to send correct messages."""
    up = parent()
    server = start(parent=up)
    client = server.anonymous()
    link = up.accept(server.secret)
    link.herald = True
    link.send(b"hello\n")
    messages = link.read_to_end()
    assert messages and messages[-1]["command"] == "INVALID_MESSAGE"
    client.proves_to_stay()
    up.accept(server.secret)
