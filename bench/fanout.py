"""scripts/bench fanout: Herald, the bare limit, NATS, Redis and Mosquitto do the same work, in turn (campaign.py).

    its servers ──► processor 0        the load program ──► processor 1        ──► results.json
    results.json ──► tables.py: the page;  plot.py: the picture"""

import contextlib
import pathlib
import selectors
import subprocess
import tempfile
import threading
import time

import cases
import peers
import plot
import tables
from campaign import LONGEST, Campaign, bound, go, processor
from cases import CASES, DIALECTS, DISTURBED_BY
from common import ARGON2ID, BUILD, HERALD, LIMIT, ROOT, Failed, hash_bare, run_load
from limits import limit
from servers import heraldds, register, say_line

LOGINS_PER_SECOND = 20


# --- systems ------------------------------------------------------------------------------------------------

def heraldd_words(case):
    words = [] if not case.pinned else ["--shards", 1, "--hash-threads", 1]
    return [*words, "--connections-per-address", 0, *case.heraldd]


def started(system, case, folder):
    """Context manager: the system's servers, each with address and pid."""
    prefix = processor(0) if case.pinned else []
    if system == HERALD:
        return heraldds(case.servers, folder, heraldd_words(case), prefix, may_lap=case.kind == "stuck")
    if system == LIMIT:
        return limit([*prefix, f"{BUILD}/bench/limit"])
    return peers.peers(peers.KINDS[system], case.servers, folder, prefix)


# --- accounts and logins ------------------------------------------------------------------------------------

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


@contextlib.contextmanager
def hashes():
    """What Logins make Herald hash, in a process of its own beside the bare limit."""
    words = [f"{BUILD}/bench/bench_hash", str(LOGINS_PER_SECOND * int(LONGEST)), str(LOGINS_PER_SECOND)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, process_group=0) as process:
        try:
            yield
        finally:
            process.kill()


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


def run_once(system, case, variant, arguments):
    """Its report, with `failure` if it is not to be counted."""
    if system == ARGON2ID:
        return hash_bare(case.readers // 2)
    (ROOT / BUILD).mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=ROOT / BUILD, prefix="run-") as name, bound(case.pinned), \
                contextlib.ExitStack() as stack:
            folder = pathlib.Path(name)
            servers = stack.enter_context(started(system, case, folder))
            command = load_command(system, case, variant, servers, folder, arguments)
            logins = None
            if case.kind == "logins" and system == LIMIT:
                stack.enter_context(hashes() if variant == DISTURBED_BY else contextlib.nullcontext())
            elif case.kind == "logins":
                accounts = register(servers[0])  # in both variants, so that they differ in the logins alone
                if variant == DISTURBED_BY:
                    logins = Logins(servers[0].address, accounts)
                    logins.start()
            report, failure = run_load(command, LONGEST)
            if logins:
                report["logins"] = logins.stop()
    except (Failed, peers.Unavailable, OSError) as error:
        return {"failure": str(error)}
    if failure:
        report["failure"] = failure
    if case.kind == "stuck" and system == HERALD:
        report["lapped"] = int(servers[0].wait_for(r"lapped=(\d+)").group(1))
    if case.kind == "hashing" and not failure:
        report["per_cpu_second"] = case.readers / report["server_cpu_seconds"]
    return report


# --- the mode -----------------------------------------------------------------------------------------------

def brief(result):
    """A line about a run, while it goes on."""
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
    return ", ".join(parts)


CAMPAIGN = Campaign(
    name="fanout", about=__doc__.splitlines()[0], cases=CASES, kinds=peers.KINDS, systems=tuple(DIALECTS),
    quick_systems=cases.FAST, programs=("heraldd", "bench/load", "bench/limit", "bench/bench_hash"), run_once=run_once,
    brief=brief, page=tables.page, picture=lambda results: plot.picture(tables.Figures(results)),
    targets=lambda results: tables.targets(tables.Figures(results)))


def main(words):
    return go(CAMPAIGN, words)
