"""Crowds, polite and not: many connections in one loop that log in, wander, pour, dribble, or say nothing.

    Guest      logs in, follows REDIRECT, hears words              Bystander  one round trip after the other
    Stranger   sends some bytes, and waits to be closed            Dribbler   sends its bytes one by one"""

import json
import socket
import time

from .clock import patience
from .swarm import Swarm, SwarmClient

ANONYMOUS = b'{"command":"LOGIN","username":"anonymous"}\n'
BUSY = b"too much to do"


def login_line(user, secret):
    return json.dumps({"command": "LOGIN", "username": user, "secret": secret}).encode() + b"\n"


def word_line(word, size=0):
    """An ACTIVITY_MESSAGE of an anonymous client that says a word, and `size` bytes more."""
    pad = b',"pad":"%s"' % (b"x" * size) if size else b""
    return b'{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"word":"%s"%s}}\n' % (word.encode(), pad)


RETRY = 0.1  # seconds until a guest that was told to try again does


class Crowd(Swarm):
    """Counts what its members live through."""

    def __init__(self):
        super().__init__()
        self.patience = 0.05
        self.later = []       # (when, member): whose turn to go on it is then
        self.guests = set()   # wherever they are now
        self.logged_in = 0    # how many of them are
        self.heard = {}       # word: how many guests have heard it
        self.redirects = 0
        self.bounces = {}     # how often a guest was redirected: how many guests that happened to
        self.busy = 0         # logins that were told to try again
        self.closed = 0       # strangers that were closed
        self.worst_login = 0.0

    def invite(self, port, line=ANONYMOUS):
        guest = self.add(Guest(self, port, line))
        self.guests.add(guest)
        return guest

    def serve(self, done, seconds):
        def released():
            now = time.monotonic()
            due = [member for when, member in self.later if when <= now]
            self.later = [entry for entry in self.later if entry[0] > now]
            for member in due:
                member.go()
            return done()
        return super().serve(released, seconds)

    def go_later(self, member, seconds):
        self.later.append((time.monotonic() + seconds, member))

    def seat(self, say, seconds=None):
        """Until every guest has come to rest: each hears a word. say(word) makes somebody say it."""
        deadline, turn = time.monotonic() + (seconds or patience()), 0
        while True:
            word, turn = f"seat{turn}", turn + 1
            self.run(lambda: self.logged_in == len(self.guests),
                     lambda: f"{self.logged_in} of {len(self.guests)} guests logged in, bounced {self.bounces}",
                     max(0.1, deadline - time.monotonic()))
            say(word)
            if self.serve(lambda word=word: self.heard.get(word) == len(self.guests), 0.2):
                return
            assert time.monotonic() < deadline, \
                f"{self.heard.get(word)} of {len(self.guests)} guests at rest, bounced {self.bounces}"

    def everyone_hears(self, say, word, seconds=None):
        """How long it took until the last one heard it."""
        began = time.monotonic()
        say(word)
        self.run(lambda: self.heard.get(word) == len(self.guests),
                 lambda: f"{word} is heard by {self.heard.get(word)} of {len(self.guests)}", seconds)
        return time.monotonic() - began


class Guest(SwarmClient):
    """Logs in wherever it is sent. Home is where it goes when nobody is there; who is told to try again waits a bit."""

    def __init__(self, crowd, port, line, home=None, bounces=0, began=None):
        super().__init__(("127.0.0.1", port))
        self.crowd, self.line, self.home, self.bounces = crowd, line, home or port, bounces
        self.port = port
        self.began = time.monotonic() if began is None else began
        self.logged_in = False
        self.next = None
        self.heard = set()

    def on_open(self):
        self.send(self.line)

    def on_line(self, line):
        if b'"ACTIVITY_BROADCAST"' in line:
            word = json.loads(line)["activity"].get("word")
            if word is not None:
                assert word not in self.heard, f"{word} is heard twice"
                self.heard.add(word)
                self.crowd.heard[word] = self.crowd.heard.get(word, 0) + 1
            return
        message = json.loads(line)
        if message["command"] == "LOGIN_SUCCESS":
            self.logged_in = True
            self.crowd.logged_in += 1
            self.crowd.worst_login = max(self.crowd.worst_login, time.monotonic() - self.began)
        elif message["command"] == "REDIRECT":
            self.next = message["port"]
            self.logged_in = False
            self.crowd.logged_in -= 1
            self.crowd.redirects += 1
            self.bounces += 1
            self.crowd.bounces[self.bounces] = self.crowd.bounces.get(self.bounces, 0) + 1
        else:
            assert message["command"] == "LOGIN_FAILED" and BUSY in line, line[:300]
            self.crowd.busy += 1

    def on_close(self):
        assert self.next is not None or not self.logged_in, f"a guest was closed at :{self.port}"
        if self.next is not None:
            self.go()
        else:
            self.next = self.port
            self.crowd.go_later(self, RETRY)

    def on_refused(self, why):
        assert self.port != self.home, f"connect: {why}"
        self.next = self.home
        self.go()

    def go(self):
        again = Guest(self.crowd, self.next, self.line, self.home, self.bounces, self.began)
        self.crowd.guests.discard(self)
        self.crowd.guests.add(self.crowd.add(again))


class Bystander(SwarmClient):
    """Says a word, hears it, says the next; after a pause, so that it does not burden those whom it watches. What else
    it hears it leaves aside."""

    def __init__(self, port, name="by", pause=0.0):
        super().__init__(("127.0.0.1", port))
        self.name, self.pause = name, pause
        self.trips = 0
        self.worst = 0.0
        self._said = None

    def on_open(self):
        self.send(ANONYMOUS)

    def go(self):
        if self.closed:
            return
        self._said = time.monotonic()
        self.send(word_line(f"{self.name}{self.trips}"))

    def on_line(self, line):
        if b'"LOGIN_SUCCESS"' in line:
            self.go()
        elif b'"%s%d"' % (self.name.encode(), self.trips) in line:
            self.worst = max(self.worst, time.monotonic() - self._said)
            self.trips += 1
            if self.pause:
                self.swarm.go_later(self, self.pause)
            else:
                self.go()
        else:
            assert b'"ACTIVITY_BROADCAST"' in line, line[:300]

    def on_close(self):
        raise AssertionError("a bystander was closed")


class Stranger(SwarmClient):
    """Sends what it was given and reads what comes, until it is closed. What it was told last is in `told`."""

    def __init__(self, crowd, port, data=b"", **buffers):
        super().__init__(("127.0.0.1", port), **buffers)
        self.crowd, self.data, self.told = crowd, data, b""

    def on_open(self):
        self.send(self.data)

    def on_bytes(self, data):
        self.told = (self.told + data)[-500:]

    def on_close(self):
        self.crowd.closed += 1


class Dribbler(Stranger):
    """Sends a byte when it is told to."""

    def on_open(self):
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.at = 0

    def dribble(self):
        if self.opened and not self.closed and self.at < len(self.data):
            self.send(self.data[self.at:self.at + 1])
            self.at += 1
