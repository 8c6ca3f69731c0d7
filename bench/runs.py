"""Measures Herald on this machine (scripts/bench): starts servers, loads them, prints figures and their medians.

    build ──► servers (bound to a processor where the mode says so) ──► load --json ──► figures, medians

A run fails when a delivery is lost, doubled or out of order, when a client is refused, or when a server ends
otherwise than as it was asked to, complains in its log or drops a reader."""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

import fanout
import identity
from common import BUILD, QUIET, ROOT, Failed, build, describe, run_load, say, stoppable, urgency
from servers import heraldds


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
                             ("bytes a delivery", "{:d}", at("wire")), LATENCY[0], LATENCY[1], RSS, OWN, OTHERS]),
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

PARTS = {"reel": "bench/bench_reel", "sends": "bench/sends"}  # programs that measure a part of the server alone


def load(mode, servers, words):
    command = [*mode.prefix(1), f"{BUILD}/bench/load", "--servers", ",".join(server.address for server in servers),
               "--pid", ",".join(str(server.pid) for server in servers), *map(str, mode.load), "--json",
               *(["--progress"] if sys.stderr.isatty() else []), *words]
    for server in servers:
        say(f"          {server.command}")
    say(f"          {shlex.join(command)}")
    report, failure = run_load(command)
    if failure:
        raise Failed(f"{failure}: {report}")
    return report


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
                heraldds(mode.servers, pathlib.Path(folder).relative_to(ROOT), mode.heraldd, mode.prefix(0)) as servers:
            results.append(load(mode, servers, words))
    show(mode, results)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="measures Herald on this machine")
    parser.add_argument("mode", choices=[*MODES, *PARTS])
    parser.add_argument("--runs", type=int, help="how many, of which the median is told")
    parser.add_argument("--urgent", action="store_true",
                        help="go before all other processes (nice -20): for a machine that is not quiet; needs root")
    words = sys.argv[1:]
    if words[:1] in (["fanout"], ["identity"]):
        return {"fanout": fanout, "identity": identity}[words[0]].main(words[1:])
    cut = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:cut])
    try:
        with stoppable(), contextlib.ExitStack() as stack:
            part = PARTS.get(arguments.mode)
            build(*([part] if part else ["heraldd", "bench/load"]))
            describe()
            if arguments.urgent:
                stack.enter_context(urgency())
            if part:
                return subprocess.run([f"{BUILD}/{part}"], cwd=ROOT, check=False).returncode
            measure(MODES[arguments.mode], arguments.runs, words[cut + 1:])
    except Failed as failure:
        sys.stdout.flush()
        print(f"scripts/bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scripts/bench: interrupted; everything is stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
