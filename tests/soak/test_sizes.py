"""10, 50 and 200 servers on one machine, and 5,000 clients: what each costs, and how that grows."""

import time

import pytest
from herald_harness.crowd import Bystander, Crowd
from herald_harness.grove import Grove

CLIENTS_A_SERVER = 25
IDLE = 10.0  # seconds over which the idle servers' CPU is measured
MIB = 1 << 20


def cost(servers, crowd, seconds):
    """Share of a processor that each server uses on average, while the crowd is served."""
    before, began = sum(server.cpu() for server in servers), time.monotonic()
    crowd.serve(lambda: False, seconds)
    return (sum(server.cpu() for server in servers) - before) / (time.monotonic() - began) / len(servers)


@pytest.mark.parametrize("size", [10, 50, 200])
def test_so_many_servers(start, row, size):
    """They know each other, everyone comes to the first at once and evens out, one activity reaches all."""
    began = time.monotonic()
    grove = Grove(start, [(at - 1) // 3 for at in range(1, size)], interval=5.0, ears=0, max_connections=6000)
    servers, first = grove.servers, grove.servers[0]
    known = time.monotonic() - began
    with Crowd() as crowd:
        crowd.serve(lambda: False, 5.0)  # an interval: the last of their start
        idle = cost(servers, crowd, IDLE)
        memory = sum(server.rss() for server in servers) / size
        by = crowd.add(Bystander(servers[-1].port, pause=0.02))
        speaker = first.client()
        speaker.login()
        clients = size * CLIENTS_A_SERVER - 2
        began = time.monotonic()
        for _ in range(clients):
            crowd.invite(first.port)
        crowd.seat(lambda word: speaker.publish({"word": word}), seconds=120)
        seated = time.monotonic() - began
        loads = [sum(guest.port == server.port for guest in crowd.guests) for server in servers]
        assert sum(loads) == clients and max(loads) - min(loads) <= 20, loads
        assert max(crowd.bounces) <= 3, crowd.bounces
        trips = by.trips
        by.close()
        reached = [crowd.everyone_hears(lambda word: speaker.publish({"word": word}), f"all{n}", 30) for n in range(5)]
        busy = cost(servers, crowd, IDLE)
        row(f"{size} servers", f"{clients} clients at the first, at once",
            f"known {known:.1f} s, even ({min(loads)} to {max(loads)} a server) {seated:.1f} s, bounced {max(crowd.bounces)} "
            f"at most, {trips} round trips beside; idle CPU a server {idle * 100:.2f} %, with clients {busy * 100:.2f} %; "
            f"RSS a server {memory / MIB:.1f} MiB, then {sum(server.rss() for server in servers) / size / MIB:.1f}",
            servers, max(reached))
