"""protocol.md, Observed of peers, to be survived: each quirk is played by a hand-made server.

(Announcing another hostname, requiring that ours resolves, AUTHTENTICATION_FAIL and closing without the reply
are in test_redirect.py and test_links.py.)"""

import json
import time

import pytest
from herald_harness import exact, new_id, new_name, new_secret, stamped, without_stamp


def test_a_link_that_falls_silent_is_cut(start, dial):
    """Silent links: time out a link that has announced before and has not for three intervals; not before."""
    server = start(announce_interval="500ms")
    client = server.anonymous()
    peer = dial(server)
    began = time.monotonic()
    peer.announce(load=1)
    peer.read_to_close()
    assert time.monotonic() - began >= 3 * 0.5 * 0.95
    server.wait_log(msg="link down")
    client.proves_to_stay()


def test_a_link_that_never_announced_is_not_cut(start, dial):
    """Silent links: only one that has announced before."""
    server = start(announce_interval="300ms")
    peer = dial(server)
    for _ in range(6):
        peer.expect_announce()
    peer.sync()


def test_a_link_that_announces_stays(start, dial):
    """Silent links: and has not for three intervals."""
    server = start(announce_interval="300ms")
    peer = dial(server, announce=1)
    for _ in range(6):
        peer.expect_announce()
    peer.sync()


def test_announces_of_others_do_not_keep_a_silent_server_known(start, dial):
    """protocol.md, Servers: an id unheard for three intervals is forgotten: a registration does not wait for it."""
    server = start(announce_interval="300ms")
    peer = dial(server, announce=1000)
    peer.announce(load=1000, id=new_id())
    peer.sync()
    for _ in range(6):
        peer.expect_announce()
    name, secret = new_name(), new_secret()
    client = server.client()
    client.send_register(name, secret)
    peer.expect("LOCK_REQUEST", username=name)
    peer.allow(name, secret, server=peer.id)
    client.expect("REGISTER_SUCCESS")


def test_a_silent_parent_is_cut_and_dialled_again(start, parent):
    """Silent links: a reader thread that died while its socket stays open; also of a parent."""
    up = parent()
    server = start(parent=up, announce_interval="300ms")
    link = up.accept(server.secret)
    link.announce(load=1)
    link.read_to_close()
    up.accept(server.secret)


@pytest.mark.parametrize("hostname", ["no-such-host.invalid", "", "localhost", "::1", "127.0.0.1 ", "x" * 1000, "ümlaut.example"],
                         ids=lambda name: repr(name[:24]))
def test_any_hostname_may_be_announced(start, dial, hostname):
    """Announcing a different hostname than they listen on: survived; what could not be a host may be refused."""
    server = start()
    client = server.anonymous()
    peer = dial(server)
    peer.announce(load=3, hostname=hostname)
    dial(server).announce(load=3)
    client.proves_to_stay()


@pytest.mark.parametrize("load", [1, 1000, 2 ** 31])
def test_any_load_may_be_announced(start, dial, load):
    """Announcing a load that counts server links: it is what it is."""
    server = start()
    peer, other = dial(server), dial(server)
    peer.announce(load=load, id="much")
    other.expect_announce(id="much", load=load)


def test_a_lock_request_without_secret_is_survived(start, dial):
    """LOCK_REQUEST without `secret`."""
    server = start()
    a, b = dial(server), dial(server)
    name = new_name()
    a.request(name)
    a.expect("LOCK_ALLOWED", username=name)
    commands = [b.expect(("LOCK_REQUEST", "LOCK_ALLOWED"), username=name)["command"] for _ in range(2)]
    assert set(commands) == {"LOCK_REQUEST", "LOCK_ALLOWED"}
    client = server.client()
    client.send_login(name, new_secret())
    client.expect_refusal("LOGIN_FAILED")


def test_a_lock_request_without_secret_for_a_known_name_is_denied(start, dial):
    """LOCK_REQUEST without `secret`; Registration locks: name known, whatever the secret: LOCK_DENIED."""
    server = start()
    name, secret = server.register()
    peer = dial(server)
    peer.request(name)
    peer.expect("LOCK_DENIED", username=name)
    server.client().login(name, secret)


def test_an_activity_that_is_a_string_is_unpacked(start, dial):
    """An `activity` that is a JSON string: the object in it is what is passed on, stamped."""
    server = start()
    client, a, b = server.anonymous(), dial(server), dial(server)
    inner = '{"n":1.10,"s":"é\\"","authenticated_user":"bob"}'
    a.send(b'{"command":"ACTIVITY_BROADCAST","activity":' + json.dumps(inner).encode() + b"}\n")
    for heard in (client.hear_exact(), b.expect("ACTIVITY_BROADCAST").exact.one("activity")):
        assert stamped(heard) == "bob"
        assert without_stamp(heard) == without_stamp(exact(inner))


@pytest.mark.parametrize("inner", ["", "hello", "[]", "5", '"{}"', "{", '{"a":1}{"b":2}'])
def test_an_activity_that_is_another_string_is_refused(start, dial, inner):
    """protocol.md, Framing: a wrongly typed field: INVALID_MESSAGE, close."""
    server = start()
    client, peer = server.anonymous(), dial(server)
    peer.send({"command": "ACTIVITY_BROADCAST", "activity": inner})
    peer.expect_refusal("INVALID_MESSAGE")
    client.proves_to_stay()


def test_spurious_lock_messages_are_survived(start, dial):
    """Broadcasting spurious LOCK messages: for names unknown, for others' accounts, again and again."""
    server = start()
    account, account_secret = server.register()
    a, b = dial(server), dial(server)
    for _ in range(20):
        for command in ("LOCK_ALLOWED", "LOCK_DENIED"):
            a.lock(command, new_name(), new_secret())
            a.lock(command, account, account_secret)
            a.lock(command, account, new_secret())
            a.lock(command, "", new_secret())
            a.lock(command, "anonymous", new_secret())
            a.lock(command, new_name())
    a.broadcast({"n": 1})
    while b.expect(("LOCK_ALLOWED", "LOCK_DENIED", "ACTIVITY_BROADCAST"))["command"] != "ACTIVITY_BROADCAST":
        pass
    server.client().login(account, account_secret)
    for peer in (a, b):
        peer.close()
    server.wait_log(msg="link down", count=2)
    name, secret = server.register()
    server.client().login(name, secret)


def test_free_escaping_and_dropped_nulls_are_survived(start, dial):
    """protocol.md, Framing: peers escape freely (`\\/`, `\\u003d`), turn 1 into 1.0, drop nulls."""
    server = start()
    client, a, b = server.anonymous(), dial(server), dial(server)
    a.send(rb'{"\u0063ommand":"ACTIVITY\u005fBROADCAST","activity":{"url":"http:\/\/x\/?a\u003db","n":1.0,'
           rb'"authenticated_user":"b\u006fb"},"extra":[1]}' + b"\n")
    client.hear(url="http://x/?a=b", authenticated_user="bob")
    b.hear(url="http://x/?a=b", authenticated_user="bob")


def test_an_answer_for_a_whole_subtree_leads_to_a_timeout_not_a_hang(start, dial):
    """protocol.md, Registration locks: some peers answer once for a whole subtree, or throw and fall silent."""
    server = start(register_timeout="1s")
    peer = dial(server, announce=1000)
    for _ in range(3):
        peer.announce(load=1000, id=new_id())
    peer.sync()
    name, secret = new_name(), new_secret()
    client = server.client()
    client.send_register(name, secret)
    peer.expect("LOCK_REQUEST", username=name)
    peer.allow(name, secret)
    client.expect_refusal("REGISTER_FAILED")
    peer.expect("LOCK_DENIED", username=name, secret=secret)


def test_our_own_announce_coming_back_is_survived(start, dial):
    """seed 004, Failure model: messages may not contain correct information: our own id, announced by another."""
    server = start()
    client, a, b = server.anonymous(), dial(server, announce=1000), dial(server)
    me = a.expect_announce(port=server.port)["id"]
    a.announce(load=0, id=me, hostname="127.0.0.9", port=4009)
    client.proves_to_stay()
    server.anonymous().proves_to_stay()  # not redirected to ourselves
    b.hear()


def test_a_flood_of_ids_is_bounded(start, dial):
    """design.md, decision 8: nothing a peer sends can grow the server without bound."""
    server = start(log_level="info")
    client, peer = server.anonymous(), dial(server)
    before = server.rss()
    for _ in range(20):
        for _ in range(1000):
            peer.announce(load=1000, id=new_id())
        peer.broadcast({"n": 1, "authenticated_user": "bob"})
        client.hear(n=1)
    assert server.rss() - before < 64 << 20
