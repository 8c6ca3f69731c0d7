"""protocol.md, Between Herald servers: the extension, and what happens where a peer does not want it."""

import signal

import pytest
from herald_harness import new_id, new_name, new_secret


def herald(name):
    return {"version": 1, "id": name}


@pytest.fixture
def dial_herald(dial):
    """Makes child peers that declare themselves Herald, and have been answered."""
    def make(server, **options):
        peer = dial(server, herald=True, **options)
        answer = peer.expect("HERALD")
        assert answer["version"] >= 1 and answer["id"]
        peer.server_id = answer["id"]
        return peer
    return make


def test_a_child_declares_itself(start, parent):
    """protocol.md, Between Herald servers: AUTHENTICATE carries an extra member `herald` (version, id, …)."""
    up = parent()
    server = start(parent=up)
    declared = up.accept(server.secret).authenticate["herald"]
    assert declared["version"] >= 1 and declared["id"]


def test_herald_is_answered_with_herald(start, dial_herald):
    """protocol.md, Between Herald servers: the accepting side answers with `HERALD`; the id is that of the announces."""
    peer = dial_herald(start())
    peer.expect_announce(id=peer.server_id)


def test_a_plain_peer_is_not_answered(start, dial):
    """protocol.md, Between Herald servers: answers with `HERALD` only to one that declared itself."""
    server = start()
    peer = dial(server)
    server.anonymous().publish({"n": 1})
    peer.hear(n=1)


@pytest.mark.parametrize("member", [True, 1, "yes", {}, [], None, {"version": 1}, {"id": "x"}, {"version": "x", "id": 5}],
                         ids=repr)
def test_something_else_in_that_member_is_a_plain_peer(start, dial, member):
    """protocol.md, Framing: unknown fields are ignored on input."""
    server = start()
    client = server.client()
    client.send({"command": "AUTHENTICATE", "secret": server.secret, "herald": member})
    server.wait_log(msg="link up")
    other = dial(server)
    server.anonymous().publish({"n": 1})
    other.hear(n=1)
    line = client.receive_line()
    while b"SERVER_ANNOUNCE" in line:
        line = client.receive_line()
    assert b"ACTIVITY_BROADCAST" in line and b"origin" not in line


def test_herald_before_authenticate_is_refused(start):
    """protocol.md, Servers: any server command before AUTHENTICATE: INVALID_MESSAGE, close."""
    client = start().client()
    client.send({"command": "HERALD", **herald(new_id())})
    client.expect_refusal("INVALID_MESSAGE")


def test_a_parent_that_refuses_the_member_is_dialled_again_without_it(start, parent):
    """protocol.md, Between Herald servers: two peers refuse the extra member (INVALID_MESSAGE, close): dial again
    once without it and remember that."""
    up = parent()
    server = start(parent=up)
    first = up.accept(server.secret)
    assert "herald" in first.authenticate
    first.send({"command": "INVALID_MESSAGE", "info": "unexpected field herald"})
    first.expect_close()
    second = up.accept(server.secret)
    assert sorted(second.authenticate) == ["command", "secret"]
    second.expect_announce()
    second.sync()
    second.close()
    third = up.accept(server.secret)
    assert sorted(third.authenticate) == ["command", "secret"]


def test_a_parent_that_ignores_the_member_is_a_plain_peer(start, parent):
    """protocol.md, Between Herald servers: unknown members are ignored by most; the link is plain then."""
    up = parent()
    server = start(parent=up)
    link = up.accept(server.secret)
    server.wait_log(msg="link up")
    client = server.anonymous()
    client.publish({"n": 1})
    link.hear(n=1)
    link.sync()


def test_a_parent_that_answers_is_a_herald_link(start, parent):
    """protocol.md, Between Herald servers: links on which both have done so may use the extensions."""
    up = parent()
    server = start(parent=up)
    link = up.accept(server.secret)
    link.herald = True
    link.send({"command": "HERALD", **herald(link.id)})
    server.wait_log(msg="link up")
    server.anonymous().publish({"n": 1})
    assert "origin" in link.expect("ACTIVITY_BROADCAST", activity=lambda activity: activity["n"] == 1)
    link.sync()


def test_activities_carry_origin_and_sequence(start, dial, dial_herald):
    """protocol.md, Between Herald servers: (origin, sequence) on activities; a plain peer sees none of it."""
    server = start()
    client, peer, plain = server.anonymous(), dial_herald(server), dial(server)
    client.publish({"n": 1}, {"n": 2})
    heard = [peer.expect("ACTIVITY_BROADCAST") for _ in range(2)]
    assert [one["activity"]["n"] for one in heard] == [1, 2]
    assert heard[0]["origin"] == heard[1]["origin"] == peer.server_id
    assert heard[0]["sequence"] < heard[1]["sequence"]
    plain.hear(n=1)  # checked to have no unknown fields
    plain.hear(n=2)


def test_an_activity_that_came_before_is_dropped(start, dial_herald):
    """protocol.md, Between Herald servers: (origin, sequence): nobody hears twice, over whichever link it comes."""
    server = start()
    client, a, b = server.anonymous(), dial_herald(server), dial_herald(server)
    origin = new_id()

    def say(peer, sequence, **activity):
        peer.send({"command": "ACTIVITY_BROADCAST", "origin": origin, "sequence": sequence,
                   "activity": {**activity, "authenticated_user": "bob"}})

    say(a, 1, n=1)
    say(a, 2, n=2)
    b.hear(n=1)
    b.hear(n=2)
    say(b, 1, n="again")
    say(a, 2, n="again")
    say(b, 3, n=3)
    a.hear(n=3)
    for n in (1, 2, 3):
        client.hear(n=n)
    client.proves_to_stay()


def test_origin_and_sequence_pass_unchanged(start, dial_herald):
    """protocol.md, Between Herald servers: (origin, sequence) name where an activity entered the tree."""
    server = start()
    a, b = dial_herald(server), dial_herald(server)
    origin = new_id()
    a.send({"command": "ACTIVITY_BROADCAST", "origin": origin, "sequence": 41, "activity": {"authenticated_user": "bob"}})
    heard = b.expect("ACTIVITY_BROADCAST")
    assert (heard["origin"], heard["sequence"]) == (origin, 41)


@pytest.mark.parametrize("members", [{"origin": 5, "sequence": 1}, {"origin": "x"}, {"sequence": 3},
                                     {"origin": "x", "sequence": 0}, {"origin": "x", "sequence": "one"},
                                     {"origin": "", "sequence": 1}, {"origin": "x", "sequence": -1}], ids=repr)
def test_a_malformed_origin_does_not_lose_the_activity(start, dial_herald, members):
    """protocol.md, Between Herald servers: everything else is the plain protocol; a malformed pair is as good as none."""
    server = start()
    client, peer = server.anonymous(), dial_herald(server)
    for n in (1, 2):
        peer.send({"command": "ACTIVITY_BROADCAST", **members, "activity": {"n": n, "authenticated_user": "bob"}})
    client.hear(n=1)
    client.hear(n=2)


def test_everything_else_is_the_plain_protocol(start, dial_herald):
    """protocol.md, Between Herald servers: everything else on such a link is the plain protocol."""
    server = start()
    peer = dial_herald(server)
    peer.expect_announce(hostname="127.0.0.1", port=server.port)
    peer.sync()
    client = server.client()
    name, secret = new_name(), new_secret()
    client.send_register(name, secret)
    peer.expect("LOCK_REQUEST", username=name, secret=secret)
    peer.allow(name, secret)
    client.expect("REGISTER_SUCCESS")
    peer.send({"command": "LOGIN", "username": "anonymous"})
    peer.expect_refusal("INVALID_MESSAGE")


@pytest.mark.parametrize("message", [
    {"command": "HERALD"},
    {"command": "HERALD", "redirected": 5, "by": "x", "round": 1},
    {"command": "HERALD", "redirected": [5], "by": "x", "round": 1},
    {"command": "HERALD", "redirected": [{"id": "x"}], "by": "x", "round": 1},
    {"command": "HERALD", "redirected": [{"id": 5, "count": 1}], "by": "x", "round": 1},
], ids=repr)
def test_a_malformed_herald_is_refused(start, dial_herald, message):
    """protocol.md, Framing: a missing or wrongly typed field: INVALID_MESSAGE, close."""
    peer = dial_herald(start())
    peer.send(message)
    peer.expect_refusal("INVALID_MESSAGE")


def test_who_was_redirected_is_told_to_other_heralds(start, dial, dial_herald):
    """protocol.md, Between Herald servers: load hints, so that not everyone is sent to the same server at once."""
    server = start()
    server.anonymous()
    free = dial(server, announce=0)
    friend = dial_herald(server, announce=50)
    friend.expect_announces("id", {free.id})
    client = server.client().login()
    client.expect_refusal("REDIRECT", port=1)
    hint = friend.expect("HERALD")
    assert hint["redirected"] == [{"id": free.id, "count": 1}]
    assert hint["by"] == friend.server_id


@pytest.mark.parametrize("answers", [True, False])
def test_a_herald_is_told_before_a_client_comes(start, dial_herald, answers):
    """protocol.md, Between Herald servers: load hints: the REDIRECT waits for the answer, but not for ever."""
    server = start()
    server.anonymous()
    friend = dial_herald(server, announce=0)
    friend.sync()
    client = server.client().login()
    hint = friend.expect("HERALD")
    assert hint["redirected"] == [{"id": friend.id, "count": 1}]
    if answers:
        assert client.quiet_now()
        friend.send({"command": "HERALD", "expected": friend.id, "by": hint["by"], "round": hint["round"]})
    client.expect_refusal("REDIRECT", port=1)


def test_a_client_that_waits_is_not_sent_to_a_server_that_has_gone(start, dial, dial_herald):
    """docs/protocol, Goodbye: nobody is redirected there: not those either who were to be sent there, and wait."""
    server = start(announce_interval="30s")
    server.anonymous()
    friend, other = dial_herald(server), dial(server)
    friend.announce(load=0)
    other.announce(load=50, port=2)
    friend.expect_announces("load", {50})
    client = server.client().login()
    told(friend, "redirected")
    friend.send({"command": "HERALD", "goodbye": friend.id})
    client.expect_refusal("REDIRECT", port=2)


def test_who_was_sent_by_a_herald_is_let_in(start, dial_herald):
    """protocol.md, Between Herald servers: load hints: who was sent here is not sent on."""
    server = start()
    stays = server.anonymous()
    friend = dial_herald(server, announce=0)
    friend.send({"command": "HERALD", "redirected": [{"id": friend.server_id, "count": 1}], "by": friend.id, "round": 1})
    assert friend.expect("HERALD", expected=friend.server_id, by=friend.id)["round"] == 1
    server.anonymous().proves_to_stay()
    stays.hear()
    friend.hear()  # for how many, and how long, this holds: tests/unit/stream/balance.c, in virtual time


def test_a_hint_counts_as_load(start, dial, dial_herald):
    """protocol.md, Between Herald servers: load hints."""
    server = start()
    stays = server.anonymous()
    free = dial(server, announce=0)
    friend = dial_herald(server, announce=50)
    friend.expect_announces("id", {free.id})
    friend.send({"command": "HERALD", "redirected": [{"id": free.id, "count": 3}], "by": friend.id, "round": 1})
    friend.sync()
    server.anonymous().proves_to_stay()
    stays.hear()


def test_a_server_does_not_link_to_itself(start, dial):
    """protocol.md, Servers: a link whose other end declares our own id is no link."""
    server = start()
    client = server.anonymous()
    me = dial(server).expect_announce()["id"]
    twin = server.client()
    twin.send({"command": "AUTHENTICATE", "secret": server.secret, "herald": herald(me)})
    twin.read_to_close()
    client.proves_to_stay()


def told(peer, member):
    """The next HERALD with this member; what others use to get in step may come before it."""
    while True:
        message = peer.expect(("HERALD", "LOCK_REQUEST", "LOCK_ALLOWED"))
        if member in message:
            return message[member]


def test_a_late_greeting_makes_the_link_a_herald_link(start, parent):
    """docs/protocol, The greeting: over a slow path HERALD may come after the parent was taken for a plain one."""
    up = parent()
    server = start(parent=up)
    link = up.accept(server.secret)
    server.wait_log("kind=plain", msg="link up")
    link.herald = True
    link.send({"command": "HERALD", "version": 1, "id": "late"})
    server.wait_log(msg="link is herald")
    server.anonymous().publish({"n": 1})
    assert link.expect("ACTIVITY_BROADCAST")["sequence"] >= 1


def test_goodbye_is_believed_by_the_link_that_leads_there(start, dial, dial_herald):
    """docs/protocol, Goodbye: forgotten at once, nobody is redirected there; not at the word of another link."""
    server = start(announce_interval="30s")
    server.anonymous()
    friend = dial_herald(server)
    friend.announce(load=0, id="north")
    stranger = dial_herald(server)
    stranger.send({"command": "HERALD", "goodbye": "north"})
    stranger.sync()
    client = server.client().login()
    told(friend, "redirected")
    client.expect_refusal("REDIRECT")
    friend.send({"command": "HERALD", "goodbye": "north"})
    assert told(stranger, "goodbye") == "north"
    server.anonymous().proves_to_stay()


def test_when_a_link_goes_down_those_behind_it_are_said_goodbye_for(start, dial_herald):
    """docs/protocol, Goodbye: no server keeps a ghost of the dead one."""
    server = start(announce_interval="30s")
    friend, witness = dial_herald(server), dial_herald(server)
    friend.announce(load=0, id="north")
    friend.announce(load=0, id="south")
    friend.sync()
    friend.abort()
    assert {told(witness, "goodbye") for _ in range(2)} == {"north", "south"}


def test_a_parent_that_said_goodbye_is_not_the_first_to_be_dialled(start, parent):
    """docs/protocol, Goodbye: a child of it tries the next of its parents first."""
    first, second = parent(), parent()
    server = start(parent=[first, second])
    link = first.accept(server.secret)
    link.send({"command": "HERALD", "version": 1, "id": "first"})
    server.wait_log(msg="link up")
    link.send({"command": "HERALD", "goodbye": "first"})
    link.close()
    second.accept(server.secret)


def test_a_stopping_server_says_goodbye_and_sends_its_clients_on(start, dial_herald):
    """docs/protocol, Goodbye, and Clients: REDIRECT when the server stops."""
    server = start(announce_interval="30s")
    client = server.anonymous()
    friend = dial_herald(server)
    friend.announce(load=0, id="north", port=3790)
    friend.sync()
    server.signal(signal.SIGTERM)
    client.expect("REDIRECT", port=3790)
    client.expect_close()
    told(friend, "goodbye")
    friend.expect_close()
