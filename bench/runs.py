"""Measures Herald on this machine (scripts/bench): starts servers, loads them, prints figures and their medians.

    build ──► servers (bound to a processor where the mode says so) ──► load --json ──► figures, medians

A run fails when a delivery is lost, doubled or out of order, when a client is refused, or when a server ends
otherwise than as it was asked to, complains in its log or drops a reader."""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import resource
import secrets
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from herald_harness import Peer  # noqa: E402

BUILD = "build-bench"
PATIENCE = 20.0
QUIET = 0.1  # of a processor: what other processes may use before a run counts as disturbed


@dataclasses.dataclass
class Mode:
    servers: int
    runs: int
    load: list                                  # the load program's options
    heraldd: list = dataclasses.field(default_factory=list)
    pinned: bool = False                        # servers on processor 0, the load program on 1
    figures: list = dataclasses.field(default_factory=list)

    def prefix(self, processor):
        """What a command is started with."""
        return ["taskset", "-c", str(processor)] if self.pinned else []


def at(*path):
    """A figure's place in the load program's JSON."""
    def take(result):
        for step in path:
            result = result[step]
        return result
    return take


CPU = ("server CPU s per million deliveries", "{:.4f}", at("server_cpu_per_million"))
LATENCY = [(f"latency {name}, ms", "{:.3f}", at("latency", key))
           for name, key in [("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"), ("max", "max")]]
RSS = ("server RSS, MiB", "{:.1f}", lambda result: result["server_rss"] / 2**20)
OWN = ("load program's CPU, processors", "{:.2f}", at("own_cpu_share"))
OTHERS = ("other processes' CPU, processors", "{:.2f}", at("others_cpu"))
REDIRECTS = ("clients redirected 0, 1, 2... times", "{}", at("bounces"))
SPREAD = ("clients at each server", "{}", lambda result: [one["clients"] for one in result["servers"]])

MODES = {
    "load": Mode(3, 1, ["--clients", 500, "--begin", 1, "--publishers", 10, "--rate", 50, "--size", 300,
                        "--seconds", 60, "--warmup", 2],
                 figures=[SPREAD, ("deliveries/s", "{:.0f}", at("deliveries_per_second")), *LATENCY, CPU,
                          ("server CPU, processors", "{:.3f}", at("server_cpu_share")), RSS, OWN, OTHERS]),
    "fanout1": Mode(1, 5, ["--clients", 100, "--publishers", 1, "--rate", 0, "--window", 256, "--size", 300,
                           "--seconds", 10, "--warmup", 1],
                    heraldd=["--shards", 1, "--publish-limit", 0], pinned=True,
                    figures=[("million deliveries/s", "{:.2f}", lambda result: result["deliveries_per_second"] / 1e6),
                             CPU, ("server CPU, processors", "{:.2f}", at("server_cpu_share")),
                             ("bytes a delivery", "{:d}", at("line")), LATENCY[0], LATENCY[1], RSS, OWN, OTHERS]),
    "idle": Mode(1, 3, ["--idle", "--clients", 10000, "--seconds", 10],
                 heraldd=["--connections-per-address", 0],
                 figures=[("server RSS bytes per connection", "{:.0f}", at("server_rss_per_connection")), RSS,
                          ("server CPU while idle, processors", "{:.4f}", at("server_cpu_share")),
                          ("until all were logged in, s", "{:.2f}", at("login_seconds")), OTHERS]),
    "storm": Mode(3, 5, ["--storm", "--clients", 5000], heraldd=["--connections-per-address", 0],
                  figures=[("until all were logged in, s", "{:.3f}", at("seconds")), LATENCY[0], LATENCY[1],
                           REDIRECTS, SPREAD,
                           ("server CPU s", "{:.2f}", at("server_cpu_seconds")), OWN, OTHERS]),
}


class Failed(Exception):
    """A run that has no figures; the text is for the user."""


def say(text=""):
    print(text, flush=True)


def told(command):
    """What a command says of itself in its first line, or a dash."""
    with contextlib.suppress(OSError, IndexError):
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout.splitlines()[0]
    return "-"


def describe():
    """The machine, the kernel, the versions: what a figure is worth nothing without."""
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1))
    changed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "status", "--porcelain", "src", "bench"],
                             capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()
    commit = told(["git", "-c", f"safe.directory={ROOT}", "rev-parse", "--short", "HEAD"])
    libuv, sqlite = (told(["pkg-config", "--modversion", name]) for name in ("libuv", "sqlite3"))
    say(f"machine   {cpu.group(1) if cpu else os.uname().machine}, {os.cpu_count()} processors, "
        f"{memory / 2**20:.0f} GiB; load {os.getloadavg()[0]:.2f}")
    say(f"kernel    {os.uname().sysname} {os.uname().release}; open files {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}")
    say(f"versions  heraldd of {commit}{' and changes' if changed else ''}, "
        f"{told(['cc', '--version'])}, libuv {libuv}, SQLite {sqlite}")
    say(f"build     meson setup {BUILD} --buildtype=release (asserts stay in)")


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
    steps = [] if (place / "build.ninja").exists() else [["meson", "setup", BUILD, "--buildtype=release"]]
    for step in [*steps, ["ninja", "-C", BUILD, *targets]]:
        done = subprocess.run(step, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{shlex.join(step)} failed:\n" + "\n".join(done.stdout.splitlines()[-40:]))


# --- processes ----------------------------------------------------------------------------------------------

class Heraldd:
    """A server: its log is read by a thread; stop() checks that it was well."""

    def __init__(self, directory, options, prefix, secret_file=None, parent=None):
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
            if "level=error" in line or re.search(r"lapped=[1-9]", line):
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
def servers_of(mode, folder):
    """A tree: every server but the first is a child of it."""
    running = []
    secret_file = None
    if mode.servers > 1:
        secret_file = folder / "secret"
        secret_file.touch(mode=0o600)
        secret_file.write_text(secrets.token_hex(16) + "\n")
    try:
        for number in range(mode.servers):
            running.append(Heraldd(folder / f"data{number + 1}", mode.heraldd, mode.prefix(0), secret_file,
                                   running[0] if running else None))
            running[-1].listens()
        if mode.servers > 1:
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


def load(mode, servers, words):
    command = [*mode.prefix(1), f"{BUILD}/bench/load", "--servers", ",".join(server.address for server in servers),
               "--pid", ",".join(str(server.pid) for server in servers), *map(str, mode.load), "--json",
               *(["--progress"] if sys.stderr.isatty() else []), *words]
    for server in servers:
        say(f"          {server.command}")
    say(f"          {shlex.join(command)}")
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                               process_group=0)
    try:
        output, _ = process.communicate()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise Failed(f"the load program failed with status {process.returncode}: {output.strip()}")
    return json.loads(output)


# --- runs ---------------------------------------------------------------------------------------------------

def show(mode, results):
    """The figures of every run beside their median."""
    width = max(len(name) for name, _, _ in mode.figures)
    say()
    for name, form, take in mode.figures:
        values = [take(result) for result in results]
        texts = [form.format(value) for value in values]
        if isinstance(values[0], list) or len(values) == 1:
            say(f"{name:<{width}}  {'   '.join(texts)}")
            continue
        median = statistics.median(values)
        say(f"{name:<{width}}  median {form.format(int(median) if 'd' in form else median):<10} of {' '.join(texts)}")
    if "deliveries" in results[0]:
        every = [result["deliveries"] for result in results]
        say(f"{'deliveries, every one checked':<{width}}  "
            + ", ".join(f"{sum(one[name] for one in every)} {name.replace('_', ' ')}" for name in every[0]))
    disturbed = [number for number, result in enumerate(results, 1) if result["others_cpu"] > QUIET]
    if disturbed:
        say(f"Other processes used more than {QUIET} of a processor in run {', '.join(map(str, disturbed))}: "
            "compare with care.")


def measure(mode, runs, words):
    if mode.pinned and len(os.sched_getaffinity(0)) < 2:
        raise Failed("this needs two processors: one for the server, one for the load program")
    results = []
    for run in range(1, (runs or mode.runs) + 1):
        say(f"run {run}")
        with tempfile.TemporaryDirectory(dir=ROOT / BUILD, prefix="run-") as folder, \
                servers_of(mode, pathlib.Path(folder).relative_to(ROOT)) as servers:
            results.append(load(mode, servers, words))
    show(mode, results)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="measures Herald on this machine")
    parser.add_argument("mode", choices=[*MODES, "reel"])
    parser.add_argument("--runs", type=int, help="how many, of which the median is told")
    parser.add_argument("--urgent", action="store_true",
                        help="go before all other processes (nice -20): for a machine that is not quiet; needs root")
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:cut])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell has it ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception: what was started is stopped
    stack = contextlib.ExitStack()
    try:
        build("heraldd", "bench/load", "bench/bench_reel")
        describe()
        if arguments.urgent:
            stack.enter_context(urgency())
        if arguments.mode == "reel":
            return subprocess.run([f"{BUILD}/bench/bench_reel"], cwd=ROOT, check=False).returncode
        measure(MODES[arguments.mode], arguments.runs, words[cut + 1:])
    except Failed as failure:
        sys.stdout.flush()
        print(f"scripts/bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scripts/bench: interrupted; everything is stopped", file=sys.stderr)
        return 130
    finally:
        stack.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
