"""Who means harm, or comes in thousands; short forms of tests/soak/test_storms.py. Each with its bound."""

import itertools
import re
import socket
import threading
import time
from pathlib import Path

import pytest
from herald_harness import eventually, new_name, new_secret, reserve_port
from herald_harness.clock import patience
from herald_harness.crowd import ANONYMOUS, Bystander, Crowd, Dribbler, Stranger, login_line, word_line
from herald_harness.grove import Grove, census, identity

MIB = 1 << 20
QUIET = {"log_level": "info", "shards": 1}
STEADY = 2.0  # seconds; an announce interval so long that nobody is thought dead on a machine that is busy
PAUSE = 0.02  # seconds; where a grove's ears are not read meanwhile, that they do not fall behind


@pytest.fixture
def crowd():
    with Crowd() as members:
        yield members


def goes_on(crowd, *bystanders, trips=20):
    """Each makes so many round trips from here on."""
    before = [one.trips for one in bystanders]
    crowd.run(lambda: all(one.trips >= then + trips for one, then in zip(bystanders, before)),
              lambda: f"round trips: {[one.trips for one in bystanders]} since {before}")


class Reading:
    """Reads whatever comes on a connection, in a thread, and forgets it but for its length."""

    def __init__(self, peer):
        self.peer, self.bytes = peer, 0
        self.thread = threading.Thread(target=self._read, daemon=True)
        peer.sock.setblocking(True)
        self.thread.start()

    def _read(self):
        try:
            while data := self.peer.sock.recv(1 << 20):
                self.bytes += len(data)
        except OSError:
            pass

    def end(self):
        """It reads no more, and the connection ends as by a crash: not before nobody waits for it any more."""
        self.peer.sock.shutdown(socket.SHUT_RD)
        self.thread.join()
        self.peer.abort()


def pour(peer, lines, block=2000):
    """Sends lines in blocks; False when the other side closed meanwhile."""
    lines = iter(lines)
    while some := b"".join(itertools.islice(lines, block)):
        try:
            peer.sock.sendall(some)
        except OSError:
            return False
    return True


# --- storms -----------------------------------------------------------------------------------------------------


def test_twenty_servers_and_five_hundred_clients(start, crowd):
    """Everyone comes to the first server at once: they even out over all, and one activity reaches everyone."""
    grove = Grove(start, [(at - 1) // 3 for at in range(1, 20)], STEADY)
    by = crowd.add(Bystander(grove.servers[0].port, pause=PAUSE))
    for _ in range(500):
        crowd.invite(grove.servers[0].port)
    crowd.seat(grove.ears[0].say, seconds=4 * patience())
    loads = [sum(guest.port == server.port for guest in crowd.guests) for server in grove.servers]
    print("clients a server", loads, "bounced", crowd.bounces)
    assert max(crowd.bounces) <= 3, crowd.bounces
    assert max(loads) - min(loads) <= 20 and sum(loads) == 500, loads
    crowd.everyone_hears(grove.ears[-1].say, "all")
    goes_on(crowd, by)


def test_a_storm_of_connections(start, crowd):
    """900 at one of three servers at once: a third says nothing, a third nonsense, a third logs in. Who was there
    goes on; who says nothing is closed in time; at the end every descriptor is free again."""
    grove = Grove(start, [0, 0], STEADY, first_message_timeout="2s")
    server, ear = grove.servers[0], grove.ears[0]
    before, memory = server.descriptors(), server.rss()
    bystanders = [crowd.add(Bystander(one.port, f"by{one.port}-", PAUSE)) for one in grove.servers]
    for _ in range(300):
        crowd.add(Stranger(crowd, server.port))
        crowd.add(Stranger(crowd, server.port, b"\x16\x03\x01 nonsense\n"))
        crowd.invite(server.port)
    crowd.seat(ear.say)
    goes_on(crowd, *bystanders)
    crowd.run(lambda: crowd.closed == 600, lambda: f"{crowd.closed} of 600 strangers closed")
    crowd.everyone_hears(ear.say, "all")
    goes_on(crowd, *bystanders)
    for guest in list(crowd.guests):
        guest.close()
    eventually(lambda: server.descriptors() <= before + 1, "the descriptors are free again")
    assert server.rss() - memory < 64 * MIB


def test_a_storm_of_logins(start, crowd):
    """40 with secrets at one of three servers whose queue for hashing has 4 places: who does not fit is told so and
    comes again; all get in, none with a wrong secret, and who was there goes on."""
    grove = Grove(start, [0, 0], STEADY, hash_queue=4, verified_ttl="0", login_failures=100000)
    server = grove.servers[0]
    accounts = [server.register() for _ in range(6)]
    by = crowd.add(Bystander(server.port, pause=PAUSE))
    wrong = [crowd.add(Stranger(crowd, server.port, login_line(name, new_secret()))) for name, _ in accounts for _ in "xx"]
    for turn in range(40):
        crowd.invite(server.port, login_line(*accounts[turn % len(accounts)]))
    crowd.seat(grove.ears[0].say, seconds=4 * patience())
    crowd.run(lambda: crowd.closed == len(wrong), "who has a wrong secret is refused")
    assert all(b"LOGIN_FAILED" in one.told for one in wrong)
    assert crowd.busy > 0
    goes_on(crowd, by)


def test_a_storm_of_redirects_ends(start, crowd, dial):
    """balance.h, rules 2 and 5: a server says that it has no clients, at an address where nobody is, and keeps saying
    so. Whom we send there comes back; all are let in after one detour each, on average. Who comes later, when nobody
    is on the way there any more, is not sent there at all."""
    server = start(**QUIET)
    dial(server, announce=None).keep_announcing(load=0, port=reserve_port())
    server.wait_log(msg="server heard")
    speaker = server.client().login()
    for _ in range(150):
        crowd.invite(server.port)

    def say(word):
        speaker.publish({"word": word})
    crowd.seat(say)
    print("redirects", crowd.redirects)
    assert crowd.redirects <= 2 * 150, crowd.redirects
    crowd.serve(lambda: False, 4.2)  # BALANCE_FLIGHT_MS: who has not arrived by now is no longer counted
    before = crowd.redirects
    for _ in range(20):
        crowd.invite(server.port)
    crowd.run(lambda: crowd.logged_in == 170, "newcomers are in")
    crowd.everyone_hears(say, "all")
    assert crowd.redirects == before


def test_a_flood_from_one_client_drowns_nobody(start, crowd):
    """--publish-limit: one client says as much as it can, without end, beside 40 quiet ones: it is read only as fast
    as its share allows. Everyone hears everything, nobody falls behind, and the quiet ones are heard at once."""
    server = start(**QUIET, publish_limit="32MiB", reel_segments=8, reel_segment_size="512KiB", max_message="64KiB")
    by = crowd.add(Bystander(server.port))
    for _ in range(40):
        crowd.invite(server.port)
    crowd.run(lambda: crowd.logged_in == 40, "all are logged in")
    flooder = server.client().login()
    reading = Reading(flooder)
    block = b"".join(word_line(f"flood{n}", 2000).replace(b'"word"', b'"flood"') for n in range(500))
    flood = threading.Thread(target=pour, args=(flooder, itertools.repeat(block, 10_000), 1), daemon=True)
    flood.start()
    goes_on(crowd, by, trips=60)
    assert flood.is_alive(), "the flood ended"
    crowd.everyone_hears(lambda word: next(iter(crowd.guests)).send(word_line(word)), "all")
    crowd.run(lambda: reading.bytes > len(block), "the flooder is heard, too")
    flooder.sock.shutdown(socket.SHUT_RDWR)
    flood.join()
    goes_on(crowd, by)


# --- connections that waste ours --------------------------------------------------------------------------------


def test_slow_loris(start, crowd):
    """--first-message-timeout: 100 connections take all places and send a byte now and then. They are closed in
    time, whoever was inside goes on, and there is room again."""
    server = start(**QUIET, first_message_timeout="1s", max_connections=101)
    by = crowd.add(Bystander(server.port))
    goes_on(crowd, by, trips=1)
    slow = [crowd.add(Dribbler(crowd, server.port, b'{"command":"LOGIN"' + b" " * 100_000)) for _ in range(100)]
    crowd.run(lambda: all(one.opened for one in slow), "all are connected")
    began = time.monotonic()
    while crowd.closed < 100:
        for one in slow:
            one.dribble()
        crowd.serve(lambda: False, 0.01)
        assert time.monotonic() - began < patience(), f"{crowd.closed} of 100 closed"
    assert time.monotonic() - began >= 0.9
    goes_on(crowd, by)
    crowd.invite(server.port)
    crowd.run(lambda: crowd.logged_in == 1, "there is room again")


def test_half_closed_connections_are_let_go(start):
    """100 that send half a line, close their side and stay; 100 that log in, close their side and read nothing; 100
    that are refused, and neither read that nor close: all are let go."""
    server = start(**QUIET)
    speaker, before = server.anonymous(), server.descriptors()
    half = []
    for data, closes in ((b'{"command":"LO', True), (ANONYMOUS, True), (b"nonsense\n", False)):
        for _ in range(100):
            half.append(server.connect())
            half[-1].sendall(data)
            if closes:
                half[-1].shutdown(socket.SHUT_WR)
    server.anonymous().close()  # all that came before it have been accepted by then
    eventually(lambda: server.descriptors() <= before, "their descriptors are free")
    speaker.proves_to_stay()
    for sock in half:
        sock.close()


def watched(port):
    """How many connections from a local port to anywhere the kernel asks for a sign of life."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, _, timer, *_ = line.split()
        found += int(local.split(":")[1], 16) == port and state == "01" and timer.startswith("02")
    return found


def test_half_open_connections_are_noticed(start, dial):
    """A machine that vanishes says nothing, and nor does a client that only listens: the kernel asks for us, on
    every connection that we have accepted or made (what follows is the kernel's: tests/soak plays it)."""
    server = start(**QUIET)
    server.anonymous().proves_to_stay()
    dial(server)
    child = start(**QUIET, parent=server)
    server.wait_log(msg="link up", count=2)
    eventually(lambda: watched(server.port) == 3, "three connections of the server are watched")
    mine = [int(link.split(":")[1]) for link in peers_of(server)]
    eventually(lambda: any(watched(port) for port in mine), "the link that the child made is watched at its own end")
    child.stop()


def peers_of(server):
    return [line.fields["peer"] for line in server.log if line.msg == "link up"]


def test_endless_lines_from_many(start, crowd):
    """--max-message: 60 connections pour 2 MiB each without a newline, and 60 that are logged in do so, too: refused
    with a reason, and what is held for them is bounded."""
    server = start(**QUIET, max_message="32KiB")
    by = crowd.add(Bystander(server.port))
    goes_on(crowd, by, trips=5)
    before = server.rss()
    pourers = [crowd.add(Stranger(crowd, server.port, start_of + b"x" * (2 * MIB)))
               for start_of in (b"", b'{"command":"LOGIN","username":"anonymous"}\n') for _ in range(60)]
    crowd.run(lambda: crowd.closed == 120, lambda: f"{crowd.closed} of 120 closed")
    refused = sum(b"INVALID_MESSAGE" in one.told and b"max_message" in one.told for one in pourers)
    assert refused >= 60, refused  # who goes on pouring may miss the reason
    goes_on(crowd, by)
    assert server.rss() - before < 32 * MIB


def test_byte_by_byte(start, crowd):
    """60 clients whose every byte is a segment of its own: all they say is heard, by them and by the others."""
    server = start(**QUIET, first_message_timeout="60s")
    by = crowd.add(Bystander(server.port))
    listener = crowd.invite(server.port)
    words = {f"slow{turn}" for turn in range(60)}
    slow = [crowd.add(Dribbler(crowd, server.port, b'{"command":"LOGIN","username":"anonymous"}\n' + word_line(word)))
            for word in words]
    crowd.run(lambda: all(one.opened for one in slow) and listener.logged_in, "all are connected")
    while any(one.at < len(one.data) for one in slow):
        for one in slow:
            one.dribble()
        crowd.serve(lambda: False, 0)
    crowd.run(lambda: words <= listener.heard, lambda: f"not heard: {words - listener.heard}")
    goes_on(crowd, by)


# --- servers that mean harm -------------------------------------------------------------------------------------


def lock_request(name, secret):
    return b'{"command":"LOCK_REQUEST","username":"%s","secret":"%s"}\n' % (name, secret)


def test_a_flood_of_locks_leaves_room_for_others(start, dial, crowd):
    """locks.h: LOCKS_MAX_PER_LINK: a peer that asks for 70,000 names gets no more than half of the table: others
    can still register, and memory is bounded."""
    server = start(**QUIET, lock_window="1h")
    by, listener = crowd.add(Bystander(server.port)), crowd.invite(server.port)
    goes_on(crowd, by, trips=5)
    before = server.rss()
    hostile = dial(server)
    reading = Reading(hostile)
    lines = [lock_request(b"flood-%d" % n, b"s") for n in range(70_000)]
    lines.append(b'{"command":"ACTIVITY_BROADCAST","activity":{"word":"over"}}\n')
    flood = threading.Thread(target=pour, args=(hostile, lines))
    flood.start()
    trips = by.trips
    crowd.run(lambda: "over" in listener.heard, "the flood has come in", 4 * patience())
    flood.join()
    goes_on(crowd, by)
    assert by.trips - trips >= 20
    honest = dial(server)
    name, secret = new_name(), new_secret()
    honest.request(name, secret)
    answers = ("LOCK_REQUEST", "LOCK_ALLOWED", "LOCK_DENIED", "ACTIVITY_BROADCAST")
    while (answer := honest.expect(answers)).get("username") != name:
        pass
    assert answer["command"] == "LOCK_ALLOWED", answer
    reading.end()
    server.wait_log(msg="link down")
    honest.close()
    server.wait_log(msg="link down", count=2)
    server.register()
    print("grown by", (server.rss() - before) // MIB, "MiB")
    assert server.rss() - before < 192 * MIB  # half of that without sanitizers


def test_a_peer_that_asks_and_does_not_read_is_cut(start, dial, crowd):
    """trunk: TRUNK_LANE_MAX: answers that nobody takes are not heaped up for ever."""
    server = start(**QUIET, lock_window="1h")
    by = crowd.add(Bystander(server.port))
    goes_on(crowd, by, trips=5)
    before = server.rss()
    hostile = dial(server)
    hostile.sock.setblocking(True)
    hostile.sock.settimeout(patience())
    secret = b"s" * 4000
    requests = (lock_request(b"deaf-%d" % n, secret) for n in range(8000))
    poured = []
    flood = threading.Thread(target=lambda: poured.append(pour(hostile, requests, 100)))
    flood.start()
    crowd.run(lambda: server.count_log(msg="link down") > 0, "the link is cut", 2 * patience())
    goes_on(crowd, by)
    hostile.sock.close()
    flood.join()
    assert server.rss() - before < 64 * MIB


def test_a_peer_that_reads_no_activities_is_cut(start, dial, crowd):
    """reel: who falls behind the ring is cut, also a server; the others hear everything, and memory stays."""
    server = start(**QUIET, reel_segments=8, reel_segment_size="256KiB", max_message="64KiB")
    deaf, awake = dial(server), dial(server)
    for peer in (deaf, awake):
        peer.next_announce()  # nothing is sent to a new child any earlier
    deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reading = Reading(awake)
    listener = crowd.invite(server.port)
    crowd.run(lambda: listener.logged_in, "it is logged in")
    before, turn = server.rss(), 0
    while server.count_log("lapped", msg="link down") == 0:
        assert turn < 3000, "95 MiB were said, and the link is still there"
        word, turn = f"w{turn}", turn + 1
        listener.send(word_line(word, 32_000))
        all_of_it = turn * 32_000
        crowd.run(lambda word=word, all_of_it=all_of_it: word in listener.heard and reading.bytes >= all_of_it,
                  "who reads hears all")
    assert server.count_log(msg="link down") == 1
    assert server.rss() - before < 48 * MIB
    reading.end()


def test_a_flood_of_ids_leaves_room_for_others(start, dial):
    """peers.h: a peer that announces 10,000 servers gets no more than half of the table: a server that is really
    there is still heard of, and clients are sent to it. When the liar goes, all it invented goes with it."""
    server = start(**QUIET, announce_interval="60s")
    hostile = dial(server)
    reading = Reading(hostile)
    lines = (b'{"command":"SERVER_ANNOUNCE","id":"liar-%d","load":1000,"hostname":"127.0.0.1","port":9}\n' % n
             for n in range(10_000))
    assert pour(hostile, lines)
    eventually(lambda: len(census(server)) > 2000, "the flood has come in")
    assert len(census(server)) <= 1 + 4096 // 2
    honest = dial(server)
    honest.announce(load=0, port=4567)
    eventually(lambda: honest.id in census(server), "the honest server is known")
    server.anonymous()
    assert server.client().login().expect("REDIRECT")["port"] == 4567
    reading.end()
    eventually(lambda: census(server).keys() == {identity(server), honest.id}, "the liar's are forgotten")


def test_nobody_can_announce_as_someone_else(start, dial):
    """peers.h, rule 2: an id belongs to the link that it is heard by. A peer that announces another's id, with
    another address and no load, draws no clients, and the one it plays is not lost."""
    server = start(**QUIET, announce_interval="20s")
    child = start(**QUIET, announce_interval="20s", parent=server)
    server.wait_log(msg="server heard")
    liar = dial(server)
    Reading(liar)
    inside = [server.client().login()]
    eventually(lambda: census(child)[identity(server)]["load"] == 1, "the child knows of it")
    inside += [child.client().login(), child.client().login()]
    eventually(lambda: census(server)[identity(child)]["load"] == 2, "the child's own announces count")
    for _ in range(2):
        for _ in range(20):
            liar.announce(load=0, id=identity(child), port=reserve_port())
        marker = new_name("announced")
        liar.broadcast({"word": marker})  # when that is heard, the announces have been, too
        for listener in inside:
            listener.hear(word=marker)
        inside.append(server.client().login())  # is not sent away: the child has two itself
    for speaker in inside:
        speaker.publish({"word": speaker.name})
        for listener in inside:
            listener.hear(word=speaker.name)
    assert census(server)[identity(child)]["port"] == child.port
    assert server.client().login().expect("REDIRECT")["port"] == child.port


def test_a_peer_that_answers_nothing_costs_registrations_their_time_only(start, dial, crowd):
    """--register-timeout: 30 registrations beside a mute server all end in time, with a reason; the stream goes on;
    without it names are registered at once."""
    server = start(**QUIET, register_timeout="1s")
    mute = dial(server)
    by = crowd.add(Bystander(server.port))
    began = time.monotonic()
    clients = [server.client() for _ in range(30)]
    for client in clients:
        client.send_register(new_name(), new_secret())
    goes_on(crowd, by)
    for client in clients:
        client.expect_refusal("REGISTER_FAILED", info=re.compile("register_timeout"))
    assert time.monotonic() - began >= 0.9
    mute.close()
    server.wait_log(msg="link down")
    server.register()
