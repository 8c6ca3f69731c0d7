"""Many clients at once: logins beside the stream, readers that do not read, memory that stays."""

import zlib

from herald_harness import Swarm, SwarmClient, new_secret
from herald_harness.clock import patience

LOGIN = b'{"command":"LOGIN","username":"anonymous"}\n'


class LoggingIn(SwarmClient):
    """Sends a LOGIN as soon as it is told to, and notes the answer."""

    def __init__(self, crowd, address, line):
        super().__init__(address)
        self.crowd, self.line = crowd, line

    def on_open(self):
        self.send(self.line)

    def on_line(self, line):
        if b'"LOGIN_SUCCESS"' in line:
            self.crowd.answered += 1
        else:
            assert b'"ACTIVITY_BROADCAST"' in line, line

    def on_close(self):
        raise AssertionError("closed while logging in")


class RoundTrips(SwarmClient):
    """Publishes, hears it, publishes the next: counts how often before the crowd is through."""

    def __init__(self, crowd, address):
        super().__init__(address)
        self.crowd, self.count = crowd, 0

    def on_open(self):
        self.send(LOGIN)

    def on_line(self, line):
        if b'"ACTIVITY_BROADCAST"' in line:
            assert b'"n":%d,' % self.count in line, line
            self.count += 1
        self.send(b'{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"n":%d}}\n' % self.count)


class LoginStorm(Swarm):
    def __init__(self):
        super().__init__()
        self.answered = 0


def test_activities_flow_while_two_hundred_logins_are_hashed(start):
    """design.md, decision 7: no loop ever waits for a hash. All 200 are answered, and a sender goes on hearing
    itself meanwhile; counted, not timed."""
    server = start(log_level="info", verified_ttl="0", shards=1, hash_threads=1)
    name, secret = server.register()
    line = b'{"command":"LOGIN","username":"%s","secret":"%s"}\n' % (name.encode(), secret.encode())
    address = ("127.0.0.1", server.port)
    with LoginStorm() as storm:
        sender = storm.add(RoundTrips(storm, address))
        storm.run(lambda: sender.count >= 10, "the sender hears itself")
        for _ in range(200):
            storm.add(LoggingIn(storm, address, line))
        before = sender.count
        storm.run(lambda: storm.answered == 200, lambda: f"{storm.answered} of 200 answered", seconds=6 * patience())
        assert sender.count - before >= 100, sender.count - before


class Reader(SwarmClient):
    """Logs in, then adds up all it is sent: readers that heard the same have the same sum."""

    def __init__(self, audience, address, **buffers):
        super().__init__(address, **buffers)
        self.audience = audience
        self.logged_in = False
        self.bytes = 0
        self.sum = 0

    def on_open(self):
        self.send(LOGIN)

    def on_bytes(self, data):
        if not self.logged_in:
            self._in += data
            end = self._in.find(b"\n")
            if end < 0:
                return
            assert b'"LOGIN_SUCCESS"' in self._in[:end], self._in
            self.logged_in = True
            self.audience.ready += 1
            data = self._in[end + 1:]
        before = self.bytes // self.audience.frame if self.audience.frame else 0
        self.bytes += len(data)
        self.sum = zlib.crc32(data, self.sum)
        if self.audience.frame:
            self.audience.frames += self.bytes // self.audience.frame - before

    def on_close(self):
        raise AssertionError(f"a reader that reads was closed after {self.bytes} bytes")


class Audience(Swarm):
    """`frame`: how long one broadcast is; `frames`: how many the readers have heard altogether."""

    def __init__(self):
        super().__init__()
        self.ready = self.frame = self.frames = 0


def activity(n, size):
    return b'{"n":%06d,"t":"%s"}' % (100_000 + n, b"x" * size)


def test_readers_that_do_not_read_harm_nobody(start):
    """design.md, decision 4: a reader too slow for the ring is closed and counted, with the reason in the log, and
    memory per reader is a few words. 1,000 readers, 50 of which never read; a reel of 4 MiB; 6 MiB are said. The
    others hear all of it, in order; checked by sums over every byte."""
    readers, stuck_readers, total, size, window = 950, 50, 200, 32_000, 12
    server = start(log_level="info", max_message="256KiB", reel_segments=8, reel_segment_size="512KiB")
    address = ("127.0.0.1", server.port)
    with Audience() as audience:
        crowd = [audience.add(Reader(audience, address)) for _ in range(readers)]
        stuck = [audience.add(Reader(audience, address, receive_buffer=4096, segment=536)) for _ in range(stuck_readers)]
        audience.run(lambda: audience.ready == readers + stuck_readers, "all have logged in", seconds=3 * patience())
        for one in stuck:
            audience.leave_unread(one)
        before = server.rss()

        speaker = server.anonymous()
        speaker.publish(activity(0, size))
        first = speaker.expect("ACTIVITY_BROADCAST")
        audience.frame = len(first.raw) + 1
        expected = zlib.crc32(first.raw + b"\n")
        audience.frames = sum(one.bytes // audience.frame for one in crowd)
        for n in range(1, total):
            audience.run(lambda n=n: audience.frames >= readers * (n - window), lambda: f"{audience.frames} heard",
                         seconds=3 * patience())
            speaker.publish(activity(n, size))
            heard = speaker.expect("ACTIVITY_BROADCAST")
            assert heard["activity"]["n"] == 100_000 + n
            expected = zlib.crc32(heard.raw + b"\n", expected)
        audience.run(lambda: audience.frames >= readers * total, lambda: f"{audience.frames} of {readers * total} heard",
                     seconds=3 * patience())

        assert {one.bytes for one in crowd} == {audience.frame * total}
        assert {one.sum for one in crowd} == {expected}
        server.wait_log("(?i)lapped")
        for one in stuck:  # they find what fitted into the kernel's buffers, and then the end
            one.sock.setblocking(True)
            one.sock.settimeout(patience())
            taken = 0
            try:
                while data := one.sock.recv(1 << 20):
                    taken += len(data)
            except ConnectionResetError:
                pass
            assert taken < audience.frame * total
        assert server.rss() - before < 100 << 20, (before, server.rss())
        speaker.proves_to_stay()
    speaker.close()
    server.stop()
    server.wait_log("lapped=50")


def test_idle_clients_cost_little(start):
    """design.md, decision 4: memory per reader is a few words."""
    server = start(log_level="info")
    with Audience() as audience:
        audience.frame = 0
        address = ("127.0.0.1", server.port)
        for _ in range(100):
            audience.add(Reader(audience, address))
        audience.run(lambda: audience.ready == 100, "100 have logged in", seconds=3 * patience())
        before = server.rss()
        for _ in range(1000):
            audience.add(Reader(audience, address))
        audience.run(lambda: audience.ready == 1100, "1,100 have logged in", seconds=3 * patience())
        assert server.rss() - before < 1000 * 16384


def test_secrets_are_in_no_log(start):
    """design.md, decision 9: secrets never logged. A debug-level run with right and wrong secrets everywhere; the
    harness looks at every server's log at the end of every test, and this one makes sure that it does."""
    server = start(log_level="debug")
    name, secret = server.register()
    server.client().login(name, secret).proves_to_stay()
    for line in (b'{"command":"LOGIN","username":"%s","secret":"%s"}\n', b'{"command":"AUTHENTICATE","x":"%s","secret":"%s"}\n',
                 b'{"command":"REGISTER","username":"%s","secret":"%s"}\n', b'{"command":"%s","secret":"%s"}\n',
                 b"%s %s\n", b'{"command":"LOCK_REQUEST","username":"%s","secret":"%s"}\n'):
        client = server.client()
        client.send(line % (name.encode(), new_secret().encode()))
        client.read_to_close()
    assert "hush" not in server.log_text()
    assert len(server.log_text()) > 0
