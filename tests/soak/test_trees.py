"""Trees of 30 real processes, whose servers die, fall asleep, are stopped and return. The long form of
tests/system/test_failure_trees.py, with the promise: whole again within two announce intervals."""

import os
import random

import pytest
from herald_harness.grove import Grove
from herald_harness.stories import Story

SIZE = 30
INTERVAL = 0.3
PARENTS = [(at - 1) // 3 for at in range(1, SIZE)]
EVENTS = int(os.environ.get("HERALD_SOAK_EVENTS", 60))


@pytest.fixture
def story(start):
    return Story(Grove(start, PARENTS, INTERVAL, register_timeout="3s"), heal=2 * INTERVAL)


def tell(row, what, story):
    worst = ", ".join(f"{event} {seconds:.2f}" for event, seconds in story.worst.items())
    row(what, f"{SIZE} servers, {2 * SIZE} clients", f"whole again (s): {worst}", story.grove.live(),
        max(story.worst.values()))


@pytest.mark.parametrize("place", ["leaf", "inner", "root"])
def test_one_goes_and_comes(story, place, row):
    grove = story.grove
    for elsewhere in (False, True):
        at = getattr(grove, place)()
        story.dies(at)
        story.returns(at, elsewhere)
        at = getattr(grove, place)()
        story.falls_asleep(at)
        story.wakes_up(at)
        at = getattr(grove, place)()
        story.is_stopped(at)
        story.returns(at, elsewhere)
    tell(row, f"a {place} dies, sleeps, is stopped, returns", story)


def test_ten_die_at_once(story, row):
    story.die(0, 1, 4, 5, 6, 13, 14, 15, 27, 28)
    for at in (1, 0, 4, 5, 6, 13, 14, 15, 27, 28):
        story.returns(at)
    tell(row, "ten of thirty die at once and return", story)


def test_every_server_is_replaced_in_turn(story, row):
    """A rolling restart, the root first: the tree is whole again after each, and who asks for a name meanwhile is answered."""
    for at in range(SIZE):
        story.is_stopped(at)
        story.returns(at)
    tell(row, "a rolling restart", story)


def test_anything_happens(story, row):
    """A long life: what and to whom, the dice say."""
    seed = int(os.environ.get("HERALD_SEED", random.randrange(1 << 32)))
    print(f"HERALD_SEED={seed}")
    dice = random.Random(seed)
    for turn in range(EVENTS):
        at = dice.randrange(SIZE)
        what = dice.choice(["dies", "is_stopped", "falls_asleep"])
        print(f"{turn}: number {at} {what}")
        getattr(story, what)(at)
        if what == "falls_asleep":
            story.wakes_up(at)
        else:
            story.returns(at, elsewhere=dice.random() < 0.3 and story.grove.may_move(at))
    tell(row, f"{EVENTS} events by the dice (seed {seed})", story)
