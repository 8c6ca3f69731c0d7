"""libherald from outside: a program around it (tests/unit/client/drive.c), and servers that misbehave.

    Library ──stdin: commands──► drive ──stdout: events──► a thread ──► expect
    Fake    a listening socket; Visitor is who came: lines in, anything out
"""

import json
import socket
import subprocess
import tempfile
import threading

from .clock import Deadline
from .connection import Connection, encode
from .server import REPORTS, binary, environment


def built(*path):
    """A file of the build that the heraldd under test belongs to."""
    file = binary().parent.joinpath(*path)
    assert file.exists(), f"{file} is not there: build everything, with the tests (meson's option `tests`)"
    return file


class Library:
    """A session of libherald in a process of its own."""

    def __init__(self, *servers, **options):
        words = [one if isinstance(one, str) else one.address for one in servers]
        words += [f"{name}={value}" for name, value in options.items()]
        self.events = []
        self.taken = 0  # events that were expected already
        self._changed = threading.Condition()
        self._ended = False
        self._errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(built("tests", "unit", "client", "drive")), *words],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self._errors, env=environment())
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.events.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    # --- commands -------------------------------------------------------------------------------------------
    def tell(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def publish(self, *activities):
        for activity in activities:
            self.tell("publish " + (activity if isinstance(activity, str) else encode(activity)[:-1].decode()))

    def logout(self):
        self.tell("logout")

    def stats(self):
        self.tell("stats")
        return self.expect("STATS", skip=True)

    # --- events ---------------------------------------------------------------------------------------------
    def next_event(self, seconds=None):
        """The next event, or None after the last."""
        deadline = Deadline(seconds)
        with self._changed:
            while self.taken == len(self.events):
                if self._ended:
                    return None
                assert not deadline.passed(), self._story(f"no event within {deadline.seconds:g} s")
                self._changed.wait(deadline.left())
            self.taken += 1
            return self.events[self.taken - 1]

    def expect(self, kind, seconds=None, skip=False, **fields):
        """The next event must be `kind` with these fields. skip: others before it are passed over."""
        deadline = Deadline(seconds)
        while True:
            event = self.next_event(deadline.left())
            assert event is not None, self._story(f"it ended instead of {kind}")
            if event["event"] == kind:
                break
            assert skip, self._story(f"{event['event']} instead of {kind}")
        for name, value in fields.items():
            assert event.get(name) == value, self._story(f"{kind}: {name} is {event.get(name)!r}, not {value!r}")
        return event

    def logged_in(self, seconds=None, **fields):
        return self.expect("LOGGED_IN", seconds, skip=True, **fields)

    def hears(self, seconds=None, **members):
        """The next event must be an activity with these members. Returns it (a dict)."""
        event = self.expect("ACTIVITY", seconds)
        activity = json.loads(event["json"])
        for name, value in members.items():
            assert activity.get(name) == value, self._story(f"heard {name} = {activity.get(name)!r}, not {value!r}")
        assert event["user"] == activity.get("authenticated_user", "anonymous")
        return activity

    def ends(self, status, seconds=None):
        """The session ends so; what comes before is passed over. Returns its last event, with the stats."""
        ended = self.expect("ENDED", seconds, skip=True, status=status)
        stats = self.expect("STATS", seconds)
        assert self.next_event(seconds) is None, self._story("something followed the end")
        assert self.process.wait(Deadline(seconds).left()) == status, self._story("the exit status")
        return {**ended, **{name: stats[name] for name in ("steps", "unsent", "cpu_ms")}}

    def rss(self):
        """Resident memory in bytes, now and at most."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            fields = dict(line.split(":", 1) for line in status)
        return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))

    def close(self):
        """Ends the process, and fails if it was not well."""
        if self._errors.closed:
            return
        try:
            if self.process.poll() is None:
                self.tell("close")
            self.process.stdin.close()
        except OSError:
            pass  # it has just ended
        try:
            self.process.wait(Deadline().seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(self._story("did not end when told to")) from None
        self._reader.join()
        self.process.stdout.close()
        self._errors.seek(0)
        text = self._errors.read().decode("utf-8", "backslashreplace")
        self._errors.close()
        assert not REPORTS.search(text) and self.process.returncode >= 0, self._story(text)

    def _story(self, what):
        return "\n    ".join([f"{what}; the events:", *(str(event)[:300] for event in self.events[-40:])])


class Visitor(Connection):
    """A client as a server sees it."""

    def receive(self, seconds=None):
        line = self.receive_line(seconds)
        return None if line is None else json.loads(line)

    def lets_in(self, seconds=None, **fields):
        """Takes a LOGIN and says LOGIN_SUCCESS. Returns self."""
        self.expect("LOGIN", seconds, **fields)
        self.send({"command": "LOGIN_SUCCESS", "info": "welcome"})
        return self

    def say(self, command, **fields):
        self.send({"command": command, **fields})

    def redirect(self, to):
        self.say("REDIRECT", hostname="127.0.0.1", port=to.port)

    def broadcast(self, *activities):
        self.send(*({"command": "ACTIVITY_BROADCAST", "activity": activity} for activity in activities))


class Fake:
    """A server by hand."""

    def __init__(self, port=0, backlog=64):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", port))
        self.sock.listen(backlog)
        self.port = self.sock.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._visitors = []

    def accept(self, seconds=None):
        self.sock.settimeout(Deadline(seconds).left())
        try:
            sock, _ = self.sock.accept()
        except TimeoutError:
            raise AssertionError(f"nobody dialled {self.address}") from None
        visitor = Visitor(sock, f"the visitor of {self.address}")
        self._visitors.append(visitor)
        return visitor

    def close(self):
        self.sock.close()
        for visitor in self._visitors:
            visitor.close()
