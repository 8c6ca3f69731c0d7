"""Servers of a tree die, fall asleep, are stopped and return; the short form of tests/soak/test_trees.py.

Ten real processes; what must hold after each event is in herald_harness/stories.py. How soon is judged there, on
a machine that has nothing else to do: here a tree only has to be whole again."""

import json
import re
import time
from pathlib import Path

import pytest
from herald_harness import Library, Parent, eventually, new_name, new_secret
from herald_harness.clock import patience
from herald_harness.grove import Grove, census, identity
from herald_harness.stories import SILENCE, Story

ROOT = Path(__file__).resolve().parents[2]
PARENTS = [(at - 1) // 3 for at in range(1, 10)]  # a root, three below it, six below these


@pytest.mark.parametrize("place", ["leaf", "inner", "root"])
def test_a_tree_heals(start, place):
    """seed 004, Server failure model: servers may crash at any time, quit gracefully, and restart, at the same
    address or another. Whole again, registrations under way end, the dead are forgotten, nobody hears twice."""
    grove = Grove(start, PARENTS, register_timeout="3s")
    story = Story(grove)
    at = getattr(grove, place)()
    story.dies(at)
    story.returns(at)
    at = getattr(grove, place)()
    story.falls_asleep(at)
    story.wakes_up(at)
    at = getattr(grove, place)()
    story.is_stopped(at)
    story.returns(at, elsewhere=True)
    print(place, "not whole for, at most:", {event: f"{seconds:.3f} s" for event, seconds in story.worst.items()})


def test_half_of_a_tree_dies_at_once(start):
    """The root and all of one branch but its leaves: who is left finds together by fallbacks."""
    grove = Grove(start, PARENTS, register_timeout="3s")
    story = Story(grove)
    story.die(0, 1, 2)
    for at in (1, 0, 2):
        story.returns(at)
    grove.everyone_hears_everyone()


def words_of(session):
    """What a session of libherald has heard; fails when it heard anything twice at one server. Who comes to another
    may hear again what had not come there yet when it left the first."""
    heard, here = set(), set()
    for event in session.events:
        if event["event"] == "LOGGED_IN":
            here = set()
        if event["event"] == "ACTIVITY":
            word = json.loads(event["json"]).get("word")
            assert word not in here, f"{word} was heard twice at the same server: {session.events}"
            here.add(word)
            heard.add(word)
    return heard


def test_clients_that_lost_their_server_are_logged_in_elsewhere(start):
    """libherald: whoever was at a server that dies, or is stopped, is at another one soon, hears what is said from then
    on, and nothing twice there."""
    grove = Grove(start, PARENTS, register_timeout="3s")
    sessions = [start.keep(Library(*grove.servers[:3])) for _ in range(9)]

    def all_hear():
        """What is said while somebody is on the way is not heard by them: another word is said until all hear one."""
        said = set()

        def heard():
            word = grove.word()
            said.add(word)
            grove.listeners()[0].say(word)
            grove.swarm.serve(lambda: False, 0.05)
            return all(said & words_of(session) for session in sessions)

        def deaf():
            return "everyone hears a word; deaf are, by what they were told last: " + "\n".join(
                str([(event["event"], event.get("server"), event.get("text")) for event in session.events
                     if event["event"] != "ACTIVITY"][-6:]) for session in sessions if not said & words_of(session))
        eventually(heard, deaf)

    def homes():
        """Where each is: the last place that it logged in at."""
        return [[event["server"] for event in session.events if event["event"] == "LOGGED_IN"][-1:] for session in sessions]
    eventually(lambda: all(homes()), "all have logged in")
    for end in (grove.kill, grove.ask_to_stop):
        all_hear()
        places = [home for home, in homes()]
        victim = max(range(len(PARENTS) + 1), key=lambda at: places.count(grove.servers[at].address))
        server = grove.servers[victim]
        assert server.address in places
        end(victim)
        began = time.monotonic()
        if end == grove.ask_to_stop:
            grove.wait_gone(server)
        eventually(lambda: all(home != server.address for home, in homes()), "everyone is elsewhere")
        grove.wait_whole(began, 2 * patience())
        all_hear()


def test_a_server_that_is_gone_is_forgotten_by_all_at_once(start):
    """peers.h, rule 3: who loses a server tells the others: nobody waits three intervals for it. With the default
    interval they would end in 15 s; a registration would wait that long, or fail."""
    grove = Grove(start, [0, 1, 2], interval=30.0)
    grove.kill(3)
    grove.wait_known(15.0)
    begun = grove.begin_registering(grove.live())
    assert grove.end_registering(begun) == 3
    grove.ask_to_stop(2)
    grove.wait_gone(grove.servers[2])
    grove.wait_known(15.0)


def test_a_parent_that_hangs_is_left_for_the_next(start):
    """tree.h, rule 1: a server that hangs still has connections accepted by its kernel. Who lost it by its silence
    begins with the one behind it."""
    hung, other = Parent(), start(announce_interval="300ms")
    start.keep(hung)
    child = start(connect=[hung.address, other.address], secret=other.secret, announce_interval="300ms")
    peer = hung.accept(child.secret)
    peer.herald = True
    peer.send({"command": "HERALD", "version": 1, "id": peer.id})
    child.wait_log(msg="link up")
    peer.announce(port=hung.port)  # once; then it hangs, and the backlog takes whoever dials
    child.wait_log("silent for three intervals", msg="link down")
    other.wait_log(msg="link up")
    assert not hung.is_dialled(), "the one that hangs was dialled again before the other"
    eventually(lambda: identity(other) in census(child), "the other is the parent")


def test_nobody_stays_with_a_server_that_hangs(start):
    """tree.h, rule 5: a server that hangs accepts whoever comes to it, and says nothing. It is in the --connect of two
    who have nobody else any more: they find each other, names are registered meanwhile, and when it goes on nobody
    hears twice what was said before."""
    grove = Grove(start, [0, 0, 1], register_timeout="3s")
    silence = SILENCE * grove.interval
    began = time.monotonic()
    grove.freeze(1)
    grove.wait_whole(began, silence + patience())
    began = time.monotonic()
    grove.kill(0)
    grove.wait_whole(began, silence + 3)  # who is taken for a parent that says nothing would be left after 15 s
    grove.everyone_hears_everyone()
    until = time.monotonic() + silence  # long enough for both to come to it
    while time.monotonic() < until:
        assert grove.end_registering(grove.begin_registering(grove.live())) == 2
    began = time.monotonic()
    grove.thaw(1)
    grove.wait_whole(began, patience())
    grove.everyone_hears_everyone()


def test_every_claim_of_the_failure_model_names_a_test_that_exists():
    """docs/failure-model.md: "behind every claim stands a test"."""
    text = (ROOT / "docs" / "failure-model.md").read_text(encoding="utf-8")
    short = {"trees": "system/test_failure_trees.py", "attacks": "system/test_attacks.py",
             "resources": "system/test_resources.py"}
    claims = 0
    for line in text.splitlines():
        place = None
        for path, name in re.findall(r"`(?:([\w/.]+)::)?(test_\w+)(?:\[\w+\])?`", line):
            place = short.get(path, path.removeprefix("tests/")) if path else place  # or where the one before is
            assert place and re.search(rf"(?m)^def {name}\(", (ROOT / "tests" / place).read_text(encoding="utf-8")), \
                f"there is no {name} in {place}"
            claims += 1
        for path in re.findall(r"`(?:tests/)?([\w/]+/test_\w+\.py)`", line):
            assert (ROOT / "tests" / path).exists(), f"there is no {path}"
    assert claims > 30, claims


# --- what it costs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [False, True], ids=["allowed", "denied by one"])
def test_a_registration_costs_n_times_n_minus_1_messages(start, dial, known):
    """docs/failure-model.md, Scalability: every server is asked, and the answer of each goes to every other. Counted
    on all links of a star of five servers, of which four are ours."""
    server = start(lock_allowed_server="no")
    peers = [dial(server, announce=0) for _ in range(4)]
    for peer in peers:
        peer.next_announce()
    client, name, secret = server.client(), new_name(), new_secret()
    client.send_register(name, secret)
    messages = 0
    for peer in peers:
        peer.expect("LOCK_REQUEST", username=name)
        messages += 1
    for peer in peers:
        peer.deny(name, secret) if known and peer is peers[0] else peer.allow(name, secret)
        messages += 1
    client.expect("REGISTER_FAILED" if known else "REGISTER_SUCCESS")
    for peer in peers:  # the answers of the three others are passed on to each
        for _ in range(3):
            peer.expect(("LOCK_ALLOWED", "LOCK_DENIED"), username=name)
            messages += 1
    n = len(peers) + 1
    assert messages == n * (n - 1)
    peers[0].sync()  # and nothing else came before this
