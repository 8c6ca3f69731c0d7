"""The options of heraldd, by its own words: what the documents and the manuals are held against."""

import re

from .server import ROOT, run

COMPUTED = {"data", "name"}  # defaults that differ from machine to machine: told in words


def options_in_force():
    """{key: (section, default, help)} of a server that is told nothing, in the order of --print-config."""
    options, section, said = {}, None, ""
    for line in run("--print-config").stdout.splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = match[1]
        elif match := re.fullmatch(r"(?:# )?(\w+) =(?: (.*))?", line):
            options[match[1]] = (section, match[2] or "", said)
        elif line:
            said = line.removeprefix("# ")
    return options


def ranges():
    """{key: what --help permits}: "100ms to 1h", "auto|yes|no", or "" where the kind of value says it all."""
    text = re.sub(r"\n {20,}", "  ", run("--help").stdout)  # a flag too long for its column
    found = {}
    for line in text.splitlines():
        match = re.match(r"  --([\w-]+) (\S+)  +.*?(?:\((?:[^()]*; )?([^();]* to [^();]*)\))?$", line)
        if match:
            key, word, span = match[1].replace("-", "_"), match[2], match[3]
            found[key] = word if "|" in word else span or ""
    return found


def reloads():
    """{key: whether SIGHUP takes it over}, from the table that the server is built from."""
    table = (ROOT / "src/daemon/options.h").read_text().split("#define OPTIONS(X)")[1].split("// Flags")[0]
    table = table.replace("\\\n", " ")
    rows = re.findall(r'X\((\w+),(?:[^()"]|"(?:[^"\\]|\\.)*")*?\b(RELOAD|RESTART)\b', table)
    return {key: how == "RELOAD" for key, how in rows}
