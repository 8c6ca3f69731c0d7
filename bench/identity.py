"""scripts/bench identity: Herald, Redis, OpenLDAP and etcd look up and create identities, in turn (campaign.py).

    its server, on an empty roll ──► processor 0      inquire: fill, then look up, create or log in ──► processor 1

Everyone keeps its data in the same file system (--data), and says that something is done when it is on the disk. The
case `million` is Herald's alone: a roll of 1,000,000 accounts, made by `herald import`, beside one of 1,000."""

import contextlib
import dataclasses
import http.client
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import identity_page
import peers
from campaign import LONGEST, Campaign, bound, go, processor
from common import ARGON2ID, BUILD, HERALD, LIMIT, PLAIN, ROOT, Failed, hash_bare, run_load, say
from limits import limit
from servers import PATIENCE, heraldds, register

SYSTEMS = (HERALD, *peers.ROLLS)
LOOKED_UP = (HERALD, LIMIT, *peers.ROLLS)
MANY = "many"          # the variant of a case: many accounts, instead of few
MILLION, QUICK_MILLION = 1_000_000, 20_000
HASHES = 100           # of the bare argon2id
SYNCS = 200            # of the disk alone
POLL = 0.02            # s between two looks at what cannot be waited for
HERALD_IS_TOLD = ("--shards", 1, "--hash-threads", 1, "--connections-per-address", 0, "--registers-per-minute", 0,
                  "--http", "127.0.0.1:0")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    kind: str                   # lookup, create, login, million
    title: str
    connections: int = 100
    depth: int = 1              # questions under way on each connection
    systems: tuple = SYSTEMS
    heraldd: tuple = ()         # further options
    variants: tuple = (PLAIN,)
    repeats: int = 1            # in each round
    usual: bool = True          # measured without --all
    quick: bool = True


CASES = [
    Case("lookups", "lookup", "Lookups, 100 connections", systems=LOOKED_UP),
    Case("lookups-2", "lookup", "Lookups, 100 connections, two under way on each", depth=2, systems=LOOKED_UP,
         quick=False),
    Case("lookups-1", "lookup", "Lookups, 1 connection", connections=1, systems=LOOKED_UP, quick=False),
    Case("creates", "create", "Creates, 100 connections"),
    Case("creates-1", "create", "Creates, 1 connection", connections=1, quick=False),
    Case("logins", "login", "Logins, each hashed", connections=16, systems=(HERALD, ARGON2ID),
         heraldd=("--verified-ttl", 0)),
    Case("logins-known", "login", "Logins, verified a moment ago", connections=16, systems=(HERALD,)),
    Case("million", "million", "Lookups, 1,000,000 accounts", systems=(HERALD,), variants=(PLAIN, MANY)),
]


# --- systems ------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def herald(folder, *more):
    """A heraldd on that directory, with `seconds` from its start until it said that it was ready, and `http`."""
    begun = time.monotonic()
    with heraldds(1, folder, [*HERALD_IS_TOLD, *more], processor(0)) as (server,):
        match = server.wait_for(r'msg="listening for HTTP" address=([\d.]+):(\d+)')
        server.http = f"{match.group(1)}:{match.group(2)}"
        asked = http.client.HTTPConnection(match.group(1), int(match.group(2)), PATIENCE)
        asked.request("GET", "/health/ready")
        if asked.getresponse().status != 200:
            raise Failed(server.story("was not ready"))
        server.begun, server.seconds = begun, time.monotonic() - begun
        asked.close()
        yield server


def inquire(manner, address, pid, work, *words, patience=LONGEST):
    """Runs it; its report, and what is to be said against it."""
    command = [*processor(1), f"{BUILD}/bench/inquire", "--manner", manner, "--server", address, "--pid", pid,
               "--work", work, "--json", *words]
    return run_load([str(word) for word in command], patience)


def seconds(arguments):
    return ["--seconds", arguments.seconds or (1 if arguments.quick else 2), "--warmup", 0.5]


def measure(manner, address, pid, case, arguments):
    report, failure = inquire(manner, address, pid, case.kind, "--connections", case.connections, "--depth", case.depth,
                              "--records", arguments.records, *seconds(arguments))
    return report | ({"failure": failure} if failure else {})


def ask(manner, address, pid, case, arguments):
    """Fills the roll where that is needed, and measures."""
    if case.kind == "lookup":
        _, failure = inquire(manner, address, pid, "fill", "--records", arguments.records, patience=None)
        if failure:
            return {"failure": failure}
    return measure(manner, address, pid, case, arguments)


def run_limit(case, arguments):
    """It has a record for every name: there is nothing to fill."""
    with limit([*processor(0), f"{BUILD}/bench/limit_lookup"]) as (server,):
        return measure("herald", server.address, server.pid, case, arguments)


def run_peer(system, case, folder, arguments):
    kind = peers.ROLLS[system]
    with peers.peers(kind, 1, folder, processor(0)) as (server,):
        return ask(kind.dialect, server.address, server.pid, case, arguments)


def run_herald(case, folder, arguments):
    with herald(folder, *case.heraldd) as server:
        if case.kind != "login":
            return ask("herald", server.http, server.pid, case, arguments)
        logins = folder / "logins"
        logins.write_text("".join(f"{name} {secret}\n" for name, secret in register(server)))
        report, failure = inquire("stream", server.address, server.pid, "login", "--connections", case.connections,
                                  "--login", logins, *seconds(arguments))
        if failure:
            return report | {"failure": failure}
        return report | {"per_cpu_second": report["measured"] / report["server_cpu_seconds"]}


# --- many accounts ------------------------------------------------------------------------------------------

def fill_by_import(folder, count):
    """`herald import` of so many accounts into a new roll; what it took."""
    folder.mkdir()
    table = folder / "accounts.csv"
    with open(table, "w", encoding="ascii") as out:
        out.write("login,name\n")
        out.writelines(f"user{number:08},The person called user{number:08}\n" for number in range(count))
    with herald(folder) as server:
        begun = time.monotonic()
        done = subprocess.run([*processor(1), f"{BUILD}/herald", "import", str(table), "--server",
                               f"http://{server.http}", "--timeout", "1h"], cwd=ROOT, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False,
                              env={**os.environ, "HOME": str(folder)})
        took = time.monotonic() - begun
    table.unlink()
    if done.returncode != 0:
        raise Failed(f"herald import failed: {(done.stderr or done.stdout).strip()[-500:]}")
    told = (done.stdout + done.stderr).strip().splitlines()
    say(f"import    {count:,} accounts in {took:.1f} s, {count / took:,.0f}/s; {told[-1] if told else 'nothing said'}")
    return {"accounts": count, "seconds": took, "per_second": count / took}


def seconds_until_cached(server, count):
    """Waits until so many accounts are in memory; how long that was from the server's start, and what they take."""
    host, port = server.http.split(":")
    asked = http.client.HTTPConnection(host, int(port), PATIENCE)
    for _ in range(int(PATIENCE / POLL)):
        asked.request("GET", "/metrics")
        told = dict(line.rsplit(" ", 1) for line in asked.getresponse().read().decode().splitlines()
                    if not line.startswith("#"))
        if int(told["herald_cached_accounts"]) >= count:
            asked.close()
            return {"cached_seconds": time.monotonic() - server.begun, "cached_bytes": int(told["herald_cached_bytes"])}
        time.sleep(POLL)
    raise Failed(server.story(f"did not have {count:,} accounts in memory in time"))


def run_million(variant, arguments):
    count = arguments.million if variant == MANY else arguments.records
    folder = arguments.rolls / f"roll-{count}"
    if not folder.exists():
        arguments.imports[count] = fill_by_import(folder, count)
    with herald(folder) as server:
        cached = seconds_until_cached(server, count)
        size = sum(file.stat().st_size for file in (folder / "data1").iterdir())
        report, failure = inquire("herald", server.http, server.pid, "lookup", "--records", count, *seconds(arguments))
        report |= {"startup_seconds": server.seconds, "file_bytes": size, "import": arguments.imports[count], **cached}
    return report | ({"failure": failure} if failure else {})


def run_once(system, case, variant, arguments):
    if system == ARGON2ID:
        return hash_bare(HASHES)
    try:
        with bound():
            if case.kind == "million":
                return run_million(variant, arguments)
            if system == LIMIT:
                return run_limit(case, arguments)
            with tempfile.TemporaryDirectory(dir=arguments.rolls, prefix="run-") as name:
                run = run_herald if system == HERALD else lambda *words: run_peer(system, *words)
                return run(case, pathlib.Path(name), arguments)
    except (Failed, peers.Unavailable, OSError) as error:
        return {"failure": str(error)}


# --- where --------------------------------------------------------------------------------------------------

def sync_seconds(folder):
    """What the disk takes for 512 bytes more of a file and fdatasync: the median."""
    taken = []
    with open(folder / "sync", "wb", buffering=0) as file:
        for _ in range(SYNCS):
            begun = time.monotonic()
            file.write(b"\0" * 512)
            os.fdatasync(file.fileno())
            taken.append(time.monotonic() - begun)
    return statistics.median(taken)


def file_system(folder):
    """Its type."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return "a file system that is not told"


@contextlib.contextmanager
def during(arguments):
    """A folder for everyone's data."""
    place = pathlib.Path(arguments.data or ROOT / BUILD)
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.resolve(), prefix="identity-") as name:
        arguments.rolls, arguments.imports = pathlib.Path(name), {}
        yield {"records": arguments.records, "million": arguments.million,
               "storage": {"type": file_system(name), "sync_ms": 1000 * sync_seconds(arguments.rolls)}}


# --- the mode -----------------------------------------------------------------------------------------------

def brief(result):
    parts = []
    for name, form in [("per_second", "{:,.0f}/s"), ("server_cpu_us", "{:.1f} CPU us each"),
                       ("per_cpu_second", "{:.1f} per CPU s"), ("startup_seconds", "ready in {:.3f} s")]:
        if name in result:
            parts.append(form.format(result[name]))
    if "latency" in result:
        parts.append("p50 {p50:.3f} p99 {p99:.3f} ms".format(**result["latency"]))
    if "server_rss" in result:
        parts.append(f"RSS {result['server_rss'] / 2**20:.1f} MiB")
    if "own_cpu_share" in result:
        parts.append(f"generator {result['own_cpu_share']:.2f}")
    return ", ".join(parts)


def more_options(parser):
    parser.add_argument("--records", type=int, default=1000, metavar="N", help="that are looked up (1000)")
    parser.add_argument("--million", type=int, default=None, metavar="N",
                        help=f"accounts of the case `million` ({MILLION}; with --quick {QUICK_MILLION})")
    parser.add_argument("--data", metavar="DIR", help=f"where everyone's data is kept meanwhile ({BUILD})")


def settle(arguments):
    """What the options leave open; whether this is all that a full measurement is."""
    whole = arguments.records == 1000 and arguments.million in (None, MILLION)
    arguments.million = arguments.million or (QUICK_MILLION if arguments.quick else MILLION)
    return whole


CAMPAIGN = Campaign(
    name="identity", about=__doc__.splitlines()[0], cases=CASES, kinds=peers.ROLLS, systems=LOOKED_UP,
    quick_systems=LOOKED_UP,
    programs=("heraldd", "herald", "bench/inquire", "bench/bench_hash", "bench/limit_lookup"), run_once=run_once,
    brief=brief, page=lambda results: identity_page.page(results, CASES),
    picture=lambda results: identity_page.picture(results, CASES), targets=identity_page.targets,
    more_options=more_options, settle=settle, during=during)


def main(words):
    return go(CAMPAIGN, words)
