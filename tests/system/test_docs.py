"""What the documents say of the program, held against the program."""

import re
import stat
from pathlib import Path

import pytest
from herald_harness import new_secret, run
from herald_harness.options import COMPUTED, options_in_force, ranges, reloads

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CONFIGURATION = ROOT / "docs" / "configuration.md"
# What lies in scripts/ to be read by the others, not to be run.
LISTS = {"scripts/packages", "scripts/release"}


def name_of(path):
    return str(path.relative_to(ROOT))


def without_code(text):
    return re.sub(r"(?ms)^```.*?^```$", "", text)


# --- options ----------------------------------------------------------------------------------------------------


def documented():
    """{key: (section, default, permitted, SIGHUP, help)} of docs/configuration.md, in its order."""
    options, section = {}, None
    for line in CONFIGURATION.read_text().splitlines():
        if match := re.fullmatch(r"## .*\[(\w+)\]", line):
            section = match[1]
        elif match := re.fullmatch(r"\| `(\w+)` \| (.*) \| (.*) \| (.*) \| (.*) \|", line):
            options[match[1]] = (section, *match.groups()[1:])
    return options


def test_every_option_is_documented_in_the_order_of_the_server():
    assert list(documented()) == list(options_in_force())


def test_the_server_s_own_tables_agree():
    """Or this file reads one of them wrongly."""
    keys = set(options_in_force())
    assert keys == set(ranges()) == set(reloads())


@pytest.mark.parametrize("key", list(documented()))
def test_an_option_is_documented_as_it_is(key):
    section, default, permitted, sighup, said = documented()[key]
    in_force = options_in_force()[key]
    assert (section, said) == (in_force[0], in_force[2].replace("|", "\\|"))
    if key not in COMPUTED:
        assert default == (f"`{in_force[1]}`" if in_force[1] else "none")
    if span := ranges()[key]:
        words = ", ".join(span.split("|")) if "|" in span else span
        assert permitted == words or permitted.startswith(words + ";"), permitted
    assert sighup == ("yes" if reloads()[key] else "restart")


def test_every_other_flag_is_documented():
    text = CONFIGURATION.read_text()
    for flag in re.findall(r"(?m)^  (-\w+|--(?:check|print-config|help|version))\b", run("--help").stdout):
        assert f"`{flag}" in text, flag


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.conf")), ids=lambda path: path.name)
def test_an_example_is_a_good_configuration(path, tmp_path):
    done = run("--check", "-c", path, data=tmp_path, secret=new_secret())
    assert done.returncode == 0 and not done.stderr, done.stderr


# --- what is where ----------------------------------------------------------------------------------------------


def anchors(path):
    """The places in a document that a link may name, as forges make them of its headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", without_code(path.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text())):
        if re.match(r"\w+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_files_that_are_named_exist(path):
    """`src/daemon/main.c`, `stream/reel.c`, `tests/unit`: in the source, or in the project."""
    names = re.findall(r"`((?:src|tests|fuzz|bench|docs|scripts|examples)/[\w./-]+|"
                       r"(?:base|wire|net|store|cluster|stream|daemon)/[\w./-]+\.[ch])`", path.read_text())
    for name in names:
        if re.search(r"[A-Z]{3,}", name) and not name.endswith(".md"):
            continue  # a placeholder: fuzz/NAME.c
        assert (ROOT / name).exists() or (ROOT / "src" / name).exists(), name


def test_the_manifest_names_every_folder():
    text = (ROOT / "README.md").read_text()
    folders = [path.parent for path in (ROOT / "src").glob("*/meson.build")]
    folders += [ROOT / name for name in ("tests", "fuzz", "bench", "docs", "examples", "scripts")]
    for folder in folders:
        assert re.search(rf"(?m)^\|.*`{name_of(folder)}`", text), folder


def test_functions_that_the_map_names_exist():
    """ARCHITECTURE.md tells its stories with function names: each is defined somewhere."""
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.[ch]"))
    text = re.sub(r"[\w.]+/[\w./]+|\b\w+\.(?:c|h|py|md|conf)\b", "", (ROOT / "ARCHITECTURE.md").read_text())
    for name in set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text)):
        assert re.search(rf"\b{name}\b", source), name
    for name in set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", text)):
        assert re.search(rf"\b{name}\b", source), name


def test_the_newest_change_is_of_this_version():
    version = re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text())[1]
    assert re.search(r"(?m)^## ([\d.]+)", (ROOT / "CHANGES.md").read_text())[1] == version


def test_decisions_are_numbered_and_say_what_follows():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text()
        assert text.startswith(f"# {page.name[:4]} "), page
        for part in ("Context", "Decision", "Consequence", "Evidence"):
            assert f"\n**{part}.**" in text, (page, part)


def test_the_license_is_whole():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text


def test_scripts_that_are_named_can_be_run():
    for path in DOCUMENTS:
        for name in re.findall(r"(?<![\w/])(?:\./)?(scripts/[a-z]+)\b", path.read_text()):
            script = ROOT / name
            assert script.exists(), (path, name)
            runs = bool(script.stat().st_mode & stat.S_IXUSR)
            assert runs == (name not in LISTS), name


def test_the_map_shows_every_part_of_the_stream():
    """The largest folder: ARCHITECTURE.md says of each file whether it is a pure core or a rim."""
    table = (ROOT / "ARCHITECTURE.md").read_text().split("| Pure cores | Rims |")[1].split("\n## ")[0]
    small = {"closing", "request"}  # a list, and memory
    for path in sorted((ROOT / "src" / "stream").glob("*.c")):
        assert path.stem in small or f"`{path.stem}`" in table, path
