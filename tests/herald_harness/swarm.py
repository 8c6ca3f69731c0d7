"""Hundreds of clients in one loop: epoll, a callback for each line, one deadline for all.

    Swarm.run(done) ──► epoll ──► SwarmClient.took(bytes) ──► on_line / on_close of the test's subclass"""

import errno
import select
import socket

from .clock import Deadline


class SwarmClient:
    """One of many. Subclasses override on_open, on_line and on_close, and call send()."""

    def __init__(self, address, receive_buffer=None, segment=None):
        """receive_buffer, segment: small ones make a reader that the kernel buffers little for."""
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if segment:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        self.sock.setblocking(False)
        status = self.sock.connect_ex(address)
        assert status in (0, errno.EINPROGRESS), f"connect: {errno.errorcode.get(status, status)}"
        self.fd = self.sock.fileno()
        self.swarm = None
        self.opened = False
        self.closed = False
        self._in = b""
        self._out = bytearray()

    # --- for subclasses -------------------------------------------------------------------------------------
    def on_open(self):
        """Connected."""

    def on_line(self, line):
        """A line without its newline."""

    def on_close(self):
        """The other side has closed."""

    def on_refused(self, why):
        """Nobody is there. The socket is closed after this."""
        raise AssertionError(f"connect: {why}")

    def on_bytes(self, data):
        """All input; by default cut into lines."""
        lines = (self._in + data).split(b"\n")
        self._in = lines.pop()
        for line in lines:
            if self.closed:
                return
            self.on_line(line)

    def send(self, data):
        self._out += data
        self._flush()

    def close(self):
        if not self.closed:
            self.closed = True
            if self.swarm is not None:
                self.swarm.forget(self)
            self.sock.close()

    # --- the loop's -----------------------------------------------------------------------------------------
    def interest(self):
        waiting = select.EPOLLOUT if self._out or not self.opened else 0
        return select.EPOLLIN | waiting

    def _flush(self):
        if self.opened and self._out and not self.closed:
            try:
                del self._out[:self.sock.send(self._out)]
            except BlockingIOError:
                pass
            except OSError:
                self._gone()
                return
        if self.swarm is not None and not self.closed:
            self.swarm.want(self)

    def _gone(self):
        if not self.closed:
            self.close()
            self.on_close()

    def ready(self, events):
        if not self.opened:
            failure = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failure != 0:
                self.close()
                self.on_refused(errno.errorcode.get(failure, failure))
                return
            if not events & select.EPOLLOUT:
                return
            self.opened = True
            self.on_open()
        if events & select.EPOLLOUT:
            self._flush()
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and not self.closed:
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                self.on_bytes(data)
            else:
                self._gone()


class Swarm:
    def __init__(self):
        self.members = {}
        self._unread = []
        self._epoll = select.epoll()
        self.patience = 1.0  # seconds until `done` is asked again when nothing happens

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for member in [*self.members.values(), *self._unread]:
            member.close()
        self._epoll.close()

    def add(self, member):
        member.swarm = self
        self.members[member.fd] = member
        self._epoll.register(member.fd, member.interest())
        return member

    def forget(self, member):
        if self.members.pop(member.fd, None) is not None:
            self._epoll.unregister(member.fd)

    def leave_unread(self, member):
        """Stops listening to a member's socket, which stays open: a reader that never reads."""
        self.forget(member)
        self._unread.append(member)

    def want(self, member):
        if self.members.get(member.fd) is member:
            self._epoll.modify(member.fd, member.interest())

    def serve(self, done, seconds):
        """Serves everyone until done() is true, for so many seconds at most. Returns whether it is."""
        deadline = Deadline(seconds)
        while not done():
            if deadline.passed():
                return False
            for fd, events in self._epoll.poll(min(self.patience, deadline.left())):
                member = self.members.get(fd)
                if member is not None:
                    member.ready(events)
        return True

    def run(self, done, what, seconds=None):
        """Serves everyone until done() is true; fails at the deadline, saying `what` was awaited."""
        seconds = Deadline(seconds).seconds
        assert self.serve(done, seconds), f"not within {seconds:g} s: {what() if callable(what) else what}"
