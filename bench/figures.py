"""Of results.json: medians, ratios, verdicts, and how they are written into a page."""

import re
import statistics

from common import PLAIN

BUSY = 0.95  # of a processor, taken by the load program: what it did in a second is then its limit, too
ENOUGH = 3   # undisturbed runs, to leave the disturbed ones out
OWN = ("own_cpu_share",)
NONE = "–"


class Figures:
    """Medians of what was measured."""

    def __init__(self, results):
        self.results = results
        self.runs = {}
        for run in results["runs"]:
            self.runs.setdefault((run["case"], run["variant"], run["system"]), []).append(run["result"])

    def has(self, case):
        return any(name == case for name, _, _ in self.runs)

    def counted(self, case, system, variant=PLAIN):
        """The runs that count: those that did not fail; of these the undisturbed, if they are enough."""
        well = [one for one in self.runs.get((case, variant, system), []) if "failure" not in one]
        quiet = [one for one in well if not one["disturbed"]]
        return quiet if len(quiet) >= min(ENOUGH, len(well)) else well

    def values(self, case, system, path, variant=PLAIN):
        found = []
        for one in self.counted(case, system, variant):
            for step in path:
                one = one.get(step) if one is not None else None
            if one is not None:
                found.append(one)
        return found

    def median(self, case, system, path, variant=PLAIN):
        values = self.values(case, system, path, variant)
        return statistics.median(values) if values else None

    def ratio(self, case, path, system, others, best=min):
        """Of a system's median to the best of the others'."""
        theirs = [value for value in (self.median(case, other, path) for other in others) if value]
        mine = self.median(case, system, path)
        return mine / best(theirs) if mine is not None and theirs else None

    def saturates(self, case):
        """Whether the load program does as much as it can."""
        return True

    def marks(self, case, system, variant=PLAIN):
        counted = self.counted(case, system, variant)
        failed = any("failure" in one for one in self.runs.get((case, variant, system), []))
        busy = self.median(case, system, OWN, variant)
        return ("\\*" if any(one["disturbed"] for one in counted) else "") + \
            ("†" if busy and busy > BUSY and self.saturates(case) else "") + ("‡" if failed else "")


def quotient(above, below):
    return above / below if above is not None and below else None


# --- words --------------------------------------------------------------------------------------------------

def number(value, digits=3):
    """Three significant digits, without an exponent."""
    if value is None:
        return NONE
    if value >= 100:
        return f"{value:,.0f}"
    decimals = digits - len(str(int(value))) if value >= 1 else digits
    return f"{value:.{decimals}f}"


def times(value):
    return NONE if value is None else f"{value:.2f}"


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def cell(figures, case, system, *paths, scale=(), variant=PLAIN):
    """Medians beside each other, with the marks of the runs."""
    values = [figures.median(case, system, path, variant) for path in paths]
    if all(value is None for value in values):
        return "failed" if (case, variant, system) in figures.runs else NONE
    factors = [*scale, *[1] * len(values)]
    texts = [number(value * factor if value is not None else None) for value, factor in zip(values, factors)]
    return " · ".join(texts) + figures.marks(case, system, variant)


def judged(title, value, most=None, least=None):
    """A row of a target: what, the figure, the bound, whether it holds. Without a bound it is there to compare with."""
    if most is None and least is None:
        return [title, number(value), NONE, ""]
    bound = f"≤ {most:g}" if most is not None else f"≥ {least:g}"
    if value is None:
        return [title, NONE, bound, "not measured"]
    met = value <= most if most is not None else value >= least
    return [title, number(value), bound, "met" if met else "**not met**"]


def verdicts(rows):
    return table(["target", "measured", "wanted", ""], rows)


def section(title, rows, words=""):
    """A heading, what is to be said, and a table; nothing if the table is empty."""
    rows = list(rows)
    return [f"## {title}", "", *([words, ""] if words else []), *rows] if rows else []


def setting(figures, *more):
    """Where it was measured."""
    results = figures.results
    yield from table(["", ""], [[what, text] for what, text in results["facts"].items()] +
                     [["peers", ", ".join(results["packages"].values()) or NONE], *more, ["measured", results["begun"]]])


def configuration(name, lines):
    """What a peer is told, port and folders left out."""
    told = ", ".join(f"`{line}`" for line in lines if not re.search(r"127\.0\.0\.1|^port |^user |^server_name|^dir |^directory |^data-dir|^name: ", line))
    return f"- {name}: {told + '; otherwise ' if told else ''}the program's defaults."
