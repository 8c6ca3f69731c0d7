"""heraldd, as the measurements start it: alone or as a tree."""

import contextlib
import json
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

from common import BUILD, ROOT, Failed, say

sys.path.insert(0, str(ROOT / "tests"))
from herald_harness import Peer  # noqa: E402

PATIENCE = 20.0
ACCOUNTS = 20


class Heraldd:
    """A server: its log is read by a thread; stop() checks that it was well."""

    def __init__(self, directory, options, prefix=(), secret_file=None, parent=None):
        self.may_lap = False  # a reader that falls behind is no complaint
        self.log = []
        self.changed = threading.Condition()
        self.ended = False
        command = [*prefix, f"{BUILD}/heraldd", "--data", str(directory), "--listen", "127.0.0.1:0",
                   *map(str, options)]
        command += ["--secret-file", str(secret_file)] if secret_file else []
        command += ["--connect", parent.address] if parent else []
        self.command = shlex.join(command)
        self.secret = secret_file.read_text().strip() if secret_file else None
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, errors="backslashreplace",
                                        process_group=0)  # Ctrl-C is for us: we stop it, and see that it was well
        self.pid = self.process.pid
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.log.append(line.rstrip())
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_for(self, pattern, count=1):
        """The `count`-th line that matches."""
        def found():
            return [match for match in (re.search(pattern, line) for line in self.log) if match]
        with self.changed:
            self.changed.wait_for(lambda: self.ended or len(found()) >= count, PATIENCE)
            if len(found()) < count:
                raise Failed(self.story(f"did not write {pattern!r} within {PATIENCE:.0f} s"))
            return found()[count - 1]

    def listens(self):
        match = self.wait_for(r"msg=listening address=([\d.]+):(\d+)")
        self.host, self.port = match.group(1), int(match.group(2))
        self.address = f"{self.host}:{self.port}"
        return self

    def connect(self):
        return socket.create_connection((self.host, self.port), PATIENCE)

    def story(self, what):
        return f"heraldd {what}; {self.command}\n    " + "\n    ".join(self.log[-20:])

    def stop(self):
        """SIGTERM, and what is to be said against it: None if nothing."""
        if self.process.poll() is not None:
            return self.story(f"ended by itself with status {self.process.returncode}")
        self.process.send_signal(signal.SIGTERM)
        with self.changed:
            ended = self.changed.wait_for(lambda: self.ended, PATIENCE)
        if not ended:
            self.process.kill()
        status = self.process.wait()
        if not ended or status != 0:
            return self.story(f"did not stop as asked (status {status})")
        for line in self.log:
            if "level=error" in line or re.search(r"lapped=[1-9]", line) and not self.may_lap:
                return self.story("complained")
        return None


def settle(servers):
    """Waits until every server knows all others: an observer at each has heard of them, and has left again."""
    for server in servers:
        observer = Peer.dial(server)
        wanted, end = {other.port for other in servers}, time.monotonic() + PATIENCE
        while wanted:
            if time.monotonic() > end:
                raise Failed(f"{server.address} has not heard of {len(wanted)} of the servers")
            wanted.discard(observer.expect_announce(PATIENCE)["port"])
        observer.close()
    for server in servers:
        server.wait_for(r'msg="link down"')


@contextlib.contextmanager
def heraldds(count, folder, options, prefix=(), may_lap=False):
    """So many; every one but the first is a child of it."""
    running = []
    secret_file = None
    if count > 1:
        secret_file = folder / "secret"
        secret_file.touch(mode=0o600)
        secret_file.write_text(secrets.token_hex(16) + "\n")
    try:
        for number in range(count):
            running.append(Heraldd(folder / f"data{number + 1}", options, prefix, secret_file,
                                   running[0] if running else None))
            running[-1].may_lap = may_lap
            running[-1].listens()
        if count > 1:
            settle(running)
        yield running
    except AssertionError as error:  # the harness's
        raise Failed(str(error)) from error
    finally:
        complaints = [complaint for complaint in (server.stop() for server in reversed(running)) if complaint]
        if complaints:
            say("\n".join(complaints))
    if complaints:
        raise Failed("a server was not well")


# --- accounts -----------------------------------------------------------------------------------------------

def say_line(address, command, name, secret):
    host, port = address.split(":")
    connection = socket.create_connection((host, int(port)), PATIENCE)
    line = {"command": command, "username": name, "secret": secret}
    connection.sendall(json.dumps(line).encode() + b"\n")
    return connection


def register(server):
    """Accounts, as (name, secret)."""
    accounts = [(f"user{number}", secrets.token_hex(8)) for number in range(ACCOUNTS)]
    for name, secret in accounts:
        with say_line(server.address, "REGISTER", name, secret) as connection:
            if b"REGISTER_SUCCESS" not in connection.recv(4096):
                raise Failed(f"{name} could not be registered")
    return accounts
