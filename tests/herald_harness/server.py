"""A heraldd process: started, listened to, measured, stopped, and asked afterwards whether it was well.

    Popen ──stderr──► a thread ──► `log` (every line) ──► wait_log, wait_exit

A server that dies unasked, writes a sanitizer's report or logs a secret fails the test that uses it."""

import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from .clock import Deadline, eventually
from .connection import Client
from .names import SECRET_MARK, new_name, new_secret
from .veil import Veil

ROOT = Path(__file__).resolve().parents[2]
REPORTS = re.compile(r"ERROR: (Address|Leak|Thread|Memory)Sanitizer|WARNING: ThreadSanitizer|runtime error:|"
                     r"AddressSanitizer:DEADLYSIGNAL|[Aa]ssertion .* failed|stack smashing|buffer overflow detected")
FIELD = re.compile(r'([A-Za-z_][\w.-]*)=("(?:[^"\\]|\\.)*"|\S*)')

# So that tests are not limited by what protects a public server. Each test sets what it is about.
RELAXED = {
    "registers_per_minute": 0,
    "publish_limit": 0,
    "login_failures": 100000,
    "connections_per_address": 10000,
    "max_connections": 10000,
    "first_message_timeout": "60s",
    "hash_queue": 1000,
    "announce_interval": "500ms",
    "drain_timeout": "1s",
    "shards": 2,
    "log_level": "debug",
}


def binary():
    """The heraldd under test: $HERALDD, or build/heraldd."""
    path = Path(os.environ.get("HERALDD", "build/heraldd"))
    return path if path.is_absolute() else ROOT / path


# With HERALD_VEILED every server speaks TLS, and so does every client: the same tests, another transport.
VEILED = bool(os.environ.get("HERALD_VEILED"))


def is_sanitized(path=None):
    try:
        return b"__asan_init" in (path or binary()).read_bytes()
    except OSError:
        return False


_reserved = {}  # port: a name in the kernel that no other process of tests can have meanwhile


def _reserve(port):
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0herald-tests-port-{port}")
    except OSError:
        mark.close()
        return False
    _reserved[port] = mark
    return True


def _is_free(port):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def reserve_port():
    """A port free just now, for a server that must be known before it is started, and that stays its own while it is
    away; so does the next one, where it answers HTTP. Not of those that the system gives to whoever connects: one of
    these could be taken by then."""
    least = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    first, end = (10240, least) if least > 12000 else (61000, 65535)
    while True:
        port = random.SystemRandom().randrange(first, end - 1, 2)
        if port not in _reserved and _is_free(port) and _is_free(port + 1) and _reserve(port):
            return port


def outside():
    """An address of this machine that is not loopback, or the test is skipped."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("no network")
        address = sock.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("no address but loopback")
    return address


def environment():
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "quarantine_size_mb=16:detect_stack_use_after_return=0")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    return env


def arguments(options):
    """{"lock_window": "1s", "connect": [a, b], "check": True} as command-line words; None is left out."""
    words = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is True:
                words.append(flag)
            elif one is not None and one is not False:
                words += [flag, str(one)]
    return words


def run(*words, seconds=None, under=(), **options):
    """Runs heraldd to its end: a CompletedProcess with text stdout and stderr. under: as of Server."""
    command = [*map(str, under), str(binary()), *map(str, words), *arguments(options)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(),
                          errors="backslashreplace", timeout=Deadline(seconds).seconds, check=False)
    assert not REPORTS.search(done.stderr), done.stderr
    return done


class LogLine:
    """A line of the log and its key=value fields (or JSON members)."""

    def __init__(self, text):
        self.text = text
        self.fields = {}
        if text.startswith("{"):
            try:
                self.fields = json.loads(text)
            except ValueError:
                pass
        else:
            for key, value in FIELD.findall(text):
                if value.startswith('"'):
                    value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
                self.fields.setdefault(key, value)

    @property
    def msg(self):
        return str(self.fields.get("msg", ""))


class Server:
    def __init__(self, directory, *words, listen="127.0.0.1:0", secret="", plain=False, under=(), env=None, **options):
        """Starts heraldd with its data in `directory` and waits until it listens.

        words: further arguments as they are. options: flags by name (arguments()). secret: "" makes one, None
        gives none. plain: only `words` and `options`, no defaults of ours. under: a command that execs what follows
        it. env: variables more."""
        self.directory = Path(directory)
        self.secret = new_secret() if secret == "" else secret
        merged = dict(options) if plain else \
            {"data": self.directory, "listen": listen, "secret": self.secret, **RELAXED,
             **({"tls": "auto"} if VEILED else {}), **options}
        self.command = [*map(str, under), str(binary()), *map(str, words), *arguments(merged)]
        self.log = []
        self.port = None
        self._changed = threading.Condition()
        self._ended = False
        self._expected_end = False
        self._clients = []
        assert binary().exists(), f"no heraldd at {binary()}: build it, or set HERALDD"
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, env=environment() | (env or {}))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._await_listening()

    # --- the log --------------------------------------------------------------------------------------------
    def _read(self):
        for raw in self.process.stderr:
            line = LogLine(raw.decode("utf-8", "backslashreplace").rstrip("\n"))
            with self._changed:
                self.log.append(line)
                self._changed.notify_all()
        self.process.wait()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _await_listening(self):
        line = self.wait_log(msg="listening")
        address = line.fields.get("address", "")
        assert ":" in address, f"no address in: {line.text}"
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)

    def _matches(self, pattern, msg, after):
        found = []
        for line in self.log[after:]:
            if msg is not None and line.msg != msg:
                continue
            if pattern is None or re.search(pattern, line.text):
                found.append(line)
        return found

    def wait_log(self, pattern=None, msg=None, count=1, after=0, seconds=None):
        """Waits for the `count`-th line (of those after index `after`) whose text matches `pattern` and whose
        msg is `msg`. Returns it."""
        deadline = Deadline(seconds)
        with self._changed:
            while True:
                found = self._matches(pattern, msg, after)
                if len(found) >= count:
                    return found[count - 1]
                what = f"log line {pattern or ''} {msg or ''} (×{count})"
                assert not self._ended, self._story(f"ended before it wrote a {what}")
                assert not deadline.passed(), self._story(f"no {what} within {deadline.seconds:g} s")
                self._changed.wait(deadline.left())

    def count_log(self, pattern=None, msg=None, after=0):
        with self._changed:
            return len(self._matches(pattern, msg, after))

    def log_text(self):
        with self._changed:
            return "\n".join(line.text for line in self.log)

    def log_length(self):
        """A mark for `after`."""
        with self._changed:
            return len(self.log)

    def links(self):
        """Links that are up, by the log."""
        return self.count_log(msg="link up") - self.count_log(msg="link down")

    def wait_links(self, count):
        eventually(lambda: self.links() == count, self._story(f"{count} links, now {self.links()}"))

    def _story(self, what):
        tail = "\n    ".join(line.text for line in self.log[-30:])
        return f"heraldd (pid {self.process.pid}) {what}; the end of its log:\n    {tail}"

    @property
    def http_port(self):
        """Where its HTTP API is."""
        return int(self.wait_log(msg="listening for HTTP").fields["address"].rsplit(":", 1)[1])

    # --- connecting -----------------------------------------------------------------------------------------
    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def connect(self, source=None, seconds=None):
        """A bare TCP connection. source: the address to come from, such as 127.0.0.2."""
        sock = socket.create_connection(("127.0.0.1", self.port), Deadline(seconds).seconds,
                                        source_address=(source, 0) if source else None)
        return sock

    def client(self, source=None, name=None, veil=None):
        """veil: a Veil's arguments, of a client that speaks TLS."""
        sock = self.connect(source)
        veil = {} if veil is None and VEILED else veil
        if veil is not None:
            sock = Veil(sock, **veil)
        client = Client(sock, name or f"client {len(self._clients) + 1} of :{self.port}")
        self._clients.append(client)
        return client

    def anonymous(self):
        """A client logged in as anonymous."""
        return self.client().login()

    def register(self, stem="user"):
        """A new account made over a connection of its own: (name, secret)."""
        name, secret = new_name(stem), new_secret()
        client = self.client().register(name, secret)
        client.close()
        return name, secret

    def leave_descriptors(self, count):
        """From now on it can open only about `count` descriptors more."""
        highest = max(int(entry.name) for entry in Path(f"/proc/{self.process.pid}/fd").iterdir())
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (highest + 1 + count,) * 2)

    # --- measuring ------------------------------------------------------------------------------------------
    def rss(self):
        """Resident memory in bytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) * 1024

    def peak_rss(self):
        """The most memory it has ever had resident, in bytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1)) * 1024

    def cpu(self):
        """Seconds of CPU used by the threads it has now."""
        total = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                continue  # the thread has just ended
        return total / 1e9

    def descriptors(self):
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def on_disk(self, name):
        """True when `name` stands in a file of the data directory: its account is durable."""
        for path in self.directory.rglob("*"):
            if path.is_file() and name.encode() in path.read_bytes():
                return True
        return False

    # --- ending ---------------------------------------------------------------------------------------------
    def signal(self, number):
        self.process.send_signal(number)

    def stopped(self):
        """True when none of its threads runs, after SIGSTOP."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return all((task / "stat").read_text().rsplit(") ", 1)[1][0] == "T" for task in tasks)

    def running(self):
        return self.process.poll() is None

    def wait_exit(self, seconds=None):
        """Waits for its end, whatever the status, which is returned. Its log is complete then."""
        self._expected_end = True
        deadline = Deadline(seconds)
        self._reader.join(deadline.left())
        assert not self._reader.is_alive(), self._story(f"did not end within {deadline.seconds:g} s")
        return self.process.returncode

    def stop(self, seconds=None):
        """SIGTERM; it must end with status 0."""
        self.signal(signal.SIGTERM)
        status = self.wait_exit(seconds)
        assert status == 0, self._story(f"ended with status {status} after SIGTERM")

    def kill(self):
        """SIGKILL, as a crash or a power cut would."""
        self._expected_end = True
        self.process.kill()
        self.process.wait()
        self._reader.join(5)

    def restart(self, *words, **options):
        """A new Server with the same data and secret."""
        return Server(self.directory, *words, secret=self.secret, **options)

    def finish(self):
        """Ends it if it runs, frees everything, and fails if it was not well."""
        for client in self._clients:
            client.close()
        problem = None
        try:
            if self.running():
                self.stop()
            elif not self._expected_end:
                self._reader.join(5)
                problem = f"died unexpectedly with status {self.process.returncode}"
        except AssertionError as error:
            problem = str(error)
        finally:
            if self.running():
                self.process.kill()
                self.process.wait()
            self._reader.join(5)
            self.process.stderr.close()
        self.check_log()
        assert problem is None, self._story(problem)

    def check_log(self):
        """No sanitizer's report and no secret may be in the log."""
        for line in self.log:
            assert not REPORTS.search(line.text), self._whole_story(line)
            if line.text.startswith("server secret: "):
                continue
            assert SECRET_MARK not in line.text, f"a secret in the log: {line.text}"

    def _whole_story(self, line):
        at = self.log.index(line)
        return "\n".join(one.text for one in self.log[at:at + 60])
