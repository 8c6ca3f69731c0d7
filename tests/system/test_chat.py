"""`herald chat` in a terminal window, as a person sees it."""

import json
import re
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from herald_harness import eventually, new_name, new_secret, reserve_port
from herald_harness.command import command_environment, herald, herald_run
from herald_harness.window import Window

STATUS = r"^ 127\.0\.0\.1:\d+ \| \S+ \| "
CONNECTED = STATUS + r"\d+ ms \| "


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def open_window(start, home):
    def make(command, **more):
        return start.keep(Window(home, command, **more))
    return make


@pytest.fixture
def chat(open_window, shared):
    """A chat with the shared server, or `at` another address, which has begun."""
    def make(*words, at=None, **more):
        command = " ".join([str(herald()), "chat", *words])
        window = open_window(command, HERALD_SERVERS=at or shared.address, **more)
        window.wait(CONNECTED)
        window.wait_last("^>")
        return window
    return make


@pytest.fixture
def shell(open_window, shared):
    """A shell with a prompt, for what happens before and after a chat."""
    window = open_window("bash --norc --noprofile", HERALD_SERVERS=shared.address, PS1="$ ", HERALD=str(herald()))
    window.wait(r"^\$|#")
    return window


# --- talking ----------------------------------------------------------------------------------------------------


def test_two_chats_hear_each_other_and_themselves_once(chat, shared):
    name, secret = shared.register()
    one, two = chat("-u", name, "-s", secret), chat()
    one.line("the north gate opens at six")
    two.wait(rf"^\d\d:\d\d:\d\d {name}: the north gate opens at six$")
    two.line("thank you")
    one.wait(r"anonymous: thank you$")
    one.line("see you")
    two.wait("see you$")
    assert one.seen(": the north gate opens at six$") == two.seen(": thank you$") == 1
    one.wait_last("^>$")


def test_a_json_object_is_posted_as_it_is(chat, shared):
    listener = shared.anonymous()
    window = chat()
    window.line('{"type":"Leave","level":1.10}')
    window.wait(r"anonymous: \[Leave\]$")
    assert listener.hear()["level"] == 1.10


def test_the_status_line_tells_server_user_latency_and_reconnects(chat, shared):
    name, secret = shared.register()
    window = chat("-u", name, "-s", secret)
    row = window.rows()[-2]
    assert re.fullmatch(rf" {re.escape(shared.address)} \| {name} \| \d+ ms \| 0 reconnects *", row), row


# --- editing ----------------------------------------------------------------------------------------------------


def test_a_long_line_of_any_script_is_edited_in_the_middle(chat, shared):
    listener = shared.anonymous()
    window = chat()
    words = "the 北門 opens 🪜 at six for Éloïse and the ladder 梯子 " * 4
    window.text(words + "end")
    window.wait_last(r"^< .*梯子 end$")
    window.keys("Home")
    window.wait_last(r"^> the 北門 opens 🪜")
    window.keys(*["Right"] * 6, "BSpace", "BSpace")
    window.text("南🚪")
    window.keys("End", "BSpace", "BSpace", "BSpace")
    window.text("é!")
    window.wait_last("é!$")
    window.keys("Enter")
    expected = words.replace("北門", "南🚪", 1) + "é!"
    assert listener.hear()["object"]["content"] == expected
    window.wait_last("^>$")


def test_the_cursor_stands_where_the_next_character_goes(chat):
    window = chat()
    window.text("ab門c")
    window.wait_last("^> ab門c$")
    assert window.told("cursor_x") == str(2 + 2 + 2 + 1)
    window.keys("Left", "Left")
    eventually(lambda: window.told("cursor_x") == "4", "the cursor is before the wide character")
    window.text("X")
    window.wait_last("^> abX門c$")


@pytest.mark.parametrize("keys, left", [
    (["C-a", "C-k"], ""), (["C-u"], ""), (["C-w"], "one two "), (["C-a", "DC"], "ne two three"),
    (["C-a", "C-d"], "ne two three"), (["M-b", "C-k"], "one two "), (["C-Left", "C-k"], "one two "),
    (["PPage", "NPage", "IC", "F1", "F5", "F12"], "one two three"), (["Up", "Down"], "one two three"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_the_usual_keys_edit(chat, keys, left):
    window = chat()
    window.text("one two three")
    window.wait_last("three$")
    window.keys(*keys, "C-e")
    window.text("|")
    window.wait_last(rf"^> {re.escape(left).rstrip()} ?\|$")


def test_a_lone_escape_holds_up_nothing(chat, shared):
    window = chat()
    window.keys("Escape")
    shared.anonymous().publish({"type": "Note", "content": "meanwhile"})
    window.wait("meanwhile")


def test_pasted_lines_are_posted_one_by_one(chat, shared):
    listener = shared.anonymous()
    window = chat(rows=12)
    lines = [f"line {n} é門" for n in range(300)]
    window.paste("\n".join(lines) + "\n")
    assert [listener.hear()["object"]["content"] for _ in lines] == lines
    window.wait("line 299 é門$")
    window.wait_last("^>$")
    assert re.search(STATUS, window.rows()[-2])


def test_what_was_typed_is_remembered_from_one_chat_to_the_next(chat, home):
    window = chat()
    window.line("first")
    window.line("zweite Zeile ü")
    window.wait("zweite")
    window.line("/quit")
    path = home / ".local/state/herald/history"
    eventually(lambda: path.read_text() == "first\nzweite Zeile ü\n/quit\n", "the three lines in the history")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    window = chat()
    window.keys("Up", "Up")
    window.wait_last("^> zweite Zeile ü$")
    window.keys("Up")
    window.wait_last("^> first$")
    window.keys("Down")
    window.wait_last("^> zweite Zeile ü$")


# --- commands ---------------------------------------------------------------------------------------------------


def test_help_lists_what_can_be_typed(chat):
    window = chat()
    window.line("/help")
    for word in ("/quit", "/help", "//", "Ctrl-D"):
        window.wait(re.escape(word))


def test_a_slash_begins_a_command_and_two_a_text(chat, shared):
    listener = shared.anonymous()
    window = chat()
    window.line("/nonsense")
    window.wait("no such command; /help")
    window.line("//etc is full")
    assert listener.hear()["object"]["content"] == "/etc is full"


# --- the window -------------------------------------------------------------------------------------------------


def test_the_window_may_change_its_size(chat, shared):
    window = chat()
    client = shared.anonymous()
    client.publish(*({"type": "Note", "content": f"note {n} " + "x" * 50} for n in range(30)))
    window.wait("note 29 ")
    window.text("half a line")
    for columns, rows in ((40, 10), (120, 40), (20, 6), (80, 24)):
        window.resize(columns, rows)
        window.wait_last("^> half a")
        eventually(lambda rows=rows: len(window.rows()) == rows and re.search("^ 127.0.0.1", window.rows()[-2]),
                   window.story("the status in the last row but one"))
        window.wait("note 29 ")
    assert window.seen("note 20 ") == 1
    window.text(" more")
    window.wait_last("^> half a line more$")


@pytest.mark.parametrize("columns, rows", [(80, 3), (80, 2), (80, 1), (10, 5), (3, 4), (1, 1)])
def test_small_windows_are_survived(chat, shared, columns, rows):
    window = chat()
    window.resize(columns, rows)
    shared.anonymous().publish({"type": "Note", "content": "門" * 100}, {"type": "Note", "content": "last"})
    window.text("still 門 here")
    window.keys("Left", "Left")
    window.resize(80, 24)
    window.wait("anonymous: last$")
    window.wait_last("^> still 門 here$")


def test_control_l_draws_the_window_anew(chat):
    window = chat()
    subprocess.run(["tmux", "-L", "herald", "send-keys", "-t", "w", "-R"], env=window._env, check=True)
    window.keys("C-l")
    window.wait(CONNECTED)
    window.wait_last("^>$")


def test_activities_do_no_harm(chat, shared):
    """Escape sequences, C1 controls, bidirectional overrides, marks without end, in every member that is shown."""
    window = chat()
    title = window.told("pane_title")
    evil = ("\x1b[2J\x1b[1;1H\x1b]0;pwned\x07\x1bc\x9b2J\x9d0;pwned\x9c\u202e\u2066\x0e\r\n\x08\x00\x7f\x1b[?1049h"
            "\x1b[6n\x1b[c\x1bP+q\x1b\\" + "a" + "\u0300" * 500)
    client = shared.anonymous()
    client.publish({"type": "Note", "content": evil}, {"type": evil, "object": {"type": evil, "name": evil}},
                   {"type": "Note", "content": "x", "actor": {"name": evil}}, {evil: evil}, {"type": "Note", "content": "after"})
    window.wait("anonymous: after$")
    assert window.told("pane_title") == title
    assert window.told("alternate_on") == "0"
    rows = window.rows()
    assert re.search(CONNECTED, rows[-2]) and rows[-1] == ">"  # nothing was answered as if it had been typed
    assert any("\\u001b[2J" in row for row in rows)
    assert not any(character in "".join(rows) for character in "\u202e\u2066")


def test_a_flood_leaves_the_window_whole(chat, shared):
    window = chat()
    window.text("typing")
    client = shared.anonymous()
    client.publish(*({"type": "Note", "content": f"flood {n}"} for n in range(5000)))
    window.wait("flood 4999$")
    window.wait_last("^> typing$")
    assert re.search(CONNECTED, window.rows()[-2])


def test_colours_only_where_they_are_welcome(chat, shared):
    coloured, plain = chat(), chat(NO_COLOR="1")
    shared.anonymous().publish({"type": "Note", "content": "hello"})
    for window in (coloured, plain):
        window.wait("hello$")
    colour = r"\x1b\[[\d;]*3\dm"
    assert coloured.seen(colour, colours=True) and not plain.seen(colour, colours=True)


# --- servers that come and go -----------------------------------------------------------------------------------


def test_the_server_is_killed_and_started_again_and_both_go_on(start, chat):
    server = start(listen=f"127.0.0.1:{reserve_port()}")
    one, two = chat(at=server.address), chat(at=server.address)
    one.text("half a")
    server.kill()
    for window in (one, two):
        window.wait(r"\| not connected \| 1 reconnect$")
    server = start.restart(server, listen=server.address)
    for window in (one, two):
        window.wait(CONNECTED + "1 reconnect$")
        window.wait("^-- back, at ")
    one.line(" line")
    two.wait(": half a line$")
    two.line("hello again")
    one.wait(": hello again$")


def test_what_is_typed_meanwhile_is_posted_when_the_server_is_back(start, chat):
    server = start(listen=f"127.0.0.1:{reserve_port()}")
    window = chat(at=server.address)
    server.kill()
    window.wait(r"\| not connected \|")
    window.line("later")
    window.wait("bytes unsent")
    server = start.restart(server, listen=server.address)
    window.wait("anonymous: later$")


# --- beginning and ending ---------------------------------------------------------------------------------------


def terminal_of(window):
    """What a chat may have changed of it."""
    return [window.told(name) for name in ("scroll_region_upper", "scroll_region_lower", "cursor_flag", "alternate_on")]


def begin_in(shell):
    """A chat, and the terminal's modes before and after it: taken within one line, for a shell puts right what it
    finds wrong when it asks for the next one."""
    modes = "$(stty -g | cksum)"
    shell.line(f"A={modes}; $HERALD chat; echo status $?; test \"$A\" = \"{modes}\" && echo modes kept")
    shell.wait(CONNECTED)


@pytest.mark.parametrize("end", ["/quit", "C-d", "C-c", "SIGTERM", "SIGHUP"])
def test_every_end_leaves_the_terminal_as_it_was(shell, end):
    before = terminal_of(shell)
    begin_in(shell)
    assert terminal_of(shell) != before
    if end.startswith("/"):
        shell.line(end)
    elif end.startswith("C-"):
        shell.keys(end)
    else:
        kill_chat(shell, getattr(signal, end))
    shell.wait("^status 0$")
    shell.wait("^modes kept$")
    assert terminal_of(shell) == before
    assert shell.seen("/help lists what can be typed")  # what was there can still be read


def kill_chat(shell, number):
    shell_pid = shell.told("pane_pid")
    children = Path(f"/proc/{shell_pid}/task/{shell_pid}/children").read_text().split()
    subprocess.run(["kill", f"-{number.value}", *children], check=True)


def test_a_crash_leaves_the_terminal_usable(shell):
    before = terminal_of(shell)
    begin_in(shell)
    kill_chat(shell, signal.SIGSEGV)
    shell.wait("^status 139$")
    shell.wait("^modes kept$")
    assert terminal_of(shell) == before


def test_it_stops_and_goes_on_as_the_shell_says(shell, shared):
    before = terminal_of(shell)
    begin_in(shell)
    shell.text("half")
    shell.wait_last("^> half$")
    shell.keys("C-z")
    shell.wait("Stopped")
    assert terminal_of(shell) == before
    shared.anonymous().publish({"type": "Note", "content": "while it was stopped"})
    shell.line("fg")
    shell.wait(": while it was stopped$")
    shell.wait_last("^> half$")
    shell.text(" done")
    shell.wait_last("^> half done$")
    kill_chat(shell, signal.SIGSTOP)
    shell.wait(r"\$HERALD chat$")  # what the shell says of it, written over what was typed
    shell.line("fg")
    shell.wait_last("^> half done$")
    shell.keys("C-c")
    shell.wait("^> half done$", 0)
    eventually(lambda: terminal_of(shell) == before, "the terminal is as it was")


def test_what_the_window_showed_before_is_still_there(shell):
    shell.line("echo before the chat")
    shell.wait("^before the chat$")
    begin_in(shell)
    assert not shell.seen("^before the chat$")
    assert shell.seen("^before the chat$", history=True) == 1


def test_a_refusal_is_told_without_a_window(shell, shared):
    name, _ = shared.register()
    shell.line(f"$HERALD chat -u {name} -s wrong; echo status $?")
    shell.wait("^status 1$")
    assert shell.seen("wrong secret") and shell.seen("an account is made") and not shell.seen(STATUS)


def test_no_server_is_told_without_a_window(shell):
    shell.line(f"$HERALD chat --server 127.0.0.1:{reserve_port()}; echo status $?")
    shell.wait("^status 3$")


def test_without_a_command_it_is_a_chat_and_a_new_user_is_registered(shell, home, shared):
    name = new_name("u")
    shell.line(f"$HERALD -u {name} --save; echo status $?")
    shell.wait(CONNECTED)
    assert shell.seen(rf"registered {name}; the secret is", history=True)
    shell.line("hello")
    shell.wait(f"{name}: hello$")
    shell.keys("C-d")
    shell.wait("^status 0$")
    done = herald_run(home, "login", name, "--json", HERALD_SERVERS=shared.address)
    assert json.loads(done.stdout)["user"] == name


@pytest.mark.parametrize("words", [["chat"], ["chat", "-u", "alice", "-s", new_secret()]], ids=["anonymous", "alice"])
def test_without_a_terminal_it_says_what_to_use(home, words, shared):
    done = herald_run(home, *words, HERALD_SERVERS=shared.address)
    assert done.returncode == 2 and "herald follow" in done.stderr and "herald post" in done.stderr


def test_a_dumb_terminal_is_not_written_on(open_window, shared):
    window = open_window(f"TERM=dumb {herald()} chat; echo status $?; read x", HERALD_SERVERS=shared.address)
    window.wait("^status 2$")
    assert window.seen("dumb") and not window.seen(STATUS)


def test_half_a_terminal_is_none(home, shared):
    """Output that is a file gets no escape sequences."""
    done = subprocess.run([herald(), "chat"], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          env=command_environment(home, TERM="xterm", HERALD_SERVERS=shared.address))
    assert done.returncode == 2 and not done.stdout
