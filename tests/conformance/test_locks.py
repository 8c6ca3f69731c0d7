"""protocol.md, Registration locks: every sentence of it, played with hand-made servers."""

import re
import time

import pytest
from herald_harness import eventually, new_id, new_name, new_secret


LOCKS = ("LOCK_REQUEST", "LOCK_ALLOWED", "LOCK_DENIED")


def known(*peers):
    """Every peer announces itself, and all of them are told of all: the server knows them when this returns."""
    for peer in peers:
        peer.keep_announcing(load=1000)
    for peer in peers:
        peer.expect_announces("id", {other.id for other in peers if other is not peer})
    if len(peers) == 1:
        peers[0].sync()
    return peers


def asked(server, peers, name=None, secret=None):
    """A client sends REGISTER and the peers are asked. Returns client, name, secret."""
    name, secret = name or new_name(), secret or new_secret()
    client = server.client()
    client.send_register(name, secret)
    for peer in peers:
        peer.expect("LOCK_REQUEST", username=name, secret=secret)
    return client, name, secret


def answered(peers, command, name, secret):
    """Every one of `peers` is told `command` next."""
    for peer in peers:
        peer.expect(command, username=name, secret=secret)


def request_and_answer(peers, answer, name, secret):
    """Every one of `peers` is told the request and its answer next, whichever first. Returns the answers."""
    answers = []
    for peer in peers:
        heard = [peer.expect(("LOCK_REQUEST", answer), username=name, secret=secret) for _ in range(2)]
        assert {one["command"] for one in heard} == {"LOCK_REQUEST", answer}
        answers += [one for one in heard if one["command"] == answer]
    return answers


def logs_in(server, name, secret):
    server.client().login(name, secret)


def does_not_log_in(server, name, secret):
    client = server.client()
    client.send_login(name, secret)
    client.expect_refusal("LOGIN_FAILED")


def marker(client, *peers):
    """An activity that every peer must hear next: nothing else was said to it before."""
    text = new_name("marker")
    client.publish({"marker": text})
    client.hear(marker=text)
    for peer in peers:
        peer.hear(marker=text)


# --- REGISTER asks ----------------------------------------------------------------------------------------------


def test_with_no_other_server_registering_succeeds_at_once(start):
    """protocol.md, Registration locks: with no other server: succeed at once."""
    server = start()
    logs_in(server, *server.register())


def test_registering_asks_on_all_links_and_waits_for_all(start, dial):
    """protocol.md, Registration locks: reserve, send LOCK_REQUEST on all links, wait for LOCK_ALLOWED from all."""
    server = start()
    peers = known(dial(server), dial(server), dial(server))
    client, name, secret = asked(server, peers)
    for peer in peers:
        assert client.quiet_now()
        peer.allow(name, secret)
    client.expect("REGISTER_SUCCESS")
    client.login(name, secret)


def test_the_last_of_many_answers_decides(start, dial):
    """seed 004, Successfully registering: wait for LOCK_ALLOWED from all such servers; even a single LOCK_DENIED
    fails it. The first thing that the client hears is the failure: no success came before."""
    server = start()
    peers = known(dial(server), dial(server), dial(server))
    client, name, secret = asked(server, peers)
    peers[0].allow(name, secret)
    peers[1].allow(name, secret)
    for _ in range(2):  # both are known here before the denial
        peers[2].expect("LOCK_ALLOWED", username=name)
    peers[2].deny(name, secret)
    client.expect_refusal("REGISTER_FAILED", info=lambda info: name in info)
    does_not_log_in(server, name, secret)


def test_a_neighbour_that_has_not_announced_itself_is_waited_for(start, dial):
    """protocol.md, Registration locks: plus each authenticated neighbour that has not announced yet."""
    server = start()
    peer = dial(server)
    client, name, secret = asked(server, [peer])
    peer.deny(name, secret)
    client.expect_refusal("REGISTER_FAILED")
    client, name, secret = asked(server, [peer])
    peer.allow(name, secret)
    client.expect("REGISTER_SUCCESS")


def test_a_server_behind_a_neighbour_is_waited_for(start, dial):
    """protocol.md, Registration locks: ids learnt from SERVER_ANNOUNCE; count distinct servers where ids are given."""
    server = start()
    (peer,) = known(dial(server))
    behind = peer.announce(load=1000, id=new_id())["id"]
    peer.sync()
    client, name, secret = asked(server, [peer])
    peer.allow(name, secret, server=peer.id)
    peer.allow(name, secret, server=peer.id)
    peer.deny(name, secret)
    client.expect_refusal("REGISTER_FAILED")
    client, name, secret = asked(server, [peer])
    peer.allow(name, secret, server=peer.id)
    peer.allow(name, secret, server=behind)
    client.expect("REGISTER_SUCCESS")


def test_answers_without_server_are_counted_by_messages(start, dial):
    """protocol.md, Registration locks: count distinct servers where ids are given, messages where not."""
    server = start()
    (peer,) = known(dial(server))
    peer.announce(load=1000, id=new_id())
    peer.sync()
    client, name, secret = asked(server, [peer])
    peer.allow(name, secret)
    peer.allow(name, secret)
    client.expect("REGISTER_SUCCESS")


def test_one_server_s_answer_over_two_links_counts_once(start, dial):
    """protocol.md, Registration locks: count distinct servers where ids are given."""
    server = start()
    a, b = known(dial(server), dial(server))
    client, name, secret = asked(server, [a, b])
    a.allow(name, secret, server=a.id)
    b.expect("LOCK_ALLOWED", username=name)
    b.allow(name, secret, server=a.id)
    b.deny(name, secret)
    client.expect_refusal("REGISTER_FAILED")


def test_an_answer_with_another_secret_does_not_count(start, dial):
    """seed 004, Successfully registering: LOCK_DENIED, LOCK_ALLOWED for the username secret pair."""
    server = start()
    (peer,) = known(dial(server))
    client, name, secret = asked(server, [peer])
    peer.allow(name, new_secret())
    peer.deny(name, secret)
    client.expect_refusal("REGISTER_FAILED")
    client, name, secret = asked(server, [peer])
    peer.deny(name, new_secret())
    peer.allow(name, secret)
    client.expect("REGISTER_SUCCESS")


def test_an_answer_for_another_name_does_not_count(start, dial):
    """seed 004, Successfully registering: for the username secret pair."""
    server = start()
    (peer,) = known(dial(server))
    client, name, secret = asked(server, [peer])
    peer.allow(new_name(), secret)
    peer.deny(new_name(), secret)
    peer.deny(name, secret)
    client.expect_refusal("REGISTER_FAILED", info=lambda info: name in info)


def test_a_name_known_here_is_refused_without_asking(start, dial):
    """seed 004, Successfully registering: if the server itself already had a registered username, no LOCK_REQUEST."""
    server = start()
    name, secret = server.register()
    listener = server.anonymous()
    (peer,) = known(dial(server))
    client = server.client()
    client.send_register(name, secret)
    client.expect_refusal("REGISTER_FAILED")
    marker(listener, peer)


def test_a_name_may_be_pending_only_once(start, dial):
    """protocol.md, Clients: REGISTER while another for the name is pending: REGISTER_FAILED; the first goes on."""
    server = start()
    (peer,) = known(dial(server))
    first, name, secret = asked(server, [peer])
    for other in (name, name.upper()):
        second = server.client()
        second.send_register(other, new_secret())
        second.expect_refusal("REGISTER_FAILED")
    peer.allow(name, secret)
    first.expect("REGISTER_SUCCESS")
    logs_in(server, name, secret)


def test_a_pending_name_does_not_log_in(start, dial):
    """seed 004, REGISTER_SUCCESS: and now the user can login; not before."""
    server = start()
    (peer,) = known(dial(server))
    client, name, secret = asked(server, [peer])
    does_not_log_in(server, name, secret)
    peer.allow(name, secret)
    client.expect("REGISTER_SUCCESS")
    logs_in(server, name, secret)


def test_a_client_that_goes_while_its_name_is_pending_harms_nobody(start, dial):
    """seed 004, Failure model: clients may quit at any time."""
    server = start()
    (peer,) = known(dial(server))
    for leave in ("close", "abort"):
        client, name, secret = asked_in_the_midst(server, peer)
        getattr(client, leave)()
        peer.allow(name, secret)
    client, name, secret = asked_in_the_midst(server, peer)
    peer.allow(name, secret)
    client.expect("REGISTER_SUCCESS")


def asked_in_the_midst(server, peer):
    """Like asked(), though other lock messages (for names given up) may come first."""
    name, secret = new_name(), new_secret()
    client = server.client()
    client.send_register(name, secret)
    while peer.expect(("LOCK_REQUEST", "LOCK_DENIED"))["username"] != name:
        pass
    return client, name, secret


def test_registering_ends_at_the_timeout(start, dial):
    """protocol.md, Registration locks: REGISTER ends after register_timeout with REGISTER_FAILED that says so; the
    reservation is undone and LOCK_DENIED sent so that others undo theirs."""
    server = start(register_timeout="1s")
    peers = known(dial(server), dial(server))
    began = time.monotonic()
    client, name, secret = asked(server, peers)
    peers[0].allow(name, secret)
    client.expect_refusal("REGISTER_FAILED", info=re.compile("time|answer|respon|reach", re.I))
    assert time.monotonic() - began >= 0.99
    peers[1].expect("LOCK_ALLOWED", username=name)
    answered(peers, "LOCK_DENIED", name, secret)
    does_not_log_in(server, name, secret)
    client, name, secret = asked(server, peers, name)
    for peer in peers:
        peer.allow(name, secret)
    client.expect("REGISTER_SUCCESS")


def test_a_refused_name_can_be_asked_for_again(start, dial):
    """seed 004, LOCK_DENIED: it will remove the username from its local storage."""
    server = start()
    (peer,) = known(dial(server))
    client, name, secret = asked(server, [peer])
    peer.deny(name, secret)
    client.expect_refusal("REGISTER_FAILED")
    client, name, secret = asked(server, [peer], name, secret)
    peer.allow(name, secret)
    client.expect("REGISTER_SUCCESS")


def test_many_names_may_be_pending_at_once(start, dial):
    """protocol.md, Registration locks: each waits for its own answers."""
    server = start()
    (peer,) = known(dial(server))
    pending = [asked(server, [peer]) for _ in range(20)]
    for _, name, secret in reversed(pending[10:]):
        peer.allow(name, secret)
    for _, name, secret in pending[:10]:
        peer.deny(name, secret)
    for client, _, _ in pending[:10]:
        client.expect_refusal("REGISTER_FAILED")
    for client, _, _ in pending[10:]:
        client.expect("REGISTER_SUCCESS")


# --- LOCK_REQUEST is answered -----------------------------------------------------------------------------------


def test_an_unknown_name_is_allowed_on_all_links(start, dial):
    """protocol.md, Registration locks: unknown: record name and secret, LOCK_ALLOWED on all links, the asking one
    included; the request is forwarded to the other links."""
    server = start()
    listener = server.anonymous()
    a, b, c = known(dial(server), dial(server), dial(server))
    name, secret = new_name(), new_secret()
    a.request(name, secret)
    request_and_answer([b, c], "LOCK_ALLOWED", name, secret)
    a.expect("LOCK_ALLOWED", username=name, secret=secret)
    marker(listener, a, b, c)
    logs_in(server, name, secret)


@pytest.mark.parametrize("secret_is", ["the same", "another"])
@pytest.mark.parametrize("known_as", ["account", "pending", "recorded"])
def test_a_known_name_is_denied_on_all_links(start, dial, known_as, secret_is):
    """protocol.md, Registration locks: name known or pending here, whatever the secret: LOCK_DENIED, on all links,
    the asking one included; the request is forwarded in this case, too."""
    server = start()
    listener = server.anonymous()
    name, secret = server.register() if known_as == "account" else (new_name(), new_secret())
    a, b = known(dial(server), dial(server))
    if known_as == "pending":
        asked(server, [a, b], name, secret)
    elif known_as == "recorded":
        b.request(name, secret)
        request_and_answer([a], "LOCK_ALLOWED", name, secret)
        answered([b], "LOCK_ALLOWED", name, secret)
    other = secret if secret_is == "the same" else new_secret()
    a.request(name, other)
    request_and_answer([b], "LOCK_DENIED", name, other)
    a.expect("LOCK_DENIED", username=name, secret=other)
    if known_as == "account":
        logs_in(server, name, secret)
        marker(listener, a, b)


def test_names_are_compared_as_logins_are(start, dial):
    """design.md, section 5: compared without case; the answer repeats the name as it was asked for."""
    server = start()
    name, _ = server.register("alice")
    peer = dial(server)
    other = new_secret()
    peer.request(name.upper(), other)
    peer.expect("LOCK_DENIED", username=name.upper(), secret=other)


NOT_LOGINS = ["", "ann bee", "ann\nbee", "ann\0", "a" * 65, "ann\u202e", "a" * 5000]


@pytest.mark.parametrize("name", NOT_LOGINS, ids=lambda name: repr(name[:20]))
def test_a_name_our_rules_do_not_allow_is_allowed_and_not_recorded(start, dial, name):
    """protocol.md, Registration locks: names that our login rules do not allow are answered LOCK_ALLOWED (they
    cannot clash) and not recorded."""
    server = start()
    peer = dial(server)
    for _ in range(2):  # had the first been recorded, the second would be denied
        secret = new_secret()
        peer.request(name, secret)
        peer.expect("LOCK_ALLOWED", username=name, secret=secret)
        client = server.client()
        client.send_login(name, secret)
        client.expect_refusal(("LOGIN_FAILED", "INVALID_MESSAGE"))


def test_answers_of_others_are_forwarded(start, dial):
    """protocol.md, Registration locks: answers are forwarded (to the other links, not back)."""
    server = start()
    listener = server.anonymous()
    a, b, c = known(dial(server), dial(server), dial(server))
    for command in ("LOCK_ALLOWED", "LOCK_DENIED"):
        name, secret = new_name(), new_secret()
        a.lock(command, name, secret)
        answered([b, c], command, name, secret)
    marker(listener, a, b, c)


@pytest.mark.parametrize("command", ["LOCK_REQUEST", "LOCK_ALLOWED", "LOCK_DENIED"])
def test_repeats_are_dropped(start, dial, command):
    """protocol.md, Registration locks: one lock message per (command, name, secret, server) per link and window;
    repeats are dropped, so that nobody can make storms."""
    server = start()
    listener = server.anonymous()
    a, b = known(dial(server), dial(server))
    name, secret = new_name(), new_secret()
    for _ in range(5):
        a.lock(command, name, secret)
    a.broadcast({"n": 1, "authenticated_user": "bob"})
    listener.hear(n=1)
    commands = []
    while (message := b.expect((command, "LOCK_ALLOWED", "ACTIVITY_BROADCAST")))["command"] != "ACTIVITY_BROADCAST":
        commands.append(message["command"])
    assert sorted(commands) == (["LOCK_ALLOWED", "LOCK_REQUEST"] if command == "LOCK_REQUEST" else [command])
    if command == "LOCK_REQUEST":
        a.expect("LOCK_ALLOWED", username=name)
    marker(listener, a, b)


def test_two_links_that_echo_each_other_make_no_storm(start, dial):
    """protocol.md, Registration locks: repeats are dropped, so hostile or buggy peers cannot make storms."""
    server = start()
    listener = server.anonymous()
    a, b = known(dial(server), dial(server))
    name, secret = new_name(), new_secret()
    a.request(name, secret)
    echoes = sum(echo(a, b, listener) + echo(b, a, listener) for _ in range(50))
    assert echoes <= 20


def echo(speaker, other, listener):
    """`other` sends back every lock message it is sent until an activity of `speaker` reaches it. How many."""
    turn = new_name("turn")
    speaker.broadcast({"turn": turn})
    listener.hear(turn=turn)
    echoes = 0
    while (message := other.expect(LOCKS + ("ACTIVITY_BROADCAST",)))["command"] in LOCKS:
        other.send(dict(message))
        echoes += 1
    return echoes


# --- the field `server` -----------------------------------------------------------------------------------------


def answer_to(peer, *others):
    """Asks for a fresh name; returns the LOCK_ALLOWED that answers (with others: a list, theirs behind)."""
    name, secret = new_name(), new_secret()
    peer.request(name, secret)
    answer = peer.expect("LOCK_ALLOWED", username=name, secret=secret)
    return [answer, *request_and_answer(others, "LOCK_ALLOWED", name, secret)] if others else answer


def own_id(peer):
    return peer.expect_announce()["id"]


def test_auto_signs_answers_on_links_that_sign(start, dial):
    """protocol.md, Registration locks: lock_allowed_server = auto: on links whose peer has used it."""
    server = start(lock_allowed_server="auto")
    a, b = dial(server), dial(server)
    me = own_id(a)
    assert ["server" in one for one in answer_to(a, b)] == [False, False]
    a.allow(new_name(), new_secret(), server=a.id)
    b.expect("LOCK_ALLOWED")
    on_a, on_b = answer_to(a, b)
    assert on_a["server"] == me
    assert "server" not in on_b


def test_auto_is_the_default(start, dial):
    """protocol.md, Registration locks: `auto`."""
    server = start()
    peer = dial(server)
    me = own_id(peer)
    assert "server" not in answer_to(peer)
    peer.allow(new_name(), new_secret(), server=peer.id)
    assert answer_to(peer)["server"] == me


def test_yes_signs_every_answer(start, dial):
    """protocol.md, Registration locks: lock_allowed_server = yes: with the SERVER_ANNOUNCE id of who allowed it."""
    server = start(lock_allowed_server="yes")
    a, b = dial(server), dial(server)
    me = own_id(a)
    assert [one["server"] for one in answer_to(a, b)] == [me, me]


def test_no_signs_none(start, dial):
    """protocol.md, Registration locks: lock_allowed_server = no."""
    server = start(lock_allowed_server="no")
    peer = dial(server)
    own_id(peer)
    peer.allow(new_name(), new_secret(), server=peer.id)
    assert "server" not in answer_to(peer)


def test_the_signature_of_others_is_not_restamped(start, dial):
    """protocol.md, Registration locks: `server`: not restamped on the way; keep it when forwarding."""
    server = start(lock_allowed_server="yes")
    a, b = dial(server), dial(server)
    name, secret, who = new_name(), new_secret(), new_id()
    a.allow(name, secret, server=who)
    b.expect("LOCK_ALLOWED", username=name, secret=secret, server=who)


def test_two_servers_that_allow_are_both_forwarded(start, dial):
    """protocol.md, Registration locks: one message per (command, name, secret, server): two servers are two."""
    server = start(lock_allowed_server="yes")
    a, b = dial(server), dial(server)
    name, secret, ids = new_name(), new_secret(), [new_id(), new_id()]
    for who in ids:
        a.allow(name, secret, server=who)
    for who in ids:
        b.expect("LOCK_ALLOWED", username=name, secret=secret, server=who)


@pytest.mark.parametrize("mode", ["auto", "yes", "no"])
@pytest.mark.parametrize("signed", [True, False])
def test_a_signature_is_accepted_always(start, dial, mode, signed):
    """protocol.md, Registration locks: accept it always."""
    server = start(lock_allowed_server=mode)
    (peer,) = known(dial(server))
    client, name, secret = asked(server, [peer])
    peer.allow(name, secret, server=peer.id if signed else None)
    client.expect("REGISTER_SUCCESS")


# --- names recorded by a lock -----------------------------------------------------------------------------------


def recorded(server, peer):
    """A name and secret recorded through a LOCK_REQUEST of `peer`."""
    name, secret = new_name(), new_secret()
    peer.request(name, secret)
    peer.expect("LOCK_ALLOWED", username=name, secret=secret)
    return name, secret


def test_a_recorded_name_logs_in_at_once_with_its_secret_only(start, dial):
    """seed 004, LOCK_REQUEST: the server will record this username and secret pair in its local storage."""
    server = start()
    name, secret = recorded(server, dial(server))
    does_not_log_in(server, name, secret + "x")
    does_not_log_in(server, name, "")
    logs_in(server, name, secret)
    logs_in(server, name.upper(), secret)
    does_not_log_in(server, name, secret + "x")


def test_many_may_log_in_at_once_with_a_recorded_name(start, dial):
    """protocol.md, Registration locks: becomes an account at the first LOGIN; the others wait for it."""
    server = start()
    name, secret = recorded(server, dial(server))
    clients = [server.client() for _ in range(10)]
    for client in clients:
        client.send_login(name, secret)
    for client in clients:
        client.expect("LOGIN_SUCCESS")


def test_a_recorded_name_is_not_registered(start, dial):
    """protocol.md, Registration locks: the name is known here."""
    server = start()
    name, secret = recorded(server, dial(server))
    client = server.client()
    client.send_register(name, secret)
    client.expect_refusal("REGISTER_FAILED")


def test_a_recorded_name_used_to_log_in_is_an_account(start, dial):
    """protocol.md, Registration locks: becomes an account at the first LOGIN: it survives a crash."""
    server = start()
    name, secret = recorded(server, dial(server))
    logs_in(server, name, secret)
    server.kill()
    logs_in(start.restart(server), name, secret)


def test_a_recorded_name_becomes_an_account_when_its_window_ends(start, dial):
    """protocol.md, Registration locks: become an account when `lock_window` ends: it survives a crash, and no
    LOCK_DENIED removes it any more."""
    server = start(lock_window="1s")
    peer = dial(server)
    began = time.monotonic()
    name, secret = recorded(server, peer)
    eventually(lambda: server.on_disk(name), f"{name} is stored")
    assert time.monotonic() - began >= 0.99
    peer.deny(name, secret)
    peer.sync()
    logs_in(server, name, secret)
    does_not_log_in(server, name, new_secret())
    server.kill()
    logs_in(start.restart(server), name, secret)


def test_a_denial_removes_a_recorded_name(start, dial):
    """seed 004, LOCK_DENIED: it will remove the username only if the secret matches; protocol.md: within the window,
    never used to log in."""
    server = start()
    peer = dial(server)
    name, secret = recorded(server, peer)
    peer.deny(name, secret)
    peer.sync()
    does_not_log_in(server, name, secret)
    client, name, secret = asked(server, [peer], name)
    peer.allow(name, secret)
    client.expect("REGISTER_SUCCESS")


def test_anyone_s_denial_removes_a_recorded_name(start, dial):
    """seed 004, LOCK_DENIED: when a server receives this message, from whomever."""
    server = start()
    a, b = known(dial(server), dial(server))
    name, secret = new_name(), new_secret()
    a.request(name, secret)
    request_and_answer([b], "LOCK_ALLOWED", name, secret)
    answered([a], "LOCK_ALLOWED", name, secret)
    b.deny(name, secret)
    a.expect("LOCK_DENIED", username=name, secret=secret)
    does_not_log_in(server, name, secret)


def test_a_denial_with_another_secret_removes_nothing(start, dial):
    """seed 004, LOCK_DENIED: only if the secret matches the associated secret."""
    server = start()
    peer = dial(server)
    name, secret = recorded(server, peer)
    peer.deny(name, new_secret())
    peer.deny(name)
    peer.sync()
    logs_in(server, name, secret)


def test_a_denial_does_not_remove_a_name_used_to_log_in(start, dial):
    """protocol.md, Registration locks: and never used to log in."""
    server = start()
    peer = dial(server)
    name, secret = recorded(server, peer)
    logs_in(server, name, secret)
    peer.deny(name, secret)
    peer.sync()
    logs_in(server, name, secret)


def test_a_denial_never_removes_an_account_and_is_logged(start, dial):
    """protocol.md, Registration locks: an established account is never removed by a message from another server:
    that is logged."""
    server = start()
    name, secret = server.register()
    peer = dial(server)
    mark = server.log_length()
    peer.deny(name, secret)
    peer.sync()
    server.wait_log(re.escape(name), after=mark)
    logs_in(server, name, secret)
    server.kill()
    logs_in(start.restart(server), name, secret)


def test_a_flood_of_locks_costs_no_hashing(start, dial):
    """protocol.md, Registration locks: a flood of lock messages costs no hashing: hundreds cost less CPU than a
    few tens of password hashes would."""
    server = start(log_level="info")
    peer = dial(server)
    peer.expect_announce()
    before = server.cpu()
    names = [(new_name(), new_secret()) for _ in range(1000)]
    for name, secret in names:
        peer.request(name, secret)
    for name, secret in names:
        peer.expect("LOCK_ALLOWED", username=name, secret=secret)
    assert server.cpu() - before < 5  # a thousand hashes take more than 15 s


def test_a_name_is_free_again_when_its_asker_timed_out(start, dial):
    """protocol.md, Registration locks: LOCK_DENIED sent so that others undo theirs. Two heraldds and a silent peer."""
    a = start(register_timeout="1s")
    b = start(parent=a)
    silent = dial(a)
    b.wait_log(msg="link up")
    name, secret = new_name(), new_secret()
    client = a.client()
    client.send_register(name, secret)
    client.expect_refusal("REGISTER_FAILED")
    silent.close()
    a.wait_log(msg="link down")
    other = new_secret()
    eventually(lambda: registers(b, name, other), "the name is free on the other server")
    eventually(lambda: tries(a, name, other), "it is known on the first")


def registers(server, name, secret):
    client = server.client()
    client.send_register(name, secret)
    reply = client.expect(("REGISTER_SUCCESS", "REGISTER_FAILED"))["command"]
    client.close()
    return reply == "REGISTER_SUCCESS"


def tries(server, name, secret):
    client = server.client()
    client.send_login(name, secret)
    reply = client.expect(("LOGIN_SUCCESS", "LOGIN_FAILED"))["command"]
    client.close()
    return reply == "LOGIN_SUCCESS"


def test_locks_of_a_second_link_are_not_confused_with_the_first(start, dial):
    """protocol.md, Registration locks: per link: a request that came over one link may come over another; the
    name is known then."""
    server = start()
    with_first = dial(server)
    name, secret = recorded(server, with_first)
    with_first.close()
    server.wait_log(msg="link down")
    second = dial(server)
    second.request(name, secret)
    second.expect("LOCK_DENIED", username=name, secret=secret)
