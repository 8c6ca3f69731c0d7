"""Settings, import and export by `herald`, against real servers."""

import csv
import io
import json
import os
import re
import resource
import signal
import socket
import subprocess
from urllib.parse import quote

import pytest
from herald_harness import Deadline, Http, admin, eventually, new_id, new_name, new_secret, reserve_port
from herald_harness.command import Command, command_environment, herald, herald_run
from herald_harness.freezer import frozen
from herald_harness.window import Window

DONE, REFUSED, USAGE, UNREACHABLE, UNKNOWN = range(5)


def url(server):
    return f"http://127.0.0.1:{server.http_port}"


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def run(home, shared):
    """Runs herald as an administrator against the shared server."""
    token = admin(shared)
    return lambda *words, **more: herald_run(home, *words, **{"HERALD_SERVERS": url(shared), "HERALD_TOKEN": token, **more})


def users(home, server):
    return herald_run(home, "list", "users", HERALD_SERVERS=url(server)).stdout.splitlines()


# --- settings ---------------------------------------------------------------------------------------------------


def test_a_setting_is_set_read_and_deleted(run):
    key = f"test/{new_id()}"
    done = run("settings", "set", key, "a value, with ünïcode")
    version = re.fullmatch(rf"set {key}, version (\d+)\n", done.stdout)[1]
    assert run("settings", "get", key).stdout == "a value, with ünïcode"
    told = json.loads(run("settings", "get", key, "--json").stdout)
    assert told == {"key": key, "version": int(version), "value": "a value, with ünïcode"}
    assert run("settings", "delete", key).stdout == f"deleted {key}\n"
    assert run("settings", "get", key).returncode == REFUSED


def test_a_value_may_come_from_a_file_or_standard_input(run, shared, tmp_path):
    key, path = f"test/{new_id()}", tmp_path / "value"
    value = bytes(range(256)) * 256
    path.write_bytes(value)
    assert run("settings", "set", key, "--file", path).returncode == DONE
    done = subprocess.run([herald(), "settings", "get", key], capture_output=True, check=True,
                          env=command_environment(tmp_path, HERALD_SERVERS=url(shared)))
    assert done.stdout == value
    assert "base64" in json.loads(run("settings", "get", key, "--json").stdout)
    assert run("settings", "set", key, "-", input=b"from a pipe\n").returncode == DONE
    assert run("settings", "get", key).stdout == "from a pipe\n"
    assert run("settings", "set", key, "").returncode == DONE
    assert run("settings", "get", key).stdout == ""
    path.write_bytes(value + b"x")
    done = run("settings", "set", key, "--file", path)
    assert done.returncode == USAGE and "65536 bytes" in done.stderr
    done = run("settings", "set", key, "-", input=value + b"x")
    assert done.returncode == USAGE and "64 KiB" in done.stderr


def test_a_setting_is_replaced_only_in_the_version_that_is_expected(run):
    key = f"test/{new_id()}"
    assert run("settings", "set", key, "one", "--expect", "0").returncode == DONE
    done = run("settings", "set", key, "two", "--expect", "0")
    assert done.returncode == REFUSED and "settings get KEY --json" in done.stderr
    version = json.loads(run("settings", "get", key, "--json").stdout)["version"]
    assert run("settings", "set", key, "two", "--expect", version).returncode == DONE
    assert run("settings", "delete", key, "--expect", version).returncode == REFUSED
    assert run("settings", "get", key).stdout == "two"


def test_settings_are_listed_by_prefix(run):
    stem = f"test/{new_id()}"
    for n in range(3):
        run("settings", "set", f"{stem}/{n}", "x" * n)
    listed = [json.loads(line) for line in run("settings", "list", stem + "/", "--json").stdout.splitlines()]
    assert [(one["key"], one["size"]) for one in listed] == [(f"{stem}/{n}", n) for n in range(3)]
    assert re.search(rf"(?m)^{stem}/2  version \d+, 2 bytes, \S+Z$", run("settings", "list", stem).stdout)
    assert run("settings", "list", stem + "/none").stdout == ""


def test_a_list_of_settings_longer_than_a_page_is_whole(run, shared):
    stem = f"many/{new_id()}/a&b=%+"  # what has a meaning in a query has none in a key
    keys, token = [f"{stem}{n:04}" for n in range(1002)], admin(shared)
    with Http(shared) as http:
        for start in range(0, len(keys), 100):
            batch = keys[start:start + 100]
            http.send("".join(f"PUT /v1/settings/{quote(key)} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                              f"Authorization: Bearer {token}\r\n\r\nv" for key in batch))
            assert {http.answer("PUT").status for _ in batch} == {200}
    assert [json.loads(line)["key"] for line in run("settings", "list", stem, "--json").stdout.splitlines()] == keys


def test_settings_are_watched_through_a_restart(start, home):
    """Nothing is missed: it goes on from the clock it has seen."""
    port = reserve_port()
    server = start(http=f"127.0.0.1:{port}")
    token = admin(server)

    def change(*words):
        done = herald_run(home, "settings", *words, HERALD_SERVERS=url(server), HERALD_TOKEN=token)
        assert done.returncode == DONE, done.stderr
    watch = start.keep(Command(home, "settings", "watch", "a/", HERALD_SERVERS=url(server)))
    eventually(lambda: followers(server) == 1, "it watches")
    change("set", "a/1", "x")
    change("set", "b/1", "x")
    change("delete", "a/1")
    watch.wait_out(count=2)
    server.kill()
    server = start.restart(server, http=f"127.0.0.1:{port}")
    change("set", "a/2", "x")
    watch.wait_out(count=3)
    watch.signal(signal.SIGINT)
    watch.expect_exit(DONE)
    assert [line.split(" ", 1)[1] for line in watch.out] == ["set a/1", "deleted a/1", "set a/2"]


def followers(server):
    """How many follow the change log, by the metrics."""
    text = subprocess.run(["curl", "-s", url(server) + "/metrics"], capture_output=True, text=True, check=True).stdout
    return sum(int(float(value)) for value in re.findall(r"(?m)^herald_\w*followers\w*(?:{[^}]*})? (\S+)$", text))


def test_watching_for_a_program_gives_the_log_as_it_is(start, home):
    server = start()
    token = admin(server)
    watch = start.keep(Command(home, "settings", "watch", "--json", HERALD_SERVERS=url(server)))
    eventually(lambda: followers(server) == 1, "it watches")
    herald_run(home, "settings", "set", "k", "v", HERALD_SERVERS=url(server), HERALD_TOKEN=token)
    told = json.loads(watch.wait_out())
    assert told["kind"] == "setting_put" and told["key"] == "k" and "v" not in told.values()


def test_watching_needs_a_server_at_first(home):
    done = herald_run(home, "settings", "watch", HERALD_SERVERS=f"http://127.0.0.1:{reserve_port()}")
    assert done.returncode == UNREACHABLE


# --- import -----------------------------------------------------------------------------------------------------


def rows(count):
    stem = new_id()
    return [{"login": f"u{stem}-{n}", "name": f'Name, "{n}"'} for n in range(count)]


def write_csv(path, records, columns=("login", "name")):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(records)


def write_jsonl(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def summary(done):
    return {key: value for key, value in json.loads(done.stdout).items() if key in ("created", "present", "refused")}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_file_is_imported_with_its_names_and_passwords(run, tmp_path, kind):
    records = rows(20)
    records[0]["password"] = secret = new_secret()
    path = tmp_path / f"people.{kind}"
    write_csv(path, records, ("name", "password", "login")) if kind == "csv" else write_jsonl(path, records)
    done = run("import", path)
    assert done.returncode == DONE, done.stderr
    assert re.fullmatch(r"created 20, there already 0, refused 0; \d+\.\d s, [\d,]+/s\n", done.stdout)
    for record in records[:3]:
        assert json.loads(run("lookup", record["login"], "--json").stdout)["name"] == record["name"]
    more = {"HERALD_TOKEN": None}
    assert run("modify", records[0]["login"], "--name", "x", "-p", secret, **more).returncode == DONE


def test_records_are_made_in_the_order_of_the_file(start, home, tmp_path):
    """As far as many at a time can be: the first half before the second, on the whole."""
    server = start()
    path = tmp_path / "people.csv"
    records = rows(200)
    write_csv(path, records)
    done = herald_run(home, "import", path, HERALD_SERVERS=url(server), HERALD_TOKEN=admin(server))
    assert done.returncode == DONE, done.stderr
    made = [name for name in users(home, server) if name in {record["login"] for record in records}]
    places = [made.index(record["login"]) for record in records]
    assert sum(places[:100]) < sum(places[100:]), places


def test_a_file_may_come_through_a_pipe(run):
    records = rows(3)
    text = "".join(json.dumps(record) + "\n" for record in records)
    assert summary(run("import", "-", "--format", "jsonl", "--json", input=text))["created"] == 3
    text = "\ufefflogin\r\n" + "".join(f"x{record['login']}\r\n" for record in records)
    assert summary(run("import", "-", "--format", "csv", "--json", input=text))["created"] == 3


def test_an_import_given_again_changes_nothing(run, tmp_path, home):
    path = tmp_path / "people.csv"
    records = rows(50)
    write_csv(path, records)
    assert run("import", path).returncode == DONE
    before = run("list", "all").stdout
    assert run("import", path).returncode == DONE
    (home / ".local/state/herald/import_key").unlink()  # as another user would: other keys
    done = run("import", path, "--json")
    assert done.returncode == DONE and summary(done) == {"created": 0, "present": 50, "refused": 0}
    assert run("list", "all").stdout == before
    records[7]["name"] = "Somebody Else"
    write_csv(path, records)
    done = run("import", path)
    assert done.returncode == REFUSED and "line 9: the login is taken" in done.stderr
    assert run("list", "all").stdout == before


def test_lines_that_are_wrong_are_named_and_the_others_imported(run, tmp_path):
    path = tmp_path / "people.jsonl"
    good = rows(2)
    path.write_text("\n".join([json.dumps(good[0]), "{not json", '{"name":"x"}', '{"login":7}', '{"login":"a b"}', "[1]", "",
                               json.dumps(good[1])]))
    done = run("import", path, "--json")
    assert done.returncode == REFUSED and summary(done) == {"created": 2, "present": 0, "refused": 5}
    for line in (2, 3, 4, 5, 6):
        assert f"herald: line {line}: " in done.stderr
    path = tmp_path / "people.csv"
    path.write_text(f'login,name\n"two\nlines",x\nx\n{good[0]["login"]}9,"y\n')
    done = run("import", path)
    assert done.returncode == REFUSED
    assert all(f"line {line}: " in done.stderr for line in (2, 4, 5)), done.stderr
    path.write_text("name\nx\n")
    done = run("import", path)
    assert done.returncode == REFUSED and "login,name,password" in done.stderr


def marks(home):
    """How far imports have come, by their files."""
    folder = home / ".local/state/herald/imports"
    return [path.read_text() for path in folder.iterdir()] if folder.exists() else []


def test_a_quote_within_a_field_refuses_its_line_and_no_other(run, tmp_path):
    path = tmp_path / "people.csv"
    stem = new_id()
    names = ["Ann", 'Bob 5" disk', "Cid", "Dan", 'Eve "E" X', *(f"Name {n}" for n in range(3000))]
    path.write_text("login,name\n" + "".join(f"{stem}-{n},{name}\n" for n, name in enumerate(names)))
    done = run("import", path, "--json")
    assert done.returncode == REFUSED and summary(done) == {"created": 3003, "present": 0, "refused": 2}, done.stderr
    assert re.findall(r"line (\d+): a quote stands within a field", done.stderr) == ["3", "6"]


def test_a_quote_that_is_left_open_names_all_lines_it_has_taken_along(run, tmp_path):
    path = tmp_path / "people.csv"
    stem = new_id()
    path.write_text(f'\ufeff"na""me\nof it",login,name\n,{stem}-1,Ann\n,{stem}-2,"Bob\n,{stem}-3,Cid\n,{stem}-4,"Dan"\n,{stem}-5,Eve\n')
    done = run("import", path, "--json")
    assert done.returncode == REFUSED and summary(done) == {"created": 2, "present": 0, "refused": 1}, done.stderr
    assert "herald: lines 4 to 6: something follows the end of a quoted field\n" in done.stderr


def test_what_stands_before_the_fault_of_a_file_is_imported_and_counted(run, tmp_path, home):
    """All that was asked for is also told. Once the file is mended, the same command goes on there."""
    path = tmp_path / "people.csv"
    stem = new_id()
    path.write_text("login,name\n" + "".join(f"{stem}-{n},x\n" for n in range(10)) + f'{stem}-10,"{"x" * 20000}\n')
    done = run("import", path, "--json")
    assert done.returncode == REFUSED and summary(done) == {"created": 10, "present": 0, "refused": 0}
    assert json.loads(done.stdout)["whole"] is False
    assert "line 12: longer than 16384 bytes; does a field begin with a quote that is not closed?" in done.stderr
    assert "ended behind line 11; once the file is mended, the same command goes on there" in done.stderr
    path.write_text(path.read_text().replace('"' + "x" * 20000, "x"))
    done = run("import", path, "--json")
    assert done.returncode == DONE and "going on behind line 11" in done.stderr
    assert summary(done) == {"created": 11, "present": 0, "refused": 0} and not marks(home)


def test_a_file_that_cannot_be_used_is_said_once_and_leaves_nothing_behind(run, tmp_path, home):
    path = tmp_path / "people.csv"
    path.mkdir()
    done = run("import", path)
    assert done.returncode == REFUSED and re.fullmatch(r"herald: \S*people.csv: cannot read on: [\w ]+\n", done.stderr)
    path.rmdir()
    path.write_text("name\nx\n")
    done = run("import", path)
    assert done.returncode == REFUSED and re.fullmatch(r"herald: \S*people.csv: the first line [^\n]*\n", done.stderr)
    assert not marks(home)
    path.write_text(f"login\n{new_name()}\n")
    done = run("import", path, "--json")
    assert done.returncode == DONE and summary(done)["created"] == 1 and not done.stderr


def test_of_two_records_with_one_login_the_first_counts(run, tmp_path):
    """Also when it takes longer, for it has a password to be hashed."""
    path = tmp_path / "people.jsonl"
    name = new_name()
    for n in range(5):
        login = f"{name}-{n}"
        write_jsonl(path, [{"login": login, "name": "first", "password": "hush"}, {"login": login.upper(), "name": "second"},
                           {"login": login, "name": "third"}, {"login": login, "name": "first"}])
        done = run("import", path, "--json")
        assert summary(done) == {"created": 1, "present": 1, "refused": 2}, done.stderr
        assert "line 2: " in done.stderr and "line 3: " in done.stderr
        assert json.loads(run("lookup", login, "--json").stdout)["name"] == "first"


def import_under_way(start, server, home, path, *words):
    """One that has made some, and the variables with which the same command goes on."""
    more = {"HERALD_SERVERS": url(server), "HERALD_TOKEN": admin(server)}
    command = start.keep(Command(home, "import", path, *words, **more))
    eventually(lambda: metric(server, "herald_accounts") > 500, "it is under way")
    return command, more


def test_an_import_goes_on_after_its_server_was_killed(start, home, tmp_path):
    """Every record is there once, whatever was under way; done records are not asked for again."""
    server = start()
    path = tmp_path / "people.csv"
    records = rows(6000)
    write_csv(path, records)
    port = server.http_port
    command, more = import_under_way(start, server, home, path, "--timeout", "2s")
    server.kill()
    assert command.wait_exit() in (UNREACHABLE, UNKNOWN), command.err
    assert any("the same command goes on there" in line for line in command.err), command.err
    server = start.restart(server, http=f"127.0.0.1:{port}")
    done = herald_run(home, "import", path, seconds=60, **more)
    assert done.returncode == DONE, done.stderr
    assert "going on behind line" in done.stderr
    assert sorted(users(home, server)) == sorted(record["login"] for record in records)
    assert not list((home / ".local/state/herald/imports").iterdir())


def test_an_import_that_lost_its_server_over_a_record_does_not_know_the_outcome(start, home, tmp_path):
    """Not even when there is nobody to be asked afterwards."""
    path = tmp_path / "people.jsonl"
    write_jsonl(path, rows(1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(Deadline().seconds)
        where = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = start.keep(Command(home, "import", path, "--timeout", "1s", HERALD_SERVERS=where))
        connection, _ = listener.accept()
        connection.settimeout(Deadline().seconds)
        assert connection.recv(65536).startswith(b"POST /v1/identities ")
    connection.close()
    command.expect_exit(UNKNOWN)
    assert not any("the same command goes on there" in line for line in command.err), command.err  # it begins anew


def metric(server, name):
    try:
        text = subprocess.run(["curl", "-s", url(server) + "/metrics"], capture_output=True, text=True, check=True).stdout
    except subprocess.CalledProcessError:
        return 0
    values = re.findall(rf"(?m)^{name} (\S+)$", text)
    return float(values[0]) if values else 0


def test_an_interrupted_import_goes_on_where_it_was(start, home, tmp_path):
    server = start()
    path = tmp_path / "people.jsonl"
    records = rows(30000)  # not over before it is interrupted
    write_jsonl(path, records)
    command, more = import_under_way(start, server, home, path)
    command.signal(signal.SIGINT)
    command.expect_exit(REFUSED)
    assert len(users(home, server)) < 30000
    done = herald_run(home, "import", path, seconds=60, **more)
    assert done.returncode == DONE and "going on behind line" in done.stderr, done.stderr
    assert sorted(users(home, server)) == sorted(record["login"] for record in records)


def test_a_file_that_was_changed_is_imported_from_its_beginning(start, home, tmp_path):
    server = start()
    path = tmp_path / "people.jsonl"
    records = rows(30000)
    write_jsonl(path, records)
    command, more = import_under_way(start, server, home, path)
    command.signal(signal.SIGINT)
    command.expect_exit(REFUSED)
    records[0]["login"] += "-x"
    write_jsonl(path, records)
    done = herald_run(home, "import", path, seconds=60, **more)
    assert done.returncode == DONE and "beginning with its first line" in done.stderr, done.stderr
    assert len(users(home, server)) == 30001


def test_an_import_counts_what_the_same_command_then_goes_on_with(start, home, tmp_path):
    """One record is not done, and 255 behind it are: they are told, but the mark does not count them yet, for they are
    asked for again. Nor is there a mark while the first record of all is not done, whatever ends the command."""
    server = start()
    more = {"HERALD_SERVERS": url(server), "HERALD_TOKEN": admin(server)}
    path = tmp_path / "people.jsonl"
    records = rows(1000)
    records[300]["password"] = new_secret()
    write_jsonl(path, records)
    with frozen(server, "worker"):
        window = start.keep(Window(home, f"trap : INT; {herald()} import {path} --json; sleep 60", columns=100, **more))
        window.wait(" 555 identities ")
        window.keys("C-c")
        window.wait('^{"created":555,')
        window.wait("ended behind line 300; the same command goes on there")
    done = herald_run(home, "import", path, "--json", **more)
    assert done.returncode == DONE and summary(done) == {"created": 1000, "present": 0, "refused": 0}, done.stderr
    assert sorted(users(home, server)) == sorted(record["login"] for record in records)

    other = tmp_path / "others.jsonl"
    write_jsonl(other, [{**record, "login": record["login"] + "x"} for record in records[300:]])
    with frozen(server, "worker"):
        command = start.keep(Command(home, "import", other, **more))
        eventually(lambda: metric(server, "herald_accounts") == 1255, "all are made but for the first and those far behind")
        command.signal(signal.SIGKILL)
        command.wait_exit()
    assert not marks(home)
    done = herald_run(home, "import", other, **more)
    assert done.returncode == DONE and not done.stderr


def test_an_import_into_data_that_were_replaced_begins_with_the_first_line(start, home, tmp_path):
    """With --forget, as everything else that was seen of these servers."""
    server = start()
    port = server.http_port
    path = tmp_path / "people.csv"
    records = rows(6000)
    write_csv(path, records)
    command, more = import_under_way(start, server, home, path, "--timeout", "300ms")
    server.kill()
    assert command.wait_exit() in (UNREACHABLE, UNKNOWN), command.err
    assert marks(home)
    server = start(http=f"127.0.0.1:{port}")
    done = herald_run(home, "import", path, "--forget", seconds=60, **more | {"HERALD_TOKEN": admin(server)})
    assert done.returncode == DONE and "going on" not in done.stderr, done.stderr
    assert done.stdout.startswith("created 6,000, there already 0, refused 0; ")
    assert sorted(users(home, server)) == sorted(record["login"] for record in records)


def refuse_to_store(server, refuses=True):
    """As a full disk does."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1 if refuses else resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def refused(server):
    """How many requests were answered with 503, by the metrics."""
    text = subprocess.run(["curl", "-s", url(server) + "/metrics"], capture_output=True, text=True, check=True).stdout
    return sum(int(float(value)) for value in re.findall(r'(?m)^herald_http_requests_total{[^}]*status="503"[^}]*} (\S+)$', text))


def test_an_import_ends_when_nothing_can_be_stored_for_as_long_as_it_waits(start, home, tmp_path):
    """It says why, has not stormed the server with its hundreds of records, and goes on when it is given again."""
    server = start()
    path = tmp_path / "people.jsonl"
    records = rows(6000)
    write_jsonl(path, records)
    command, more = import_under_way(start, server, home, path, "--timeout", "6s")
    refuse_to_store(server)
    command.expect_exit(REFUSED, seconds=30)
    assert any(line.startswith("herald: refused: The storage refuses just now") for line in command.err), command.err
    assert any("the same command goes on there" in line for line in command.err), command.err
    assert 0 < refused(server) <= 6 * 256  # 256 at a time, after 0, 1, 2, 4 and 6 s
    refuse_to_store(server, False)
    done = herald_run(home, "import", path, "--json", seconds=60, **more)
    assert done.returncode == DONE and summary(done)["created"] == 6000, done.stderr
    assert sorted(users(home, server)) == sorted(record["login"] for record in records)


def test_an_import_waits_for_a_server_that_cannot_store_for_a_while(start, home, tmp_path):
    server = start()
    path = tmp_path / "people.jsonl"
    write_jsonl(path, rows(300))
    token = admin(server)
    refuse_to_store(server)
    command = start.keep(Command(home, "import", path, "--json", HERALD_SERVERS=url(server), HERALD_TOKEN=token))
    eventually(lambda: refused(server) >= 256, "all that can be under way were refused")
    refuse_to_store(server, False)
    command.expect_exit(DONE)
    assert json.loads(command.wait_out())["created"] == 300 and not command.err


def test_the_limit_of_registrations_is_waited_for_and_told(start, home, tmp_path):
    server = start(registers_per_minute=30)
    path = tmp_path / "people.jsonl"
    write_jsonl(path, rows(100))
    command = start.keep(Command(home, "import", path, HERALD_SERVERS=url(server)))
    command.wait_err("an admin token has no such limit")
    command.signal(signal.SIGINT)
    command.expect_exit(REFUSED)
    done = herald_run(home, "import", path, HERALD_SERVERS=url(server), HERALD_TOKEN=admin(server))
    assert done.returncode == DONE, done.stderr


def test_without_the_right_to_create_an_import_ends_at_once(start, home, tmp_path):
    server = start(registration="admin")
    path = tmp_path / "people.jsonl"
    write_jsonl(path, rows(100))
    done = herald_run(home, "import", path, HERALD_SERVERS=url(server))
    assert done.returncode == REFUSED and "herald admin token add" in done.stderr and done.stderr.count("refused") == 1


def test_an_import_shows_how_far_it_is_on_a_terminal(start, home, tmp_path):
    server = start()
    path = tmp_path / "people.jsonl"
    write_jsonl(path, rows(20000))
    window = start.keep(Window(home, f"{herald()} import {path}; sleep 60", columns=100, HERALD_SERVERS=url(server),
                               HERALD_TOKEN=admin(server)))
    window.wait(r"^\[[=>]+ *\] \d+%  [\d,]+ identities  [\d,]+/s")
    window.wait(r"^created 20,000, there already 0, refused 0; ", seconds=60)
    assert window.seen("%") == 0  # the bar is gone


def test_an_import_tells_on_a_terminal_that_no_server_answers(start, home, tmp_path):
    server = start()
    path = tmp_path / "people.jsonl"
    write_jsonl(path, rows(20000))
    token, where, port = admin(server), url(server), server.http_port
    window = start.keep(Window(home, f"{herald()} import {path}; sleep 60", columns=100, HERALD_SERVERS=where,
                               HERALD_TOKEN=token))
    eventually(lambda: metric(server, "herald_accounts") > 500, "it is under way")
    server.kill()
    window.wait("no server answers; trying again$")
    start.restart(server, http=f"127.0.0.1:{port}")
    window.wait(r"^created 20,000, there already 0, refused 0; ", seconds=60)


def test_the_help_of_import_says_how_long_it_waits(run):
    assert re.search(r"--timeout TIME +how long to wait .*import: 30s", run("import", "--help").stdout)


# --- export -----------------------------------------------------------------------------------------------------


def test_what_is_exported_can_be_imported(start, home, tmp_path):
    server, other = start(), start()
    path = tmp_path / "people.jsonl"
    records = rows(1200)
    write_jsonl(path, records)
    token, second = admin(server), admin(other)
    herald_run(home, "import", path, HERALD_SERVERS=url(server), HERALD_TOKEN=token)
    for kind in ("csv", "jsonl"):
        out = tmp_path / f"out.{kind}"
        done = herald_run(home, "export", out, HERALD_SERVERS=url(server))
        assert done.returncode == DONE and re.search(r"1,200 identities, [\d,]+/s", done.stderr)
        assert out.stat().st_mode & 0o777 == 0o600
        done = herald_run(home, "import", out, "--json", HERALD_SERVERS=url(other), HERALD_TOKEN=second)
        assert done.returncode == DONE and summary(done)["created"] + summary(done)["present"] == 1200

    def roll(at):
        said = herald_run(home, "export", HERALD_SERVERS=url(at)).stdout
        return [(one["login"], one["name"]) for one in map(json.loads, said.splitlines())]
    assert sorted(roll(server)) == sorted(roll(other)) == sorted((one["login"], one["name"]) for one in records)
    said = herald_run(home, "export", "--format", "csv", HERALD_SERVERS=url(server)).stdout
    assert [row["name"] for row in csv.DictReader(io.StringIO(said))] == [name for _, name in roll(server)]


def test_an_export_that_fails_leaves_the_old_file(home, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("as it was")
    done = herald_run(home, "export", path, "--timeout", "300ms", HERALD_SERVERS=f"http://127.0.0.1:{reserve_port()}")
    assert done.returncode == UNREACHABLE and path.read_text() == "as it was"
    assert sorted(os.listdir(tmp_path)) == ["home", "out.csv"]
