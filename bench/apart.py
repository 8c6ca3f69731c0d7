"""How far apart the two processors are, and waiting until they are near (bench/apart.c).

A virtual machine's processors are moved about by its host. What passes between two that are near costs a quarter of
what it costs between two that are not, and all systems are to be measured alike: near."""

import os
import subprocess
import time

from common import BUILD, ROOT

MOVED = 2.5       # times the least that was seen: they are near no longer
PATIENCE = 900.0  # s to wait for them to be near, in all
PAUSE = 0.1       # s between two looks


def nanoseconds():
    """Of a cache line from the one to the other and back; 0: this machine cannot tell."""
    everywhere = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {0, 1})
        return int(subprocess.run([f"{BUILD}/bench/apart"], cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return 0
    finally:
        os.sched_setaffinity(0, everywhere)


class Apart:
    """The least that was seen is near. They are waited for until all patience is spent."""

    def __init__(self, look=nanoseconds, sleep=time.sleep):
        self.look, self.sleep, self.patience, self.seen = look, sleep, PATIENCE, []

    def least(self):
        return min(self.seen, default=0)

    def now(self):
        self.seen.append(self.look())
        return self.seen[-1]

    def is_far(self, nanoseconds):
        return nanoseconds > MOVED * self.least()

    def wait(self):
        """Until they are near, or there is no patience left; how far they are then."""
        while self.is_far(self.now()) and self.patience > 0:
            self.sleep(PAUSE)
            self.patience -= PAUSE
        return self.seen[-1]

    def fact(self):
        if not self.least():
            return "how far apart they are is not told"
        return (f"a cache line goes from one to the other and back in {self.least()} ns when they are near, in "
                f"{max(self.seen)} ns at most; {sum(map(self.is_far, self.seen))} of {len(self.seen)} looks found them far")
