"""The bare limits, as the measurements start them: programs that do the least, and nothing else."""

import contextlib
import subprocess

from common import ROOT


class Limit:
    """One of them, listening."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                        process_group=0)
        self.pid = self.process.pid
        self.address = self.process.stdout.readline().strip()


@contextlib.contextmanager
def limit(command):
    running = Limit(command)
    try:
        yield [running]
    finally:
        running.process.kill()
        running.process.wait()
        running.process.stdout.close()
