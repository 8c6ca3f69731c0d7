"""A comparison: several systems do the same work, in turn.

    for each round, for each case, for each system in rotated order:  run_once ──► results.json
    results.json ──► a page of medians, ratios, targets; a picture

A run during which other processes took more than QUIET of a processor, or the host moved the processors apart (apart.py),
is repeated, three times at most; the quietest counts, and says so if it was not quiet. A run begins when they are near."""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import sys
import time
import typing

import peers
from apart import Apart
from common import ARGON2ID, BUILD, HERALD, QUIET, ROOT, Failed, build, facts, say, stoppable, urgency

DOCS = ROOT / "docs" / "benchmarks"
REPEATS = 3            # of a disturbed run, at most
LONGEST = 180.0        # seconds that the load program may take


@dataclasses.dataclass(frozen=True)
class Campaign:
    name: str                    # of the mode, the page and the picture
    about: str
    cases: list                  # each with name, systems, variants, repeats, usual, quick
    kinds: dict                  # of peers, by system
    systems: tuple               # that are measured: all
    quick_systems: tuple         # and with --quick
    programs: tuple              # that are built
    run_once: typing.Callable    # (system, case, variant, arguments): a report, with `failure` if it is not to be counted
    brief: typing.Callable       # (result): a line about a run, while it goes on
    page: typing.Callable        # (results)
    picture: typing.Callable     # (results)
    targets: typing.Callable     # (results): the part of the page that is shown
    more_options: typing.Callable = lambda parser: None
    # (arguments): whether its own options leave the measurement whole; it may fill in what they leave open.
    settle: typing.Callable = lambda arguments: True
    # (arguments): a context manager around all runs; gives what else is to be kept with the results.
    during: typing.Callable = lambda arguments: contextlib.nullcontext({})


def processor(number):
    return ["taskset", "-c", str(number)]


@contextlib.contextmanager
def bound(pinned=True):
    """This process beside the load program, so that it does not disturb the servers."""
    before = os.sched_getaffinity(0)
    if pinned:
        os.sched_setaffinity(0, {1})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# --- runs ---------------------------------------------------------------------------------------------------

def disturbed(report, apart):
    return report["others_cpu"] > QUIET or apart.is_far(report["apart_ns"])


def run(campaign, system, case, variant, arguments, apart):
    """The quietest of up to four tries that did not fail. Who goes before all others has one: what these use then is
    what the run leaves idle."""
    tries = []
    for _ in range(1 if arguments.quick or arguments.urgent else 1 + REPEATS):
        before = 0 if arguments.quick else apart.wait()
        report = {"others_cpu": 0, **campaign.run_once(system, case, variant, arguments)}
        tries.append(report | {"apart_ns": 0 if arguments.quick else max(before, apart.now())})
        hopeless = apart.patience <= 0 and report["others_cpu"] <= QUIET  # they would be as far the next time
        if "failure" not in report and (hopeless or not disturbed(tries[-1], apart)):
            break
    best = min(tries, key=lambda report: ("failure" in report, apart.is_far(report["apart_ns"]), report["others_cpu"]))
    return best | {"tries": len(tries), "disturbed": disturbed(best, apart)}


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


def measure(campaign, chosen, arguments, more):
    results = {"facts": facts(), "rounds": arguments.rounds, "runs": [],
               "seconds": arguments.seconds or (1 if arguments.quick else 2),
               "begun": time.strftime("%d %B %Y, %H:%M"),
               "packages": {name: f"{kind.package} {peers.fetch(kind.package, say).version}"
                            for name, kind in campaign.kinds.items() if name in arguments.systems}, **more}
    for what, text in results["facts"].items():
        say(f"{what:<9} {text}")
    say(f"{'peers':<9} {', '.join(results['packages'].values()) or 'none'}")
    runs = list(plan(chosen, arguments.systems, arguments.rounds))
    begun, apart = time.monotonic(), Apart()
    for done, (number, case, variant, system) in enumerate(runs):
        left = (time.monotonic() - begun) / done * (len(runs) - done) / 60 if done else 0
        name = case.name + (f" {variant}" if variant else "")
        result = run(campaign, system, case, variant, arguments, apart)
        results["facts"]["processors"] = apart.fact()
        results["runs"].append({"round": number, "case": case.name, "variant": variant, "system": system,
                                "result": result})
        words = "FAILED: " + result["failure"].splitlines()[0][:150] if "failure" in result else campaign.brief(result)
        if result["disturbed"] and "failure" not in result:
            words += (f", FAR APART ({result['apart_ns']} ns)" if apart.is_far(result["apart_ns"]) else
                      f", DISTURBED by {result['others_cpu']:.2f}")
        say(f"{done + 1:>4}/{len(runs)}{f', {left:.0f} min left' if done else '':<14} round {number} "
            f"{name:<20} {system:<9} {words}")
        keep(results, arguments.folder)
    for one in results["runs"]:  # what near is may have become known later
        one["result"]["disturbed"] = disturbed(one["result"], apart)
    keep(results, arguments.folder)
    return results


def report(campaign, results, folder, whole):
    """Writes the page and its picture there."""
    folder.mkdir(parents=True, exist_ok=True)
    page = campaign.page(results)
    (folder / f"{campaign.name}.md").write_text(page)
    (folder / f"{campaign.name}.svg").write_text(campaign.picture(results))
    say()
    say(campaign.targets(results) if whole else page)
    say(f"written   {folder / campaign.name}.md, {campaign.name}.svg")


# --- words --------------------------------------------------------------------------------------------------

def choose(campaign, arguments):
    if arguments.cases:
        by_name = {case.name: case for case in campaign.cases}
        names = arguments.cases.split(",")
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise Failed(f"no such case: {', '.join(unknown)}; there are {', '.join(by_name)}")
        return [by_name[name] for name in names]
    if arguments.quick:
        return [case for case in campaign.cases if case.quick]
    return [case for case in campaign.cases if case.usual or arguments.all]


def parse(campaign, words):
    parser = argparse.ArgumentParser(prog=f"scripts/bench {campaign.name}", description=campaign.about)
    parser.add_argument("--rounds", type=int, metavar="N", help="of which the medians are told (5; with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="a few cases, a second each, no repeats: a first look")
    parser.add_argument("--all", action="store_true", help="every case, also those that are usually left out")
    parser.add_argument("--cases", help="these only: " + ", ".join(case.name for case in campaign.cases if case.usual))
    parser.add_argument("--systems", help="these only: " + ", ".join(campaign.systems))
    parser.add_argument("--seconds", type=float, help="measured for each point (2; with --quick 1)")
    parser.add_argument("--report", action="store_true", help="measure nothing: write the page again")
    parser.add_argument("--urgent", action="store_true", help="go before all other processes (nice -20); needs root")
    campaign.more_options(parser)
    arguments = parser.parse_args(words)
    arguments.whole = campaign.settle(arguments) and not (
        arguments.quick or arguments.cases or arguments.systems or arguments.rounds or arguments.seconds)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 5)
    usual = campaign.quick_systems if arguments.quick else campaign.systems
    arguments.systems = arguments.systems.split(",") if arguments.systems else usual
    unknown = [system for system in arguments.systems if system not in campaign.systems]
    if unknown:
        parser.error(f"no such system: {', '.join(unknown)}; there are {', '.join(campaign.systems)}")
    kept = ROOT / BUILD / campaign.name
    arguments.folder = kept if arguments.whole else kept / "partial"  # what was measured in full is not written over
    return arguments


def go(campaign, words):
    """The mode, from its words to its exit status."""
    arguments = parse(campaign, words)
    page = DOCS if arguments.whole else arguments.folder
    try:
        with stoppable(), contextlib.ExitStack() as stack:
            if arguments.report:
                kept = pathlib.Path(arguments.folder / "results.json")
                if not kept.exists():
                    raise Failed(f"nothing was measured yet: {kept} is not there")
                report(campaign, json.loads(kept.read_text()), page, True)
                return 0
            chosen = choose(campaign, arguments)
            if len(os.sched_getaffinity(0)) < 2:
                raise Failed("this needs two processors: one for the servers, one for the load program")
            build("bench/apart", *campaign.programs)
            if arguments.urgent:
                stack.enter_context(urgency())
            more = stack.enter_context(campaign.during(arguments))
            results = measure(campaign, chosen, arguments, more)
            report(campaign, results, page, arguments.whole)
            wrong = [one for one in results["runs"] if one["system"] == HERALD and "failure" in one["result"]]
            return 1 if wrong else 0
    except (Failed, peers.Unavailable) as failure:
        sys.stdout.flush()
        print(f"scripts/bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scripts/bench: interrupted; everything is stopped", file=sys.stderr)
        return 130
