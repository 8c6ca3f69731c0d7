"""What scripts/bench fanout measures: one row a case. A case is run with every one of its systems in each round.

    readers × publishers × size, with a window or at a rate  ──►  the load program's words"""

import dataclasses

from common import ARGON2ID, HERALD, LIMIT, PLAIN

NATS, REDIS, MOSQUITTO = "nats", "redis", "mosquitto"
DIALECTS = {HERALD: "seed004", LIMIT: "bare", NATS: "nats", REDIS: "redis", MOSQUITTO: "mqtt"}
FAST = (HERALD, LIMIT, NATS, REDIS)
ALL = (*FAST, MOSQUITTO)
DISTURBED_BY = "with"   # of a paired case, whose other variant is PLAIN: with what may disturb it

# A ring of 1 MiB, so that a reader that is stuck is lapped within the measured time.
SMALL_REEL = ("--max-message", "64KiB", "--reel-segments", 8, "--reel-segment-size", "128KiB")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    kind: str = "load"             # load, idle, storm, stuck, logins, hashing
    readers: int = 100
    publishers: int = 1
    size: int = 300                # bytes of an activity
    wire: int = 0                  # or, if not 0, of a delivery
    window: int = 256
    rate: int = 0                  # activities a second; 0: the window decides
    servers: int = 1
    pinned: bool = True            # the servers to processor 0, the generator to processor 1
    systems: tuple = FAST
    heraldd: tuple = ()            # further options
    variants: tuple = (PLAIN,)
    repeats: int = 1               # in each round
    seconds: float = 2.0
    usual: bool = True             # measured without --all
    quick: bool = False

    def words(self, variant, seconds):
        """The load program's."""
        if self.kind == "idle":
            return ["--idle", "--clients", self.readers, "--seconds", 1]
        if self.kind == "storm":
            return ["--storm", "--clients", self.readers]
        if self.kind == "hashing":
            return ["--storm", "--clients", self.readers, "--pace", 64, "--deadline", 60]
        stuck = self.kind == "stuck" and variant == DISTURBED_BY
        return ["--clients", self.readers + stuck, *(["--stuck", 1] if stuck else []),
                "--publishers", self.publishers,
                *(["--wire", self.wire] if self.wire else ["--size", self.size]),
                *(["--rate", self.rate] if self.rate else ["--window", self.window]),
                "--seconds", seconds, "--warmup", 0.5, "--deadline", 20]

    def title(self):
        size = f"{self.wire:,} B on the wire" if self.wire else f"{self.size:,} B"
        return f"{self.readers:,} / {self.publishers} / {size}" + (f" at {self.rate:,}/s" if self.rate else "")


USUAL = {(10, 1, 300), (100, 1, 300), (1000, 1, 300), (5000, 1, 300), (100, 4, 300), (1000, 4, 300),
         (100, 16, 300), (100, 1, 100), (100, 1, 4096)}
QUICK = {(100, 1, 300), (1000, 1, 300), (100, 4, 300), (1000, 4, 300)}
WITH_MOSQUITTO = {(100, 1, 300), (1000, 1, 300)}


def saturated():
    for size in (300, 100, 4096):
        for publishers in (1, 4, 16):
            for readers in (10, 100, 1000, 5000):
                if publishers > readers:
                    continue
                point = (readers, publishers, size)
                yield Case(f"sat-{readers}-{publishers}-{size}", readers=readers, publishers=publishers, size=size,
                           systems=ALL if point in WITH_MOSQUITTO else FAST, usual=point in USUAL,
                           quick=point in QUICK)


CASES = [
    *saturated(),
    Case("sat-100-1-wire", wire=400),
    Case("window-1", window=1, quick=True),
    Case("window-16", window=16),
    Case("window-1024", window=1024),
    Case("rate-100-250", rate=250, systems=ALL, quick=True),
    Case("rate-1000-50", readers=1000, rate=50),
    Case("rate-1000-1000", readers=1000, rate=1000, quick=True),
    Case("rate-1000-3000", readers=1000, rate=3000),
    Case("rate-5000-10", readers=5000, rate=10, usual=False),
    Case("tree-100", servers=3, systems=(HERALD, NATS)),
    Case("tree-1000", readers=1000, servers=3, systems=(HERALD, NATS)),
    Case("storm", kind="storm", readers=10000, systems=ALL),
    Case("idle", kind="idle", readers=10000, systems=ALL),
    Case("stuck", kind="stuck", readers=1000, rate=1000, size=1024, systems=(HERALD,), heraldd=SMALL_REEL,
         variants=(PLAIN, DISTURBED_BY), repeats=2, seconds=4.0),
    Case("stuck-peers", kind="stuck", readers=1000, rate=1000, size=1024, systems=(NATS, REDIS),
         variants=(PLAIN, DISTURBED_BY), seconds=4.0, usual=False),
    Case("stuck-saturated", kind="stuck", readers=20, systems=(HERALD, NATS, REDIS), heraldd=SMALL_REEL,
         variants=(PLAIN, DISTURBED_BY)),
    Case("logins", kind="logins", rate=250, systems=(HERALD,), heraldd=("--verified-ttl", 0),
         variants=(PLAIN, DISTURBED_BY), repeats=2),
    Case("logins-free", kind="logins", rate=250, systems=(HERALD, LIMIT), heraldd=("--verified-ttl", 0), pinned=False,
         variants=(PLAIN, DISTURBED_BY), repeats=2),
    Case("hashing", kind="hashing", readers=200, systems=(HERALD, ARGON2ID), heraldd=("--verified-ttl", 0)),
    Case("free-100-1", pinned=False),
    Case("free-1000-4", readers=1000, publishers=4, pinned=False),
    Case("free-rate-1000-1000", readers=1000, rate=1000, pinned=False),
]
BY_NAME = {case.name: case for case in CASES}
