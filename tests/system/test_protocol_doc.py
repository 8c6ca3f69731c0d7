"""docs/protocol.md and docs/design.md, held against the program and its source.

A capture of protocol.md is played: its lines to heraldd are sent, its lines from heraldd must come, word for word.

    <!-- capture: NAME option=value -->
    ```text
    alice   ──► {"command":"LOGIN", ...}      to heraldd; whoever is new, or was closed, connects first
    alice   ◄── {"command":"LOGIN_SUCCESS"}   the next line from heraldd
    alice   ◄── (closed)                      heraldd closes
    alice   ──► (closes)                      alice does
            (a second passes)                 words for the reader
    ```

`parent` is a server that heraldd is told to connect to. 3780 stands for the port of the server under test,
<server secret> for its secret; other words in <> for what it makes by itself, the same wherever they stand.
Announces that a capture does not show may come in between; nothing else may, and nothing after its end."""

import dataclasses
import re
from pathlib import Path

import pytest
from herald_harness import Connection, Deadline, run
from herald_harness.connection import TO_CLIENT

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
DESIGN = (ROOT / "docs" / "design.md").read_text()
MESSAGE_H = (ROOT / "src" / "wire" / "message.h").read_text()
MESSAGE_C = (ROOT / "src" / "wire" / "message.c").read_text()
WRITERS = "".join((ROOT / "src" / "wire" / name).read_text() for name in ("message_write.c", "activity.c"))
STEP = re.compile(r"^(\w+) +(──►|◄──) (.*)$")
PLACEHOLDER = re.compile(r"<([a-z ]+)>")


# --- captures ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Capture:
    name: str
    options: dict
    steps: list  # (who, whether it goes to heraldd, line)


def captures():
    found = []
    for mark, body in re.findall(r"(?ms)^<!-- capture: (.*?) -->\n```text\n(.*?)^```$", PROTOCOL):
        name, *options = mark.split()
        matches = [STEP.match(line) for line in body.splitlines() if line and not line.startswith(" ")]
        assert all(matches), f"{name}: not every line is a step"
        found.append(Capture(name, dict(option.split("=") for option in options),
                             [(match[1], match[2] == "──►", match[3]) for match in matches]))
    return found


class Replay:
    """A capture against a server. up: the listening peer that `parent` is."""

    def __init__(self, server, up):
        self.server = server
        self.up = up
        self.known = {"server secret": server.secret}  # what placeholders stand for
        self.open = {}                                 # by name: the connection
        self.kept = {}                                 # by name: lines that came before they were awaited
        self.links = set()                             # names of those that are servers
        self.round_trips = 0

    def here(self, text):
        """With the port and the placeholders of this server, as far as they are known."""
        text = re.sub(r"\b3780\b", str(self.server.port), text)
        return PLACEHOLDER.sub(lambda match: self.known.get(match[1], match[0]), text)

    def connect(self, name):
        if name in self.open:
            return
        if name == "parent":
            self.open[name] = self.up.accept_raw()
            self.links.add(name)
        else:
            self.open[name] = Connection(self.server.connect(), name)
        self.kept[name] = []

    def forget(self, name):
        self.open.pop(name).close()
        self.links.discard(name)

    def next_line(self, name, deadline):
        """None when heraldd has closed."""
        if self.kept[name]:
            return self.kept[name].pop(0)
        while (line := self.open[name].receive_line(deadline.left())) is not None:
            assert not deadline.passed(), f"{name}: nothing but round trips"
            if b'"username":"sync-' not in line:
                return line.decode()
        return None

    # --- steps ----------------------------------------------------------------------------------------------
    def send(self, name, text):
        self.connect(name)
        if text == "(closes)":
            self.forget(name)
            return
        text = self.here(text)
        assert not PLACEHOLDER.search(text), f"{text}: what does the placeholder stand for?"
        self.open[name].send(text.encode() + b"\n")
        if '"AUTHENTICATE"' in text:
            self.links.add(name)

    def round_trip(self, name):
        """What this server has said has been dealt with, before others go on."""
        self.round_trips += 1
        mark = f"sync-{self.round_trips}-{name}"
        self.open[name].send({"command": "LOCK_REQUEST", "username": mark, "secret": mark})
        deadline = Deadline()
        while True:
            line = self.open[name].receive_line(deadline.left())
            assert line is not None and not deadline.passed(), f"{name}: closed, or nothing but announces"
            if b"LOCK_ALLOWED" in line and mark.encode() in line:
                return
            if b'"username":"sync-' not in line:
                self.kept[name].append(line.decode())

    def expect(self, name, text):
        """Announces are passed over unless one is awaited and this is it."""
        self.connect(name)
        deadline, passed = Deadline(), []
        while True:
            line = self.next_line(name, deadline)
            if line is None and text == "(closed)":
                self.forget(name)
                return
            if line is not None and self.fits(line, text):
                return
            passed.append(str(line))
            announce = line is not None and '"command":"SERVER_ANNOUNCE"' in line
            assert announce and not deadline.passed(), \
                f"{name} awaits\n    {self.here(text)}\nand hears\n    " + "\n    ".join(passed)

    def fits(self, line, text):
        parts = PLACEHOLDER.split(self.here(text))  # text, placeholder, text, ...
        pattern = "".join("([0-9a-z]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
        match = re.fullmatch(pattern, line)
        if match:
            self.known.update(zip(parts[1::2], match.groups()))
        return match is not None

    def nothing_more(self, name):
        """Whoever is still connected is so, and has heard all that the capture shows."""
        if name in self.links:
            self.round_trip(name)
            rest = [line for line in self.kept[name] if '"SERVER_ANNOUNCE"' not in line]
        else:
            self.open[name].send({"command": "?"})
            *rest, last = self.open[name].read_to_close() or [None]
            assert last is not None and b'"unknown command"' in last, f"{name} was closed: the capture does not say so"
        assert not rest, f"{name} hears more than the capture shows: {rest}"

    def play(self, steps):
        for at, (name, to_heraldd, text) in enumerate(steps):
            if not to_heraldd:
                self.expect(name, text)
                continue
            self.send(name, text)
            awaits_answer = at + 1 < len(steps) and steps[at + 1][:2] == (name, False)
            if name in self.links and not awaits_answer:
                self.round_trip(name)
        for name in list(self.open):
            self.nothing_more(name)

    def close(self):
        for connection in self.open.values():
            connection.close()


@pytest.mark.parametrize("capture", captures(), ids=lambda capture: capture.name)
def test_a_capture_is_what_happens(start, parent, capture):
    up = parent() if any(name == "parent" for name, _, _ in capture.steps) else None
    options = {"announce_interval": "5s", **capture.options}
    server = start(parent=up, **options) if up else start(**options)
    start.keep(replay := Replay(server, up)).play(capture.steps)
    assert capture.steps


def test_there_are_captures_and_every_block_of_exchanges_is_one():
    names = [capture.name for capture in captures()]
    assert len(names) == len(set(names)) == len(re.findall(r"(?m)^```text\n\w+ +(?:──►|◄──) ", PROTOCOL)) > 0


# --- messages ---------------------------------------------------------------------------------------------------


COMMANDS = dict(re.findall(r"X\((\w+), (\w+)\)", MESSAGE_H))  # name: who may send it
TYPES = {"TEXT": "string", "PORT": "port", "LOAD": "load", "VERSION": "whole number", "OBJECT": "object",
         "OBJECT_OR_TEXT": "object or a string that holds one", "ORIGIN": "string", "SEQUENCE": "whole number",
         "GREETING": "object", "HINTS": "array"}


def section(title, text=PROTOCOL):
    """What stands under a heading, up to the next one of its level or above."""
    match = re.search(rf"(?ms)^(#+) {re.escape(title)}\n(.*?)(?=^##? |^\1 |\Z)", text)
    assert match, f"there is no section {title!r}"
    return match[2]


def described(command):
    """{field: (type, needed)} of a command's table; `a.b` and `a[].b` are members of a."""
    return {field: (kind, needed) for field, kind, needed in
            re.findall(r"(?m)^\| `([\w.\[\]]+)` \| ([\w ]*?) \| (yes|no|) ?\|", section(command))}


def decoded():
    """The decoder's table: {command: {field: (type, needed)}}."""
    table = MESSAGE_C.split("FIELDS[COMMAND_COUNT]")[1].split("\n};")[0]
    rows = re.split(r"\[COMMAND_(\w+)\] = ", table)[1:]
    field = re.compile(r'\{"(\w+)",\s*[^,]+,\s*(\w+),\s*(OPTIONAL|REQUIRED)\}')
    return {command: {name: (TYPES[kind], "yes" if need == "REQUIRED" else "no")
                      for name, kind, need in field.findall(body)} for command, body in zip(rows[::2], rows[1::2])}


def written():
    """What the encoders write: {function: (its commands, its members)}."""
    bodies = dict(re.findall(r"(?ms)^(?:static )?\w+ (\w+)\([^{;]*\{\n(.*?)^\}", WRITERS))
    found = {}
    for name in re.findall(r"(?m)^int (message_write_\w+|activity_encode|activity_envelope)\(", MESSAGE_H):
        body = bodies[name]
        for helper in ("put_identity", "put_anew"):
            body = body.replace(f"{helper}(", bodies[helper])
        members = re.findall(r'line, "(\w+)"', body) + re.findall(r'\\"(\w+)\\":', body)
        commands = set(re.findall(r"COMMAND_([A-Z_]+)", body))
        if name.startswith("activity"):
            commands = {"ACTIVITY_BROADCAST"}
        if name == "message_write_info":
            commands = {command for command, fields in decoded().items() if set(fields) == {"info"}}
        found[name] = (commands, set(members))
    return found


def test_the_source_is_read_rightly():
    """Or the next tests prove nothing."""
    assert len(COMMANDS) == MESSAGE_H.split("#define COMMANDS(X)")[1].split("enum command")[0].count("X(")
    assert set(decoded()) == set(COMMANDS) - {"LOGOUT"}
    assert decoded()["LOGIN"] == {"username": ("string", "yes"), "secret": ("string", "no")}
    writers = written()
    assert len(writers) >= 10
    assert writers["message_write_authenticate"] == ({"AUTHENTICATE"}, {"secret", "herald", "version", "id"})
    assert writers["activity_encode"] == ({"ACTIVITY_BROADCAST"}, {"activity"})
    assert writers["activity_envelope"] == ({"ACTIVITY_BROADCAST"}, {"origin", "sequence"})
    assert writers["message_write_lock"][0] == {"LOCK_REQUEST", "LOCK_DENIED", "LOCK_ALLOWED"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_described_with_the_fields_that_are_read(command):
    fields = {name: value for name, value in described(command).items() if not re.search(r"[.\[]", name)}
    assert fields == decoded().get(command, {})


def test_every_field_that_is_written_is_described():
    """Which command may bear it the test before this one knows: an encoder may serve several."""
    for function, (commands, members) in written().items():
        names = {re.split(r"[.\]]", name)[-1] for command in commands for name in described(command)}
        names |= {name.split(".")[-1] for name in names}
        assert members and members <= names, (function, members - names)
    assert "activity.authenticated_user" in described("ACTIVITY_BROADCAST")


def test_who_may_send_a_command_is_said():
    rows = {command: [bool(cell.strip()) for cell in cells.split("|")] for command, cells in
            re.findall(r"(?m)^\| \[`(\w+)`\]\(#\w+\) \|(.*)\|$", section("The messages").split("\n### ")[0])}
    assert set(rows) == set(COMMANDS)
    for command, (to_server, to_client, between) in rows.items():
        assert to_server == (COMMANDS[command] in ("FROM_CLIENT", "FROM_EITHER")), command
        assert between == (COMMANDS[command] in ("FROM_SERVER", "FROM_EITHER")), command
        assert to_client == (command in TO_CLIENT), command


# --- limits -----------------------------------------------------------------------------------------------------


def number(text):
    """The first number of a cell or a definition, in bytes, milliseconds or as it is."""
    text = text.replace("u", "").replace("(", "").strip()
    shifted = re.match(r"(\d+) *<< *(\d+)", text)
    if shifted:
        return int(shifted[1]) << int(shifted[2])
    value, unit = re.match(r"(?:\D*?)(\d+) ?(KiB|MiB|ms|s|m)?\b", text).groups()
    return int(value) * {"KiB": 1 << 10, "MiB": 1 << 20, "s": 1000, "m": 60000}.get(unit, 1)


def test_limits_are_as_they_are():
    source = "\n".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.h")))
    constants = dict(re.findall(r"(?m)^#define ([A-Z_]+) +(\(?\d[^/\n]*)", source))
    options = dict(re.findall(r"(?m)^(?:# )?(\w+) = (.*)$", run("--print-config").stdout))
    rows = re.findall(r"(?m)^\| [^|]* \| ([^|]*\d[^|]*) \| `(\w+)` \|", section("Limits"))
    assert len(rows) > 20
    for value, name in rows:
        assert name in constants or name in options, name
        assert number(value) == number(constants.get(name) or options[name]), name


# --- what others refer to ---------------------------------------------------------------------------------------


def sources():
    for folder in ("src", "tests", "fuzz", "bench", "include"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".py") and path != Path(__file__).resolve():
                yield path, re.sub(r"\s*\n\s*(?://|#)?\s*", " ", path.read_text())


def test_places_of_the_protocol_that_the_source_names_exist():
    headings = re.findall(r"(?m)^#+ (.*)$", PROTOCOL)
    named = set()
    for _, text in sources():
        named |= set(re.findall(r'\bprotocol(?:\.md)?, "([^"]+)"', text))
        named |= set(re.findall(r"\bprotocol\.md, ([A-Z][a-z]+(?: [a-z]+| Herald\b)*)[:;,.]", text))
    assert {"Clients", "Servers", "Registration locks", "Between Herald servers"} <= named
    for name in named:
        assert any(heading.startswith(name) for heading in headings), name


def test_places_of_the_design_that_the_source_names_exist():
    decisions = re.findall(r"(?m)^(\d+)\. \*\*", section("3. Decisions", DESIGN))
    assert decisions == [str(one) for one in range(1, len(decisions) + 1)]
    sections = re.findall(r"(?m)^## (\d+)\. ", DESIGN)
    for path, text in sources():
        for kind, name in re.findall(r"\bdesign(?:\.md)?, (decision|section) (\d+)", text):
            assert name in (decisions if kind == "decision" else sections), (path, kind, name)


def test_tests_that_the_design_names_exist():
    promises = re.findall(r"(?m)^\| .* \| (.*) \|$", section("6. Promises", DESIGN))[2:]
    assert len(promises) > 5
    for cell in promises:
        paths = [ROOT / name for name in re.findall(r"`((?:tests|fuzz)/[\w./]+)`", cell)]
        assert paths and all(path.exists() for path in paths), cell
        text = "".join(path.read_text() for path in paths if path.is_file())
        for name in re.findall(r"`(test_\w+)`", cell):
            assert f"def {name}(" in text, name
