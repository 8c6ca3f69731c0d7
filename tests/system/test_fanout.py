"""The load program and the peers that scripts/bench fanout compares Herald with (bench/): in every dialect each
delivery is counted, each fault is found, and the page says what was measured. Never judged here: how fast anything is."""

import contextlib
import json
import socket
import struct
import sys
from pathlib import Path

import pytest
from herald_harness import Deadline
from test_load import LOAD, Faulty, all_well, load, run_faulty

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))
import campaign  # noqa: E402
import cases  # noqa: E402
import limits  # noqa: E402
import peers  # noqa: E402
import plot  # noqa: E402
import tables  # noqa: E402

pytestmark = pytest.mark.skipif(not LOAD.exists(), reason=f"no {LOAD.name} beside heraldd: build bench/load")


# --- real servers -------------------------------------------------------------------------------------------

@contextlib.contextmanager
def limit(mebibytes=64):
    with limits.limit([LOAD.parent / "limit", str(mebibytes)]) as (running,):
        yield running.address


@contextlib.contextmanager
def peer(name, folder, count=1):
    try:
        package = peers.fetch(peers.KINDS[name].package)
    except peers.Unavailable as error:
        pytest.skip(f"{name} cannot be fetched: {error}")
    with peers.peers(peers.KINDS[name], count, folder, package=package) as running:
        yield running


def saturate_and_pace(addresses, dialect):
    """Both ways of publishing, all sizes of the cases."""
    for size in (100, 300, 4096):
        report = load(addresses, dialect=dialect, clients=20, publishers=4, window=64, size=size, seconds=0.2,
                      warmup=0.1)
        all_well(report, 20)
        assert report["size"] == size < report["wire"]
    report = load(addresses, dialect=dialect, clients=20, publishers=4, rate=200, seconds=0.4, warmup=0.1, wire=600)
    all_well(report, 20)
    assert (report["published"], report["wire"]) == (100, 600)


@pytest.mark.parametrize("name", peers.KINDS)
def test_every_delivery_of_a_peer_is_counted(name, tmp_path):
    with peer(name, tmp_path) as running:
        saturate_and_pace([running[0].address], peers.KINDS[name].dialect)


def test_every_delivery_of_a_cluster_of_nats_is_counted(tmp_path):
    with peer("nats", tmp_path, 3) as running:
        report = load([one.address for one in running], dialect="nats", clients=21, publishers=6, window=32,
                      seconds=0.4, warmup=0.1)
        all_well(report, 21)
        assert [server["clients"] for server in report["servers"]] == [7, 7, 7]


def test_every_delivery_of_the_bare_limit_is_counted_and_has_herald_s_size(start):
    with limit() as address:
        saturate_and_pace([address], "bare")
        bare = load([address], dialect="bare", clients=2, rate=20, seconds=0.2, warmup=0)
    assert bare["wire"] == load([start()], clients=2, rate=20, seconds=0.2, warmup=0)["wire"]


def test_the_bare_limit_closes_who_is_a_whole_ring_behind_and_nobody_else():
    with limit(1) as address, socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.settimeout(Deadline().seconds)
        stuck.connect(("127.0.0.1", int(address.split(":")[1])))
        stuck.sendall(b"whatever\n")
        assert stuck.recv(13) == b'{"command":"L'  # it is in, and reads no more while others talk
        all_well(load([address], dialect="bare", clients=5, window=16, size=16000, seconds=1, warmup=0), 5)
        with contextlib.suppress(ConnectionResetError):
            while stuck.recv(1 << 20):
                pass


# --- servers with faults ------------------------------------------------------------------------------------

class Nats(Faulty):
    """Asks whether the client is there before it says that it is in."""

    answered = 0

    def greet(self, client):
        self.send(client, b'INFO {"server_id":"fake","max_payload":1048576}\r\n')

    def split(self, data):
        messages = []
        while b"\r\n" in data:
            line, rest = data.split(b"\r\n", 1)
            if line.startswith(b"PUB "):
                size = int(line.split()[-1])
                if len(rest) < size + 2:
                    break
                line, rest = b"PUB " + rest[:size], rest[size + 2:]
            messages.append(line)
            data = rest
        return messages, data

    def answer(self, client, message):
        if message == b"PING":
            self.send(client, b"-ERR 'Authorization Violation'\r\n" if self.fault == "refuses" else b"PING\r\nPONG\r\n")
        elif message == b"PONG":
            self.answered += 1
        elif message.startswith(b"PUB "):
            self.broadcast(json.loads(message[4:]))

    @staticmethod
    def line(activity):
        payload = json.dumps(activity).encode()
        return b"MSG act 1 %d\r\n%s\r\n" % (len(payload), payload)


class Redis(Faulty):
    def split(self, data):
        messages = []
        with contextlib.suppress(ValueError, IndexError):
            while data:
                count, rest = data[1:].split(b"\r\n", 1)
                words = []
                for _ in range(int(count)):
                    size, rest = rest[1:].split(b"\r\n", 1)
                    words.append(rest[:int(size)])
                    rest = rest[int(size) + 2:] if len(rest) >= int(size) + 2 else None
                    if rest is None:
                        return messages, data
                messages.append(words)
                data = rest
        return messages, data

    def answer(self, client, message):
        if message[0] == b"HELLO":
            self.send(client, b"%2\r\n$6\r\nserver\r\n$4\r\nfake\r\n$7\r\nmodules\r\n*1\r\n*0\r\n")
        elif message[0] == b"SUBSCRIBE" and self.fault == "refuses":
            self.send(client, b"-NOAUTH Authorization Violation\r\n")
        elif message[0] == b"SUBSCRIBE":
            self.send(client, b">3\r\n$9\r\nsubscribe\r\n$3\r\nact\r\n:1\r\n")
        elif message[0] == b"PUBLISH":
            self.broadcast(json.loads(message[2]))
            self.send(client, b":3\r\n")

    @staticmethod
    def line(activity):
        payload = json.dumps(activity).encode()
        return b">3\r\n$7\r\nmessage\r\n$3\r\nact\r\n$%d\r\n%s\r\n" % (len(payload), payload)


class Mqtt(Faulty):
    def split(self, data):
        packets = []
        while True:
            length = used = 0
            for used, byte in enumerate(data[1:5], 1):
                length |= (byte & 0x7F) << (7 * (used - 1))
                if byte < 0x80:
                    break
            else:
                return packets, data
            if len(data) < 1 + used + length:
                return packets, data
            packets.append((data[0] & 0xF0, data[1 + used:1 + used + length]))
            data = data[1 + used + length:]

    def answer(self, client, message):
        kind, body = message
        if kind == 0x10:
            self.send(client, bytes([0x20, 2, 0, 5 if self.fault == "refuses" else 0]))
        elif kind == 0x80:
            self.send(client, bytes([0x90, 3, *body[:2], 0]))
        elif kind == 0x30:
            self.broadcast(json.loads(body[2 + struct.unpack(">H", body[:2])[0]:]))

    @staticmethod
    def line(activity):
        body = b"\0\3act" + json.dumps(activity).encode()
        assert 128 <= len(body) < 16384
        return bytes([0x30, len(body) & 0x7F | 0x80, len(body) >> 7]) + body


FAKES = {"nats": Nats, "redis": Redis, "mqtt": Mqtt}


@pytest.fixture(params=FAKES)
def fake(request):
    made = []

    def make(fault):
        made.append(FAKES[request.param](fault))
        made[-1].dialect = request.param
        return made[-1]
    yield make
    for server in made:
        server.close()


@pytest.mark.parametrize("how", [None, "sends in pieces"])
def test_deliveries_are_understood_however_they_come(fake, how):
    server = fake(how)
    all_well(run_faulty(server, 0, dialect=server.dialect), 3)
    assert getattr(server, "answered", 3) == 3, "a PING was not answered"


@pytest.mark.parametrize("fault, counts", [
    ("loses", {"lost": 1}),
    ("doubles", {"doubled": 1}),
    ("swaps", {"out_of_order": 1}),
    ("forges", {"garbled": 1, "lost": 1}),
])
def test_every_fault_is_found_and_counted_in_every_dialect(fake, fault, counts):
    server = fake(fault)
    report, said = run_faulty(server, 1, dialect=server.dialect)
    wrong = {"lost": 0, "doubled": 0, "out_of_order": 0, "garbled": 0} | counts
    assert {name: report["deliveries"][name] for name in wrong} == wrong
    assert "not every delivery was as it should be" in said


def test_who_is_refused_says_so(fake):
    server = fake("refuses")
    _, said = load([server], dialect=server.dialect, clients=1, deadline=2, status=1)
    assert "0x20 with code 5" in said if server.dialect == "mqtt" else "Authorization Violation" in said


def test_another_protocol_is_a_failure(fake):
    server = fake(None)
    other = {"nats": "mqtt", "mqtt": "redis", "redis": "nats"}[server.dialect]
    server.answer = lambda client, message: server.send(client, b"\x00\xff\xff\xff\xff\r\n")
    server.split = lambda data: ([data], b"")
    _, said = load([server], dialect=other, clients=1, deadline=2, status=1)
    assert "only 0 of 1 clients are logged in" in said


# --- the page -----------------------------------------------------------------------------------------------

def results(values):
    """As measured, of {(case, variant, system): [(CPU seconds per million, disturbed), ...]}."""
    runs = [{"round": number, "case": case, "variant": variant, "system": system,
             "result": {"disturbed": disturbed, "server_cpu_per_million": cpu, "deliveries_per_second": 1e6 / cpu,
                        "own_cpu_share": 0.5, "wire": 378, "server_rss": 1 << 20,
                        "latency": {"p50": cpu, "p99": 2 * cpu, "p999": 3 * cpu}}}
            for (case, variant, system), several in values.items()
            for number, (cpu, disturbed) in enumerate(several, 1)]
    return {"facts": {"machine": "a machine"}, "packages": {}, "begun": "today", "rounds": 5, "seconds": 2, "runs": runs}


def test_medians_leave_out_what_was_disturbed_if_enough_remains():
    key = ("sat-100-1-300", "", "herald")
    few = [(1.0, False), (2.0, False), (3.0, False), (50.0, True), (60.0, True)]
    assert tables.Figures(results({key: few})).median(key[0], key[2], tables.CPU) == 2.0
    many = [(1.0, False), (2.0, False), (50.0, True), (60.0, True), (70.0, True)]
    assert tables.Figures(results({key: many})).median(key[0], key[2], tables.CPU) == 50.0


def test_a_target_is_met_or_not_by_the_better_of_the_peers():
    page = {("sat-100-1-300", "", "herald"): [(0.05, False)], ("sat-100-1-300", "", "limit"): [(0.04, False)],
            ("sat-100-1-300", "", "nats"): [(0.2, False)], ("sat-100-1-300", "", "redis"): [(0.08, False)]}
    rows = {row[0]: row for row in tables.target_rows(tables.Figures(results(page)))}
    assert rows["1 100 / 1: CPU, × better peer"][1:] == ["0.625", "≤ 0.5", "**not met**"]
    assert rows["1 100 / 1: CPU, × limit"][1:] == ["1.25", "≤ 1.5", "met"]
    assert rows["1 1,000 / 1: CPU, × limit"][3] == "not measured"


def test_a_failed_run_is_told_and_not_counted():
    found = results({("sat-100-1-300", "", "herald"): [(0.05, False), (0.07, False)]})
    found["runs"][1]["result"]["failure"] = "lost"
    assert "0.050 · 20.0‡" in tables.page(found)


def test_the_page_and_its_picture_can_be_made_of_all_cases():
    values = {(case.name, variant, system): [(0.1, False)] * 5
              for case in cases.CASES for variant in case.variants for system in case.systems}
    page = tables.page(results(values))
    assert "not measured" not in [row[3] for row in tables.target_rows(tables.Figures(results(values)))][:19]
    picture = plot.picture(tables.Figures(results(values)))
    assert page.count("\n## ") >= 8 and picture.count("<circle") > 100


def test_every_round_has_every_run_once_and_the_order_rotates():
    chosen = [cases.BY_NAME["sat-100-1-300"], cases.BY_NAME["stuck"]]
    runs = list(campaign.plan(chosen, list(cases.DIALECTS), 2))
    first = [system for number, case, _, system in runs if number == 1 and case.name == "sat-100-1-300"]
    second = [system for number, case, _, system in runs if number == 2 and case.name == "sat-100-1-300"]
    assert first != second and sorted(first) == sorted(second) == sorted(cases.DIALECTS)
    assert sum(case.name == "stuck" for _, case, _, _ in runs) == 2 * 2 * 2
