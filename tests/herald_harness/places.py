"""Places where servers are put that a test wants to harm: a small file system of its own, another clock.

    Tmpfs      a file system that can be filled, which only the server sees (needs root)
    WallClock  what CLOCK_REALTIME says to a server; a test makes it jump"""

import contextlib
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest


class Tmpfs:
    """Server(directory, under=tmpfs.under): the directory is a file system of `size`, in a mount namespace that ends
    with the server."""

    def __init__(self, directory, size="2m", options="rw"):
        self.directory = Path(directory)
        self.directory.mkdir(mode=0o700)
        mount = f"mount -t tmpfs -o size={size},mode=700 tmpfs \"$0\"; mount -o remount,{options} \"$0\"; exec \"$@\""
        self.under = [*_unshare(), "sh", "-ec", mount, str(self.directory)]

    def inside(self, server):
        """The directory as the server sees it."""
        return Path(f"/proc/{server.process.pid}/root{self.directory}")

    def fill(self, server):
        """Not a byte is left."""
        filler = self.inside(server) / "filler"
        with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size):
                        pass

    def empty(self, server):
        (self.inside(server) / "filler").unlink()


def _unshare():
    """How to begin a mount namespace whose mounts nobody else sees; skips where that cannot be."""
    command = ["unshare", "--mount", "--propagation"]
    # A changed root is no mount of its own, and unshare cannot make it private; where nothing is shared it need not.
    ways = ["private"] if "shared:" in Path("/proc/self/mountinfo").read_text() else ["private", "unchanged"]
    if os.geteuid() == 0 and shutil.which("unshare"):
        for way in ways:
            if subprocess.run([*command, way, "true"], capture_output=True, check=False).returncode == 0:
                return [*command, way]
    pytest.skip("only root can mount a file system")


def need_root():
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")


SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const long *ahead; /* seconds, in a file that the test writes */

__attribute__((constructor)) static void attach(void) {
    int fd = open(getenv("WALL_CLOCK"), O_RDONLY | O_CLOEXEC);
    void *page = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) abort();
    ahead = page;
    close(fd);
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int status = (int)syscall(SYS_clock_gettime, id, now);
    if (status == 0 && ahead && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += *ahead;
    return status;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class WallClock:
    """Server(..., env=clock.env): its wall clock is `ahead` seconds ahead of ours."""

    def __init__(self, folder):
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            pytest.skip("no compiler for the clock that jumps")
        library, self._file = Path(folder) / "wall_clock.so", Path(folder) / "wall_clock"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-x", "c", "-o", library, "-"], input=SHIM, text=True, check=True)
        self.jump(0)
        self.env = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._file),
                    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "quarantine_size_mb=16") + ":verify_asan_link_order=0"}

    def jump(self, ahead):
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", ahead))
