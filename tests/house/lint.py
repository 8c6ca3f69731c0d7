"""The house rules, as programs: what a reviewer should not have to look for.

    lint.py [--junit FILE] [RULE...]

Each rule is a function that yields (file, line, what is wrong and what to do). The last line of the
output says how many rules hold; the exit status is 0 when all do.
"""

import argparse
import pathlib
import re
import subprocess
import sys
from xml.sax.saxutils import escape, quoteattr

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A folder includes itself and the floors below it; folders of one floor do not include each other.
FLOORS = {"base": 0, "wire": 1, "net": 1, "store": 2, "cluster": 3, "stream": 4, "gateway": 5, "daemon": 6}
SIDES = {"client": {"base", "wire", "net"}, "cli": {"base", "wire", "net", "client"}}

# The one folder that may include a library's header.
DOORS = {
    "sodium.h": "base", "utf8proc.h": "base", "yyjson.h": "wire", "uv.h": "net", "liburing.h": "net",
    "sqlite3.h": "store", "raft.h": "cluster", "llhttp.h": "gateway", "wslay/wslay.h": "gateway",
    "ini.h": "daemon", "ares.h": "client", "histedit.h": "cli", "editline/readline.h": "cli",
}
DOOR_FOLDERS = {"openssl/": {"net"}, "curl/": {"client"}, "nghttp2/": {"bench"}}

LONGEST_C, LONGEST_H, LONGEST_FUNCTION = 600, 200, 70
CODE = ("src", "include", "tests", "fuzz", "bench")
TEXT = CODE + ("scripts", ".ci", "docs", "packaging", "console")

RULES = []


def rule(function):
    RULES.append(function)
    return function


def files(folders, *suffixes):
    """Files under the folders of ROOT, sorted; all suffixes when none is given."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and (not suffixes or path.suffix in suffixes):
                yield path


def lines(path):
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:  # a corpus of a fuzzer, a picture
        return []


def texts():
    yield from (path for path in files(TEXT) if "corpus" not in path.parts)
    yield from sorted(ROOT.glob("*.md"))
    yield from sorted(ROOT.glob("meson*"))


def includes(path):
    for number, line in enumerate(lines(path), 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if match:
            yield number, match[1] == "<", match[2]


@rule
def formatting():
    """clang-format has nothing to change."""
    sources = [str(path) for path in files(CODE, ".c", ".h")]
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources], cwd=ROOT, text=True,
                         capture_output=True, check=False) if sources else None
    seen = set()
    for match in re.finditer(r"^(\S+?):(\d+):\d+: error: ", run.stderr if run else "", re.M):
        if match[1] not in seen:
            name = match[1].removeprefix(f"{ROOT}/")
            yield match[1], int(match[2]), f"format it: scripts/env clang-format -i {name}"
        seen.add(match[1])
    if run and run.returncode != 0 and ": error: " not in run.stderr:
        yield "clang-format", 0, run.stderr.strip()


@rule
def floors():
    """A folder of src/ includes itself and the floors below it."""
    for path in files(["src"], ".c", ".h"):
        home = path.relative_to(ROOT / "src").parts[0]
        for number, system, name in includes(path):
            other = name.split("/")[0]
            if system or name == "herald.h":
                continue
            if "/" not in name or other not in FLOORS.keys() | SIDES.keys():
                yield path, number, f'write the folder, too: #include "{home}/{name}"'
            elif home in SIDES:
                if other != home and other not in SIDES[home]:
                    yield path, number, f"{home}/ must not include {other}/"
            elif other != home and (other not in FLOORS or FLOORS[other] >= FLOORS[home]):
                yield path, number, f"{home}/ must not include {other}/: pass a struct of callbacks instead"


@rule
def doors():
    """One folder is the sole door to each library."""
    for path in files(["src"], ".c", ".h"):
        home = path.relative_to(ROOT / "src").parts[0]
        for number, system, name in includes(path):
            allowed = {DOORS[name]} if name in DOORS else None
            for prefix, folders in DOOR_FOLDERS.items():
                allowed = folders if name.startswith(prefix) else allowed
            if system and allowed is not None and home not in allowed:
                yield path, number, f"only {', '.join(sorted(allowed))}/ may include <{name}>: use what it offers"


@rule
def file_length():
    """Files stay short enough to be read."""
    for path in files(CODE, ".c", ".h"):
        most, count = LONGEST_C if path.suffix == ".c" else LONGEST_H, len(lines(path))
        if count > most:
            yield path, most, f"{count} lines, more than {most}: split it by concern"


def functions(path):
    """(line, name, length) of each function; the formatting rule makes this simple."""
    start, name = 0, ""
    for number, line in enumerate(lines(path), 1):
        if start and line.startswith("}"):
            if line == "}":
                yield start, name, number - start + 1
            start = 0
        elif not start and line and not line[0].isspace() and line[0] not in "#/}":
            match = re.search(r"\b(\w+)\(", line)
            name = match[1] if match else name
        if not start and line.endswith(") {") and name:
            start = number


@rule
def function_length():
    """Functions stay short enough to be seen at once."""
    for path in files(CODE, ".c", ".h"):
        for number, name, length in functions(path):
            if length > LONGEST_FUNCTION:
                yield path, number, f"{name}() has {length} lines, more than {LONGEST_FUNCTION}: split it"


@rule
def listed():
    """Every .c is built: its folder's meson.build names it, or another one by its path."""
    builds = [ROOT / "meson.build", *files(CODE)]
    builds = {path: path.read_text(encoding="utf-8") for path in builds if path.name == "meson.build"}
    for path in files(CODE, ".c"):
        home = path.parent / "meson.build"
        here = builds.get(home, "")
        elsewhere = re.compile(r"/" + re.escape(path.name) + "'")
        if f"'{path.name}'" not in here and f"'{path.stem}'" not in here and \
                not any(elsewhere.search(text) for build, text in builds.items() if build != home):
            yield path, 1, f"name it in {home.relative_to(ROOT)}, or remove it"


@rule
def used():
    """Every header of src/ is included by something."""
    wanted = {name for path in files(CODE, ".c", ".h") for _, _, name in includes(path)}
    for path in files(["src"], ".h"):
        if str(path.relative_to(ROOT / "src")) not in wanted:
            yield path, 1, "nothing includes it: remove it"


@rule
def front_doors():
    """A source file opens with a comment that says what it is; a header guards itself."""
    for path in files(CODE, ".c", ".h"):
        content = lines(path)
        if not content or not content[0].startswith(("//", "/*")):
            yield path, 1, "open it with a comment that says what it is for"
        if path.suffix == ".h" and path.parts[-2] != "include" and "#pragma once" not in content:
            yield path, 1, "write #pragma once after the opening comment"


@rule
def finished():
    """Nothing is left for later in a comment."""
    later = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    for path in files(CODE + ("scripts", ".ci", "packaging", "console")):
        for number, line in enumerate(lines(path), 1):
            if later.search(line) and "corpus" not in path.parts:
                yield path, number, "do it now, or open an issue and name what is true today"


@rule
def anywhere():
    """No path of this machine, no host of a package registry: the project works anywhere."""
    everywhere = {"/"} | {f"/{top}" for top in "bin dev etc home lib mnt opt proc run srv sys tmp usr var".split()}
    places = {str(path) for path in [ROOT, *ROOT.parents, pathlib.Path.home()]} - everywhere
    machine = re.compile(r"(?<![\w.$}-])(?:" + "|".join(map(re.escape, sorted(places))) + r")(?:/|\b)")
    registry = re.compile(r"\b[\w.-]+\.(?:debian|ubuntu|npmjs|pypi)\.(?:org|net|com)\b|\bpypi\.org\b")
    for path in texts():
        for number, line in enumerate(lines(path), 1):
            if machine.search(line):
                yield path, number, "a path of one machine: make it relative, or take it from the environment"
            if registry.search(line):
                yield path, number, "a host of a package registry: let the user's own settings name it"


@rule
def awake():
    """Tests wait for events with a deadline; they do not sleep."""
    sleep = re.compile(r"\b(?:u|nano|time\.|clock_nano)?sleep\s*\(|^\s*sleep\s+[0-9$]")
    for path in files(["tests"], ".c", ".h", ".py", ".sh"):
        for number, line in enumerate(lines(path), 1):
            if path != pathlib.Path(__file__).resolve() and sleep.search(line):
                yield path, number, "wait for what is to happen, with a deadline"


@rule
def shell():
    """Scripts are valid, executable, and stop at the first failure."""
    for path in files(["scripts", ".ci"]):
        first = (lines(path) or [""])[0]
        if not first.startswith("#!"):
            continue
        if not path.stat().st_mode & 0o111:
            yield path, 1, "chmod 755"
        if re.search(r"\b(?:ba)?sh$", first):
            run = subprocess.run(["bash", "-n", str(path)], text=True, capture_output=True, check=False)
            if run.returncode != 0:
                yield path, 1, run.stderr.strip()
            if not any(re.match(r"set -\w*e|exec ", line) for line in lines(path)):
                yield path, 1, "begin with: set -euo pipefail"


def check(function):
    found = []
    for path, number, what in function():
        name = path.relative_to(ROOT) if isinstance(path, pathlib.Path) else path
        name = str(name).removeprefix(f"{ROOT}/")
        found.append(f"{name}:{number}: {what}")
    return found


def write_junit(path, results):
    with open(path, "w", encoding="utf-8") as out:
        out.write('<testsuite name="lint">\n')
        for name, found in results:
            out.write(f"  <testcase classname=\"lint\" name={quoteattr(name)}>")
            if found:
                out.write(f"<failure>{escape(chr(10).join(found))}</failure>")
            out.write("</testcase>\n")
        out.write("</testsuite>\n")


def main():
    parser = argparse.ArgumentParser(description="the house rules, as programs")
    parser.add_argument("--junit", metavar="FILE", help="write the outcome there, too")
    parser.add_argument("rules", nargs="*", metavar="RULE",
                        help="of: " + ", ".join(function.__name__ for function in RULES))
    arguments = parser.parse_args()
    unknown = set(arguments.rules) - {function.__name__ for function in RULES}
    if unknown:
        parser.error(f"no such rule: {', '.join(sorted(unknown))}")
    results = [(function.__name__, check(function)) for function in RULES
               if not arguments.rules or function.__name__ in arguments.rules]
    for name, found in results:
        for line in found:
            print(f"{line}  [{name}]")
    if arguments.junit:
        write_junit(arguments.junit, results)
    broken = sum(bool(found) for _, found in results)
    print(f"lint: {len(results) - broken} rules hold, {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
