"""The program that asks for identities (bench/inquire.c) and what scripts/bench identity makes of it: every answer of
Herald, Redis, OpenLDAP and etcd is counted, each wrong one is found. Never judged here: how fast anything is."""

import argparse
import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from herald_harness import Deadline, Host, Http, new_name, new_secret
from test_load import LOAD

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))
import apart  # noqa: E402
import campaign  # noqa: E402
import identity  # noqa: E402
import identity_page  # noqa: E402
import limits  # noqa: E402
import peers  # noqa: E402

INQUIRE = Path(os.environ.get("HERALD_INQUIRE", LOAD.parent / "inquire"))
MANNERS = {"herald": None, **peers.ROLLS}

pytestmark = pytest.mark.skipif(not INQUIRE.exists(), reason=f"no {INQUIRE.name} beside heraldd: build bench/inquire")


def inquire(address, work, *words, status=0, **options):
    """Runs it; its report, and what it said if it was to fail."""
    words = [*words, *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
    done = subprocess.run([INQUIRE, "--server", address, "--work", work, "--json", *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=Deadline().seconds * 6, check=False)
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    report = json.loads(done.stdout) if done.stdout else {}
    return report if status == 0 else (report, done.stderr)


SHORT = {"seconds": 0.3, "warmup": 0.1, "connections": 30}  # so many questions are asked in any case


def all_well(report):
    counts, latency = report["answers"], report["latency"]
    assert counts["asked"] >= report["connections"] * report["depth"]
    assert counts == {"asked": counts["asked"], "right": counts["asked"], "wrong": 0, "missing": 0}
    assert report["measured"] <= counts["right"] and latency["count"] <= counts["right"]
    assert latency["p50"] <= latency["p99"] <= latency["max"]
    return counts["asked"]


# --- servers ------------------------------------------------------------------------------------------------

class Keeper:
    """A server that keeps records, and how it is asked."""

    def __init__(self, name, manner, address, pid, server=None):
        self.name, self.manner, self.address, self.pid, self.server = name, manner, address, pid, server

    def ask(self, work, address=None, **options):
        return inquire(address or self.address, work, manner=self.manner, pid=self.pid, **options)


@pytest.fixture(params=MANNERS)
def keeper(request, tmp_path, start):
    if request.param == "herald":
        server = start(log_level="info", registers_per_minute=0)
        yield Keeper("herald", "herald", f"127.0.0.1:{server.http_port}", server.process.pid, server)
        return
    kind = peers.ROLLS[request.param]
    try:
        package = peers.fetch(kind.package)
    except peers.Unavailable as error:
        pytest.skip(f"{request.param} cannot be fetched: {error}")
    with peers.peers(kind, 1, tmp_path, package=package) as (server,):
        yield Keeper(request.param, kind.dialect, server.address, server.pid)


class Between(Host):
    """Passes on what is said between the program and a server; what the server says goes through `spoil`, which gives the
    pieces that are passed on, or None to hang up."""

    def __init__(self, address, spoil):
        self.host, self.port = address.split(":")
        self.spoil = spoil
        self.partner = {}
        self.answers = set()  # sockets that the server speaks on
        super().__init__()

    def came(self, client):
        server = socket.create_connection((self.host, int(self.port)), Deadline().seconds)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for one, other in ((client, server), (server, client)):
            self.partner[one] = other
            self.watch(one)
        self.answers.add(server)

    def readable(self, sock):
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        other = self.partner[sock]
        pieces = self.spoil(data, sock) if sock in self.answers and data else [data]
        if not data or pieces is None:
            for one in (sock, other):
                del self.partner[one]
                self.hang_up(one)
            return
        with contextlib.suppress(OSError):  # it has left
            for piece in pieces:
                other.sendall(piece)


# --- every answer is counted --------------------------------------------------------------------------------

def test_what_is_filled_is_found_and_what_is_made_is_acknowledged(keeper):
    filled = keeper.ask("fill", records=60, connections=7)
    assert all_well(filled) == filled["measured"] == filled["latency"]["count"] == 60
    assert filled["latency"]["p50"] > 0 and filled["server_cpu_seconds"] > 0 and filled["server_rss"] > 0
    for depth in (1, 4):
        found = keeper.ask("lookup", records=60, depth=depth, **SHORT)
        all_well(found)
        assert found["depth"] == depth
    made = all_well(keeper.ask("create", **SHORT)) + all_well(keeper.ask("create", depth=4, **SHORT))
    if keeper.server:  # it counts itself
        with Http(keeper.server) as http:
            clock = http.get("/v1/identities?login=user00000059").header("Herald-Clock")
        assert clock.split(".")[1] == str(60 + made)


def test_answers_are_understood_however_they_come(keeper):
    with Between(keeper.address, lambda data, _: [data[at:at + 7] for at in range(0, len(data), 7)]) as between:
        keeper.ask("fill", between.address, records=20, connections=2)
        for work in ("lookup", "create"):
            all_well(keeper.ask(work, between.address, records=20, depth=3, **SHORT))


def looked_up(address, name):
    """What is answered: the names of the headers, and the record."""
    with socket.create_connection(address.split(":"), Deadline().seconds) as connection:
        connection.sendall(f"GET /v1/identities?login={name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        text = b""
        while b"}\n" not in text:
            text += connection.recv(4096) or pytest.fail(f"{address} has left: {text}")
    head, body = text.decode().split("\r\n\r\n")
    first, *headers = head.split("\r\n")
    assert first == "HTTP/1.1 200 OK" and f"Content-Length: {len(body)}" in headers
    return [line.split(":")[0] for line in headers], json.loads(body)


def test_the_bare_limit_of_lookups_answers_as_herald_does(start):
    server = start(registers_per_minute=0)
    address = f"127.0.0.1:{server.http_port}"
    inquire(address, "fill", records=20)
    with limits.limit([INQUIRE.parent / "limit_lookup"]) as (bare,):
        for depth in (1, 3):
            all_well(inquire(bare.address, "lookup", pid=bare.pid, records=20, depth=depth, **SHORT))
        for name in ("user00000007", "user00000019", "user7"):
            headers, record = looked_up(bare.address, name)
            assert record["login"] == name and record["name"].endswith(f" {name}")
        of_herald, kept = looked_up(address, "user00000007")
        assert headers == of_herald and list(record) == list(kept)
        with socket.create_connection(bare.address.split(":"), Deadline().seconds) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert connection.recv(1) == b""


def test_logins_are_counted_each_on_a_connection_of_its_own(start, tmp_path):
    server = start(log_level="info")
    logins = tmp_path / "logins"
    logins.write_text("".join("%s %s\n" % server.register() for _ in range(2)))
    before = len(server._clients)
    report = inquire(server.address, "login", manner="stream", login=logins, **SHORT)
    asked = all_well(report)
    server.stop()
    accepted = int(server.wait_log(msg="stopped").fields["accepted"])
    assert asked <= accepted <= asked + before


# --- each wrong one is found --------------------------------------------------------------------------------

def test_a_record_that_is_not_there_is_wrong(keeper):
    keeper.ask("fill", records=5, connections=1)
    report, said = keeper.ask("lookup", records=10, status=1, **SHORT)
    counts = report["answers"]
    assert counts["wrong"] > 0 and counts["right"] > 0 and counts["missing"] == 0
    assert counts["asked"] == counts["right"] + counts["wrong"]
    assert f"{counts['wrong']} answers were wrong" in said and "user0000000" in said


def test_a_record_of_somebody_else_is_wrong(keeper):
    keeper.ask("fill", records=10, connections=1)
    with Between(keeper.address, lambda data, _: [data.replace(b"user00000003", b"user00000004")]) as between:
        report, said = keeper.ask("lookup", between.address, records=10, status=1, **SHORT)
    assert 0 < report["answers"]["wrong"] < report["answers"]["asked"]
    assert "user00000003: " in said


REFUSALS = {"herald": (b"HTTP/1.1 201 ", b"HTTP/1.1 503 "), "redis": (b"+OK", b"-NO"),
            "slapd": (b"\x69\x07\x0a\x01\x00", b"\x69\x07\x0a\x01\x33")}


@pytest.mark.parametrize("keeper", REFUSALS, indirect=True)
def test_a_create_that_is_refused_is_wrong(keeper):
    with Between(keeper.address, lambda data, _: [data.replace(*REFUSALS[keeper.name])]) as between:
        report, said = keeper.ask("create", between.address, status=1, **SHORT)
    assert report["answers"]["wrong"] == report["answers"]["asked"] > 0 == report["measured"]
    assert "refused" in said


def test_an_answer_that_does_not_come_is_missing(keeper):
    keeper.ask("fill", records=10, connections=1)
    silent = set()

    def forget(data, sock):
        if b"user00000003" in data:
            silent.add(sock)
        return [] if sock in silent else [data]
    with Between(keeper.address, forget) as between:
        report, said = keeper.ask("lookup", between.address, records=10, deadline=1, status=1, **SHORT)
    assert 0 < report["answers"]["missing"] == len(silent)
    assert "are missing" in said


def test_a_connection_that_is_cut_off_fails_the_run(keeper):
    keeper.ask("fill", records=10, connections=1)
    with Between(keeper.address, lambda data, _: None if b"user00000003" in data else [data]) as between:
        _, said = keeper.ask("lookup", between.address, records=10, deadline=1, status=1, **SHORT)
    assert "the server closed the connection" in said


@pytest.mark.parametrize("manner", ["herald", "redis", "ldap", "etcd"])
def test_another_protocol_is_a_failure(start, manner):
    server = start(log_level="info")
    with Between(server.address, lambda *_: [b"\x00\xff\xff\xff\xff\r\n\r\n"]) as between:
        _, said = inquire(between.address, "lookup", manner=manner, deadline=2, status=1, **SHORT)
    assert "connection" in said


def test_a_wrong_secret_is_wrong_and_says_so(start, tmp_path):
    server = start(log_level="info")
    logins = tmp_path / "logins"
    logins.write_text(f"{new_name()} {new_secret()}\n")
    report, said = inquire(server.address, "login", manner="stream", login=logins, connections=1, seconds=0.1, warmup=0,
                           status=1)
    assert report["answers"]["wrong"] > 0 == report["answers"]["right"]
    assert "LOGIN_FAILED" in said


# --- words --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("work, words, what", [
    ("lookup", ["--connections", "0"], "--connections must be a number from 1"),
    ("lookup", ["--seconds", "long"], "--seconds must be a number"),
    ("guess", [], "--work must be fill, lookup, create or login"),
    ("lookup", ["--manner", "rude"], "--manner must be herald, stream"),
    ("login", [], "--manner herald does not do that"),
    ("lookup", ["--manner", "stream"], "--manner stream does not do that"),
    ("login", ["--manner", "stream"], "--login FILE"),
    ("login", ["--manner", "stream", "--login", "x", "--depth", "2"], "--depth must be 1"),
    ("lookup", ["--nonsense"], "--help"),
])
def test_wrong_options_are_told(work, words, what):
    _, said = inquire("127.0.0.1:1", work, *words, status=2)
    assert what in said


def test_only_this_machine_is_asked_and_nobody_there_is_a_failure():
    assert "loopback" in inquire("192.0.2.1:3781", "lookup", status=1)[1]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert "Connection refused" in inquire("127.0.0.1:%d" % closed.getsockname()[1], "lookup", status=1)[1]


# --- the page -----------------------------------------------------------------------------------------------

def results(values):
    """As measured, of {(case, variant, system): (a second, CPU us)}."""
    runs = [{"round": 1, "case": case, "variant": variant, "system": system,
             "result": {"disturbed": False, "per_second": rate, "server_cpu_us": cpu, "own_cpu_share": 0.5,
                        "server_rss": 1 << 20, "latency": {"p50": cpu, "p99": 2 * cpu}, "per_cpu_second": 1e6 / cpu,
                        "startup_seconds": 0.5, "cached_seconds": 0.6, "cached_bytes": 1 << 19, "file_bytes": 1 << 20,
                        "import": {"per_second": 1000}}}
            for (case, variant, system), (rate, cpu) in values.items()]
    return {"facts": {"machine": "a machine"}, "packages": {}, "begun": "today", "rounds": 1, "seconds": 1, "runs": runs,
            "records": 1000, "million": 1_000_000, "storage": {"type": "ext4", "sync_ms": 1.0}}


def test_targets_compare_what_they_say():
    measured = {("lookups", "", "herald"): (1, 10), ("lookups", "", "redis"): (1, 4), ("lookups", "", "slapd"): (1, 40),
                ("lookups", "", "limit"): (1, 5),
                ("creates", "", "herald"): (500, 1), ("creates", "", "redis"): (1000, 1), ("creates", "", "etcd"): (250, 1),
                ("million", "", "herald"): (1000, 10), ("million", "many", "herald"): (500, 11)}
    rows = {row[0]: row[1:] for row in identity_page.target_rows(identity_page.Figures(results(measured)))}
    assert rows["1 lookups a CPU second: × Redis"] == ["0.400", "≥ 0.5", "**not met**"]
    assert rows["1 lookups a CPU second: × OpenLDAP"] == ["4.00", "≥ 3", "met"]
    assert rows["1 the limit's: × OpenLDAP"] == ["8.00", "–", ""]
    assert rows["2 creates a second, × Redis"] == ["0.500", "≥ 0.4", "met"]
    assert rows["2 creates a second, × etcd"] == ["2.00", "≥ 3", "**not met**"]
    assert rows["2 creates a second, × OpenLDAP"][2] == "not measured"
    assert rows["3 1,000,000 accounts: s until it is ready"] == ["0.500", "≤ 2", "met"]
    assert rows["3 1,000,000 accounts: CPU of a lookup, × that of 1,000"] == ["1.10", "≤ 1.3", "met"]
    assert rows["3 1,000,000 accounts: time of a lookup, × that of 1,000"] == ["2.00", "≤ 1.3", "**not met**"]


def test_the_page_and_its_picture_can_be_made_of_all_cases():
    found = results({(case.name, variant, system): (1000, 10)
                     for case in identity.CASES for variant in case.variants for system in case.systems})
    page = identity_page.page(found, identity.CASES)
    assert "not measured" not in page and page.count("\n## ") == 9 and page.count("| limit |") == 3
    assert identity_page.picture(found, identity.CASES).count("<circle") >= 16


def test_what_is_a_full_measurement_and_what_is_a_part():
    def whole(*words):
        return campaign.parse(identity.CAMPAIGN, list(words))
    assert whole().whole and whole("--data", "somewhere").whole and whole().million == identity.MILLION
    for part in (["--quick"], ["--records", "10"], ["--million", "10"], ["--cases", "lookups"], ["--rounds", "1"]):
        assert not whole(*part).whole and whole(*part).folder.name == "partial"


# --- how far the processors are apart ---------------------------------------------------------------------------

def test_how_far_two_processors_are_apart_is_a_number():
    done = subprocess.run([INQUIRE.parent / "apart", "0", "1", "3"], capture_output=True, text=True, check=True)
    assert 1 <= int(done.stdout) < 1_000_000


def tries_of(looks, reports, patience=apart.PATIENCE):
    """What becomes of a run, and how many looks were taken: one of these reports for each try."""
    left, told = iter(looks), iter(reports)
    distance = apart.Apart(lambda: next(left), lambda seconds: None)
    distance.patience = patience
    distance.now()
    options = argparse.Namespace(quick=False, urgent=False)
    campaigned = dataclasses.replace(identity.CAMPAIGN, run_once=lambda *words: dict(next(told)))
    return campaign.run(campaigned, "herald", identity.CASES[0], "", options, distance), distance


def test_a_run_between_processors_that_were_moved_apart_is_repeated():
    def kept(result):
        return result["number"], result["tries"], result["disturbed"]
    well = [{"others_cpu": 0, "number": number} for number in (1, 2, 3, 4)]
    result, _ = tries_of([80, 80, 81], well)
    assert kept(result) == (1, 1, False) and result["apart_ns"] == 81
    result, distance = tries_of([80, 300, 300, 85, 90], well)  # it was waited for them
    assert kept(result) == (1, 1, False)
    assert distance.patience == pytest.approx(apart.PATIENCE - 2 * apart.PAUSE)
    result, _ = tries_of([80, 80, 300, 80, 90], well)  # moved meanwhile
    assert kept(result) == (2, 2, False)
    result, _ = tries_of([80, 80, 300, 80, 300, 80, 201, 80, 301], well)  # again and again: the nearest does not count more
    assert kept(result) == (1, 4, True)
    result, _ = tries_of([80, 80, 300, *[80] * 6], [well[0], *[{"others_cpu": 0.5, "number": 2}] * 3])
    assert kept(result) == (2, 4, True)  # near, and disturbed by others
    result, _ = tries_of([80, 80, 300, 80, 80], [{"others_cpu": 0, "failure": "none"}, *well])
    assert kept(result) == (1, 2, False)


def test_without_patience_a_run_is_taken_as_it_is():
    well = [{"others_cpu": 0, "number": number} for number in (1, 2, 3, 4)]
    result, _ = tries_of([80, 300, 300], well, 0)
    assert (result["number"], result["tries"], result["disturbed"]) == (1, 1, True)
    result, _ = tries_of([80, 300, 300, 300, 300], [{"others_cpu": 0.5, "number": 0}, *well], 0)
    assert (result["number"], result["tries"], result["disturbed"]) == (1, 2, True)


def test_what_is_near_is_the_least_that_was_seen():
    _, distance = tries_of([300, 300, 300], [{"others_cpu": 0}])  # taken for near,
    assert not distance.is_far(300)
    distance.seen.append(80)
    assert distance.is_far(300) and not distance.is_far(200)  # until it is known better
    assert distance.fact() == ("a cache line goes from one to the other and back in 80 ns when they are near, in 300 ns at "
                               "most; 3 of 4 looks found them far")
    assert apart.Apart().fact() == "how far apart they are is not told"
