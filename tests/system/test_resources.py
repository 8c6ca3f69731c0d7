"""What a server lives on runs out, or goes wrong: descriptors, the disk, the clock. It says so, loses nothing, and
recovers by itself where it can. (A taken port: test_command_line.py; descriptors for clients: test_failures.py.)"""

import re
import resource
import shutil
import time

import pytest
from herald_harness import Http, eventually, new_name, new_secret, reserve_port, run
from herald_harness.crowd import Bystander, Crowd
from herald_harness.places import Tmpfs, WallClock, need_root

YEAR = 365 * 86400
REFUSES, WORKS = "storage refuses changes", "storage works again"


def registers(server):
    """The account, if the server could make it; else None, and it has said why."""
    client, name, secret = server.client(), new_name(), new_secret()
    client.send_register(name, secret)
    answer = client.expect(("REGISTER_SUCCESS", "REGISTER_FAILED"))
    if answer["command"] == "REGISTER_FAILED":
        assert "cannot store the account" in answer["info"], answer
    client.close()
    return (name, secret) if answer["command"] == "REGISTER_SUCCESS" else None


def register_until(server, done):
    """Registers until done(account or None) is true; the accounts that were acknowledged."""
    made = []
    for _ in range(3000):
        account = registers(server)
        if account:
            made.append(account)
        if done(account):
            return made
    raise AssertionError(f"still so after 3000 registrations: {len(made)} made")


def everyone_is_there(server, accounts):
    for name, secret in [*accounts[:3], *accounts[-3:]]:
        server.client().login(name, secret).close()


def why(done):
    """What it says of not starting."""
    return "\n".join(line for line in done.stderr.splitlines() if "cannot start" in line)


# --- the disk ---------------------------------------------------------------------------------------------------


def holds_while_full(server, kept, refill):
    """While nothing can be stored: it is said once, who has an account logs in, the stream goes on, nothing of what
    was refused is there. refill() keeps it so."""
    refill()
    kept += register_until(server, lambda account: account is None)
    with Crowd() as crowd:
        by = crowd.add(Bystander(server.port))
        crowd.run(lambda: by.trips >= 20, "the stream goes on")
    for _ in range(5):
        assert registers(server) is None
    assert server.count_log(msg=REFUSES) == 1
    line = server.wait_log(msg=REFUSES)
    assert re.search("(?i)full|space|disk|large", line.text), line.text
    everyone_is_there(server, kept)


def test_a_full_disk_by_a_limit(start):
    """RLIMIT_FSIZE: writing more fails, and a signal comes that would end the server. It goes on without new
    accounts, and with them when it can; and when it still cannot, it stops in good order."""
    server = start(log_level="info", shards=1)
    kept = [server.register()]

    def limit(size):
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    holds_while_full(server, kept, lambda: limit(max(path.stat().st_size for path in server.directory.iterdir())))
    limit(resource.RLIM_INFINITY)
    kept.append(eventually(lambda: registers(server), "accounts are stored again"))
    server.wait_log(msg=WORKS)
    limit(1)
    assert registers(server) is None
    server.stop()
    everyone_is_there(start.restart(server), kept)


def test_a_full_disk(start, tmp_path):
    """ENOSPC, on a file system of its own."""
    disk = Tmpfs(tmp_path / "disk")
    server = start(data=disk.directory, under=disk.under, log_level="info", shards=1)
    kept = [server.register()]
    holds_while_full(server, kept, lambda: disk.fill(server))
    disk.empty(server)
    kept.append(eventually(lambda: registers(server), "accounts are stored again"))
    server.wait_log(msg=WORKS)
    shutil.copytree(disk.inside(server), tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock"))  # the disk ends with the server
    (tmp_path / "copy").chmod(0o700)
    server.kill()
    everyone_is_there(start(data=tmp_path / "copy"), kept)


def test_a_server_does_not_start_on_a_full_disk(tmp_path):
    """It says so and ends; nothing half-made stays in the way."""
    disk = Tmpfs(tmp_path / "disk", size="4k")
    done = run("--data", disk.directory, "--listen", "127.0.0.1:0", under=disk.under)
    assert done.returncode == 1, done.stderr
    assert re.search("(?i)full|no space", why(done)), done.stderr


def told(http, accounts):
    """The statuses of asking for each; whoever is told of is told of as made."""
    answers = [(one, http.get(f"/v1/identities/{one['uuid']}")) for one in accounts]
    assert all(answer.json == one for one, answer in answers if answer.status == 200)
    return {answer.status for _, answer in answers}


@pytest.mark.parametrize("damage", ["cut short", "a page is gone"])
def test_a_database_that_is_damaged_while_it_runs(start, damage):
    """A question that meets the damage is answered 503, the others as ever; the log says what to do, which helps."""
    made = []
    first = start(log_level="info")
    with Http(first) as http:
        for _ in range(600):
            answer = http.post("/v1/identities", {"login": new_name()})
            assert answer.status == 201
            made.append(answer.json)
    first.stop()  # which brings everything into the one file
    file = first.directory / "state.db"
    whole = file.read_bytes()
    half = len(whole) // 2 // 4096 * 4096
    server = start.restart(first, "--account-cache", "0")
    with open(file, "r+b") as database:
        if damage == "cut short":
            database.truncate(half)
        else:
            database.seek(half)
            database.write(bytes(4096))
    with Http(server) as http:
        assert told(http, made) == ({503} if damage == "cut short" else {200, 503})
        assert http.get("/health/live").status == 200
    assert "the database is damaged: stop heraldd and restore it from a backup" in server.log_text()
    server.stop()
    file.write_bytes(whole)
    with Http(start.restart(server)) as http:
        assert told(http, made) == {200}
        assert http.post("/v1/identities", {"login": new_name()}).status == 201


# --- the directory ----------------------------------------------------------------------------------------------


def test_a_directory_that_cannot_be_written(tmp_path):
    """A read-only file system: it says so, names the directory, and ends with status 1."""
    disk = Tmpfs(tmp_path / "disk", options="ro")
    done = run("--data", disk.directory, "--listen", "127.0.0.1:0", under=disk.under)
    assert done.returncode == 1
    assert str(disk.directory) in why(done) and "Read-only file system" in why(done), done.stderr


@pytest.mark.parametrize("place", ["", "below/data"], ids=["of another user", "below one of another user"])
def test_a_directory_of_another_user(tmp_path, place):
    """As a user that may not write there: it says so and ends with status 1."""
    need_root()
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv to become another user")
    tmp_path.chmod(0o700)
    under = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    directory = tmp_path / place
    done = run("--data", directory, "--listen", "127.0.0.1:0", under=under)
    assert done.returncode == 1, done.stderr
    assert str(directory) in why(done) and "Permission denied" in why(done), done.stderr


# --- descriptors ------------------------------------------------------------------------------------------------


def test_links_wait_for_descriptors(start):
    """Clients have taken all descriptors: a parent that comes is dialled when there is one again; and a child that
    comes is accepted then."""
    port = reserve_port()
    server = start(connect=f"127.0.0.1:{port}", announce_interval="200ms", log_level="info", shards=1)
    server.wait_log(msg="connect failed")
    server.leave_descriptors(20)
    crowd = [server.client() for _ in range(60)]
    server.wait_log("(?i)descriptor|open files", msg="not accepting connections for now")
    mark = server.log_length()
    parent = start(listen=f"127.0.0.1:{port}", secret=server.secret, announce_interval="200ms", log_level="info")
    child = start(connect=server.address, secret=server.secret, announce_interval="200ms", log_level="info")
    server.wait_log("(?i)open files", msg="connect failed", after=mark)
    assert parent.count_log(msg="link up") == 0
    for client in crowd:
        client.close()
    for one in (parent, child):
        one.wait_log(msg="link up")
    a, b = parent.anonymous(), child.anonymous()
    eventually(lambda: passes(a, b), "the three are a tree")


def passes(speaker, listener):
    marker = new_name("try")
    speaker.publish({"marker": marker})
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        if not listener.quiet_now() and listener.hear().get("marker") == marker:
            return True
    return False


# --- the clock --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [YEAR, -20 * YEAR], ids=["a year on", "twenty years back"])
def test_a_clock_that_jumps_changes_nothing(start, dial, tmp_path, ahead):
    """clock.h: what waits, waits by the monotonic clock. Links stay up and clients logged in, nobody's time is up
    too soon, or never; the log tells the new time; accounts are made and found."""
    clock = WallClock(tmp_path)
    options = {"env": clock.env, "log_level": "info", "shards": 1, "announce_interval": "300ms",
               "first_message_timeout": "60s", "register_timeout": "60s", "verified_ttl": "60s"}
    parent = start(**options)
    child = start(parent=parent, **options)
    parent.wait_log(msg="server heard")
    peer = dial(parent, announce=0)
    account = register_beside(parent, peer)
    stays, newcomer, waiting = child.anonymous(), child.client(), parent.client()
    name, secret = new_name(), new_secret()
    waiting.send_register(name, secret)
    asked(peer, name)  # it waits for the peer's answer
    marks = [server.log_length() for server in (parent, child)]

    clock.jump(ahead)
    for _ in range(8):  # more than the three intervals after which who is silent is cut
        peer.next_announce()
    newcomer.login()
    newcomer.close()
    parent.client().login(*account).close()
    peer.allow(name, secret)
    waiting.expect("REGISTER_SUCCESS")
    speaker = parent.anonymous()
    speaker.publish({"n": 1})
    stays.hear(n=1)
    for server, mark in zip((parent, child), marks):
        for what in ("link down", "server forgotten"):
            assert server.count_log(msg=what, after=mark) == 0
    clock.jump(0)
    stays.proves_to_stay()
    year = time.gmtime(time.time() + ahead).tm_year
    child.kill()
    parent.wait_log(f"time={year}|time={time.gmtime().tm_year}", msg="link down")


def asked(peer, name):
    """The LOCK_REQUEST for the name has come; others' answers may come before it."""
    while peer.expect(("LOCK_REQUEST", "LOCK_ALLOWED"))["username"] != name:
        pass


def register_beside(server, peer):
    """An account made at the server while the peer allows whatever it is asked."""
    client, name, secret = server.client(), new_name(), new_secret()
    client.send_register(name, secret)
    asked(peer, name)
    peer.allow(name, secret)
    client.expect("REGISTER_SUCCESS")
    client.close()
    return name, secret
