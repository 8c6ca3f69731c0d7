"""The page and the picture of scripts/bench identity."""

import chart
from common import ARGON2ID, HERALD, LIMIT, PLAIN, QUIET
from figures import (NONE, Figures, cell, configuration, judged, number, quotient, section, setting, table, times,
                     verdicts)
from peers import ROLLS, Site

NAMES = {HERALD: "Herald", LIMIT: "limit", "redis": "Redis", "slapd": "OpenLDAP", "etcd": "etcd"}
COLOURS = {HERALD: "#0b6e4f", LIMIT: "#8a8f98", "redis": "#c0392b", "slapd": "#8e5bb5", "etcd": "#2563b8"}
PEERS = tuple(ROLLS)
MANY = "many"
RATE, CPU, RSS = ("per_second",), ("server_cpu_us",), ("server_rss",)
P50, P99 = ("latency", "p50"), ("latency", "p99")
PER_CPU, READY, SIZE, IMPORT = ("per_cpu_second",), ("startup_seconds",), ("file_bytes",), ("import", "per_second")
CACHED = ("cached_seconds",)
MIB = 2**-20


def as_many(figures, case, path, other, less=False):
    """How many times as many Herald does; `less`: where the figure is what one costs."""
    mine, theirs = figures.median(case, HERALD, path), figures.median(case, other, path)
    return quotient(theirs, mine) if less else quotient(mine, theirs)


# --- tables -------------------------------------------------------------------------------------------------

def comparison(figures, case):
    if not figures.has(case):
        return
    rows = []
    for system in NAMES:
        if figures.median(case, system, RATE) is None:
            continue
        rows.append([NAMES[system], *(cell(figures, case, system, path, scale=(scale,)) for path, scale in
                                      ((RATE, 1), (CPU, 1), (P50, 1), (P99, 1), (RSS, MIB))),
                     *((NONE, NONE) if system == HERALD else
                       (times(as_many(figures, case, RATE, system)),
                        times(as_many(figures, case, CPU, system, less=True))))])
    if rows:
        yield from table(["", "a second", "server CPU, µs each", "p50, ms", "p99, ms", "RSS, MiB",
                          "Herald a second, × this", "Herald a CPU second, × this"], rows)


def logins(figures):
    rows = [[title, *(cell(figures, case, HERALD, path) for path in (RATE, PER_CPU, P50, P99))]
            for case, title in (("logins", "each hashed"), ("logins-known", "verified a moment ago"))
            if figures.median(case, HERALD, RATE) is not None]
    bare = figures.median("logins", ARGON2ID, PER_CPU)
    if bare is not None:
        rows.append(["bare argon2id", NONE, number(bare), NONE, NONE])
    if rows:
        yield from table(["", "a second", "a CPU second", "p50, ms", "p99, ms"], rows)


def sizes(figures):
    if not figures.has("million"):
        return
    head = [f"{figures.results[name]:,} accounts" for name in ("records", "million")]
    rows = []
    for title, path, scale in (("s until it is ready", READY, 1), ("s until all accounts are in memory", CACHED, 1),
                               ("what they take there, MiB", ("cached_bytes",), MIB), ("files, MiB", SIZE, MIB),
                               ("RSS after lookups, MiB", RSS, MIB), ("lookups a second", RATE, 1),
                               ("server CPU, µs a lookup", CPU, 1), ("p99 of a lookup, ms", P99, 1),
                               ("imported a second", IMPORT, 1)):
        few, many = (figures.median("million", HERALD, path, variant) for variant in (PLAIN, MANY))
        rows.append([title, *(cell(figures, "million", HERALD, path, scale=(scale,), variant=variant)
                              for variant in (PLAIN, MANY)), times(quotient(many, few))])
    yield from table(["", *head, "ratio"], rows)


# --- targets ------------------------------------------------------------------------------------------------

def target_rows(figures):
    for case, where in (("lookups", ""), ("lookups-2", ", two under way on each connection")):
        for system, least in (("redis", 0.5), ("slapd", 3)):
            yield judged(f"1 lookups a CPU second{where}: × {NAMES[system]}",
                         as_many(figures, case, CPU, system, less=True), least=least)
        yield judged(f"1 the limit's{where}: × OpenLDAP",
                     quotient(figures.median(case, "slapd", CPU), figures.median(case, LIMIT, CPU)))
    for system, least in (("redis", 0.4), ("slapd", 3), ("etcd", 3)):
        yield judged(f"2 creates a second, × {NAMES[system]}", as_many(figures, "creates", RATE, system), least=least)
    many = f"{figures.results['million']:,} accounts"
    yield judged(f"3 {many}: s until it is ready", figures.median("million", HERALD, READY, MANY), most=2)
    for title, path, turned in (("CPU of a lookup", CPU, False), ("time of a lookup", RATE, True)):
        few, more = (figures.median("million", HERALD, path, variant) for variant in (PLAIN, MANY))
        yield judged(f"3 {many}: {title}, × that of {figures.results['records']:,}",
                     quotient(few, more) if turned else quotient(more, few), most=1.3)


def targets(results):
    return "\n".join(verdicts(target_rows(Figures(results))))


# --- the page -----------------------------------------------------------------------------------------------

def picture(results, cases):
    figures, rows = Figures(results), []
    for case in cases:
        values = {system: figures.median(case.name, system, CPU) for system in NAMES}
        values = {system: value for system, value in values.items() if value}
        if len(values) > 1:
            rows.append((case.title, values))
    return chart.draw("Server CPU, µs each", rows, {system: (NAMES[system], COLOURS[system]) for system in NAMES})


OPENING = """\
# Identities beside Redis, OpenLDAP and etcd

Made by `scripts/bench identity`: all systems in one go, doing the same work in turn, round by round. Absolute figures
hold for this machine and its disk; the ratios are what matters.

Each figure is the median of {rounds} rounds, measured for {seconds:g} s each. The server is bound to one processor, the
program that asks (`bench/inquire.c`) to the other. On each connection a question follows the answer to the one before,
unless it is said that more are under way. Every answer is checked: that it is about who was asked for, and what is
kept of them. *CPU* is that of all threads of the server's process; what the kernel does for the disk on its own
account is nobody's. A run begins when the two processors are near (*Where and how*): what
passes from one to the other is dearer when they are not, and every answer does.

\\* other processes took more than {quiet:g} of a processor, or the processors were far apart, in spite of repetitions.
† the program that asks was busy: what is done in a second is its limit, too. ‡ some runs failed and are left out.

![Server CPU each](identity.svg)
"""
LOOKUPS = """\
Of {records:,} records, at random, by login. Herald: `GET /v1/identities?login=`, which answers a JSON text; Redis:
`GET` of that same text; OpenLDAP: a search one level below `ou=people` for `(uid=...)`, indexed, every attribute
asked for, bound as the administrator; etcd: `Range` of that text, serializable, so that no leader is asked. *limit* is
`bench/limit_lookup.c`: the same bytes as Herald's, of a server that looks nothing up: what HTTP costs the kernel."""
CREATES = """\
New ones, acknowledged when they are on the disk. Herald: `POST /v1/identities` without a password; Redis: `SET` with
`appendfsync always`; OpenLDAP: add of an `inetOrgPerson`; etcd: `Put`. Each was empty when the run began."""
LOGINS = """\
`LOGIN` with a secret over the stream, each on a connection of its own, of 20 accounts in turn, 16 at a time. A hash is
argon2id with 19 MiB and 2 passes; a secret that was verified within the last minute is not hashed again."""
SIZES = """\
Herald alone, on rolls that `herald import` made once of a CSV file without passwords, the client on the other
processor; lookups of random logins by 100 connections. Ready is when `/health/ready` says so, from the start of the
process; the files were in the page cache. Lookups begin when all accounts are in memory (`account_cache`, 256 MiB as it
is)."""
CLOSING = """
To repeat: `scripts/bench identity` (everything above), `--data DIR` (everyone's data there), `--cases NAME,...` and
`--systems NAME,...` (a part, kept apart), `--records N`, `--million N`, `--quick` (a first look), `--report` (this page
again from what was measured). The packages are fetched once, from the mirror that apt uses; nothing is installed and
no service is started.
"""
HERALD_IS_TOLD = """\
- Herald: `--shards 1 --hash-threads 1 --connections-per-address 0 --registers-per-minute 0`; with `--verified-ttl 0`
  where each login is hashed."""


def disk(results):
    storage = results["storage"]
    return ["disk", f"{storage['type']}; 512 bytes and fdatasync: {storage['sync_ms']:.3f} ms, the median"]


def page(results, cases):
    figures = Figures(results)
    titles = {case.name: case.title for case in cases}
    words = {"lookups": LOOKUPS.format(records=results["records"]), "creates": CREATES}
    return "\n".join([
        OPENING.format(rounds=results["rounds"], seconds=results["seconds"], quiet=QUIET),
        *section("Targets", verdicts(target_rows(figures))),
        *(line for name in ("lookups", "lookups-2", "lookups-1", "creates", "creates-1")
          for line in section(titles[name], comparison(figures, name), words.get(name, ""))),
        *section("Logins", logins(figures), LOGINS),
        *section("Many accounts", sizes(figures), SIZES),
        *section("Where and how", setting(figures, disk(results))),
        HERALD_IS_TOLD, *(configuration(NAMES[name], kind.config(Site())) for name, kind in ROLLS.items()), CLOSING])
