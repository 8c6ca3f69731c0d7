"""The load program (bench/load.c): what it reports is true. Its figures are never judged here, only its counts.

A server that loses, doubles or reorders on purpose (Faulty) is the proof that a run without faults means something."""

import contextlib
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from herald_harness import Deadline, Host, Peer, binary, eventually, new_name, new_secret, stamped, without_stamp

LOAD = Path(os.environ.get("HERALD_LOAD", binary().parent / "bench" / "load"))

pytestmark = pytest.mark.skipif(not LOAD.exists(), reason=f"no {LOAD.name} beside heraldd: build bench/load")


def load(servers, *words, status=0, **options):
    """Runs it against servers; its report, once it has ended with that status."""
    words = [*words, *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
    addresses = ",".join(server if isinstance(server, str) else server.address for server in servers)
    done = subprocess.run([LOAD, "--servers", addresses, "--json", *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=Deadline().seconds * 6, check=False)
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    report = json.loads(done.stdout) if done.stdout else {}
    return report if status == 0 else (report, done.stderr)


def pids(*servers):
    return ",".join(str(server.process.pid) for server in servers)


def tree(start, **options):
    """A server and two children, each of which knows the two others."""
    options.setdefault("log_level", "info")
    servers = [start(**options)]
    servers += [start(parent=servers[0], **options) for _ in range(2)]
    for server in servers:
        observer = Peer.dial(server)
        wanted, deadline = {other.port for other in servers}, Deadline()
        while wanted:
            assert not deadline.passed(), f"{server.address} does not know {wanted}"
            wanted.discard(observer.expect_announce(deadline.left())["port"])
        observer.close()
        server.wait_log(msg="link down")
    return servers


def all_well(report, clients):
    counts = report["deliveries"]
    assert counts["expected"] == report["published"] * clients > 0
    assert counts == {"expected": counts["expected"], "seen": counts["expected"], "lost": 0, "doubled": 0,
                      "out_of_order": 0, "garbled": 0}


# --- against heraldd ----------------------------------------------------------------------------------------

def test_at_a_rate_everyone_in_a_tree_hears_everything_once_and_in_order(start):
    servers = tree(start)
    report = load(servers, begin=1, clients=30, publishers=6, rate=100, seconds=2, warmup=0.5, pid=pids(*servers))
    all_well(report, 30)
    assert report["published"] == 250
    assert report["latency"]["count"] == 200 * 30
    assert 0 < report["latency"]["p50"] <= report["latency"]["p99"] <= report["latency"]["max"]
    places = [server["clients"] for server in report["servers"]]
    assert len(places) == 3 and sum(places) == 30 and min(places) > 0
    assert report["server_cpu_seconds"] > 0


@pytest.mark.parametrize("publishers", [1, 4])
def test_saturated_the_window_is_kept_full_and_nothing_is_missing(start, publishers):
    server = start(log_level="info")
    report = load([server], clients=20, publishers=publishers, window=64, seconds=1, warmup=0.2, size=400)
    all_well(report, 20)
    assert report["published"] > 64
    assert report["deliveries_per_second"] > 0


def test_a_note_has_exactly_the_size_that_was_asked_for_and_its_publisher_s_name(start, tmp_path):
    server = start()
    name, secret = server.register()
    listener = server.anonymous()
    logins = tmp_path / "logins"
    logins.write_text(f"{name} {secret}\n")
    load([server], clients=2, rate=20, seconds=0.5, warmup=0, size=777, login=logins)
    activity = listener.hear_exact()
    assert stamped(activity) == name
    assert len(json.dumps(dict(without_stamp(activity)), separators=(",", ":"))) == 777
    assert activity.one("type") == "Note"


def test_a_delivery_has_exactly_the_bytes_on_the_wire_that_were_asked_for(start):
    report = load([start()], clients=2, rate=20, seconds=0.5, warmup=0, wire=500)
    all_well(report, 2)
    assert report["wire"] == 500 > report["size"]


def test_clients_that_are_stuck_are_cut_off_and_all_others_hear_everything(start):
    server = start(log_level="info", max_message="64KiB", reel_segments=4, reel_segment_size="128KiB")
    report = load([server], clients=12, stuck=2, window=64, size=4000, seconds=1, warmup=0)
    all_well(report, 10)
    server.stop()
    server.wait_log(r"lapped=2\b", msg="stopped")


def test_idle_connections_are_counted_and_measured(start):
    server = start(log_level="info")
    report = load([server], "--idle", clients=300, seconds=0.2, pid=pids(server))
    assert report["logged_in"] == 300
    assert report["server_rss_per_connection"] > 0
    server.stop()
    server.wait_log(r"accepted=300\b", msg="stopped")


def test_a_storm_at_one_server_is_spread_over_all_and_counted(start):
    servers = tree(start)
    report = load(servers, "--storm", clients=300, pid=pids(*servers))
    places = [server["clients"] for server in report["servers"]]
    assert sum(places) == report["logged_in"] == sum(report["bounces"]) == 300
    assert min(places) > 0 and len(places) == 3
    assert report["latency"]["count"] == 300 and report["bounces_max"] >= 1


# --- against a server with faults ---------------------------------------------------------------------------

class Faulty(Host):
    """A server that writes its lines as others do (spaces, its own member first) and does wrong once: to its first
    client, at the first publisher's Note with sequence 5."""

    def __init__(self, fault):
        self.fault = fault
        self.held = b""
        self.logins = 0
        self.clients = {}  # by socket: what of a line has come
        super().__init__()

    def came(self, client):
        self.greet(client)
        self.clients[client] = b""
        self.watch(client)

    def hang_up(self, client):
        del self.clients[client]
        super().hang_up(client)

    def readable(self, client):
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.hang_up(client)
            return
        messages, self.clients[client] = self.split(self.clients[client] + data)
        for message in messages:
            self.answer(client, message)

    def send(self, client, data):
        piece = 7 if self.fault == "sends in pieces" else len(data) or 1
        with contextlib.suppress(OSError):  # it has left
            for at in range(0, len(data), piece):
                client.sendall(data[at:at + piece])

    # What another protocol does in its own way: greet, split, answer, line (test_fanout.py).

    def greet(self, client):
        """What it says before it is asked."""

    def split(self, data):
        """(whole messages, the rest)."""
        *lines, rest = data.split(b"\n")
        return lines, rest

    def answer(self, client, message):
        message = json.loads(message)
        if message["command"] == "LOGIN":
            self.log_in(client)
        else:
            self.broadcast(message["activity"])

    def log_in(self, client):
        self.logins += 1
        self.send(client, b'{"command": "LOGIN_SUCCESS", "info": "welcome"}\n')
        if self.fault == "redirects for ever":
            host, port = self.address.split(":")
            self.send(client, json.dumps({"command": "REDIRECT", "hostname": host, "port": int(port)}).encode() + b"\n")

    @staticmethod
    def line(activity):
        activity = {"authenticated_user": "anonymous", **activity}
        return json.dumps({"command": "ACTIVITY_BROADCAST", "activity": activity}).encode() + b"\n"

    def broadcast(self, activity):
        _, _, publisher, sequence, _ = activity["id"].split(":")
        victim = next(iter(self.clients))
        for client in list(self.clients):
            line = self.line(activity)
            if client is victim and int(publisher) == 0:
                line = self.spoil(client, activity, int(sequence), line)
            if client in self.clients:
                self.send(client, line)

    def spoil(self, client, activity, sequence, line):
        if self.fault == "stalls" and 5 <= sequence < 15:
            self.held += line
            return b""
        held, self.held = self.held, b""
        if self.fault == "stalls":
            return held + line
        if sequence != 5:
            return line + held
        match self.fault:
            case "loses":
                return b""
            case "doubles":
                return line + line
            case "swaps":
                self.held = line
                return b""
            case "forges":
                return self.line({**activity, "id": activity["id"].replace(":00000005:", ":77777777:")})
            case "hangs up":
                self.hang_up(client)
        return line


@pytest.fixture
def faulty():
    made = []

    def make(fault):
        made.append(Faulty(fault))
        return made[-1]
    yield make
    for server in made:
        server.close()


def run_faulty(server, status, **options):
    return load([server], clients=3, publishers=2, rate=100, seconds=0.4, warmup=0, deadline=1, status=status,
                **options)


@pytest.mark.parametrize("how", [None, "sends in pieces"])
def test_lines_are_understood_however_a_server_writes_them(faulty, how):
    all_well(run_faulty(faulty(how), 0), 3)


@pytest.mark.parametrize("fault, counts", [
    ("loses", {"lost": 1}),
    ("doubles", {"doubled": 1}),
    ("swaps", {"out_of_order": 1}),
    ("forges", {"garbled": 1, "lost": 1}),
])
def test_every_fault_is_found_and_counted(faulty, fault, counts):
    report, said = run_faulty(faulty(fault), 1)
    found = report["deliveries"]
    wrong = {"lost": 0, "doubled": 0, "out_of_order": 0, "garbled": 0} | counts
    assert {name: found[name] for name in wrong} == wrong
    assert found["expected"] == report["published"] * 3 == found["seen"] + found["lost"]
    assert "not every delivery was as it should be" in said


def test_latency_counts_from_when_a_note_was_due_and_the_tail_is_not_left_out(faulty):
    report = run_faulty(faulty("stalls"), 0)  # one of three readers; a Note of that publisher every 20 ms
    assert report["deliveries"]["seen"] == report["latency"]["count"] == 120
    assert report["latency"]["max"] >= 200
    assert report["latency"]["p99"] >= 180


def test_a_client_that_is_cut_off_fails_the_run(faulty):
    report, said = run_faulty(faulty("hangs up"), 1)
    assert "the server closed the connection" in report["failure"]
    assert report["failure"] in said
    assert report["deliveries"]["lost"] > 0


def test_a_client_is_not_redirected_for_ever(faulty):
    server = faulty("redirects for ever")
    report, said = load([server], clients=1, deadline=1, status=1)
    assert not report
    assert "redirected once more after 5 times" in said
    assert server.logins == 6


# --- words --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, status, what", [
    (["--clients", "0"], 2, "--clients must be a number from 1"),
    (["--clients", "5", "--publishers", "6"], 2, "--publishers must be at most"),
    (["--rate", "much"], 2, "--rate must be a number"),
    (["--nonsense"], 2, "--help"),
    (["--size", "10"], 1, "--size must be"),
    (["--wire", "100"], 1, "--wire"),
    (["--stuck", "100"], 2, "--stuck must be less"),
    (["--dialect", "latin"], 2, "--dialect must be seed004"),
])
def test_wrong_options_are_told(start, words, status, what):
    _, said = load([start(log_level="info")], *words, status=status)
    assert what in said


def test_only_this_machine_is_loaded():
    _, said = load(["192.0.2.1:3780"], status=1)
    assert "loopback" in said


def test_nobody_there_is_a_failure_and_not_a_wait():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        _, said = load(["127.0.0.1:%d" % closed.getsockname()[1]], status=1)
    assert "Connection refused" in said


def test_a_wrong_secret_is_a_failure_that_says_so(start, tmp_path):
    server = start()
    logins = tmp_path / "logins"
    logins.write_text(f"{new_name()} {new_secret()}\n")
    _, said = load([server], clients=1, login=logins, status=1)
    assert "LOGIN_FAILED" in said


def test_servers_that_are_not_linked_are_noticed(start):
    servers = [start(log_level="info"), start(log_level="info")]
    _, said = load(servers, clients=4, deadline=1, status=1)
    assert "only 2 of 4 clients hear client 0" in said
    eventually(lambda: all(server.running() for server in servers), "servers that go on")
