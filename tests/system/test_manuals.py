"""The manuals, docs/man: each held against what the program says of itself, both ways.

    heraldd(8)      heraldd --help, its signals, the files in its data directory
    herald.conf(5)  heraldd --print-config, and what it takes in a file
    herald(1)       herald --help, herald COMMAND --help
    herald(3)       test_library.py"""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from herald_harness import binary, make_certificate, new_secret, run
from herald_harness.command import herald_run
from herald_harness.options import COMPUTED, options_in_force, ranges, reloads

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "man"
MANUALS = sorted(path.name for path in FOLDER.iterdir())
ROLL = ["create", "lookup", "reverse-lookup", "modify", "delete", "list", "import", "export", "settings", "admin"]
STREAM = ["register", "login", "post", "follow", "chat", "logout"]
ALL = {("-h", "--help"), ("--version",)}


# --- reading a manual -------------------------------------------------------------------------------------------


def parts(manual):
    """{heading: its lines}, as mandoc shows it, without the space that all lines of a part have; a part of a part is
    "HEADING/Heading"."""
    done = subprocess.run(["mandoc", "-Tutf8", "-Owidth=250", FOLDER / manual], capture_output=True, text=True, check=True)
    found, section, place = {}, None, None
    for line in re.sub(r".\x08", "", done.stdout).splitlines():
        if re.match(r"\S", line):
            section = place = line
        elif match := re.fullmatch(r" {3}(\S.*)", line):
            place = f"{section}/{match[1]}"
        elif line:
            found.setdefault(place, []).append(line.removeprefix("     "))
    return found


def items(lines, tag):
    """[(tag, body)] of a list with tags like that: a tag stands at the left, its body at the right, below or beside."""
    found = []
    for line in lines:
        if re.match(tag, line):
            head, _, body = line.partition("  ")
            found.append((head, [body.strip()] if body else []))
        elif line.startswith("        ") and found:
            found[-1][1].append(line.strip())
    return [(head, re.sub(r"\s+", " ", " ".join(body)).strip()) for head, body in found]


def forms(tag):
    """"-c, --config file" ──► (("-c", "--config"), "file")"""
    head, _, word = re.fullmatch(r"((?:-[\w-]+, )*-[\w-]+)( (.*))?", tag).groups(default="")[0:3]
    return tuple(head.split(", ")), word.strip()


def told_options(text):
    """[(forms, word, help)] of a --help."""
    text = re.sub(r"\n {20,}", "   ", text)  # an option too long for its column
    rows = re.findall(r"(?m)^ {2,6}(-[\w-]+(?:, --[\w-]+)?)(?: (\S+))? {2,}(\S.*)$", text)
    return [(tuple(head.split(", ")), word, said) for head, word, said in rows]


def statuses(text):
    """{number: words} of a --help."""
    (line,) = re.findall(r"(?m)^Exit status: (.*)\.$", text)
    return {int(one.split(" ", 1)[0]): one.split(" ", 1)[1] for one in line.split(", ")}


def statuses_in(manual):
    """{number: the beginning of what is said of it}"""
    return {int(tag): body for tag, body in items(parts(manual)["EXIT STATUS"], r"\d\b")}


def assert_same_statuses(manual, text):
    """Of each the manual's words begin with those of --help."""
    written, said = statuses_in(manual), statuses(text)
    assert list(written) == list(said)
    for number, words in said.items():
        assert re.match(rf"{re.escape(words)}[.,:]", written[number], re.IGNORECASE), (words, written[number])


# --- every manual -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manual", MANUALS)
def test_a_manual_is_well_formed(manual):
    lint = subprocess.run(["mandoc", "-Tlint", "-Wall", FOLDER / manual], capture_output=True, text=True, check=False)
    faults = [line for line in lint.stdout.splitlines() if "referenced manual not found" not in line]
    assert not faults, faults


@pytest.mark.parametrize("manual", MANUALS)
def test_a_manual_refers_to_manuals_that_are_there(manual):
    name, _, section = manual.rpartition(".")
    text = (FOLDER / manual).read_text()
    assert re.search(rf"(?mi)^\.Dt {re.escape(name)} {section}$", text)
    for other, part in re.findall(r"(?m)^\.Xr (herald\S*) (\d)", text):
        assert f"{other}.{part}" in MANUALS, other


def test_every_manual_is_installed():
    """With its section's folder."""
    done = subprocess.run(["meson", "introspect", "--installed", binary().parent], capture_output=True, text=True, check=True)
    installed = [path for path in json.loads(done.stdout).values() if "/man/" in path]
    assert sorted(installed) == sorted(path for path in installed if Path(path).parent.name == f"man{path[-1]}")
    assert sorted(Path(path).name for path in installed) == MANUALS


# --- heraldd(8) -------------------------------------------------------------------------------------------------


def test_heraldd_8_has_every_option_and_no_other():
    """In the order of --help, with its words, defaults and ranges."""
    written = [(*forms(tag), body) for place, lines in parts("heraldd.8").items() if place.startswith("OPTIONS")
               for tag, body in items(lines, "-")]
    said = told_options(run("--help").stdout)
    assert [one for one, _, _ in written] == [one for one, _, _ in said]
    for (option, word, body), (_, told, words) in zip(written, said):
        assert word == told if "|" in told else bool(word) == bool(told), option
        if option[0].removeprefix("--") in COMPUTED:
            body, words = body.split(" (")[0], words.split(" (")[0]
        assert body == words, option


def test_heraldd_8_has_every_section_of_help():
    said = re.findall(r"(?m)^([A-Z][a-z]+(?: [a-z]+)*)$", run("--help").stdout)
    written = [place.removeprefix("OPTIONS/") for place in parts("heraldd.8") if place.startswith("OPTIONS/")]
    assert said and written[-len(said):] == said


def test_heraldd_8_has_every_exit_status():
    assert_same_statuses("heraldd.8", run("--help").stdout)
    (row,) = re.findall(r"(?m)^enum \{ (.*) \}; // exit status$", (ROOT / "src/daemon/main.c").read_text())
    assert [int(number) for number in re.findall(r"= (\d+)", row)] == list(statuses_in("heraldd.8"))


def test_heraldd_8_has_every_signal():
    (row,) = re.findall(r"watched\[\] = \{(.*)\};", (ROOT / "src/daemon/daemon.c").read_text())
    written = [name for tag, _ in items(parts("heraldd.8")["SIGNALS"], "SIG") for name in tag.split(", ")]
    assert sorted(written) == sorted(row.split(", "))


def test_heraldd_8_has_every_variable_of_the_environment():
    source = "".join(path.read_text() for path in (ROOT / "src" / "daemon").glob("*.c"))
    written = [name for tag, _ in items(parts("heraldd.8")["ENVIRONMENT"], "[A-Z]") for name in tag.split(", ")]
    assert sorted(written) == sorted(set(re.findall(r'getenv\("(\w+)"\)', source)))


def test_heraldd_8_has_every_file_of_the_data_directory(start):
    server = start(tls="auto")
    server.register()
    written = [name for tag, _ in items(parts("heraldd.8")["FILES"], r"\w+[.\w]*(, |$|  )") for name in tag.split(", ")]
    assert sorted(written) == sorted(path.name for path in server.directory.iterdir())


def test_the_examples_of_heraldd_8_are_good_commands(tmp_path):
    """Each `heraldd`, with --check: it need not listen."""
    (tmp_path / "secret").write_text(new_secret())
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "herald.conf").write_text(run("--print-config", data=tmp_path / "data").stdout)
    lines = "\n".join(parts("heraldd.8")["EXAMPLES"]).replace("\\\n", " ")
    commands = re.findall(r"(?m)^ +\$ heraldd\b([^>\n]*)", lines)
    assert len(commands) >= 5
    for words in commands:
        done = subprocess.run([binary(), *shlex.split(words), "--check"], cwd=tmp_path, capture_output=True, text=True,
                              env={**os.environ, "HOME": str(tmp_path)}, check=False)
        assert (done.returncode, done.stderr) == (0, ""), words


# --- herald.conf(5) ---------------------------------------------------------------------------------------------


def keys():
    """{key: (section, default, permitted, reload or restart)} of herald.conf(5), in its order."""
    found = {}
    for heading, lines in parts("herald.conf.5").items():
        section = re.fullmatch(r"\[(\w+)\]", lines[0])
        if heading.isupper() and section:
            for key, body in items(lines[1:], r"[a-z_]+(  |$)"):
                default, permitted, how = re.match(r"\((.*?); (.*); (reload|restart)\) \S", body).groups()
                found[key] = (section[1], default, permitted, how)
    return found


def test_herald_conf_5_has_every_key_and_no_other():
    """In the order and the sections of --print-config, with defaults, what is permitted, and what SIGHUP does."""
    written, in_force, spans, reload = keys(), options_in_force(), ranges(), reloads()
    assert list(written) == list(in_force)
    for key, (section, default, permitted, how) in written.items():
        assert section == in_force[key][0]
        if key not in COMPUTED:
            assert default == (in_force[key][1] or "none"), key
        span = ", ".join(spans[key].split("|"))
        assert permitted == span or permitted.startswith(span + ";") or not span, key
        assert how == ("reload" if reload[key] else "restart"), key


def test_the_configuration_page_and_herald_conf_5_permit_the_same():
    """docs/configuration.md has the same rows, for a browser."""
    rows = re.findall(r"(?m)^\| `(\w+)` \| .*? \| (.*?) \| (?:yes|restart) \|", (ROOT / "docs/configuration.md").read_text())
    assert dict(rows) == {key: permitted for key, (_, _, permitted, _) in keys().items()}


def test_every_key_of_herald_conf_5_is_taken_in_a_file_and_none_twice(tmp_path):
    lines, section = [], None
    for key, (place, default, _, _) in keys().items():
        lines += [f"[{place}]"] if place != section else []
        section = place
        lines.append(f"{key} = " + {"data": str(tmp_path / "data"), "name": "gate"}.get(key, default.replace("none", "")))
    path = tmp_path / "herald.conf"
    path.write_text("\n".join(lines).replace("secret = \n", "").replace("secret =\n", ""))
    done = run("-c", path, "--check")
    assert (done.returncode, done.stderr) == (0, "")
    path.write_text("\n".join(f"{key}_ = 1" for key in keys()))
    done = run("-c", path, "--check")
    assert done.returncode == 2 and done.stderr.count("unknown option") == len(keys())


def test_the_examples_of_herald_conf_5_are_good_files(tmp_path):
    certificate, key = make_certificate(tmp_path, "certificate")
    certificate.rename(tmp_path / "certificate.pem")
    key.rename(tmp_path / "key.pem")
    (tmp_path / "secret").write_text(new_secret())
    (tmp_path / "secret").chmod(0o600)
    source = (FOLDER / "herald.conf.5").read_text()
    examples = re.findall(r"(?ms)^\.Bd -literal.*?\n(.*?)^\.Ed", source)
    assert len(examples) == 3
    for text in examples:
        path = tmp_path / "herald.conf"
        path.write_text(text.replace("/etc/herald", str(tmp_path)))
        done = run("-c", path, "--check")
        assert (done.returncode, done.stderr) == (0, ""), text


# --- herald(1) --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def helps(tmp_path_factory):
    """{command: what its --help says}; "" is herald."""
    home = tmp_path_factory.mktemp("home")
    return {command: herald_run(home, *([command] if command else []), "--help").stdout for command in ["", *ROLL, *STREAM]}


def described():
    """The commands that herald(1) has an item of, with the actions of settings and admin: {first word: [further words]}."""
    found = {}
    for place, lines in parts("herald.1").items():
        if place.startswith("DESCRIPTION/"):
            for tag, _ in items(lines, r"[a-z]"):
                for one in tag.split(", "):
                    if re.fullmatch(r"[a-z-]+(?: [a-z]+)*", one) and one.split()[0] in [*ROLL, *STREAM]:
                        found.setdefault(one.split()[0], []).append(one.split()[1:])
    return found


def test_herald_1_has_every_command_and_no_other(helps):
    commands = [*ROLL, *STREAM]
    assert re.findall(r"(?m)^  ([a-z][a-z-]+) ", helps[""]) == commands
    assert list(described()) == commands
    synopsis = [line.split()[1] for line in parts("herald.1")["SYNOPSIS"]]
    assert [word for word in synopsis if not word.startswith("[")] == commands


@pytest.mark.parametrize("command", ["settings", "admin"])
def test_herald_1_has_every_action_and_no_other(helps, command):
    use = re.search(rf"(?m)^use: herald {command} (.*) \[OPTION...\]$", helps[command])[1]
    said = [re.findall(r"[a-z]+", one) for one in use.split(" | ")]
    assert sorted(described()[command]) == sorted(said)


def test_herald_1_has_every_form_of_the_course_and_no_other(helps):
    said = {}
    for command in ROLL:
        if form := re.findall(rf"(?m)^     herald (-\S+) .*\[OPTION...\]$", helps[command]):
            said[command] = tuple(form)
    written = {}
    for line in parts("herald.1")["DESCRIPTION/Identities and settings"]:
        if match := re.fullmatch(r" +(--[a-z-]+), (-[a-z]) .* ([a-z-]+)", line):
            written[match[3]] = match.groups()[:2]
    assert said and written == said


GROUPS = {"OPTIONS/Of the commands for identities and settings": ROLL, "OPTIONS/Of the commands for the activity stream": ["", *STREAM]}


@pytest.mark.parametrize("place, commands", GROUPS.items(), ids=["identities", "stream"])
def test_herald_1_has_every_option_and_no_other(helps, place, commands):
    """Of both kinds of commands apart, for some forms mean different things. What --help has in parentheses at the end, a
    default, is said."""
    manual = parts("herald.1")
    assert {forms(tag)[0] for tag, _ in items(manual["OPTIONS/Of all commands"], "-")} == ALL
    written = {forms(tag)[0]: (bool(forms(tag)[1]), body) for tag, body in items(manual[place], "-")}
    said = {}
    for command in commands:
        rows = told_options(helps[command])
        assert ALL < {one for one, _, _ in rows}, command
        for one, word, words in rows:
            if one not in ALL:
                default = re.search(r" \(([^)]*)\)$", words)
                said.setdefault(one, (bool(word), set()))[1].update(
                    re.findall(r"\b\d\w*|\blocalhost", default[1]) if default else ())
    assert sorted(written) == sorted(said)
    for one, (word, defaults) in said.items():
        assert written[one][0] == word, one
        assert all(default in written[one][1] for default in defaults), (one, defaults)


def test_herald_1_has_every_exit_status(helps):
    assert_same_statuses("herald.1", helps[""])
    source = (ROOT / "src/cli/say.h").read_text()
    assert [int(number) for number in re.findall(r"OUTCOME_\w+ = (\d+)", source)] == list(statuses_in("herald.1"))


def test_herald_1_has_every_variable_of_herald_s_own():
    source = "".join(path.read_text() for path in (ROOT / "src" / "cli").glob("*.c"))
    written = re.findall(r"(?m)^(HERALD_\w+)", "\n".join(parts("herald.1")["ENVIRONMENT"]))
    assert sorted(written) == sorted(set(re.findall(r'getenv\("(HERALD_\w+)"\)', source)))
