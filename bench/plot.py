"""The picture of scripts/bench fanout: CPU per million deliveries."""

import chart
from cases import ALL, CASES, MOSQUITTO, NATS, REDIS
from common import HERALD, LIMIT
from tables import CPU, NAMES

COLOURS = {HERALD: "#0b6e4f", LIMIT: "#8a8f98", NATS: "#2563b8", REDIS: "#c0392b", MOSQUITTO: "#8e5bb5"}


def label(case):
    """What distinguishes a case, in few words."""
    words = f"{case.readers:,} readers, {case.publishers} publisher{'s' if case.publishers > 1 else ''}"
    if case.rate:
        words = f"{case.readers:,} readers, {case.rate:,}/s"
    elif case.window != 256:
        words += f", window {case.window}"
    if case.wire:
        words += f", {case.wire:,} B on the wire"
    if case.size != 300:
        words += f", {case.size:,} B"
    if case.servers > 1:
        words += f", {case.servers} servers"
    return words + ("" if case.pinned else ", unpinned")


def picture(figures):
    rows = []
    for case in CASES:
        values = {system: figures.median(case.name, system, CPU) for system in ALL}
        values = {system: value for system, value in values.items() if value}
        if len(values) > 1 and case.kind == "load":
            rows.append((label(case), values))
    return chart.draw("Server CPU seconds per million deliveries", rows,
                      {system: (NAMES[system], COLOURS[system]) for system in ALL})
