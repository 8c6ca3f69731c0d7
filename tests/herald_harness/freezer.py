"""Single threads of a server held still, so that what is under way between two of them stays under way.

    with frozen(server, "shard 1"): ...     the others go on

By ptrace, as a debugger would; who may not do that (a container can forbid it) skips the test."""

import ctypes
import errno
import os
from pathlib import Path

import pytest

from .clock import eventually

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000  # of waitpid: threads, too

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request, thread):
    if _libc.ptrace(request, thread, None, None) == 0:
        return
    number = ctypes.get_errno()
    if number in (errno.EPERM, errno.ENOSYS):
        pytest.skip(f"ptrace is forbidden here: {os.strerror(number)}")
    raise OSError(number, os.strerror(number))


def threads(server):
    """{id: name}: "core", "shard 1" and so on, "worker", "storage"."""
    tasks = Path(f"/proc/{server.process.pid}/task")
    names = {int(task.name): (task / "comm").read_text().strip() for task in tasks.iterdir()}
    return names | {server.process.pid: "core"}


def _sleeps(server, thread):
    stat = Path(f"/proc/{server.process.pid}/task/{thread}/stat").read_text()
    return stat.rsplit(") ", 1)[1][0] == "S"


class frozen:
    """Holds the threads of those names still. Each waits for something to do then, so it holds no lock."""

    def __init__(self, server, *names):
        self._held = []
        wanted = [thread for thread, name in sorted(threads(server).items()) if name in names]
        assert len(wanted) >= len(names), f"{names} of {threads(server)}"
        try:
            for thread in wanted:
                self._hold(server, thread)
        except BaseException:
            self.thaw()
            raise

    def _hold(self, server, thread):
        eventually(lambda: _sleeps(server, thread), "a thread that waits")
        _ptrace(SEIZE, thread)
        _ptrace(INTERRUPT, thread)
        os.waitpid(thread, WALL)
        self._held.append(thread)

    def thaw(self):
        while self._held:
            _ptrace(DETACH, self._held.pop())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thaw()
