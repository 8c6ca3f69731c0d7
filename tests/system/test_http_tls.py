"""HTTP under TLS: the same port, the same answers."""

import socket
import ssl
import subprocess

import pytest

from herald_harness import (Deadline, Http, Server, admin, make_certificate, new_name, new_secret, openssl, outside,
                            trusting)
from herald_harness.command import herald_run


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("https") / "data", tls="auto", http_request_timeout="1s")
    yield server
    server.finish()


@pytest.fixture
def trusted(server):
    return trusting(server.directory / "tls_certificate.pem")


def test_the_same_answers_under_tls(server, trusted):
    with Http(server, tls=trusted) as http:
        assert http.sock.version() == "TLSv1.3"
        user = (new_name("user"), new_secret())
        identity = http.post("/v1/identities", {"login": user[0], "password": user[1]}).json
        path = f"/v1/identities/{identity['uuid']}"
        assert http.get(path).json == identity
        assert http.request("PATCH", path, {"name": "x"}, user=user).status == 200
        http.send("GET /health/live HTTP/1.1\r\nHost: h\r\n\r\n" * 100)
        for _ in range(100):
            assert http.answer().status == 200


def test_long_bodies_both_ways(server, trusted):
    token = admin(server)
    with Http(server, tls=trusted) as http:
        value = bytes(range(256)) * 256
        assert http.request("PUT", "/v1/settings/big", value, token=token).status == 200
        for _ in range(20):
            http.send("GET /v1/settings/big HTTP/1.1\r\nHost: h\r\n\r\n")
        for _ in range(20):
            assert http.answer().body == value


def test_the_end_is_said(server, trusted):
    """close_notify: an end without one would raise."""
    with Http(server, tls=trusted) as http:
        http.send("GET /health/live HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert http.answer().status == 200
        assert http.sock.recv(1) == b""


def test_this_machine_may_do_without(server):
    with Http(server) as http:
        assert http.get("/health/live").status == 200


def test_following_under_tls(server, trusted):
    with Http(server, tls=trusted) as follower, Http(server, tls=trusted) as http:
        assert follower.follow().status == 200
        login = new_name("user")
        http.post("/v1/identities", {"login": login})
        assert follower.event()["data"]["login"] == login


def test_a_greeting_that_does_not_end_is_not_waited_for(server):
    with socket.create_connection(("127.0.0.1", server.http_port), Deadline().seconds) as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01")
        try:
            assert sock.recv(100) == b""
        except ConnectionResetError:
            pass


def test_a_broken_record_ends_it_with_an_alert(server, trusted):
    with Http(server, tls=trusted) as http:
        raw = http.sock.detach()
        with socket.socket(fileno=raw) as sock:
            sock.settimeout(Deadline().seconds)
            sock.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            data = b""
            try:
                while more := sock.recv(1000):
                    data += more
            except ConnectionResetError:
                pass
            assert data  # sealed


def test_clients_that_speak_only_http_2_are_refused(server):
    context = trusting()
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        Http(server, tls=context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Http(server, tls=context) as http:
        assert http.sock.selected_alpn_protocol() == "http/1.1"


def test_older_versions_are_refused(server):
    done = openssl("s_client", "-connect", f"127.0.0.1:{server.http_port}", "-brief", "-tls1_2")
    assert done.returncode != 0 and "alert protocol version" in done.stderr, done.stderr


def test_curl_over_https(server):
    done = subprocess.run(["curl", "-sS", "-m", "20", "--cacert", server.directory / "tls_certificate.pem",
                           f"https://localhost:{server.http_port}/health/ready"], capture_output=True, text=True, check=True)
    assert "ready" in done.stdout


def test_a_stopping_server_says_the_end_to_followers(start):
    server = start(tls="auto")
    with Http(server, tls=trusting()) as follower:
        assert follower.follow().status == 200
        server.signal(15)
        assert follower.event() is None
        assert follower.sock.recv(1) == b""


def test_other_machines_come_with_tls_or_are_told_to(start):
    address = outside()
    server = start(listen="0.0.0.0:0", http="0.0.0.0:0", tls="auto")
    with Http(server, host=address, source=address) as http:
        http.send("GET /health/live HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = http.answer()
        assert (answer.status, answer.header("connection")) == (400, "close")
        assert "https://" in answer.json["detail"]
        http.ends()
    with Http(server, host=address, source=address, tls=trusting()) as http:
        assert http.get("/health/live").status == 200
    server = start(listen="0.0.0.0:0", http="0.0.0.0:0", tls="auto", plaintext=True)
    with Http(server, host=address, source=address) as http:
        assert http.get("/health/live").status == 200


# --- herald --ca ------------------------------------------------------------------------------------------------

REFUSED, USAGE = 1, 2


def test_what_holds_no_certificates_vouches_for_nobody(tmp_path):
    """It is known before a server is asked: here there is none."""
    for path in ("/etc/passwd", tmp_path, tmp_path / "none"):
        done = herald_run(tmp_path, "lookup", "alice", "--ca", path, HERALD_SERVERS="https://127.0.0.1:1")
        assert done.returncode == USAGE and f"--ca: cannot read certificates from {path}" in done.stderr, done.stderr


def test_certificates_may_come_through_a_pipe(server, tmp_path):
    """Which can be read once."""
    done = herald_run(tmp_path, "list", "users", "--ca", "/dev/stdin", HERALD_SERVERS=f"https://localhost:{server.http_port}",
                      input=(server.directory / "tls_certificate.pem").read_text())
    assert done.returncode == 0, done.stderr


def test_a_certificate_with_another_name_is_told_from_a_stranger(start, tmp_path):
    certificate, key = make_certificate(tmp_path, names="IP:127.0.0.1")
    another, _ = make_certificate(tmp_path, name="another")
    server = start(tls="file", tls_certificate=certificate, tls_key=key)

    def ask(host, ca):
        return herald_run(tmp_path, "list", "users", "--ca", ca, HERALD_SERVERS=f"https://{host}:{server.http_port}")
    assert ask("127.0.0.1", certificate).returncode == 0
    done = ask("localhost", certificate)
    assert done.returncode == REFUSED and "has another name" in done.stderr and "--ca" not in done.stderr, done.stderr
    done = ask("localhost", another)
    assert done.returncode == REFUSED and "nobody that is trusted here vouches" in done.stderr, done.stderr
    assert "another name" not in done.stderr and "--ca must name" in done.stderr
