"""The page of scripts/bench fanout: results.json as tables of medians, ratios, and the targets."""

import statistics

import figures as figures_of
from cases import ALL, BY_NAME, CASES, Case, DISTURBED_BY, MOSQUITTO, NATS, REDIS
from common import ARGON2ID, HERALD, LIMIT, PLAIN, QUIET
from figures import NONE, OWN, cell, configuration, judged, number, quotient, section, setting, table, times, verdicts
from peers import KINDS, Site

NAMES = {HERALD: "Herald", LIMIT: "limit", NATS: "NATS", REDIS: "Redis", MOSQUITTO: "Mosquitto"}
CPU, SPEED = ("server_cpu_per_million",), ("deliveries_per_second",)
P50, P99, P999 = ("latency", "p50"), ("latency", "p99"), ("latency", "p999")
SECONDS, RSS, EACH = ("seconds",), ("server_rss",), ("server_rss_per_connection",)
RATE = ("per_cpu_second",)


class Figures(figures_of.Figures):
    def saturates(self, case):
        return BY_NAME[case].rate == 0


# --- tables -------------------------------------------------------------------------------------------------

def saturated(figures, names, first, title):
    wanted = [case for case in names if figures.has(case)]
    if not wanted:
        return
    systems = [one for one in ALL if any(figures.median(case, one, CPU) for case in wanted)]
    peers = (NATS, REDIS)
    yield from table(
        [first, *(NAMES[one] for one in systems), "CPU, × better peer", "CPU, × limit", "speed, × better peer"],
        [[title(BY_NAME[case]), *(cell(figures, case, one, CPU, SPEED, scale=(1, 1e-6)) for one in systems),
          times(figures.ratio(case, CPU, HERALD, peers)), times(figures.ratio(case, CPU, HERALD, [LIMIT])),
          times(figures.ratio(case, SPEED, HERALD, peers, max))] for case in wanted])


def rates(figures):
    wanted = [case.name for case in CASES if case.name.startswith("rate-") and figures.has(case.name)]
    if not wanted:
        return
    systems = [one for one in ALL if any(figures.median(case, one, CPU) for case in wanted)]
    yield from table(
        ["readers, activities/s", *(NAMES[one] for one in systems), "CPU, × Redis", "p99, × Redis"],
        [[f"{BY_NAME[case].readers:,}, {BY_NAME[case].rate:,}/s",
          *(cell(figures, case, one, CPU, P50, P99, P999) for one in systems),
          times(figures.ratio(case, CPU, HERALD, [REDIS])), times(figures.ratio(case, P99, HERALD, [REDIS]))]
         for case in wanted])


def trees(figures):
    rows = []
    for case, single in (("tree-100", "sat-100-1-300"), ("tree-1000", "sat-1000-1-300")):
        if not figures.has(case):
            continue
        row = [f"{BY_NAME[case].readers:,}"]
        for system in (HERALD, NATS):
            three, one = figures.median(case, system, CPU), figures.median(single, system, CPU)
            row += [cell(figures, case, system, CPU, SPEED, scale=(1, 1e-6)),
                    times(three / one if three and one else None)]
        rows.append(row)
    if rows:
        yield from table(["readers", "Herald, a tree of 3", "CPU, × one server", "NATS, a cluster of 3",
                          "CPU, × one server"], rows)


def connections(figures):
    rows = []
    if figures.has("storm"):
        rows.append(["10,000 connect at once: s until all are answered",
                     *(cell(figures, "storm", one, SECONDS) for one in ALL)])
        rows.append(["the same: server CPU s", *(cell(figures, "storm", one, ("server_cpu_seconds",)) for one in ALL)])
    if figures.has("idle"):
        rows.append(["10,000 idle: bytes of RSS a connection",
                     *(cell(figures, "idle", one, EACH) for one in ALL)])
    if rows:
        yield from table(["", *(NAMES[one] for one in ALL)], rows)


def spread(figures, case, system, path, variant, scale=1):
    values = [value * scale for value in figures.values(case, system, path, variant)]
    if not values:
        return "failed" if (case, variant, system) in figures.runs else NONE
    return f"{number(statistics.median(values))} ({number(min(values))} to {number(max(values))})" + \
        figures.marks(case, system, variant)


def pairs(figures):
    """Cases with and without what may disturb them."""
    rows = []
    what = {"stuck": "a stuck reader", "logins": "logins"}
    for case in CASES:
        if len(case.variants) < 2 or not figures.has(case.name):
            continue
        load = f"{case.rate:,}/s" if case.rate else f"window {case.window}"
        words = f"{what[case.kind]} among {case.readers:,} readers, {case.size:,} B, {load}" + \
            ("" if case.pinned else ", unpinned")
        for system in case.systems:
            if not figures.counted(case.name, system, PLAIN):
                continue
            for variant, how in ((PLAIN, "without"), (DISTURBED_BY, "with")):
                rows.append([words, NAMES[system], how, spread(figures, case.name, system, P99, variant),
                             spread(figures, case.name, system, SPEED, variant, 1e-6),
                             spread(figures, case.name, system, RSS, variant, 2**-20),
                             str(sum(figures.values(case.name, system, ("lapped",), variant)) or NONE)])
    if rows:
        yield from table(["case", "system", "", "p99, ms", "million deliveries/s", "RSS, MiB", "cut off"], rows)


def sizes(figures):
    """What each protocol makes of an activity."""
    rows = []
    for size in (100, 300, 4096):
        case = f"sat-100-1-{size}"
        wires = [figures.median(case, one, ("wire",)) for one in ALL]
        if any(wires):
            rows.append([f"{size:,}", *(number(wire) for wire in wires)])
    if rows:
        yield from table(["bytes of an activity", *(NAMES[one] for one in ALL)], rows)


# --- targets ------------------------------------------------------------------------------------------------

def stuck_row(figures):
    alone = figures.values("stuck", HERALD, P99, PLAIN)
    beside = figures.median("stuck", HERALD, P99, DISTURBED_BY)
    bound = f"≤ {number(max(alone))}, the most of {len(alone)} without" if alone else NONE
    if not alone or beside is None:
        return ["6 p99 of 1,000 readers beside a stuck one, ms", NONE, bound, "not measured"]
    return ["6 p99 of 1,000 readers beside a stuck one, ms", number(beside), bound,
            "met" if beside <= max(alone) else "**not met**"]


def growth(figures):
    """MiB that the server has more with a stuck reader than without."""
    with_it = figures.median("stuck", HERALD, RSS, DISTURBED_BY)
    without = figures.median("stuck", HERALD, RSS, PLAIN)
    return max(0.0, (with_it - without) / 2**20) if with_it and without else None


def target_rows(figures):
    peers = (NATS, REDIS)
    for readers, publishers in ((100, 1), (1000, 1), (100, 4), (1000, 4)):
        case, where = f"sat-{readers}-{publishers}-300", f"{readers:,} / {publishers}"
        yield judged(f"1 {where}: CPU, × better peer", figures.ratio(case, CPU, HERALD, peers), most=0.5)
        yield judged(f"1 {where}: CPU, × limit", figures.ratio(case, CPU, HERALD, [LIMIT]), most=1.5)
        yield judged(f"1 {where}: speed, × better peer", figures.ratio(case, SPEED, HERALD, peers, max), least=2)
    for case, where in (("window-1", "window 1"), ("rate-100-250", "100 readers, 250/s"),
                        ("rate-1000-50", "1,000 readers, 50/s")):
        yield judged(f"2 {where}: CPU, × Redis", figures.ratio(case, CPU, HERALD, [REDIS]), most=1)
        yield judged(f"2 {where}: p99, × Redis", figures.ratio(case, P99, HERALD, [REDIS]), most=1)
    yield judged("3 1,000 readers, 3,000/s: p99, × Redis",
                 figures.ratio("rate-1000-3000", P99, HERALD, [REDIS]), most=0.6)
    yield judged("4 RSS of an idle connection, bytes", figures.median("idle", HERALD, EACH), most=800)
    yield judged("5 10,000 connect: time, × Redis", figures.ratio("storm", SECONDS, HERALD, [REDIS]), most=1)
    yield stuck_row(figures)
    yield judged("6 RSS beside a stuck reader: MiB more than without", growth(figures), most=1)
    for case, single in (("tree-100", "sat-100-1-300"), ("tree-1000", "sat-1000-1-300")):
        yield judged(f"7 tree of 3, {BY_NAME[case].readers:,} readers: CPU, × one server",
                     quotient(figures.median(case, HERALD, CPU), figures.median(single, HERALD, CPU)), most=1.2)
    for case, where in (("logins", "one processor"), ("logins-free", "unpinned")):
        yield judged(f"8 p99 while 20 logins/s are hashed, {where}: × without",
                     quotient(figures.median(case, HERALD, P99, DISTURBED_BY), figures.median(case, HERALD, P99)),
                     most=1.5)
    yield judged("8 the same, unpinned, of the bare limit beside as many hashes: × without",
                 quotient(figures.median("logins-free", LIMIT, P99, DISTURBED_BY),
                          figures.median("logins-free", LIMIT, P99)))
    yield judged("8 logins for each CPU s: × bare argon2id",
                 quotient(figures.median("hashing", HERALD, RATE), figures.median("hashing", ARGON2ID, RATE)),
                 least=0.95)


def targets(figures):
    return "\n".join(verdicts(target_rows(figures)))


# --- the page -----------------------------------------------------------------------------------------------

def configurations():
    """What the servers are told."""
    yield HERALD_IS_TOLD
    for name, kind in KINDS.items():
        yield configuration(NAMES[name], kind.config(Site()))


OPENING = """\
# Fan-out beside NATS, Redis and Mosquitto

Made by `scripts/bench fanout`: all systems in one go, doing the same work in turn, round by round. Absolute figures
hold for this machine; the ratios are what matters.

Each figure is the median of {rounds} rounds, measured for {seconds:g} s each. The server is bound to one processor, the
load program to the other. Everyone reads, and the first so many publish, too. Every delivery was counted and its
order checked. *limit* is `bench/limit.c`: Herald's sends and nothing else. *CPU* is the servers' CPU seconds per
million deliveries, *speed* is million deliveries/s. Latency is counted from when an activity was due to be sent.

\\* other processes took more than {quiet:g} of a processor, or the processors were far apart, in spite of repetitions.
† the load program was busy: the speed is its limit, too. ‡ some runs failed and are left out.

![CPU per million deliveries](fanout.svg)
"""
WINDOW = "The window is how many activities are published and not yet delivered to all: what one send can carry at most."
CONNECTIONS = "Logged in anonymously, or subscribed."
PAIRS = """\
Paired runs: median (least to most). A stuck reader asks the kernel for little room and reads nothing; NATS may cut it
off, Redis may not, Herald does so once it is a whole ring behind, here 1 MiB. Logins are 20 a second with a secret,
each on a connection of its own, each hashed."""
UNPINNED = "Server and load program compete for the processors, as the kernel sees fit."
HERALD_IS_TOLD = """\
- Herald: `--shards 1 --hash-threads 1 --connections-per-address 0`; unpinned without the first two; with
  `--verified-ttl 0` where logins are hashed, so that each of them is; with a ring of 1 MiB where a reader is stuck."""
CLOSING = """
To repeat: `scripts/bench fanout` (everything above), `--all` (every point of readers × publishers × sizes), `--cases
NAME,...` and `--systems NAME,...` (a part, kept apart), `--quick` (a first look), `--report` (this page again from what
was measured). The packages are fetched once, from the mirror that apt uses; nothing is installed.
"""


def page(results):
    figures = Figures(results)
    windows = ["window-1", "window-16", "sat-100-1-300", "window-1024"]
    points = [case.name for case in CASES if case.name.startswith("sat-")]
    free = [case.name for case in CASES if case.name.startswith("free-")]
    shape = "readers / publishers / size"
    return "\n".join([
        OPENING.format(rounds=results["rounds"], seconds=results["seconds"], quiet=QUIET),
        *section("Targets", verdicts(target_rows(figures))),
        *section("Saturated, window 256: CPU · speed", saturated(figures, points, shape, Case.title)),
        *section("Window, 100 readers, 1 publisher, 300 B: CPU · speed",
                 saturated(figures, windows, "window", lambda case: str(case.window)), WINDOW),
        *section("At a fixed rate, 1 publisher, 300 B: CPU · p50 · p99 · p99.9 in ms", rates(figures)),
        *section("Three servers on one processor, 1 publisher, 300 B: CPU · speed", trees(figures)),
        *section("Connections", connections(figures), CONNECTIONS),
        *section("What may disturb", pairs(figures), PAIRS),
        *section("Unpinned, with the default shards: CPU · speed",
                 saturated(figures, free, shape, Case.title), UNPINNED),
        *section("Bytes on the wire", sizes(figures)),
        *section("Where and how", setting(figures)), *configurations(), CLOSING])
