"""What breaks, and what must hold then: parents that die, circles, crashes, descriptors that run out."""

import os
import random
import select
import signal
import time

import pytest
from herald_harness import eventually, new_name, new_secret, reserve_port

NO_MORE = "(?i)descriptor|open files|accept"  # how the log says that no connection can be accepted


def passes(speaker, listener, what):
    """Publishes until the listener has heard something new: the servers between them are linked again."""
    marker = new_name("try")
    turn = iter(range(1_000_000))

    def heard():
        speaker.publish({"marker": marker, "turn": next(turn)})
        while not listener.quiet_now():
            if listener.hear().get("marker") == marker:
                return True
        return False
    eventually(heard, what)


def drain(*clients):
    """Everything published up to now is heard; a last word tells where that is, for each its own."""
    for client in clients:
        marker = new_name("drain")
        client.publish({"marker": marker})
        for one in clients:
            while one.hear().get("marker") != marker:
                pass


# --- links ------------------------------------------------------------------------------------------------------


def test_a_child_may_be_started_before_its_parent(start):
    """design.md, section 2: servers join any time. The child serves its clients meanwhile."""
    port = reserve_port()
    child = start(parent=f"127.0.0.1:{port}")
    client = child.anonymous().proves_to_stay()
    name, secret = child.register()
    parent = start(listen=f"127.0.0.1:{port}", secret=child.secret)
    child.wait_log(msg="link up")
    parent.wait_log(msg="link up")
    other = parent.anonymous()
    passes(client, other, "an activity reaches the parent")
    child.client().login(name, secret)


def test_when_the_parent_is_killed_the_child_finds_its_fallback(start):
    """design.md, section 5: --connect: parent in the tree, then fallbacks. Clients are served meanwhile."""
    first = start()
    second = start(secret=first.secret)
    child = start(parent=[first, second])
    child.wait_log(msg="link up")
    client, other = child.anonymous(), second.anonymous()
    mark = child.log_length()
    first.kill()
    client.proves_to_stay()
    child.wait_log(msg="link down", after=mark)
    client.proves_to_stay()
    child.wait_log(msg="link up", after=mark)
    passes(client, other, "an activity reaches the fallback")
    passes(other, client, "an activity comes from the fallback")


def test_a_killed_parent_that_returns_is_found_again(start):
    """protocol: a crash and restart at the same address and port (seed 004, Server failure model)."""
    port = reserve_port()
    parent = start(listen=f"127.0.0.1:{port}")
    child = start(parent=parent)
    child.wait_log(msg="link up")
    name, secret = parent.register()
    client = child.anonymous()
    parent.kill()
    client.proves_to_stay()
    parent = start.restart(parent, listen=f"127.0.0.1:{port}")
    passes(client, parent.anonymous(), "an activity reaches the parent again")
    parent.client().login(name, secret)
    child.client().login(name, secret)


def test_a_frozen_parent_is_left_and_found_again(start):
    """protocol.md, Observed of peers: silent links: a link that has announced and has not for three intervals is cut."""
    parent = start(announce_interval="300ms")
    child = start(parent=parent, announce_interval="300ms")
    child.wait_log(msg="link up")
    client = child.anonymous()
    other = parent.client()
    parent.signal(signal.SIGSTOP)
    try:
        child.wait_log(msg="link down")
        client.proves_to_stay()
    finally:
        parent.signal(signal.SIGCONT)
    child.wait_log(msg="link up", count=2)
    other.login()
    passes(client, other, "an activity reaches the parent again")


def test_the_rest_of_a_tree_goes_on_when_a_server_in_it_dies(start):
    """seed 004, Server failure model: servers may crash at any time without warning."""
    root = start()
    middle = start(parent=root)
    leaf = start(parent=[middle, root])
    for server in (middle, leaf):
        server.wait_log(msg="link up")
    a, b = root.anonymous(), leaf.anonymous()
    passes(a, b, "an activity reaches the leaf")
    middle.kill()
    passes(a, b, "an activity reaches the leaf by another way")
    passes(b, a, "an activity comes from the leaf by another way")
    drain(a, b)
    a.publish({"n": 1})
    for client in (a, b):
        client.hear(n=1)
    name, secret = new_name(), new_secret()
    eventually(lambda: registers(root, name, secret), "names can be registered")
    leaf.client().login(name, secret)


def registers(server, name, secret):
    client = server.client()
    client.send_register(name, secret)
    reply = client.expect(("REGISTER_SUCCESS", "REGISTER_FAILED"))["command"]
    client.close()
    return reply == "REGISTER_SUCCESS"


def test_a_server_told_to_connect_to_itself_refuses(start):
    """A circle of one: it says so, stays unlinked and does not spin."""
    port = reserve_port()
    server = start(listen=f"127.0.0.1:{port}", parent=f"127.0.0.1:{port}")
    client = server.anonymous()
    server.wait_log("(?i)self")
    before, began = server.cpu(), time.monotonic()
    for n in range(50):
        client.publish({"n": n})
        client.hear(n=n)
    client.proves_to_stay()
    assert server.links() == 0
    assert server.cpu() - before < 1 + (time.monotonic() - began) / 2
    assert registers(server, new_name(), new_secret())


@pytest.mark.parametrize("late", [False, True], ids=["at once", "one after the other"])
def test_two_servers_that_connect_to_each_other_keep_one_link(start, late):
    """A circle of two: exactly one link stays, and no activity is heard twice."""
    ports = reserve_port(), reserve_port()
    secret = new_secret()
    addresses = [f"127.0.0.1:{port}" for port in ports]
    servers = [start(listen=addresses[at], parent=addresses[1 - at], secret=secret) for at in (0, 1)]
    if late:
        servers[0].wait_log(msg="link up")
    clients = [server.anonymous() for server in servers]
    passes(clients[0], clients[1], "an activity goes one way")
    passes(clients[1], clients[0], "an activity goes the other way")
    for server in servers:
        server.wait_links(1)
    drain(*clients)
    for n in range(100):
        clients[n % 2].publish({"n": n})
        for client in clients:
            client.hear(n=n)
    for server in servers:
        server.wait_links(1)


# --- crashes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(4))
def test_what_was_registered_survives_kill_9(start, turn):
    """design.md, section 6: an acknowledged change is never lost. Killed in the midst of concurrent registrations;
    every account whose REGISTER_SUCCESS arrived logs in afterwards."""
    seed = int(os.environ.get("HERALD_SEED", random.randrange(1 << 32)))
    print(f"HERALD_SEED={seed}")
    dice = random.Random(seed + turn)
    server = start()
    wanted = [(server.client(), new_name(), new_secret()) for _ in range(24)]
    for client, name, secret in wanted:
        client.send_register(name, secret)
    lucky = dice.randrange(1, len(wanted))
    kept = []
    for client, name, secret in wanted[:lucky]:
        client.expect("REGISTER_SUCCESS")
        kept.append((name, secret))
    server.kill()
    for client, name, secret in wanted[lucky:]:  # those under way may have been answered, too
        line = client.receive_line()
        if line is not None and b"REGISTER_SUCCESS" in line:
            kept.append((name, secret))
    server = start.restart(server)
    clients = [(server.client(), name, secret) for name, secret in kept]
    for client, name, secret in clients:
        client.send_login(name, secret)
    for client, _, _ in clients:
        client.expect("LOGIN_SUCCESS")
    name, secret = new_name(), new_secret()
    server.client().register(name, secret).login(name, secret)


def test_accounts_survive_a_clean_restart(start):
    """design.md, section 6: a cold restart works."""
    server = start()
    name, secret = server.register()
    server.stop()
    server = start.restart(server)
    server.client().login(name, secret)
    client = server.client()
    client.send_register(name.upper(), new_secret())
    client.expect_refusal("REGISTER_FAILED")


# --- descriptors ------------------------------------------------------------------------------------------------


def test_when_descriptors_run_out_accepting_pauses_and_resumes(start):
    """sock.h: out of descriptors: accepting pauses by itself, says so once, and tries again; nobody is lost, and
    no loop spins."""
    server = start(shards=1, log_level="info")
    server.leave_descriptors(40)
    clients = [server.client() for _ in range(100)]  # the kernel's backlog takes those that are not accepted
    for client in clients:
        client.send_login()
    server.wait_log(NO_MORE)
    before = server.cpu()
    select.select([clients[-1].sock], [], [], 1)  # a second in which nothing happens, and no loop may spin
    assert server.cpu() - before < 0.5
    assert clients[-1].quiet_now()
    for client in clients:  # whoever leaves makes room for another
        client.expect("LOGIN_SUCCESS")
        client.close()
    server.anonymous().proves_to_stay()
    assert server.count_log(NO_MORE) <= 20


def test_registering_works_while_descriptors_are_short(start):
    """design.md, section 6: nothing a stranger sends takes the server down."""
    server = start(shards=1)
    server.leave_descriptors(40)
    inside = server.client().login()
    crowd = [server.client() for _ in range(100)]
    server.wait_log(NO_MORE)
    inside.proves_to_stay()
    for client in crowd:
        client.close()
    name, secret = server.register()
    server.client().login(name, secret)
