"""Deadlines: every wait of a test ends with an event or with a failure that says what was awaited."""

import os
import threading
import time

_seconds = 10.0


def set_patience(seconds):
    """How long a wait may last by default: longer when the binary carries sanitizers."""
    global _seconds
    _seconds = float(os.environ.get("HERALD_DEADLINE", seconds))


def patience():
    return _seconds


class Deadline:
    """A point in time by which something must have happened."""

    def __init__(self, seconds=None):
        self.seconds = _seconds if seconds is None else seconds
        self.at = time.monotonic() + self.seconds

    def left(self):
        return max(0.0, self.at - time.monotonic())

    def passed(self):
        return self.left() == 0.0


class Metronome:
    """A thread that is to wake up every 10 ms, and adds up how much too late it does: the time in which the machine
    had no processor for us, and had none for the servers under test either."""

    def __init__(self):
        self.late = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        before = time.monotonic()
        while not self._end.wait(0.01):
            now = time.monotonic()
            self.late += max(0.0, now - before - 0.02)
            before = now

    def close(self):
        self._end.set()
        self._thread.join()


def eventually(attempt, what, seconds=None):
    """Calls `attempt` until it returns something true, and returns that; fails at the deadline. `what` is awaited: words,
    or a function that finds them then.

    For states that no event announces (another process's memory, a remote table)."""
    deadline = Deadline(seconds)
    pause = threading.Event()
    while True:
        result = attempt()
        if result:
            return result
        assert not deadline.passed(), \
            f"not within {deadline.seconds:g} s: {what() if callable(what) else what} (last: {result!r})"
        pause.wait(0.02)
