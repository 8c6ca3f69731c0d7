"""scripts/bench fanout: Herald, the bare limit, NATS, Redis and Mosquitto do the same work, in turn.

    for each round, for each case, for each system in rotated order:
        its servers ──► processor 0        the load program ──► processor 1        ──► results.json
    results.json ──► tables.py: a page of medians, ratios, targets;  plot.py: a picture

A run during which other processes took more than QUIET of a processor is repeated, twice at most; the quietest counts,
and says so if it was not quiet."""

import argparse
import contextlib
import json
import os
import pathlib
import secrets
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time

import cases
import peers
import plot
import tables
from cases import ARGON2ID, CASES, DIALECTS, DISTURBED_BY, HERALD, LIMIT
from common import BUILD, QUIET, ROOT, Failed, build, facts, run_load, say, stoppable, urgency
from servers import PATIENCE, heraldds

KEPT = ROOT / BUILD / "fanout"
DOCS = ROOT / "docs" / "benchmarks"
REPEATS = 2            # of a disturbed run
LONGEST = 180.0        # seconds that the load program may take
ACCOUNTS = 20
LOGINS_PER_SECOND = 20


# --- systems ------------------------------------------------------------------------------------------------

def heraldd_words(case):
    words = [] if not case.pinned else ["--shards", 1, "--hash-threads", 1]
    return [*words, "--connections-per-address", 0, *case.heraldd]


class Limit:
    """The bare limit program, listening."""

    def __init__(self, prefix):
        self.process = subprocess.Popen([*prefix, f"{BUILD}/bench/limit"], cwd=ROOT, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, text=True, process_group=0)
        self.pid = self.process.pid
        self.address = self.process.stdout.readline().strip()


@contextlib.contextmanager
def limit(prefix):
    running = Limit(prefix)
    try:
        yield [running]
    finally:
        running.process.kill()
        running.process.wait()
        running.process.stdout.close()


def started(system, case, folder):
    """Context manager: the system's servers, each with address and pid."""
    prefix = processor(0) if case.pinned else []
    if system == HERALD:
        return heraldds(case.servers, folder, heraldd_words(case), prefix, may_lap=case.kind == "stuck")
    if system == LIMIT:
        return limit(prefix)
    return peers.peers(system, case.servers, folder, prefix)


def processor(number):
    return ["taskset", "-c", str(number)]


@contextlib.contextmanager
def bound(pinned):
    """This process beside the load program, so that it does not disturb the servers."""
    before = os.sched_getaffinity(0)
    if pinned:
        os.sched_setaffinity(0, {1})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# --- accounts and logins ------------------------------------------------------------------------------------

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


class Logins(threading.Thread):
    """LOGIN with a secret so many times a second, each on a connection of its own, until stop()."""

    def __init__(self, address, accounts):
        super().__init__(daemon=True)
        self.address, self.accounts = address, accounts
        self.sent = self.succeeded = 0
        self.over = False
        self.begun = time.monotonic()

    def run(self):
        with selectors.DefaultSelector() as waiting:
            while not self.over:
                due = self.begun + self.sent / LOGINS_PER_SECOND
                if time.monotonic() >= due:
                    name, secret = self.accounts[self.sent % len(self.accounts)]
                    waiting.register(say_line(self.address, "LOGIN", name, secret), selectors.EVENT_READ)
                    self.sent += 1
                for key, _ in waiting.select(max(0.0, due - time.monotonic())):
                    waiting.unregister(key.fileobj)
                    self.succeeded += b"LOGIN_SUCCESS" in key.fileobj.recv(4096)
                    key.fileobj.close()
            for key in list(waiting.get_map().values()):
                key.fileobj.close()

    def stop(self):
        seconds = time.monotonic() - self.begun
        self.over = True
        self.join()
        if self.succeeded < (seconds * 0.8 - 1) * LOGINS_PER_SECOND:  # the last second's may be on their way
            raise Failed(f"only {self.succeeded} of {self.sent} logins succeeded in {seconds:.1f} s")
        return {"sent": self.sent, "succeeded": self.succeeded}


# --- one run ------------------------------------------------------------------------------------------------

def load_command(system, case, variant, servers, folder, arguments):
    quick = arguments.quick and case.kind != "stuck"  # to be lapped takes its time
    words = case.words(variant, arguments.seconds or (1 if quick else case.seconds))
    command = [*(processor(1) if case.pinned else []), f"{BUILD}/bench/load", "--dialect", DIALECTS[system],
               "--servers", ",".join(server.address for server in servers),
               "--pid", ",".join(str(server.pid) for server in servers), *words, "--json"]
    if case.kind == "hashing":
        (folder / "logins").write_text("".join(f"{name} {secret}\n" for name, secret in register(servers[0])))
        command += ["--login", folder / "logins"]
    return [str(word) for word in command]


def hash_bare(case):
    words = [*processor(0), f"{BUILD}/bench/bench_hash", str(case.readers // 2)]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout) | {"others_cpu": 0}


def run_once(system, case, variant, arguments):
    """Its report, with `failure` if it is not to be counted."""
    if system == ARGON2ID:
        return hash_bare(case)
    (ROOT / BUILD).mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=ROOT / BUILD, prefix="run-") as name, bound(case.pinned), \
                contextlib.ExitStack() as stack:
            folder = pathlib.Path(name)
            servers = stack.enter_context(started(system, case, folder))
            command = load_command(system, case, variant, servers, folder, arguments)
            logins = None
            if case.kind == "logins":
                accounts = register(servers[0])  # in both variants, so that they differ in the logins alone
                if variant == DISTURBED_BY:
                    logins = Logins(servers[0].address, accounts)
                    logins.start()
            report, failure = run_load(command, LONGEST)
            if logins:
                report["logins"] = logins.stop()
    except (Failed, peers.Unavailable, OSError) as error:
        return {"failure": str(error), "others_cpu": 0}
    if failure:
        report["failure"] = failure
    if case.kind == "stuck" and system == HERALD:
        report["lapped"] = int(servers[0].wait_for(r"lapped=(\d+)").group(1))
    if case.kind == "hashing" and not failure:
        report["per_cpu_second"] = case.readers / report["server_cpu_seconds"]
    return {"others_cpu": 0, **report}


def run(system, case, variant, arguments):
    """The quietest of up to three tries that did not fail. Who goes before all others has one: what these use then is
    what the run leaves idle."""
    tries = []
    for _ in range(1 if arguments.quick or arguments.urgent else 1 + REPEATS):
        tries.append(run_once(system, case, variant, arguments))
        if "failure" not in tries[-1] and tries[-1]["others_cpu"] <= QUIET:
            break
    best = min(tries, key=lambda report: ("failure" in report, report["others_cpu"]))
    return best | {"tries": len(tries), "disturbed": best["others_cpu"] > QUIET}


# --- all runs -----------------------------------------------------------------------------------------------

def brief(result):
    """A line about a run, while it goes on."""
    if "failure" in result:
        return "FAILED: " + result["failure"].splitlines()[0][:150]
    parts = []
    for name, form in [("server_cpu_per_million", "{:.4f} CPU s/M"), ("seconds", "{:.3f} s"),
                       ("server_rss_per_connection", "{:.0f} B a connection"), ("per_cpu_second", "{:.1f} per CPU s")]:
        if name in result and not (name == "seconds" and "server_cpu_per_million" in result):
            parts.append(form.format(result[name]))
    if "deliveries_per_second" in result:
        parts.append(f"{result['deliveries_per_second'] / 1e6:.2f} M/s")
    if "latency" in result:
        parts.append("p50 {p50:.3f} p99 {p99:.3f} ms".format(**result["latency"]))
    if "own_cpu_share" in result:
        parts.append(f"generator {result['own_cpu_share']:.2f}")
    if result["disturbed"]:
        parts.append(f"DISTURBED by {result['others_cpu']:.2f}")
    return ", ".join(parts)


def plan(chosen, systems, rounds):
    """(round, case, variant, system), in the order in which they are run."""
    for number in range(rounds):
        for case in chosen:
            for repeat in range(case.repeats):
                mine = [system for system in case.systems if system in systems or system == ARGON2ID]
                turn = (number + repeat) % len(mine) if mine else 0
                for system in mine[turn:] + mine[:turn]:
                    variants = case.variants if (number + repeat) % 2 == 0 else case.variants[::-1]
                    for variant in variants:
                        yield number + 1, case, variant, system


def keep(results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    half = folder / "results.json.half"
    half.write_text(json.dumps(results, indent=1))
    half.rename(folder / "results.json")


def measure(chosen, arguments):
    results = {"facts": facts(), "rounds": arguments.rounds, "runs": [],
               "seconds": arguments.seconds or (1 if arguments.quick else 2),
               "begun": time.strftime("%d %B %Y, %H:%M"),
               "packages": {name: f"{kind.package} {peers.fetch(kind.package, say).version}"
                            for name, kind in peers.KINDS.items() if name in arguments.systems}}
    for what, text in results["facts"].items():
        say(f"{what:<9} {text}")
    say(f"{'peers':<9} {', '.join(results['packages'].values()) or 'none'}")
    runs = list(plan(chosen, arguments.systems, arguments.rounds))
    begun = time.monotonic()
    for done, (number, case, variant, system) in enumerate(runs):
        left = (time.monotonic() - begun) / done * (len(runs) - done) / 60 if done else 0
        name = case.name + (f" {variant}" if variant else "")
        result = run(system, case, variant, arguments)
        results["runs"].append({"round": number, "case": case.name, "variant": variant, "system": system,
                                "result": result})
        say(f"{done + 1:>4}/{len(runs)}{f', {left:.0f} min left' if done else '':<14} round {number} "
            f"{name:<20} {system:<9} {brief(result)}")
        keep(results, arguments.folder)
    return results


def report(results, folder, names):
    """Writes the page and its picture there."""
    folder.mkdir(parents=True, exist_ok=True)
    page = tables.page(results)
    (folder / "fanout.md").write_text(page)
    (folder / "fanout.svg").write_text(plot.picture(tables.Figures(results)))
    say()
    say(page if names else tables.targets(tables.Figures(results)))
    say(f"written   {folder / 'fanout.md'}, fanout.svg")


def choose(arguments):
    if arguments.cases:
        names = arguments.cases.split(",")
        unknown = [name for name in names if name not in cases.BY_NAME]
        if unknown:
            raise Failed(f"no such case: {', '.join(unknown)}; there are {', '.join(cases.BY_NAME)}")
        return [cases.BY_NAME[name] for name in names]
    if arguments.quick:
        return [case for case in CASES if case.quick]
    return [case for case in CASES if case.usual or arguments.all]


def parse(words):
    parser = argparse.ArgumentParser(prog="scripts/bench fanout", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, metavar="N", help="of which the medians are told (5; with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="a few cases, a second each, no repeats: a first look")
    parser.add_argument("--all", action="store_true", help="every case, also those that are usually left out")
    parser.add_argument("--cases", help="these only: " + ", ".join(case.name for case in CASES if case.usual))
    parser.add_argument("--systems", help="these only: " + ", ".join(DIALECTS))
    parser.add_argument("--seconds", type=float, help="measured for each point (2; with --quick 1)")
    parser.add_argument("--report", action="store_true", help="measure nothing: write the page again")
    parser.add_argument("--urgent", action="store_true", help="go before all other processes (nice -20); needs root")
    arguments = parser.parse_args(words)
    whole = not (arguments.quick or arguments.cases or arguments.systems or arguments.rounds or arguments.seconds)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 5)
    usual = cases.FAST if arguments.quick else tuple(DIALECTS)
    arguments.systems = arguments.systems.split(",") if arguments.systems else usual
    unknown = [system for system in arguments.systems if system not in DIALECTS]
    if unknown:
        parser.error(f"no such system: {', '.join(unknown)}; there are {', '.join(DIALECTS)}")
    arguments.folder = KEPT if whole else KEPT / "partial"  # what was measured in full is not written over
    arguments.page = DOCS if whole else arguments.folder
    return arguments


def main(words):
    arguments = parse(words)
    try:
        with stoppable(), contextlib.ExitStack() as stack:
            if arguments.report:
                kept = arguments.folder / "results.json"
                if not kept.exists():
                    raise Failed(f"nothing was measured yet: {kept} is not there")
                report(json.loads(kept.read_text()), arguments.page, False)
                return 0
            chosen = choose(arguments)
            if len(os.sched_getaffinity(0)) < 2:
                raise Failed("this needs two processors: one for the servers, one for the load program")
            build("heraldd", "bench/load", "bench/limit", "bench/bench_hash")
            if arguments.urgent:
                stack.enter_context(urgency())
            results = measure(chosen, arguments)
            report(results, arguments.page, arguments.page != DOCS)
            wrong = [one for one in results["runs"] if one["system"] == HERALD and "failure" in one["result"]]
            return 1 if wrong else 0
    except (Failed, peers.Unavailable) as failure:
        sys.stdout.flush()
        print(f"scripts/bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scripts/bench: interrupted; everything is stopped", file=sys.stderr)
        return 130
