"""HTTP/1.1 as bytes on a real connection: framing, limits, deadlines, what ends a connection."""

import base64
import re
import select
import socket
import threading

import pytest

from herald_harness import Closed, Deadline, Http, Server, admin, eventually, frozen, new_name, new_secret, reserve_port
from herald_harness.server import is_sanitized

NOBODY = "00000000-0000-4000-8000-000000000000"
GET = "GET /health/live HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("protocol") / "data")
    yield server
    server.finish()


@pytest.fixture
def http(server):
    with Http(server) as connection:
        yield connection


def test_one_connection_serves_many_requests(http):
    for _ in range(50):
        assert http.get("/health/live").status == 200


def test_pipelined_requests_are_answered_in_order(http):
    http.send((GET + "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n" + "HEAD /health/live HTTP/1.1\r\nHost: h\r\n\r\n") * 30)
    for _ in range(30):
        assert http.answer().status == 200
        assert http.answer().status == 404
        assert http.answer("HEAD").status == 200


def test_pipelined_requests_wait_for_one_that_takes_long(server, http):
    secret = new_secret()
    body = f'{{"login":"{new_name("user")}","password":"{secret}"}}'
    http.send(f"POST /v1/identities HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
              f"\r\n\r\n{body}{GET}{GET}")
    assert http.answer().status == 201
    assert http.answer().status == 200
    assert http.answer().status == 200


def test_many_pipelined_requests_whose_answers_are_not_read_do_not_fill_the_server(start):
    server = start()
    with Http(server) as http:
        before = server.rss()
        http.sock.settimeout(0.5)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += http.sock.send((GET * 1000).encode())
        except TimeoutError:
            pass
        assert sent < 64 << 20, "it took everything"
        assert server.rss() - before < (64 if is_sanitized() else 4) << 20
        assert http.answer().status == 200


def test_requests_arrive_byte_by_byte(http):
    for byte in GET.encode():
        http.send(bytes([byte]))
    assert http.answer().status == 200


def test_a_chunked_body(server, http):
    login = new_name("user")
    body = f'{{"login":"{login}"}}'
    http.send("POST /v1/identities HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
              "Transfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(body), 5):
        piece = body[start:start + 5]
        http.send(f"{len(piece):x}\r\n{piece}\r\n")
    http.send("0\r\n\r\n")
    assert http.answer().json["login"] == login
    assert http.get("/health/live").status == 200


def test_who_expects_100_is_told_to_go_on(http):
    body = f'{{"login":"{new_name("user")}"}}'
    http.send("POST /v1/identities HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
              f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n")
    assert http.head().status == 100
    http.send(body)
    assert http.answer().status == 201


@pytest.mark.parametrize("line, headers, status", [
    ("POST /nothing", "", 404),
    ("PUT /v1/identities", "", 405),
    ("POST /v1/identities", "Content-Type: text/plain\r\n", 415),
    ("POST /v1/identities", "Content-Type: application/json\r\n", 413),
])
def test_who_expects_100_is_refused_before_the_body(http, line, headers, status):
    http.send(f"{line} HTTP/1.1\r\nHost: h\r\n{headers}Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
    answer = http.answer()
    assert (answer.status, answer.header("connection")) == (status, "close")
    http.ends()


def test_methods_that_a_resource_does_not_know(http):
    answer = http.request("DELETE", "/v1/identities")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, POST, OPTIONS")
    answer = http.request("OPTIONS", "/v1/identities")
    assert (answer.status, answer.header("allow")) == (204, "GET, HEAD, POST, OPTIONS")
    answer = http.request("OPTIONS", "*")
    assert (answer.status, answer.header("allow")) == (204, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
    assert http.request("OPTIONS", "/nothing").status == 404


SMUGGLED = "0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize("head", [
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5, 5",
    "Content-Length: +5",
    "Content-Length : 5",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding:\tchunked\r\nTransfer-Encoding: x",
    "X: a\r\n Content-Length: 5",
    "X: a\nContent-Length: 5",
    "X: a\rContent-Length: 5",
    "X: a\x00b",
    "X y: a",
    "Host: other",
])
def test_what_could_be_two_messages_is_none(server, http, head):
    http.send(f"POST /v1/identities HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n{SMUGGLED}")
    answer = http.answer()
    assert answer.status in (400, 501)
    assert answer.header("connection") == "close"
    http.ends()  # above all: no second answer


@pytest.mark.parametrize("chunks", ["5\r\nabcdeX\r\n", "x\r\n", "-1\r\n", "1\nab\n", "1 \r\na\r\n", "10000000000000000\r\n"])
def test_bad_chunks_end_the_connection(http, chunks):
    http.send("POST /v1/identities HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
              f"Transfer-Encoding: chunked\r\n\r\n{chunks}{SMUGGLED}")
    answer = http.answer()
    assert answer.status == 400
    http.ends()


@pytest.mark.parametrize("line, status", [
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    ("GET /\r\n\r\n", 505),
    ("BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    ("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    ("CONNECT a:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    ('{"command":"LOGIN","username":"anonymous"}\n', 400),
    ("GET /" + "x" * 17000 + " HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    ("GET / HTTP/1.1\r\nHost: h\r\nX: " + "x" * 17000 + "\r\n\r\n", 431),
    ("GET / HTTP/1.1\r\nHost: h\r\n" + "X: y\r\n" * 70 + "\r\n", 431),
    ("GET / HTTP/1.1\r\nHost: h\r\nExpect: nothing\r\n\r\n", 417),
])
def test_heads_that_are_refused(http, line, status):
    http.send(line)
    answer = http.answer()
    assert (answer.status, answer.header("connection")) == (status, "close")
    assert answer.json["status"] == status
    http.ends()


@pytest.mark.parametrize("line, status", [("HEAD / HTTP/1.1\r\n\r\n", 400), ("HEAD / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", 417)])
def test_a_head_that_is_refused_gets_no_body(http, line, status):
    http.send(line)
    answer = http.answer("HEAD")
    assert (answer.status, answer.header("connection")) == (status, "close")
    assert int(answer.header("content-length")) > 0  # that of the body that a GET would get
    http.ends()


def test_http_1_0_is_answered_and_closed(http):
    http.send("GET /health/live HTTP/1.0\r\n\r\n")
    answer = http.answer()
    assert (answer.status, answer.header("connection")) == (200, "close")
    http.ends()


def test_http_1_0_may_stay(http):
    for _ in range(2):
        http.send("GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = http.answer()
        assert (answer.status, answer.header("connection")) == (200, "keep-alive")


def test_who_says_close_is_closed(http):
    http.send("GET /health/live HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + GET)
    assert http.answer().header("connection") == "close"
    http.ends()


def test_a_client_that_closes_its_side_is_still_answered(http):
    http.send(GET + GET)
    http.sock.shutdown(socket.SHUT_WR)
    assert http.answer().status == 200
    assert http.answer().status == 200
    http.ends()


def test_a_client_that_leaves_in_the_middle_of_a_request(server, http):
    http.send("GET /health/li")
    http.close()
    with Http(server) as other:
        assert other.get("/health/live").status == 200


def test_a_request_that_does_not_arrive_is_408(start):
    server = start(http_request_timeout="300ms", http_idle_timeout="300ms")
    with Http(server) as http:
        http.send("GET /health/live HTTP/1.1\r\nHo")
        assert http.answer().status == 408
        http.ends()
    with Http(server) as http:
        http.send("POST /v1/identities HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
        assert http.answer().status == 408
        http.ends()


def test_a_slow_loris_gains_nothing_by_going_on(start):
    server = start(http_request_timeout="400ms")
    with Http(server) as http:
        deadline = Deadline()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            http.send("GET / HTTP/1.1\r\n")
            while not deadline.passed():
                http.send("X: y\r\n")
                threading.Event().wait(0.05)


def test_who_leaves_in_the_middle_of_a_request_is_not_waited_for(start):
    server = start(http_request_timeout="10m", http_idle_timeout="10m")
    with Http(server) as http:
        http.send("GET /health/li")
        http.sock.shutdown(socket.SHUT_WR)
        http.ends()


def hung_up(http):
    """Waits until the server has closed it for good, whatever it has sent before."""
    poll = select.poll()
    poll.register(http.sock, 0)  # a hang-up is always told
    assert poll.poll(Deadline().seconds * 1000), "the server holds on to it"


def stuff(http, data, most):
    """Sends `data` again and again until the server takes no more of it; less than `most` bytes, it has to be."""
    sent = 0
    http.sock.settimeout(0.5)
    try:
        while sent < most:
            sent += http.sock.send(data)
    except (TimeoutError, BrokenPipeError, ConnectionResetError):
        pass
    assert sent < most, "it took everything"


def test_who_does_not_read_the_answers_is_closed(start):
    server = start(http_idle_timeout="1s", http_request_timeout="10m")
    with Http(server) as http:
        stuff(http, (GET * 1000).encode(), 64 << 20)
        hung_up(http)


def test_what_follows_a_refusal_is_read_over_so_that_it_arrives_but_not_for_ever(server):
    refused = b"GET / HTTP/3.0\r\nHost: h\r\n\r\n"
    with Http(server) as http:
        http.send(refused + b"x" * 500000)  # to be closed with this unread would be a reset
        assert http.answer().status == 505
        assert http.sock.recv(1) == b""
        http.send(b"x" * 100000)  # and still is
    with Http(server) as http:
        http.send(refused)
        assert http.answer().status == 505
        stuff(http, b"x" * 65536, 64 << 20)


def test_what_a_follower_says_is_read_over_but_not_for_ever(server):
    with Http(server) as http:
        assert http.follow().status == 200
        stuff(http, GET.encode() * 1000, 64 << 20)
        hung_up(http)


def test_an_idle_connection_is_closed_without_a_word(start):
    server = start(http_idle_timeout="300ms")
    with Http(server) as http:
        assert http.get("/health/live").status == 200
        http.ends()


def test_connections_count_against_the_limits_of_the_stream(start):
    server = start(connections_per_address=3)
    clients = [server.client(), server.client()]
    with Http(server) as one:
        assert one.get("/health/live").status == 200
        with Http(server) as two:
            answer = two.answer()
            assert (answer.status, answer.header("retry-after")) == (503, "1")
            assert "connections_per_address" in answer.json["detail"]
        with Http(server, source="127.0.0.9") as other:
            assert other.get("/health/live").status == 200
    assert clients


def test_idle_connections_cost_little(start):
    server = start()
    connections = [Http(server) for _ in range(1000)]
    for http in connections[:100]:
        assert http.get("/health/live").status == 200
    before = server.rss()
    connections += [Http(server) for _ in range(1000)]
    for http in connections:
        http.send(GET)
    for http in connections:
        assert http.answer().status == 200
    grown = (server.rss() - before) / 1000
    for http in connections:
        http.close()
    if not is_sanitized():
        assert grown < 3000, f"{grown:.0f} bytes a connection"


# --- guessing ---------------------------------------------------------------------------------------------------
def test_guessing_is_slowed_by_address_and_name_and_locks_nobody_out_from_elsewhere(start):
    server = start(login_failures=3, login_delay="5s", login_delay_max="5s")
    token = admin(server)
    with Http(server) as http, Http(server, source="127.0.0.7") as elsewhere:
        user = (new_name("user"), new_secret())
        identity = http.post("/v1/identities", {"login": user[0], "password": user[1]}).json
        path = f"/v1/identities/{identity['uuid']}"
        for _ in range(3):
            assert http.request("PATCH", path, {"name": "x"}, user=(user[0], "guess")).code == "credentials_wrong"
        slowed = http.request("PATCH", path, {"name": "x"}, user=(user[0], "guess"))
        assert (slowed.status, slowed.code) == (429, "too_many_requests")
        assert 1 <= int(slowed.header("retry-after")) <= 5
        # The right one has to wait, too: who asks cannot be told apart.
        assert http.request("PATCH", path, {"name": "x"}, user=user).status == 429
        assert elsewhere.request("PATCH", path, {"name": "x"}, user=user).status == 200
        assert http.request("PATCH", path, {"name": "y"}, token=token).status == 200
        # The stream counts with it: it is the same desk.
        late = server.client()
        late.send_login(*user)
        with pytest.raises(AssertionError):
            late.receive_line(0.3)


def metric(server, name):
    with Http(server, source="127.0.0.9") as http:
        return int(re.search(rf"^herald_{name} (\d+)$", http.get("/metrics").body.decode(), re.M)[1])


def guesses(server, user, count, right=()):
    """So many PATCHes at once, each on a connection of its own, with the right password or a wrong one: the answers."""
    asked = [Http(server) for _ in range(count)]
    for number, http in enumerate(asked):
        secret = user[1] if number in right else new_secret()
        basic = base64.b64encode(f"{user[0]}:{secret}".encode()).decode()
        http.send(f"DELETE /v1/identities/{NOBODY} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\n\r\n")
    answers = [http.answer() for http in asked]
    for http in asked:
        http.close()
    return answers


def test_guessing_at_once_is_as_slow_as_one_by_one(start):
    server = start(login_failures=3, login_delay="1m", login_delay_max="1m")
    with Http(server) as http:
        user = (new_name("user"), new_secret())
        assert http.post("/v1/identities", {"login": user[0], "password": user[1]}).status == 201
    tried = [answer.code for answer in guesses(server, user, 60)]
    assert sorted(set(tried)) == ["credentials_wrong", "too_many_requests"]
    assert tried.count("credentials_wrong") == 3 == metric(server, "logins_failed_total")
    # The stream counts with it, and waits by itself: nobody of these is looked at.
    for number in range(20):
        server.client().send_login(user[0], f"guess {number}")
    eventually(lambda: metric(server, "logins_delayed_total") == 57 + 20, "they are held")
    assert metric(server, "logins_failed_total") == 3


def test_who_is_right_at_once_only_waits_in_line(start):
    """Of one account, and of more than may be under way for an address; also behind one that is wrong."""
    server = start(login_failures=2, login_delay="1m", login_delay_max="1m", registers_per_minute=0)
    users = [(new_name("user"), new_secret()) for _ in range(30)]
    with Http(server) as http:
        for login, password in users:
            assert http.post("/v1/identities", {"login": login, "password": password}).status == 201
    answers = guesses(server, users[0], 40, range(40))
    assert {answer.code for answer in answers} == {"forbidden"}  # it is who it says, and not that account
    clients = [server.client() for _ in users]
    for client, user in zip(clients, users):
        client.send_login(*user)
    for client in clients:
        client.expect("LOGIN_SUCCESS")
    answers = guesses(server, users[1], 10, range(1, 10))
    assert [answer.code for answer in answers].count("credentials_wrong") == 1
    assert {answer.code for answer in answers} == {"credentials_wrong", "forbidden"}


def test_who_waits_in_line_is_answered_when_the_server_stops(start):
    server = start(login_failures=1, hash_threads=1, shards=1)
    user = (new_name("user"), new_secret())
    with Http(server) as http:
        assert http.post("/v1/identities", {"login": user[0], "password": user[1]}).status == 201
    clients = [server.client() for _ in range(50)]
    for number, client in enumerate(clients):
        client.send_login(user[0], f"guess {number}")
    eventually(lambda: metric(server, "connections") >= 50, "all are there")
    server.stop()


def test_the_work_does_not_tell_which_accounts_exist(start):
    """A wrong password, a name that nobody has, an account without a password. Measured in CPU time."""
    server = start(shards=1, hash_threads=1)
    with Http(server) as http:
        login, bare = new_name("user"), new_name("user")
        path = "/v1/identities/" + http.post("/v1/identities", {"login": login, "password": new_secret()}).json["uuid"]
        assert http.post("/v1/identities", {"login": bare}).status == 201

        def work(name):
            before = server.cpu()
            for _ in range(8):
                assert http.request("DELETE", path, user=(name, new_secret())).code == "credentials_wrong"
            return server.cpu() - before
        work(login)
        costs = [work(name) for name in (login, new_name("nobody"), bare)]
        assert max(costs) < 2 * min(costs), costs


def test_new_accounts_are_limited_by_address(start):
    server = start(registers_per_minute=2)
    token = admin(server)
    with Http(server) as http, Http(server, source="127.0.0.8") as elsewhere:
        for _ in range(2):
            assert http.post("/v1/identities", {"login": new_name("user")}).status == 201
        late = http.post("/v1/identities", {"login": new_name("user")})
        assert (late.status, late.code) == (429, "too_many_requests")
        assert 1 <= int(late.header("retry-after")) <= 60
        assert elsewhere.post("/v1/identities", {"login": new_name("user")}).status == 201
        for _ in range(5):
            assert http.post("/v1/identities", {"login": new_name("user")}, token=token).status == 201


def test_activities_are_limited_by_what_a_connection_says(start):
    server = start(publish_limit="64KiB")
    with Http(server) as http:
        user = (new_name("user"), new_secret())
        assert http.post("/v1/identities", {"login": user[0], "password": user[1]}).status == 201
        listener = server.anonymous()
        for heard in range(100):
            said = http.post("/v1/activities", {"pad": "x" * 8000}, user=user)
            if said.status != 202:
                break
            listener.hear()
        assert heard > 0
        assert (said.status, said.code) == (429, "too_many_requests")
        assert int(said.header("retry-after")) >= 1


# --- stopping ---------------------------------------------------------------------------------------------------
def test_a_stopping_server_answers_what_was_asked_and_closes_the_idle(start):
    server = start(drain_timeout="10s")
    with Http(server) as idle, Http(server) as busy, Http(server) as following:
        assert idle.get("/health/live").status == 200
        assert following.follow().status == 200
        body = f'{{"login":"{new_name("user")}","password":"{new_secret()}"}}'
        with frozen(server, "worker"):
            busy.send("POST /v1/identities HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n{body}")
            eventually(lambda: "herald_hash_waiting 1\n" in idle.get("/metrics").body.decode(), "it waits to be hashed")
            server.signal(15)
            idle.ends()
            assert following.event() is None
            following.ends()
        try:
            answer = busy.answer()
        except Closed:
            pytest.fail("a request was asked and not answered")
        assert (answer.status, answer.header("connection")) in ((201, "close"), (503, "close"))
        busy.ends()
    assert server.wait_exit() == 0


def test_who_waits_for_a_clock_is_answered_when_the_server_stops(start):
    server = start(shards=1, drain_timeout="2s")  # and not when it has waited for long enough
    with Http(server) as waiting, Http(server) as other:
        waiting.send("GET /v1/identities HTTP/1.1\r\nHost: h\r\nHerald-Clock: 1.9\r\n\r\n")
        assert other.get("/health/live").status == 200  # so it has been read
        server.signal(15)
        assert waiting.answer().code == "clock_not_reached"
        waiting.ends()


def test_the_port_nobody_asked_for_may_be_taken(start):
    port = reserve_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        server = start(listen=f"127.0.0.1:{port}")
        server.wait_log(msg="no HTTP API")
        assert server.client().login()


def test_http_can_be_off(start):
    server = start(http="off")
    client = server.client().login()
    assert client
    assert server.count_log(msg="listening for HTTP") == 0
    assert admin(server)  # the control socket is there all the same
