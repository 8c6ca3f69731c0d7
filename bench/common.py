"""What all modes of scripts/bench share: the machine, the build, one run of the load program."""

import contextlib
import json
import os
import pathlib
import re
import resource
import shlex
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = "build-bench"
RELEASE = re.findall("^-.*", (ROOT / "scripts" / "release").read_text(), re.MULTILINE)
HERALD = "herald"    # what is measured
ARGON2ID, LIMIT = "argon2id", "limit"   # the yardsticks: of hashing, and of everything else
PLAIN = ""   # the variant of a case that has one only
QUIET = 0.1  # of a processor: what other processes may use before a run counts as disturbed


class Failed(Exception):
    """A run that has no figures; the text is for the user."""


def say(text=""):
    print(text, flush=True)


def told(command):
    """What a command says of itself in its first line, or a dash."""
    with contextlib.suppress(OSError, IndexError):
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout.splitlines()[0]
    return "-"


def facts():
    """The machine, the kernel, the versions, as {what: text}: what a figure is worth nothing without."""
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1))
    changed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "status", "--porcelain", "src", "bench"],
                             capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()
    commit = told(["git", "-c", f"safe.directory={ROOT}", "rev-parse", "--short", "HEAD"])
    libuv, sqlite = (told(["pkg-config", "--modversion", name]) for name in ("libuv", "sqlite3"))
    return {
        "machine": f"{cpu.group(1) if cpu else os.uname().machine}, {os.cpu_count()} processors, "
                   f"{memory / 2**20:.0f} GiB; load {os.getloadavg()[0]:.2f}",
        "kernel": f"{os.uname().sysname} {os.uname().release}; "
                  f"open files {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}",
        "versions": f"heraldd of {commit}{' and changes' if changed else ''}, "
                    f"{told(['cc', '--version'])}, libuv {libuv}, SQLite {sqlite}",
        "build": f"meson setup {BUILD} {' '.join(RELEASE)} (asserts stay in)"}


def describe():
    for what, text in facts().items():
        say(f"{what:<9} {text}")


@contextlib.contextmanager
def urgency():
    """Before all other processes: by our niceness, and that of our session where the kernel groups by these."""
    group = pathlib.Path("/proc/self/autogroup")
    grouped = group.exists()
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        if grouped:
            group.write_text("-20")
    except OSError as error:
        raise Failed(f"--urgent needs root: {error}") from error
    say("urgent    everything at nice -20" + (", the session's group likewise" if grouped else ""))
    try:
        yield
    finally:
        if grouped:
            group.write_text("0")


def build(*targets):
    place = ROOT / BUILD
    steps = [] if (place / "build.ninja").exists() else [["meson", "setup", BUILD, *RELEASE]]
    for step in [*steps, ["ninja", "-C", BUILD, *targets]]:
        done = subprocess.run(step, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{shlex.join(step)} failed:\n" + "\n".join(done.stdout.splitlines()[-40:]))


@contextlib.contextmanager
def stoppable():
    """Ctrl-C and SIGTERM become exceptions, so that everything that was started is stopped; files as many as may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell has it ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    yield


def run_load(command, patience=None):
    """Runs the load program; its report, and what it said against it: None if nothing."""
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=None if "--progress" in command else subprocess.PIPE, text=True, process_group=0)
    try:
        output, said = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        return {}, f"no end after {patience:.0f} s"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    report = json.loads(output) if output else {}
    return report, (said or "the load program failed").strip() if process.returncode != 0 else None


def hash_bare(count):
    """The bare argon2id, so many times, on processor 0."""
    words = ["taskset", "-c", "0", f"{BUILD}/bench/bench_hash", str(count)]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
