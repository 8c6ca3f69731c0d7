"""The tour of README.md, played: its commands, in its order, with its answers, on other ports and other data.

    <!-- tour: NAME -->   ```sh      what to type: ACTIONS[NAME] does it here
                          ```json    what the same terminal then shows
                          ```text    what the follower then says
    <!-- seen in: NAME, ... -->```text   rows of these chats, or the next lines of the follower; times are any
    <!-- not run: why -->```sh       a block that is not for here

`./scripts/run` and `./scripts/env build/heraldd` stand for the server under test, `./scripts/env build/herald` for the
herald beside it. A chat runs in tmux."""

import dataclasses
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from herald_harness import Deadline, Server, binary, eventually, reserve_port
from herald_harness.command import command_environment, herald
from herald_harness.window import Window

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
MARK = re.compile(r"<!-- (tour|seen in|not run): (.*) -->")
RUN, HERALDD, HERALD = "./scripts/run", "./scripts/env build/heraldd", "./scripts/env build/herald "
TIME = re.compile(r"^\d\d:\d\d:\d\d ")

pytestmark = pytest.mark.skipif(not (shutil.which("nc") and shutil.which("tmux")), reason="nc or tmux is not installed")


@dataclasses.dataclass
class Step:
    kind: str  # tour, seen in, not run; "" for a block that nothing marks
    name: str
    text: str
    shows: list = dataclasses.field(default_factory=list)  # lines


def steps_of(text):
    """The marked blocks in their order; a json block that nothing marks belongs to the step before it."""
    steps, mark = [], None
    for match in re.finditer(r"(?ms)^(<!-- .*? -->)$|^```(\w*)\n(.*?)^```$", text):
        comment, language, body = match.groups()
        if comment:
            mark = MARK.fullmatch(comment)
        elif language == "json" and not mark:
            steps[-1].shows += body.splitlines()
        elif language in ("sh", "json") or mark:
            steps.append(Step(*(mark.groups() if mark else ("", "")), body))
            mark = None
    return steps


class Terminal:
    """A shell that runs one block, and what it shows."""

    def __init__(self, command, env=None):
        self.command = command
        self.lines = queue.Queue()
        self.process = subprocess.Popen(["bash", "-ec", command], cwd=ROOT, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env=env, start_new_session=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def next(self, seconds=None):
        """The next line; None at the end, and when none came in time."""
        try:
            return self.lines.get(timeout=Deadline(seconds).seconds)
        except queue.Empty:
            return None

    def shows(self, lines):
        for line in lines:
            shown = self.next()
            assert shown == line, f"{self.command}\nshows: {shown}\nREADME.md: {line}"

    def ends(self):
        assert self.next() is None, self.command
        assert self.process.wait(Deadline().seconds) == 0, self.command

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


class Tour:
    """Two servers, two chats, and some terminals."""

    def __init__(self, start, place):
        self.start = start
        self.place = place  # instead of build/
        (place / "build").mkdir()
        self.home = place / "home"
        self.home.mkdir()
        self.ports = {"3780": str(reserve_port()), "3790": str(reserve_port())}
        self.first = self.second = None
        self.terminals = {}

    @property
    def servers(self):
        """HERALD_SERVERS: what herald takes without being told."""
        return f"127.0.0.1:{self.ports['3780']},http://127.0.0.1:{self.first.http_port}"

    def here(self, text):
        """With the ports and places of this test."""
        for port, other in self.ports.items():
            text = re.sub(rf"\b{port}\b", other, text)
        text = text.replace(HERALD, f"{herald()} ")
        return re.sub(r"(?<![\w/])build/(?!herald)", f"{self.place}/build/", text)

    def server(self, command, program):
        """The server that `command` starts."""
        assert command.startswith(program), command
        words = shlex.split(self.here(command.removeprefix(program)))
        if program == RUN:  # what scripts/run adds
            data = self.place / "build" / "run-data"
            words = ["--listen", f"127.0.0.1:{self.ports['3780']}", "--data", data, *words]
        return self.start.add(Server(self.place, *words, plain=True, secret=None))

    def terminal(self, step):
        """One that has shown what README.md says."""
        env = command_environment(self.home, HERALD_SERVERS=self.servers)
        terminal = self.start.keep(Terminal(self.here(step.text), env))
        self.terminals[step.name] = terminal
        terminal.shows(map(self.here, step.shows))
        return terminal

    def both_are_linked(self, marks=(0, 0)):
        for server, mark in zip((self.first, self.second), marks):
            server.wait_log(msg="link up", after=mark, seconds=30)

    # --- the steps ------------------------------------------------------------------------------------------
    def run(self, step):
        self.first = self.server(step.text, RUN)

    def one_terminal(self, step):
        self.terminal(step).ends()

    def register(self, step):
        step.shows = ["registered alice at 127.0.0.1:3780"]
        self.one_terminal(step)

    def chat(self, step):
        window = Window(self.home, self.here(step.text), HERALD_SERVERS=self.servers)
        self.terminals[step.name.removeprefix("chat-")] = self.start.keep(window)
        window.wait_last("^>")

    def run_again(self, step):
        chats = [self.terminals["alice"], self.terminals["anonymous"]]
        self.first.kill()
        for window in chats:
            window.wait(r"\| not connected \|")
        self.run(step)
        for window in chats:
            window.wait("^-- back, at ", seconds=30)

    def seen(self, step):
        """Of a chat: who says something types it here."""
        names, lines = step.name.split(", "), [self.here(line) for line in step.text.splitlines()]
        if names == ["follow"]:
            for line in lines:
                shown = self.terminals["follow"].next()
                assert shown and TIME.match(shown) and TIME.sub("", shown) == TIME.sub("", line), (shown, line)
            return
        for line in lines:
            author, colon, words = TIME.sub("", line).partition(": ")
            if TIME.match(line) and colon:
                self.terminals[author].line(words)
            for name in names:
                self.terminals[name].wait((TIME.pattern if TIME.match(line) else "^") + re.escape(TIME.sub("", line)) + "$")

    def follow(self, step):
        for name in ("alice", "anonymous"):
            self.terminals[name].line("/quit")
        step.shows = ["herald: logged in as anonymous at 127.0.0.1:3780"]
        self.terminal(step)

    def run_second(self, step):
        (line,) = [line.text for line in self.first.log if line.text.startswith("server secret: ")]
        command = step.text.replace("SECRET", line.removeprefix("server secret: "))
        assert command != step.text
        self.second = self.server(command, HERALDD)
        self.both_are_linked()

    def everywhere(self, step):
        step.text = step.text.replace("\n", " && ", 1).replace("\n", "; ! ")
        step.shows = ["registered bob at", "logged in as bob at", "Bob is already registered with the system"]
        env = command_environment(self.home, HERALD_SERVERS=self.servers)
        terminal = self.start.keep(Terminal(self.here(step.text), env))
        shown = list(iter(terminal.next, None))
        assert terminal.process.wait(Deadline().seconds) == 0 and len(shown) >= len(step.shows), shown
        for line, words in zip(shown, step.shows):
            assert words in line, shown

    def identities(self, step):
        """Its lines, by their beginnings."""
        terminal = self.start.keep(Terminal(self.here(step.text), command_environment(self.home, HERALD_SERVERS=self.servers)))
        shown = list(iter(terminal.next, None))
        assert terminal.process.wait(Deadline().seconds) == 0, shown
        expected = IDENTITIES[step.name]
        assert len(shown) == len(expected), shown
        for line, words in zip(shown, expected):
            assert line.startswith(words) or words in line, (line, words)

    def redirect(self, step):
        """The first server may not have heard yet that whoever posted at the second has left again."""
        expected = [self.here(line) for line in step.shows]

        def sent_away():
            terminal = Terminal(self.here(step.text))
            shown = [terminal.next(), terminal.next(seconds=0.5)]
            terminal.close()
            return shown == expected
        eventually(sent_away, "REDIRECT, as README.md has it")

    def stop(self, step):
        """Ctrl-C at the first: the follower goes on at the second."""
        mark = self.second.log_length()
        self.first.signal(signal.SIGINT)
        assert self.first.wait_exit() == 0
        assert self.first.count_log(msg="stopping") == self.first.count_log(msg="stopped") == 1
        self.second.wait_log(msg="link down", after=mark)
        self.terminals["follow"].shows(map(self.here, step.text.splitlines()))

    def make_secret(self, step):
        """Before it: the first starts anew; a new secret does not fit."""
        mark = self.second.log_length()
        self.first = self.server(RUN, RUN)
        self.first.client().login("alice", "wonder")
        self.second.wait_log(msg="the server secret is wrong", after=mark, seconds=30)
        self.first.stop()
        self.second.stop()
        self.terminal(step).ends()
        assert (self.place / "build" / "secret").stat().st_mode & 0o777 == 0o600

    def run_with_secret(self, step):
        self.first = self.server(step.text, RUN)
        assert self.first.count_log("server secret: ") == 0

    def run_second_with_secret(self, step):
        self.second = self.server(step.text, HERALDD)
        self.both_are_linked()

    def options(self, step):
        terminal = self.start.keep(Terminal(step.text.replace(HERALDD, str(binary()))))
        shown = list(iter(terminal.next, None))
        assert terminal.process.wait(Deadline().seconds) == 0 and shown[-1] == "configuration ok", shown[-5:]


IDENTITIES = {
    "identity": ["created scrooge: ", "login     scrooge", "name      Ebenezer Scrooge", "uuid      ", "created   ", "modified  "],
    "rename": ["modified ebenezer: ", "alice", "ebenezer", "deleted ebenezer"],
    # Only a terminal is given a line's end behind a value.
    "admin": ["not shown again", "herald admin token revoke", "set gates/north, version ", "opens at six",
              "created 0, there already 1, refused 0"],
}

ACTIONS = {
    "run": Tour.run,
    "register": Tour.register,
    "chat-alice": Tour.chat,
    "chat-anonymous": Tour.chat,
    "again": Tour.run_again,
    "follow": Tour.follow,
    "pipe": Tour.one_terminal,
    "identity": Tour.identities,
    "rename": Tour.identities,
    "admin": Tour.identities,
    "post": Tour.one_terminal,
    "second": Tour.run_second,
    "across": Tour.one_terminal,
    "redirect": Tour.redirect,
    "everywhere": Tour.everywhere,
    "stop": Tour.stop,
    "secret": Tour.make_secret,
    "with-secret": Tour.run_with_secret,
    "second-with-secret": Tour.run_second_with_secret,
    "options": Tour.options,
}


def test_every_command_of_the_readme_is_in_the_tour_or_says_why_not():
    steps = steps_of(README.read_text())
    assert [step.text for step in steps if not step.kind] == []
    assert [step.name for step in steps if step.kind == "tour"] == list(ACTIONS)


def test_the_tour(start, tmp_path):
    tour = Tour(start, tmp_path)
    for step in steps_of(README.read_text()):
        step.text = step.text.rstrip("\n")
        if step.kind == "tour":
            ACTIONS[step.name](tour, step)
        elif step.kind == "seen in":
            tour.seen(step)


def test_run_starts_the_server_that_the_tour_takes_it_for():
    """With its data in build/run-data, and the options that it was given."""
    last = (ROOT / "scripts" / "run").read_text().rstrip().splitlines()[-1]
    assert re.search(r'build/heraldd" --data "\$here/build/run-data" "\$@"', last)


def test_what_run_prints_can_be_typed(start, tmp_path):
    """Its tour of the roll, in its order; what goes on until it is ended is left out."""
    server = start()
    script = (ROOT / "scripts" / "run").read_text()
    function = script[script.index("over_http() {"):script.index("# how_to")]
    said = subprocess.run(["bash", "-euc", f'{function}\nover_http http "$1"', "bash", f"127.0.0.1:{server.http_port}"],
                          capture_output=True, text=True, check=True).stdout
    commands = [line.strip() for line in said.splitlines() if line.startswith("    ")]
    assert len(commands) >= 10
    typed = [command for command in commands if not re.search(r"settings watch|curl.* -N", command)]
    text = "\n".join(typed).replace("./scripts/env curl", "curl").replace("curl ", "curl -fsS ")
    text = text.replace("./scripts/env build/herald", str(herald())).replace("build/run-data", str(server.directory))
    env = command_environment(tmp_path)
    done = subprocess.run(["bash", "-euc", text], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("created carol: ", "modified caroline: ", "deleted caroline", "set gates/north, version ", '"login":"dora"'):
        assert words in done.stdout, done.stdout


def test_the_table_of_limits_has_the_defaults():
    """README.md, Limits: `option`, VALUE."""
    said = subprocess.run([binary(), "--print-config"], capture_output=True, text=True, check=True).stdout
    in_force = dict(re.findall(r"(?m)^(\w+) = (.*)$", said))
    limits = README.read_text().split("## Limits")[1].split("\n## ")[0]
    rows = re.findall(r"`(\w+)`, (\d+)(?: (\w+))?", limits)
    assert len(rows) >= 7
    for key, number, unit in rows:
        assert in_force[key] in (number, number + unit), (key, number, unit)
