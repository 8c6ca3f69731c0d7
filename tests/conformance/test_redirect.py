"""protocol.md, Clients: LOGIN_SUCCESS then REDIRECT: when own load, the new client included, minus another
server's is 2 or more; to the least loaded; the redirected client does not count."""

import time

import pytest
from herald_harness import new_id


def elsewhere(dial, server, *loads):
    """A peer per load, each announcing it with a port of its own; known to the server when this returns."""
    peers = []
    for at, load in enumerate(loads):
        peer = dial(server)
        peer.keep_announcing(load=load, hostname=f"127.0.0.{at + 2}", port=4000 + at)
        peer.place = (f"127.0.0.{at + 2}", 4000 + at)
        peers.append(peer)
    for peer in peers:  # every peer is told of all the others once they are known
        peer.expect_announces("id", {other.id for other in peers if other is not peer})
    if len(peers) == 1:
        peers[0].sync()
    return peers


def redirected(server, user="anonymous", secret=None):
    """Logs in, is sent away, and returns where to."""
    client = server.client().login(user, secret)
    message = client.expect_refusal("REDIRECT")
    return message["hostname"], message["port"]


def test_without_another_server_everyone_stays(start):
    """seed 004, LOGIN_SUCCESS: if the server knows of any other server with a load at least 2 clients less."""
    server = start()
    clients = [server.anonymous() for _ in range(5)]
    clients[0].publish({"n": 1})
    for client in clients:
        client.hear(n=1)


@pytest.mark.parametrize("own, other, away", [
    (0, 0, False),  # 1 - 0 with the new one
    (1, 0, True),   # 2 - 0
    (1, 1, False),  # 2 - 1
    (2, 1, True),   # 3 - 1
    (2, 2, False),
    (3, 2, True),
    (0, 5, False),
    (2, 2147483647, False),
])
def test_a_client_is_sent_away_from_a_difference_of_two(start, dial, own, other, away):
    """protocol.md, Clients: own load, the new client included, minus another server's is ≥ 2."""
    server = start()
    clients = [server.anonymous() for _ in range(own)]
    (peer,) = elsewhere(dial, server, other)
    if away:
        assert redirected(server) == peer.place
    else:
        clients.append(server.anonymous().proves_to_stay())
        peer.hear()
    peer.expect_announce(load=len(clients))


def test_the_redirected_client_does_not_count(start, dial):
    """protocol.md, Clients: the redirected client does not count: the load is never seen to grow by it."""
    server = start()
    stays = server.anonymous()
    (peer,) = elsewhere(dial, server, 0)
    assert redirected(server) == peer.place
    before = len(peer.announces)
    for _ in range(3):
        peer.expect_announce(load=1)
    assert {one["load"] for one in peer.announces[before:]} == {1}
    stays.proves_to_stay()


def test_it_goes_to_the_least_loaded(start, dial):
    """protocol.md, Clients: to the least loaded."""
    server = start()
    clients = [server.anonymous() for _ in range(6)]
    peers = elsewhere(dial, server, 3, 1, 4)
    assert redirected(server) == peers[1].place
    clients[0].proves_to_stay()


def test_a_user_is_redirected_as_well(start, dial):
    """seed 004, LOGIN_SUCCESS: the server will follow up with REDIRECT; it names no exception for users."""
    server = start()
    name, secret = server.register()
    server.anonymous()
    (peer,) = elsewhere(dial, server, 0)
    assert redirected(server, name, secret) == peer.place


def test_redirect_says_what_the_server_announced(start, dial):
    """protocol.md, Observed of peers: announcing a different hostname than they listen on; REDIRECT repeats what
    was announced, the port as a number."""
    server = start()
    server.anonymous()
    peer = dial(server)
    peer.keep_announcing(load="0", hostname="stream.example.org", port="4001")
    peer.sync()
    assert redirected(server) == ("stream.example.org", 4001)


def test_what_comes_after_a_redirect_is_not_obeyed(start, dial):
    """seed 004, REDIRECT: after sending it the server will close the connection."""
    server = start()
    listener = server.anonymous()
    elsewhere(dial, server, 0)
    away = server.client()
    away.send({"command": "LOGIN", "username": "anonymous"},
              {"command": "ACTIVITY_MESSAGE", "username": "anonymous", "activity": {"n": "late"}})
    away.expect("LOGIN_SUCCESS")
    away.expect_refusal("REDIRECT")
    listener.proves_to_stay()


def test_a_failed_login_is_not_redirected(start, dial):
    """seed 004, LOGIN_FAILED: closed, without a REDIRECT."""
    server = start()
    server.anonymous()
    elsewhere(dial, server, 0)
    client = server.client()
    client.send_login("nobody", "wrong")
    client.expect_refusal("LOGIN_FAILED")


def test_a_server_behind_another_is_redirected_to(start, dial):
    """seed 004, SERVER_ANNOUNCE: broadcast from every server to every other; ids arrive over any link."""
    server = start()
    server.anonymous()
    peer = dial(server, announce=50)
    peer.announce(load=0, id=new_id(), hostname="127.0.0.9", port=4009)
    peer.sync()
    assert redirected(server) == ("127.0.0.9", 4009)


def test_a_new_announcement_replaces_the_old(start, dial):
    """seed 004, SERVER_ANNOUNCE: the load is the number of clients currently connected."""
    server = start()
    clients = [server.anonymous()]
    (peer,) = elsewhere(dial, server, 0)
    assert redirected(server) == peer.place
    peer.keep_announcing(load=5)
    peer.sync()
    clients.append(server.anonymous().proves_to_stay())
    peer.hear()
    peer.expect_announce(load=2)


def test_a_server_unheard_for_three_intervals_is_never_redirected_to(start, dial):
    """protocol.md, Servers: an id unheard for three intervals is forgotten and never redirected to; not before."""
    server = start(announce_interval="500ms")
    listeners = [server.anonymous() for _ in range(20)]
    peer = dial(server, announce=50)
    said = time.monotonic()
    peer.announce(load=0, id=new_id(), hostname="127.0.0.9", port=4009)
    peer.sync()
    assert redirected(server) == ("127.0.0.9", 4009)
    for _ in range(12):  # one try a tick
        peer.expect_announce()
        client = server.client().login()
        client.publish({"n": 1})
        if client.expect(("REDIRECT", "ACTIVITY_BROADCAST"))["command"] == "ACTIVITY_BROADCAST":
            break
        client.expect_close()
    else:
        raise AssertionError("still redirected there")
    assert time.monotonic() - said >= 3 * 0.5 * 0.95
    listeners[0].hear(n=1)


def test_a_link_that_went_takes_its_servers_along(start, dial):
    """protocol.md, Servers: never redirected to once forgotten; with its link down a peer cannot be heard."""
    server = start(announce_interval="300ms")
    stays = server.anonymous()
    (peer,) = elsewhere(dial, server, 0)
    peer.close()
    server.wait_log(msg="link down")
    watcher = dial(server)
    for _ in range(5):  # five ticks are more than three intervals
        watcher.expect_announce()
    server.anonymous().proves_to_stay()
    stays.hear()
