"""Limits that protect a server from the public: each has an option, a reason and a way out."""

import time

import pytest
from herald_harness import eventually, new_name, new_secret

REFUSED = ("INVALID_MESSAGE", "LOGIN_FAILED", "REGISTER_FAILED", "AUTHENTICATION_FAIL")


def turned_away(server, source=None):
    """True when a new connection is closed instead of being served."""
    client = server.client(source)
    client.send_some(b'{"command":"LOGIN","username":"anonymous"}\n')
    line = client.receive_line()
    client.close()
    return line is None or b"LOGIN_SUCCESS" not in line


def test_connections_are_limited(start):
    """--max-connections: one more is turned away; when one leaves, the next is served."""
    server = start(max_connections=10)
    clients = [server.anonymous() for _ in range(10)]
    assert turned_away(server)
    clients[0].publish({"n": 1})
    for client in clients:
        client.hear(n=1)
    clients.pop().close()
    eventually(lambda: not turned_away(server), "there is room again")


def test_connections_of_an_address_are_limited(start):
    """--connections-per-address: counted by address; another address is served."""
    server = start(connections_per_address=5)
    clients = [server.anonymous() for _ in range(5)]
    assert turned_away(server)
    other = server.client("127.0.0.2").login().proves_to_stay()
    clients.pop().close()
    eventually(lambda: not turned_away(server), "there is room again")
    other.proves_to_stay()


@pytest.mark.parametrize("said", [b"", b'{"command":', b"\xff"], ids=["nothing", "half a line", "a byte"])
def test_who_says_nothing_is_closed(start, said):
    """--first-message-timeout: until a first complete line; not before."""
    server = start(first_message_timeout="1s")
    stays = server.anonymous()
    began = time.monotonic()
    silent = server.client()
    silent.send_some(said)
    silent.read_to_close()
    assert time.monotonic() - began >= 0.99
    stays.proves_to_stay()


def test_a_line_that_trickles_in_does_not_hold_a_connection(start):
    """--first-message-timeout: a slow-loris: bytes come, a line never does."""
    server = start(first_message_timeout="1s")
    slow = server.client()

    def cut():
        slow.send_some(b" ")
        return not slow.quiet_now()
    eventually(cut, "it is closed")


def test_who_has_spoken_may_be_silent(start):
    """--first-message-timeout: only until the first complete line."""
    server = start(first_message_timeout="500ms")
    quiet = server.anonymous()
    name, secret = new_name(), new_secret()
    registered = server.client().register(name, secret)
    for _ in range(2):  # two silent ones come and are closed meanwhile
        server.client().read_to_close()
    registered.login(name, secret)
    quiet.proves_to_stay()


def test_registrations_of_an_address_are_limited(start):
    """--registers-per-minute: an attempt more fails with a reason; another address is served."""
    server = start(registers_per_minute=3)
    for _ in range(3):
        server.register()
    client = server.client()
    client.send_register(new_name(), new_secret())
    client.expect_refusal("REGISTER_FAILED")
    server.client("127.0.0.2").register(new_name(), new_secret())
    server.anonymous().proves_to_stay()


def fails(server, name, source=None):
    """Seconds that a failed login took."""
    client = server.client(source)
    began = time.monotonic()
    client.send_login(name, new_secret())
    client.expect_refusal("LOGIN_FAILED")
    return time.monotonic() - began


def test_failed_logins_are_delayed_more_and_more(start):
    """--login-failures, --login-delay, --login-delay-max: the first delay; it doubles; the longest."""
    server = start(login_failures=3, login_delay="300ms", login_delay_max="800ms")
    name, _ = server.register()
    for _ in range(3):
        fails(server, name)
    took = [fails(server, name) for _ in range(4)]
    for seconds, least in zip(took, (0.3, 0.6, 0.8, 0.8)):
        assert seconds >= least * 0.97, took


def test_a_delay_holds_up_nobody_else(start):
    """--login-delay: while one answer is held back, others log in, and from another address the same name does."""
    server = start(login_failures=1, login_delay="60s", login_delay_max="60s")
    name, secret = server.register()
    fails(server, name)
    held = server.client()
    held.send_login(name, new_secret())
    other, other_secret = server.register()
    server.client().login(other, other_secret)
    server.client("127.0.0.2").login(name, secret)
    server.anonymous().proves_to_stay()
    assert held.quiet_now()


def test_a_full_hash_queue_is_answered(start):
    """--hash-queue: logins beyond it are refused with a reason; every one is answered and the server goes on."""
    server = start(hash_queue=2, hash_threads=1, verified_ttl="0")
    name, secret = server.register()
    clients = [server.client() for _ in range(40)]
    for client in clients:
        client.send_login(name, secret)
    replies = [client.expect(("LOGIN_SUCCESS", *REFUSED))["command"] for client in clients]
    assert "LOGIN_SUCCESS" in replies
    eventually(lambda: logs_in(server, name, secret), "there is room again")


def logs_in(server, name, secret):
    client = server.client()
    client.send_login(name, secret)
    return client.expect(("LOGIN_SUCCESS", *REFUSED))["command"] == "LOGIN_SUCCESS"


def test_a_flood_of_connections_does_not_grow_the_server(start):
    """design.md, section 6: memory is bounded: a connection storm."""
    server = start(log_level="info")
    stays = server.anonymous()
    for _ in range(200):
        server.client().close()
    stays.proves_to_stay()
    before = server.rss()
    for _ in range(3000):
        server.connect().close()
    stays.proves_to_stay()
    assert server.rss() - before < 32 << 20


def test_half_lines_on_many_connections_are_bounded(start):
    """design.md, section 6: memory is bounded: 200 connections that each send most of a line and stop. What they
    sent is held, no more."""
    server = start(log_level="info", max_message="64KiB")
    stays = server.anonymous()
    before = server.rss()
    crowd = [server.client() for _ in range(200)]
    for client in crowd:
        client.send_some(b"x" * 60_000)
    for client in crowd:
        client.send_some(b"\n")
        client.expect_refusal("INVALID_MESSAGE")
    stays.proves_to_stay()
    assert server.rss() - before < 96 << 20
