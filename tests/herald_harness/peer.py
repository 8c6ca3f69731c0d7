"""A hand-made server at the other end of a link: it says what a test tells it to, right or wrong.

    Peer.dial(server)        a child: connects and authenticates
    Parent() ... .accept()   a parent: listens for a heraldd started with --connect

SERVER_ANNOUNCE comes by the clock, so a Peer puts it aside (`announces`) and goes on to the next message
unless the test asks for one."""

import select
import socket
import threading

from .clock import Deadline
from .connection import Connection, Message, wait_for
from .names import new_id, new_name, new_secret


class Peer(Connection):
    def __init__(self, sock, name="peer"):
        super().__init__(sock, name)
        self.id = new_id()
        self.announces = []
        self._sending = threading.Lock()
        self._stop = threading.Event()
        self._ticker = None

    @classmethod
    def dial(cls, server, secret=None, herald=None, announce=None, name="peer"):
        """Connects to `server` and authenticates. herald: the value of the extra member, None for a plain
        peer, True for one that is in order. announce: a load to announce at once and again every 100 ms (see keep_announcing)."""
        peer = cls(server.connect(), name)
        peer.herald = herald is not None
        message = {"command": "AUTHENTICATE", "secret": server.secret if secret is None else secret}
        if herald is not None:
            message["herald"] = {"version": 1, "id": peer.id} if herald is True else herald
        peer.send(message)
        if announce is not None:
            peer.keep_announcing(load=announce)
        return peer

    def send(self, *messages):
        with self._sending:
            super().send(*messages)

    def receive(self, seconds=None):
        """The next message that is not a SERVER_ANNOUNCE; those go to `announces`."""
        deadline = Deadline(seconds)
        while True:
            message = super().receive(deadline.left())
            if message is None or message["command"] != "SERVER_ANNOUNCE":
                return message
            self.announces.append(message)
            assert not deadline.passed(), self._story(f"nothing but announces came within {deadline.seconds:g} s")

    def expect_announce(self, seconds=None, **fields):
        """The next SERVER_ANNOUNCE with these fields; others are put aside, any other command fails."""
        deadline = Deadline(seconds)
        while True:
            message = super().receive(deadline.left())
            assert message is not None, self._story(f"closed instead of SERVER_ANNOUNCE {fields}")
            assert message["command"] == "SERVER_ANNOUNCE", \
                self._story(f"{message['command']} instead of SERVER_ANNOUNCE {fields}")
            self.announces.append(message)
            if all(self._fits(message.get(name), value) for name, value in fields.items()):
                return message
            assert not deadline.passed(), self._story(f"no SERVER_ANNOUNCE {fields} within {deadline.seconds:g} s")

    def expect_announces(self, field, values, seconds=None):
        """Reads SERVER_ANNOUNCEs until each of `values` has been announced as `field`, now or earlier."""
        deadline = Deadline(seconds)
        while wanted := set(values) - {one[field] for one in self.announces}:
            assert not deadline.passed(), self._story(f"nobody announced {field} {sorted(wanted)}")
            self.expect_announce(deadline.left())

    def next_announce(self, seconds=None):
        """The next SERVER_ANNOUNCE, whatever else comes before it."""
        deadline = Deadline(seconds)
        while True:
            message = super().receive(deadline.left())
            assert message is not None, self._story("closed instead of SERVER_ANNOUNCE")
            if message["command"] == "SERVER_ANNOUNCE":
                self.announces.append(message)
                return message

    def read_to_end(self, seconds=None):
        """Everything until the other side closes."""
        deadline = Deadline(seconds)
        messages = []
        while (message := self.receive(deadline.left())) is not None:
            assert not deadline.passed(), self._story(f"not closed within {deadline.seconds:g} s")
            messages.append(message)
        return messages

    def expect_close(self, seconds=None, orderly=False):
        """Announces under way do not count as a last word."""
        deadline = Deadline(seconds)
        while (line := self.receive_line(deadline.left())) is not None:
            message = Message(line)
            assert message.get("command") == "SERVER_ANNOUNCE", \
                self._story(f"{line[:200]!r} instead of a close")
            assert not deadline.passed(), self._story(f"not closed within {deadline.seconds:g} s")
        self.close()

    # --- what a server says ---------------------------------------------------------------------------------
    def announce(self, load=0, hostname="127.0.0.1", port=1, **changes):
        message = {"command": "SERVER_ANNOUNCE", "id": self.id, "load": load, "hostname": hostname, "port": port}
        message.update(changes)
        self.send({name: value for name, value in message.items() if value is not None})
        return message

    def keep_announcing(self, load=0, **changes):
        """Announces now, and again every 100 ms until the connection closes or this is called anew: a link
        that has announced and falls silent is cut. Replaces what was announced before."""
        self.stop_announcing()
        self.announce(load, **changes)
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, args=(self._stop, load, changes), daemon=True)
        self._ticker.start()
        return self

    def stop_announcing(self):
        self._stop.set()
        if self._ticker is not None and self._ticker is not threading.current_thread():
            self._ticker.join()
        self._ticker = None

    def _tick(self, stop, load, changes):
        while not stop.wait(0.1):
            try:
                self.announce(load, **changes)
            except (AssertionError, OSError):
                return

    def broadcast(self, *activities):
        """ACTIVITY_BROADCASTs; raw activity text goes out as it is."""
        lines = []
        for activity in activities:
            if isinstance(activity, bytes):
                lines.append(b'{"command":"ACTIVITY_BROADCAST","activity":' + activity + b"}\n")
            else:
                lines.append({"command": "ACTIVITY_BROADCAST", "activity": activity})
        self.send(*lines)

    def lock(self, command, username, secret=None, server=None):
        message = {"command": command, "username": username, "secret": secret, "server": server}
        self.send({name: value for name, value in message.items() if value is not None})

    def request(self, username, secret=None):
        self.lock("LOCK_REQUEST", username, secret)

    def allow(self, username, secret=None, server=None):
        self.lock("LOCK_ALLOWED", username, secret, server)

    def deny(self, username, secret=None):
        self.lock("LOCK_DENIED", username, secret)

    # --- what a server hears --------------------------------------------------------------------------------
    def hear(self, seconds=None, **members):
        """The next message must be an ACTIVITY_BROADCAST whose activity has these members."""
        activity = self.expect("ACTIVITY_BROADCAST", seconds)["activity"]
        for name, value in members.items():
            assert self._fits(activity.get(name), value), \
                self._story(f"heard {name} = {activity.get(name)!r}, not {value!r}")
        return activity

    def sync(self):
        """A round trip on the link: what was sent before has been dealt with, and nothing was said here
        meanwhile. Other links see the request and its answer."""
        name, secret = new_name("sync"), new_secret()
        self.request(name, secret)
        self.expect("LOCK_ALLOWED", username=name, secret=secret)
        return self

    def close(self):
        self._stop.set()
        super().close()


class Parent:
    """A listening peer that a heraldd may be told to --connect to."""

    def __init__(self, port=0, backlog=16, deaf=False):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", port))
        if not deaf:  # deaf: the port is taken, but who dials it is refused until listen()
            self.sock.listen(backlog)
        self.port = self.sock.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._peers = []

    def listen(self):
        self.sock.listen(16)

    def is_dialled(self):
        """Somebody waits to be accepted."""
        return wait_for(self.sock, select.POLLIN, 0)

    def accept_raw(self, seconds=None):
        """The next connection, nothing read from it."""
        self.sock.settimeout(Deadline(seconds).left())
        try:
            sock, _ = self.sock.accept()
        except TimeoutError:
            raise AssertionError(f"nobody dialled {self.address}") from None
        peer = Peer(sock, "child of the peer")
        self._peers.append(peer)
        return peer

    def accept(self, secret, seconds=None):
        """The next child, which authenticates with `secret`. Its AUTHENTICATE is in `authenticate`."""
        peer = self.accept_raw(seconds)
        peer.authenticate = peer.expect("AUTHENTICATE", seconds, secret=secret)
        return peer

    def close(self):
        self.sock.close()
        for peer in self._peers:
            peer.close()
