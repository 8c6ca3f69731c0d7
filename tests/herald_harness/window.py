"""A terminal window with a program in it: tmux, whose screen is read as a person would read it.

    keys, text ──► tmux ──► program ──► tmux's screen ──► rows, wait"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .clock import Deadline, eventually
from .command import command_environment


class Window:
    """command: what the shell in the window runs, with the variables of command_environment and `changes`."""

    def __init__(self, home, command, columns=80, rows=24, **changes):
        self._place = tempfile.mkdtemp(prefix="herald-tmux-")
        self._env = command_environment(home, TMUX_TMPDIR=self._place, **changes)
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "-s", "w", command)

    def _tmux(self, *words, check=True, text=None):
        done = subprocess.run(["tmux", "-f", "/dev/null", "-L", "herald", *words], env=self._env, capture_output=True,
                              input=text, timeout=Deadline().seconds, check=False, text=True)
        assert done.returncode == 0 or not check, f"tmux {words[0]}: {done.stderr}"
        return done.stdout

    # --- what a person does ---------------------------------------------------------------------------------
    def keys(self, *names):
        """By tmux's names: Enter, Left, C-c, M-b, …"""
        self._tmux("send-keys", "-t", "w", *names)

    def text(self, text):
        self._tmux("send-keys", "-t", "w", "-l", text)

    def line(self, text):
        self.text(text)
        self.keys("Enter")

    def paste(self, text):
        self._tmux("load-buffer", "-", text=text)
        self._tmux("paste-buffer", "-t", "w")

    def resize(self, columns, rows):
        self._tmux("resize-window", "-t", "w", "-x", str(columns), "-y", str(rows))

    # --- what a person sees ---------------------------------------------------------------------------------
    def rows(self, colours=False, history=False):
        """The rows of the screen, the last ones kept even when they are empty."""
        words = ["-e"] if colours else []
        words += ["-S", "-"] if history else []
        return self._tmux("capture-pane", "-t", "w", "-p", *words).split("\n")[:-1]

    def seen(self, pattern, **how):
        """How many rows match."""
        return sum(bool(re.search(pattern, row)) for row in self.rows(**how))

    def wait(self, pattern, count=1, seconds=None, **how):
        """Until `count` rows of the screen match."""
        try:
            eventually(lambda: self.seen(pattern, **how) >= count, f"{pattern!r} (×{count}) in the window", seconds)
        except AssertionError as error:
            raise AssertionError(self.story(str(error))) from None

    def wait_last(self, pattern, seconds=None):
        """Until the last row matches."""
        try:
            eventually(lambda: re.search(pattern, self.rows()[-1]), f"{pattern!r} in the last row", seconds)
        except AssertionError as error:
            raise AssertionError(self.story(str(error))) from None

    def told(self, name):
        """One of tmux's variables: cursor_x, scroll_region_lower, pane_title, …"""
        return self._tmux("display-message", "-t", "w", "-p", f"#{{{name}}}").rstrip("\n")

    def story(self, what):
        return what + "; the window:\n" + "\n".join(f"    │{row}" for row in self.rows())

    def close(self):
        """Nothing that ran in it is left. A program whose terminal goes while its leaks are looked for hangs for ever (a
        signal ends who looks, or wakes who is to stand still): so it is ended first, and the terminal then."""
        sessions = {int(pid) for pid in self._tmux("list-panes", "-a", "-F", "#{pane_pid}", check=False).split()}
        programs = members(sessions, "herald")
        send(programs, signal.SIGTERM)
        send([pid for pid, state in programs.items() if state == "T"], signal.SIGCONT)
        ended(lambda: not members(sessions, "herald"))
        self._tmux("kill-server", check=False)
        if not ended(lambda: not members(sessions)):
            send(members(sessions), signal.SIGKILL)
        shutil.rmtree(self._place, ignore_errors=True)


def members(sessions, wanted=None):
    """{pid: state} of the processes of these sessions, or those of a name: a shell's programs have process groups of
    their own."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, name, rest = re.fullmatch(r"(\d+) \((.*)\) (.*)", stat.read_text(), re.S).groups()
        except OSError:
            continue  # it has ended meanwhile
        state, _, _, session = rest.split()[:4]
        if int(session) in sessions and state != "Z" and wanted in (None, name):
            found[int(pid)] = state
    return found


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def ended(condition):
    try:
        eventually(condition, "what ran in the window has ended")
    except AssertionError:
        return False
    return True
