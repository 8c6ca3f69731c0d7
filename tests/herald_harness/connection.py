"""One connection, line by line, with deadlines and a transcript that a failure shows.

    send ──► socket ──► receive: bytes ──► lines ──► Message, checked against the protocol's fields

Every message received is checked on the way in: strict JSON, no duplicated member, exactly the fields that
the protocol gives the command ("Unknown fields are never sent to a peer that has not declared itself
Herald"), no secret of ours in an `info`."""

import json
import re
import select
import socket
import time

from .clock import Deadline
from .names import SECRET_MARK
from .values import Members, exact, plain

INFO = ("INVALID_MESSAGE", "AUTHENTICATION_FAIL", "LOGIN_SUCCESS", "LOGIN_FAILED", "REGISTER_SUCCESS",
        "REGISTER_FAILED")
# command: the fields it always has, the fields it may have
FIELDS = {
    **{command: ({"info"}, set()) for command in INFO},
    "REDIRECT": ({"hostname", "port"}, set()),
    "ACTIVITY_BROADCAST": ({"activity"}, set()),
    "AUTHENTICATE": ({"secret"}, {"herald"}),
    "SERVER_ANNOUNCE": ({"id", "load", "hostname", "port"}, set()),
    "LOCK_REQUEST": ({"username"}, {"secret"}),
    "LOCK_DENIED": ({"username"}, {"secret"}),
    "LOCK_ALLOWED": ({"username"}, {"secret", "server"}),
}
TEXT_FIELDS = {"info", "hostname", "id", "username", "secret", "server"}
TO_CLIENT = set(INFO) | {"REDIRECT", "ACTIVITY_BROADCAST"}

SHOWN = 300  # characters of a line in a transcript


def wait_for(sock, events, seconds):
    """Until it is ready, or the time is over. Not by select(), which knows no descriptor past 1023."""
    poll = select.poll()
    poll.register(sock, events)
    return bool(poll.poll(seconds * 1000))


class Message(dict):
    """A received message as a dict; `raw` is its line, `exact` its value with number texts and order."""

    def __init__(self, raw):
        self.raw = raw
        self.exact = exact(raw)
        assert isinstance(self.exact, Members), f"not an object: {raw[:SHOWN]!r}"
        super().__init__(plain(self.exact))


def check_message(message, herald=False):
    """Fails unless `message` is as the protocol writes its command. herald: extra members are allowed."""
    names = message.exact.names()
    assert len(names) == len(set(names)), f"a duplicated member: {message.raw[:SHOWN]!r}"
    command = message.get("command")
    assert isinstance(command, str), f"no command: {message.raw[:SHOWN]!r}"
    if herald and command not in FIELDS:
        return
    assert command in FIELDS, f"an unknown command: {message.raw[:SHOWN]!r}"
    always, maybe = FIELDS[command]
    fields = set(names) - {"command"}
    assert always <= fields, f"{command} lacks {sorted(always - fields)}: {message.raw[:SHOWN]!r}"
    if not herald:
        extra = fields - always - maybe
        assert not extra, f"{command} has unknown fields {sorted(extra)}: {message.raw[:SHOWN]!r}"
    for name in fields & TEXT_FIELDS:
        assert isinstance(message[name], str), f"{name} is not a string: {message.raw[:SHOWN]!r}"
    if "info" in fields:
        assert message["info"].strip(), f"{command} says nothing: {message.raw!r}"
        assert SECRET_MARK not in message["info"], f"{command} repeats a secret: {message.raw!r}"
    if "port" in fields:
        assert type(message["port"]) is int and 1 <= message["port"] <= 65535, f"port: {message.raw!r}"
    if "load" in fields:
        assert type(message["load"]) is int and message["load"] >= 0, f"load: {message.raw!r}"
    if "activity" in fields:
        assert isinstance(message["activity"], dict), f"activity: {message.raw[:SHOWN]!r}"


def encode(message):
    """A line, newline included, from a dict; bytes and text go out as they are."""
    if isinstance(message, bytes):
        return message
    if isinstance(message, str):
        return message.encode()
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Connection:
    """A TCP connection that speaks lines. Subclasses say who speaks."""

    def __init__(self, sock, name="connection"):
        self.sock = sock
        self.name = name
        self.herald = False       # the other side may use Herald's extra members
        self.first_byte_at = None # time.monotonic() of the first byte received
        self._buffer = bytearray()
        self._ended = None        # None, "end" or "reset"
        self._transcript = []
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)

    # --- sending --------------------------------------------------------------------------------------------
    def send(self, *messages):
        """Dicts become lines; bytes and text are sent as they are (mind the newline). One segment, mostly."""
        data = b"".join(encode(message) for message in messages)
        for line in data.splitlines()[-20:]:
            self._note("──►", line)
        left = self.send_some(data)
        assert not left, self._story(f"could not send the last {left} bytes")

    def send_some(self, data, seconds=None):
        """Sends until done, the deadline, or a reset; returns how many bytes were not taken."""
        deadline = Deadline(seconds)
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view[:1 << 20]):]
            except BlockingIOError:
                if deadline.passed():
                    break
                wait_for(self.sock, select.POLLOUT, deadline.left())
            except (BrokenPipeError, ConnectionResetError):
                break
        return len(view)

    # --- receiving ------------------------------------------------------------------------------------------
    def _fill(self, deadline):
        """Reads something into the buffer. False at the end of the stream."""
        while self._ended is None:
            try:
                data = self.sock.recv(1 << 18)
            except BlockingIOError:
                assert not deadline.passed(), self._story(f"nothing came within {deadline.seconds:g} s")
                wait_for(self.sock, select.POLLIN, deadline.left())
                continue
            except (ConnectionResetError, BrokenPipeError):
                self._ended = "reset"
                break
            if not data:
                self._ended = "end"
                break
            if self.first_byte_at is None:
                self.first_byte_at = time.monotonic()
            self._buffer += data
            return True
        return False

    def receive_line(self, seconds=None):
        """The next line without its newline, or None when the other side closed."""
        deadline = Deadline(seconds)
        scanned = 0
        while True:
            end = self._buffer.find(b"\n", scanned)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[:end + 1]
                self._note("◄──", line)
                return line
            scanned = len(self._buffer)
            if not self._fill(deadline):
                return None

    def receive(self, seconds=None):
        """The next message, checked; None when the other side closed."""
        line = self.receive_line(seconds)
        if line is None:
            return None
        try:
            message = Message(line)
        except ValueError as error:
            raise AssertionError(self._story(f"received a line that is not JSON: {error}")) from error
        self._check(message)
        return message

    def _check(self, message):
        check_message(message, self.herald)

    def expect(self, command, seconds=None, **fields):
        """The next message must be `command` with these fields (a value, a pattern or a predicate each).
        `command` may be a tuple of commands that will do."""
        commands = (command,) if isinstance(command, str) else command
        try:
            message = self.receive(seconds)
        except AssertionError as error:
            raise AssertionError(f"awaiting {' or '.join(commands)}: {error}") from None
        wanted = " or ".join(commands)
        assert message is not None, self._story(f"closed ({self._ended}) instead of {wanted}")
        assert message["command"] in commands, self._story(f"{message['command']} instead of {wanted}")
        for name, value in fields.items():
            assert self._fits(message.get(name), value), \
                self._story(f"{wanted}: {name} is {message.get(name)!r}, not {value!r}")
        return message

    @staticmethod
    def _fits(found, value):
        if isinstance(value, re.Pattern):
            return isinstance(found, str) and value.search(found) is not None
        if callable(value):
            return value(found)
        return found == value

    def expect_close(self, seconds=None, orderly=False):
        """The other side closes without another byte. orderly: with an end of stream, not with a reset."""
        deadline = Deadline(seconds)
        try:
            more = self._buffer or self._fill(deadline)
        except AssertionError as error:
            raise AssertionError(f"awaiting the close: {error}") from None
        assert not more, self._story(f"{bytes(self._buffer[:SHOWN])!r} instead of a close")
        if orderly:
            assert self._ended == "end", self._story(f"closed by a {self._ended}")
        self.close()

    def expect_refusal(self, command, seconds=None, **fields):
        """`command` with its reason, and then the close."""
        message = self.expect(command, seconds, **fields)
        self.expect_close(seconds)
        return message

    def read_to_close(self, seconds=None):
        """Whatever still comes, the other side closes. Returns the lines."""
        deadline = Deadline(seconds)
        lines = []
        while (line := self.receive_line(deadline.left())) is not None:
            assert not deadline.passed(), self._story(f"not closed within {deadline.seconds:g} s")
            lines.append(line)
        self.close()
        return lines

    def quiet_now(self):
        """True when nothing has arrived up to this instant. Proves nothing about what is under way."""
        if self._buffer or self._ended:
            return False
        return not wait_for(self.sock, select.POLLIN, 0)

    def close(self):
        self.sock.close()
        if self._ended is None:
            self._ended = "closed here"

    def abort(self):
        """Closes with a reset, as a crashed machine's network would."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    # --- telling --------------------------------------------------------------------------------------------
    def _note(self, arrow, line):
        self._transcript.append((arrow, bytes(line[:SHOWN]), len(line)))
        del self._transcript[:-40]

    def _story(self, what):
        lines = [f"{what}; what passed on {self.name}:"]
        for arrow, line, length in self._transcript:
            more = f" … ({length} bytes)" if length > len(line) else ""
            lines.append(f"    {arrow} {line.decode('utf-8', 'backslashreplace')}{more}")
        if self._buffer:
            lines.append(f"    ◄── (unfinished) {bytes(self._buffer[:SHOWN])!r}")
        return "\n".join(lines)


class Client(Connection):
    """A client of seed 004."""

    def __init__(self, sock, name="client"):
        super().__init__(sock, name)
        self.user = None
        self.secret = None

    def _check(self, message):
        super()._check(message)
        assert message["command"] in TO_CLIENT, self._story(f"a client was sent {message['command']}")

    def login(self, user="anonymous", secret=None):
        """LOGIN, which succeeds. What follows (a REDIRECT perhaps) is not looked at. Returns self."""
        self.send_login(user, secret)
        self.expect("LOGIN_SUCCESS")
        self.user, self.secret = user, secret
        return self

    def send_login(self, user="anonymous", secret=None):
        message = {"command": "LOGIN", "username": user}
        if secret is not None:
            message["secret"] = secret
        self.send(message)

    def register(self, user, secret):
        """REGISTER, which succeeds. Returns self."""
        self.send_register(user, secret)
        self.expect("REGISTER_SUCCESS")
        return self

    def send_register(self, user, secret):
        self.send({"command": "REGISTER", "username": user, "secret": secret})

    def publish(self, *activities, user=None, secret=None):
        """ACTIVITY_MESSAGEs as the user logged in (or as another); raw activity text goes out as it is."""
        user = user or self.user or "anonymous"
        secret = secret if secret is not None else self.secret
        head = {"command": "ACTIVITY_MESSAGE", "username": user}
        if secret is not None:
            head["secret"] = secret
        start = encode(head)[:-2]
        lines = []
        for activity in activities:
            text = activity if isinstance(activity, bytes) else encode(activity)[:-1]
            lines.append(start + b',"activity":' + text + b"}\n")
        self.send(b"".join(lines))

    def hear(self, seconds=None, **members):
        """The next line must be an ACTIVITY_BROADCAST whose activity has these members. Returns it (a dict)."""
        message = self.expect("ACTIVITY_BROADCAST", seconds)
        activity = message["activity"]
        for name, value in members.items():
            assert self._fits(activity.get(name), value), \
                self._story(f"heard {name} = {activity.get(name)!r}, not {value!r}")
        return activity

    def hear_exact(self, seconds=None):
        """The next activity as an exact value (values.py)."""
        return self.expect("ACTIVITY_BROADCAST", seconds).exact.one("activity")

    def proves_to_stay(self):
        """Publishes and hears it as the very next line: no REDIRECT and nothing else came before."""
        marker = {"marker": id(self), "at": time.monotonic_ns()}
        self.publish(marker)
        self.hear(**marker)
        return self
