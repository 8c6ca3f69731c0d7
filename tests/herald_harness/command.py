"""A `herald` process: run to its end, or talked to line by line, with deadlines.

    Command  ──stdout──► a thread ──► `out`  ──► wait_out
             ──stderr──► a thread ──► `err`  ──► wait_err"""

import os
import re
import signal
import subprocess
import threading
from pathlib import Path

from .clock import Deadline
from .server import REPORTS, binary, environment


def herald():
    """The herald under test: $HERALD, or the one beside heraldd."""
    path = os.environ.get("HERALD")
    return Path(path).absolute() if path else binary().with_name("herald")


def command_environment(home, **changes):
    """Nothing of the user who runs the tests."""
    env = {key: value for key, value in environment().items()
           if not key.startswith(("HERALD", "XDG_", "LC_", "NO_COLOR")) and key != "LANGUAGE"}
    env.update(HOME=str(home), TZ="UTC", LANG="C.UTF-8", TERM="dumb")
    env.update({key: value for key, value in changes.items() if value is not None})
    return env


def herald_run(home, *words, input=None, seconds=None, **changes):
    """Runs herald to its end: a CompletedProcess with text stdout and stderr. Without a terminal."""
    data = input.encode() if isinstance(input, str) else input
    done = subprocess.run([str(herald()), *map(str, words)], capture_output=True, env=command_environment(home, **changes),
                          timeout=Deadline(seconds).seconds, check=False, start_new_session=True,
                          **({"stdin": subprocess.DEVNULL} if data is None else {"input": data}))
    done.stdout = done.stdout.decode("utf-8", "backslashreplace")
    done.stderr = done.stderr.decode("utf-8", "backslashreplace")
    assert not REPORTS.search(done.stderr), done.stderr
    return done


class Command:
    """A herald that runs. stdout: another place for its output, which then cannot be read here."""

    def __init__(self, home, *words, stdout=subprocess.PIPE, **changes):
        self.words = [str(herald()), *map(str, words)]
        self.out, self.err = [], []
        self._changed = threading.Condition()
        self._open = 0
        self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE,
                                        env=command_environment(home, **changes), start_new_session=True)
        self._threads = [threading.Thread(target=self._read, args=(stream, into), daemon=True)
                         for stream, into in ((self.process.stdout, self.out), (self.process.stderr, self.err))
                         if stream is not None]
        self._open = len(self._threads)
        for thread in self._threads:
            thread.start()

    def _read(self, stream, into):
        for raw in stream:
            with self._changed:
                into.append(raw.decode("utf-8", "backslashreplace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def _story(self, what):
        tail = "\n    ".join(["stdout:", *self.out[-10:], "stderr:", *self.err[-10:]])
        return f"{' '.join(self.words[1:])} {what}; it wrote:\n    {tail}"

    def _wait(self, lines, pattern, count, seconds):
        deadline = Deadline(seconds)
        with self._changed:
            while True:
                found = [line for line in lines if re.search(pattern, line)]
                if len(found) >= count:
                    return found[count - 1]
                assert self._open, self._story(f"ended before {pattern!r} (×{count})")
                assert not deadline.passed(), self._story(f"did not write {pattern!r} (×{count})")
                self._changed.wait(deadline.left())

    def wait_out(self, pattern="", count=1, seconds=None):
        """The `count`-th line of its output that matches."""
        return self._wait(self.out, pattern, count, seconds)

    def wait_err(self, pattern, count=1, seconds=None):
        return self._wait(self.err, pattern, count, seconds)

    def ready(self, count=1):
        """It has logged in (`count` times)."""
        self.wait_err("^herald: logged in as ", count)
        return self

    def type(self, text):
        self.process.stdin.write(text if isinstance(text, bytes) else text.encode())
        self.process.stdin.flush()

    def end_input(self):
        self.process.stdin.close()

    def signal(self, number=signal.SIGINT):
        self.process.send_signal(number)

    def wait_exit(self, seconds=None):
        deadline = Deadline(seconds)
        try:
            status = self.process.wait(deadline.left())
        except subprocess.TimeoutExpired:
            raise AssertionError(self._story(f"did not end within {deadline.seconds:g} s")) from None
        for thread in self._threads:
            thread.join(deadline.left())
        assert not REPORTS.search("\n".join(self.err)), "\n".join(self.err)
        return status

    def expect_exit(self, status, seconds=None):
        ended = self.wait_exit(seconds)
        assert ended == status, self._story(f"ended with status {ended}, not {status}")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for thread in self._threads:
            thread.join(5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
