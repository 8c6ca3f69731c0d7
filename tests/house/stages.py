"""Every test of Herald, in stages (scripts/test).

    stages.py [--quick] [STAGE...]

One line a stage, with its time; what a stage printed is shown when it fails, and kept in build-test/log/.
The last line is `N passed, N failed` (and `, N skipped`, the reasons above it). A test is: a rule of lint, a
build without a warning, a case of a unit test, a simulation, a fuzzer's run, a case of pytest.
The exit status is 0 when none failed.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = ROOT / "build-test" / "log"
JOBS = max(2, os.cpu_count() or 2)
FUZZ_SECONDS = 10
THREADED = "tests/conformance/test_activities.py"  # many clients on all shards: the test for ThreadSanitizer
# What clients see, once more with TLS between them and the server (herald_harness/server.py).
VEILED = ["tests/conformance/test_activities.py", "tests/conformance/test_clients.py", "tests/conformance/test_framing.py"]

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}

# folder: compiler, meson options. Warnings are errors in each.
BUILDS = {
    "build-gcc": ("gcc", []),
    "build-release": ("gcc", ["-Dtests=false", *re.findall("^-.*", (ROOT / "scripts" / "release").read_text(), re.M)]),
    "build-asan": ("clang", ["-Db_sanitize=address,undefined", "-Db_lundef=false",
                             "-Dc_args=-fno-sanitize-recover=all"]),
    "build-tsan": ("clang", ["-Db_sanitize=thread", "-Db_lundef=false"]),
    "build-fuzz": ("clang", ["-Dfuzz=true", "-Dtests=false", "-Db_lundef=false"]),  # its sanitizers: meson.build
}


@dataclasses.dataclass
class Outcome:
    passed: int = 0
    failed: int = 0
    skipped: list = dataclasses.field(default_factory=list)  # "NAME: reason"
    output: str = ""                                         # shown when something failed

    def add(self, other):
        return Outcome(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped,
                       self.output + other.output)


def run(command, log, timeout, **environment):
    """Runs it in ROOT; (exit status, output). The output is kept as LOGS/log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    with open(path, "w", encoding="utf-8") as out:
        try:
            status = subprocess.run(command, cwd=ROOT, env=os.environ | environment, stdout=out,
                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=timeout,
                                    check=False).returncode
        except subprocess.TimeoutExpired:
            out.write(f"\nnot done after {timeout} s: {' '.join(command)}\n")
            status = -1
    return status, path.read_text(encoding="utf-8", errors="replace")


def junit(path, status, output):
    """The outcome that a JUnit file tells. A run that failed without saying in which case counts as one."""
    outcome = Outcome(output=output)
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        cases = []
    for case in cases:
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
        elif skipped is not None:
            name = f"{case.get('classname')} {case.get('name')}"
            outcome.skipped.append(f"{name}: {skipped.get('message') or 'no reason given'}")
        else:
            outcome.passed += 1
    if status != 0 and outcome.failed == 0:
        outcome.failed = 1
    return outcome


# --- builds -------------------------------------------------------------------------------------------------

def build(folder, targets=()):
    """Sets the folder up as BUILDS says, and builds. An Outcome only when that failed."""
    compiler, options = BUILDS[folder]
    place, log = ROOT / folder, f"{folder}-build"
    version = subprocess.run(["meson", "--version"], text=True, capture_output=True, check=True).stdout.strip()
    setup = ["meson", "setup", folder, "-Dwerror=true", *options]
    stamp, key = place / "setup.key", " ".join([version, compiler, *setup])
    if not (place / "build.ninja").exists() or not stamp.exists() or stamp.read_text() != key:
        subprocess.run(["rm", "-rf", str(place)], check=True)
        status, output = run(setup, log, 300, CC=compiler)
        if status != 0:
            return Outcome(failed=1, output=output)
        stamp.write_text(key)
    status, output = run(["ninja", "-C", folder, *targets], log, 900)
    return None if status == 0 else Outcome(failed=1, output=output)


def meson_tests(folder, names=()):
    """meson test, every cmocka case counted by itself; a program of no cases counts as one."""
    results = ROOT / folder / "meson-logs" / "testlog.json"
    results.unlink(missing_ok=True)
    status, output = run(["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", *names],
                         f"{folder}-test", 900, **SANITIZERS)
    outcome = Outcome(output=output)
    tests = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.exists() else []
    for test in tests:
        said = test.get("stdout", "") + test.get("stderr", "")
        begun = len(re.findall(r"^\[ RUN      \]", said, re.M))
        good = len(re.findall(r"^\[       OK \]", said, re.M))
        skipped = re.findall(r"^\[  SKIPPED \] (\w+)", said, re.M)
        outcome.skipped += [f"{test['name']} {name}: it skips itself" for name in skipped]
        outcome.passed += good
        outcome.failed += max(begun - good - len(skipped), 0)
        if begun == 0 and test["result"] == "SKIP":
            outcome.skipped.append(f"{test['name']}: {said.strip()[:200] or 'no reason given'}")
        elif begun == 0 and test["result"] == "OK":
            outcome.passed += 1
        elif test["result"] not in ("OK", "SKIP") and begun == good + len(skipped):
            outcome.failed += 1  # a leak, a crash at the end, or before the first case
    if status != 0 and outcome.failed == 0:
        outcome.failed = 1
    return outcome


# --- stages -------------------------------------------------------------------------------------------------

def lint():
    report = LOGS / "lint.xml"
    report.unlink(missing_ok=True)
    status, output = run([sys.executable, "-B", "tests/house/lint.py", "--junit", str(report)], "lint", 300)
    return junit(report, status, output)


def gcc():
    """As we work with it, and as it is used."""
    return build("build-gcc") or build("build-release") or Outcome(passed=2)


def clang():
    return build("build-asan") or Outcome(passed=1)


def unit():
    return build("build-asan") or meson_tests("build-asan")


def threads():
    """What runs on several threads, under ThreadSanitizer; and one whole server."""
    listed = build("build-tsan", ["heraldd"])
    if listed:
        return listed
    status, output = run(["meson", "introspect", "--tests", "build-tsan"], "build-tsan-list", 60)
    if status != 0:
        return Outcome(failed=1, output=output)
    tests = [test for test in json.loads(output) if test["name"].split()[0] in ("net", "cluster", "stream")]
    targets = [str(pathlib.Path(test["cmd"][0]).relative_to(ROOT / "build-tsan")) for test in tests]
    outcome = build("build-tsan", targets) or meson_tests("build-tsan", [test["name"] for test in tests])
    return outcome.add(pytest(THREADED, "build-tsan", HERALD_DEADLINE="60"))


def fuzz():
    failed = build("build-fuzz")
    if failed:
        return failed
    status, output = run(["meson", "introspect", "--targets", "build-fuzz"], "build-fuzz-list", 60)
    if status != 0:
        return Outcome(failed=1, output=output)
    programs = [target["filename"][0] for target in json.loads(output)
                if target["type"] == "executable" and "/fuzz/" in target["filename"][0]]
    outcome = Outcome()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for result in pool.map(fuzz_one, programs):
            outcome = outcome.add(result)
    return outcome if programs else Outcome(skipped=["fuzz: there are no fuzzers"])


def fuzz_one(program):
    name = pathlib.Path(program).name.removeprefix("fuzz_")
    found = ROOT / "build-fuzz" / "corpus" / name  # what a run finds; fuzz/corpus/ is what was chosen
    seeds = ROOT / "fuzz" / "corpus" / name
    found.mkdir(parents=True, exist_ok=True)
    artifacts = ROOT / "build-fuzz" / f"found-{name}-"
    command = [program, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1",
               f"-artifact_prefix={artifacts}", str(found), *([str(seeds)] if seeds.is_dir() else [])]
    status, output = run(command, f"fuzz-{name}", FUZZ_SECONDS * 6 + 60, **SANITIZERS)
    return Outcome(passed=1) if status == 0 else Outcome(failed=1, output=f"--- {name}\n{output[-8000:]}\n")


def pytest(what, binary, name=None, **environment):
    """pytest of a folder or files against the heraldd of that build; the harness sets the sanitizers' options that it
    can bear. name: of the log."""
    whats = [what] if isinstance(what, str) else what
    name = f"{binary}-{name or pathlib.Path(what).stem}"
    report = LOGS / f"{name}.xml"
    report.unlink(missing_ok=True)
    for place in (ROOT / one for one in whats):
        if not (any(place.glob("test_*.py")) if place.is_dir() else place.exists()):
            return Outcome(skipped=[f"{place}: no tests are there"])
    command = [sys.executable, "-B", "-m", "pytest", *whats, "-q", "-n", "2", "-ra", f"--junitxml={report}"]
    status, output = run(command, name, 900, HERALDD=str(ROOT / binary / "heraldd"),
                         TSAN_OPTIONS=SANITIZERS["TSAN_OPTIONS"], PYTHONDONTWRITEBYTECODE="1", **environment)
    return junit(report, status, output)


def conformance():
    """With sanitizers, and as it is used: optimised through and through."""
    return build("build-asan", ["heraldd"]) or build("build-release") or pytest("tests/conformance", "build-asan").add(
        pytest(VEILED, "build-asan", "veiled", HERALD_VEILED="1")).add(pytest("tests/conformance", "build-release"))


def system():
    # Some look at what a sanitizer would hide: valgrind, exported names, the plain library.
    return build("build-gcc") or build("build-asan") or pytest("tests/system", "build-asan")


STAGES = [lint, gcc, clang, unit, threads, fuzz, conformance, system]
QUICK = [lint, clang, unit, conformance]


def show(stage, outcome, seconds):
    counts = f"{outcome.passed} passed"
    counts += f", {outcome.failed} failed" if outcome.failed else ""
    counts += f", {len(outcome.skipped)} skipped" if outcome.skipped else ""
    if outcome.failed:
        print(outcome.output.rstrip())
    print(f"{stage.__name__:<12} {counts:<32} {seconds:6.1f} s", flush=True)


def main():
    names = {stage.__name__: stage for stage in STAGES}
    parser = argparse.ArgumentParser(prog="scripts/test", description="builds Herald and runs its tests")
    parser.add_argument("--quick", action="store_true",
                        help="only " + ", ".join(stage.__name__ for stage in QUICK))
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="of: " + ", ".join(names))
    arguments = parser.parse_args()
    for name in arguments.stages:
        if name not in names:
            parser.error(f"no such stage: {name}; there are {', '.join(names)}")
    chosen = [names[name] for name in arguments.stages] or (QUICK if arguments.quick else STAGES)
    total = Outcome()
    for stage in chosen:
        started = time.monotonic()
        try:
            outcome = stage()
        except Exception as fault:  # a fault of ours is a failure, not silence
            outcome = Outcome(failed=1, output=f"{stage.__name__}: {fault!r}")
        show(stage, outcome, time.monotonic() - started)
        total = total.add(outcome)
    for reason in total.skipped:
        print(f"skipped: {reason}")
    skipped = f", {len(total.skipped)} skipped" if total.skipped else ""
    print(f"{total.passed} passed, {total.failed} failed{skipped}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
