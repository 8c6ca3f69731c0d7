"""Fixtures of the long forms: `row` writes a line of the table that scripts/soak prints."""

import json
import os

import pytest


@pytest.fixture
def row():
    """row(what, sent, held, servers=[...], worst=seconds): what was sent, what held, peak memory of any of the servers
    (their `peak_rss`), worst latency."""
    def note(what, sent, held, servers=(), worst=None, rss=None):
        peak = rss if rss is not None else max((server.peak_rss() for server in servers), default=None)
        line = {"what": what, "sent": sent, "held": held, "rss": peak, "worst": worst}
        print(json.dumps(line))
        if path := os.environ.get("HERALD_SOAK_ROWS"):
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
    return note
