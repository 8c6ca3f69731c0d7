"""What the API and the stream have to do with each other: activities, sessions that end, the change log, and what
survives a kill."""

import base64
import json
import random
import re
import select
import socket
import subprocess
import threading

import pytest

from herald_harness import Closed, Http, admin, control, eventually, new_name, new_secret
from herald_harness.connection import wait_for

CURL = ["curl", "-sS", "-m", "20"]


def create(http, password=None):
    login = new_name("user")
    answer = http.post("/v1/identities", {"login": login} | ({"password": password} if password else {}))
    assert answer.status == 201, answer
    return f"/v1/identities/{answer.json['uuid']}", (login, password)


# --- activities -------------------------------------------------------------------------------------------------
def test_an_activity_over_http_is_heard_and_stamped_like_any_other(start):
    server = start()
    listener = server.anonymous()
    with Http(server) as http:
        _, user = create(http, new_secret())
        posted = http.post("/v1/activities", {"type": "Note", "authenticated_user": "mallory", "n": 1}, user=user)
        assert (posted.status, posted.json) == (202, {"authenticated_user": user[0]})
        heard = listener.expect("ACTIVITY_BROADCAST")
        assert heard["activity"] == {"type": "Note", "n": 1, "authenticated_user": user[0]}
        number = b'{"n":1.10,"big":123456789012345678901234567890,"e":1e400}'
        assert http.request("POST", "/v1/activities", number, user=user, Content_Type="application/json").status == 202
        assert b'"n":1.10,"big":123456789012345678901234567890,"e":1e400' in listener.expect("ACTIVITY_BROADCAST").raw


def test_what_is_no_activity_is_refused_and_not_heard(start):
    server = start(max_message="4KiB")
    listener = server.anonymous()
    token = admin(server)
    with Http(server) as http:
        _, user = create(http, new_secret())
        for body in (b"[]", b'"x"', b"1},\"x\":{", b"{}{}", b"{", b'{"a":1},"username":"b"',
                     b'{"a":' * 70 + b"1" + b"}" * 70):
            answer = http.request("POST", "/v1/activities", body, user=user, Content_Type="application/json")
            assert (answer.status, answer.code) == (400, "json_malformed"), body
        for size in (4096, 4033):  # of the body; what is put around an activity counts, too
            body = b'{"a":"' + b"x" * (size - 8) + b'"}'
            answer = http.request("POST", "/v1/activities", body, user=user, Content_Type="application/json")
            assert (answer.status, answer.code) == (413, "body_too_large"), size
        repeated = http.post("/v1/activities", {}, user=user, Idempotency_Key="k")
        assert (repeated.code, repeated.json["field"]) == ("header_invalid", "Idempotency-Key")
        assert http.post("/v1/activities", {}).code == "credentials_missing"
        assert http.post("/v1/activities", {}, token=token).code == "forbidden"
        assert http.post("/v1/activities", {"a": "x" * 5000}, user=user).code == "body_too_large"
    with Http(server) as http:
        assert http.post("/v1/activities", {"last": True}, user=user).status == 202
    assert listener.expect("ACTIVITY_BROADCAST")["activity"]["last"] is True


# --- sessions that end ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("change", ["rename", "password", "delete"])
def test_a_changed_account_loses_its_open_sessions(start, change):
    server = start(shards=2)
    with Http(server) as http:
        path, user = create(http, new_secret())
        sessions = [server.client().login(*user) for _ in range(6)]
        other_path, other = create(http, new_secret())
        bystander = server.client().login(*other)
        if change == "delete":
            assert http.request("DELETE", path, user=user).status == 204
        else:
            body = {"login": new_name("new")} if change == "rename" else {"password": new_secret()}
            assert http.request("PATCH", path, body, user=user).status == 200
        for session in sessions:
            assert "log in again" in session.expect("AUTHENTICATION_FAIL")["info"]
            session.expect_close()
        assert 'closed_total{reason="ended"} 6\n' in http.get("/metrics").body.decode()
        # A change of the real name ends nothing.
        assert http.request("PATCH", other_path, {"name": "x"}, user=other).status == 200
        bystander.publish({"still": "here"})
        bystander.hear(authenticated_user=other[0])


def test_who_has_become_anonymous_is_left_alone(start):
    server = start()
    with Http(server) as http:
        path, user = create(http, new_secret())
        client = server.client().login(*user).login()
        assert http.request("DELETE", path, user=user).status == 204
        client.publish({"still": "here"})
        client.hear(authenticated_user="anonymous")


def test_no_old_secret_opens_a_session_after_the_change_was_answered(start):
    server = start()
    with Http(server) as http:
        path, user = create(http, new_secret())
        for _ in range(10):
            server.client().login(*user)  # known and remembered as right
            fresh = new_secret()
            assert http.request("PATCH", path, {"password": fresh}, user=user).status == 200
            late = server.client()
            late.send_login(*user)
            late.expect("LOGIN_FAILED")
            user = (user[0], fresh)


def test_nobody_is_heard_under_a_name_that_is_no_longer_theirs(start):
    """Sessions of the old owner shout without a pause while the name changes hands, again and again: once the new
    owner has it, nothing the old one says is heard under it."""
    server = start(shards=2, publish_limit=0)
    rounds = 12
    listener = server.anonymous()
    with Http(server) as http:
        name = new_name("crown")
        for number in range(rounds):
            secret = new_secret()
            answer = http.post("/v1/identities", {"login": name, "password": secret})
            assert answer.status == 201, answer
            path = f"/v1/identities/{answer.json['uuid']}"
            shouters = [server.client().login(name, secret) for _ in range(4)]
            stop = threading.Event()

            def shout(session, who):
                try:
                    while not stop.is_set():
                        session.publish({"owner": who})
                except (OSError, AssertionError):
                    pass

            threads = [threading.Thread(target=shout, args=(one, number)) for one in shouters]
            for thread in threads:
                thread.start()
            if number % 2:
                assert http.request("DELETE", path, user=(name, secret)).status == 204
            else:
                assert http.request("PATCH", path, {"login": new_name("former")}, user=(name, secret)).status == 200
            # From here on the name is anybody's: its new owner says so in the stream.
            heir = (name, new_secret())
            fresh = http.post("/v1/identities", {"login": name, "password": heir[1]})
            assert fresh.status == 201
            assert http.post("/v1/activities", {"heir": number}, user=heir).status == 202
            stop.set()
            for thread in threads:
                thread.join()
            while "heir" not in (heard := listener.expect("ACTIVITY_BROADCAST")["activity"]):
                assert heard["owner"] == number  # and not one of those before
            assert heard["heir"] == number
            assert http.request("DELETE", f"/v1/identities/{fresh.json['uuid']}", user=heir).status == 204
            for session in shouters:
                session.close()


# --- the change log ---------------------------------------------------------------------------------------------
def test_followers_hear_every_change_once_and_in_order(start):
    server = start()
    token = admin(server)
    with Http(server) as http, Http(server) as follower, Http(server) as late:
        assert follower.follow(since=0).status == 200
        path, user = create(http, new_secret())
        http.request("PATCH", path, {"name": "New", "password": new_secret()}, token=token)
        http.request("PUT", "/v1/settings/app/theme", b"dark", token=token)
        http.request("DELETE", "/v1/settings/app/theme", token=token)
        http.request("DELETE", path, token=token)
        events = [follower.event() for _ in range(6)]
        assert [one["event"] for one in events] == ["token_add", "create", "modify", "setting_put", "setting_delete", "delete"]
        assert [one["id"] for one in events] == [f"1.{number}" for number in range(1, 7)]
        assert events[1]["data"]["login"] == user[0]
        assert events[2]["data"]["sets"] == ["name", "password"]
        assert events[3]["data"]["key"] == "app/theme"
        assert "a test" not in str(events)  # the token's label
        # One that comes later catches up, and goes on.
        assert late.follow(since="1.4").status == 200
        assert [late.event()["id"] for _ in range(2)] == ["1.5", "1.6"]
        create(http)
        assert follower.event()["id"] == late.event()["id"] == "1.7"


def test_a_follower_without_since_hears_what_is_new(start):
    server = start()
    with Http(server) as http, Http(server) as follower:
        create(http)
        assert follower.follow().status == 200
        _, user = create(http)
        assert follower.event()["data"]["login"] == user[0]


def test_last_event_id_resumes(start):
    server = start()
    with Http(server) as http, Http(server) as follower:
        for _ in range(3):
            create(http)
        assert follower.follow(since=0, Last_Event_ID="1.2").status == 200
        assert follower.event()["id"] == "1.3"


def test_who_follows_from_the_clock_of_a_list_misses_nothing(start):
    """Settings are made as fast as they can while somebody reads one, none, or all of them: what an answer does not have
    was changed after its clock, and what it has was not."""
    server = start(shards=2)
    token = admin(server)
    made, seen, stop = [], [], threading.Event()

    def write(number):
        with Http(server) as http:
            for count in range(300):
                made.append(f"{number}-{count}")
                assert http.request("PUT", f"/v1/settings/{made[-1]}", b"", token=token, check=False).status == 200

    def read():
        with Http(server) as http:
            while not stop.is_set():
                answer = http.get("/v1/settings?limit=1000", check=False)
                seen.append((answer, {one["key"] for one in answer.json["settings"]}, None))
                for key in made[-3:]:
                    answer = http.get(f"/v1/settings/{key}", check=False)
                    seen.append((answer, {key} if answer.status == 200 else set(), {key}))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    reader = threading.Thread(target=read)
    for thread in [*writers, reader]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    with Http(server) as follower:
        assert follower.follow(since=1).status == 200
        clocks = {event["data"]["key"]: int(event["id"].split(".")[1])
                  for event in (follower.event() for _ in range(900))}
    assert len(seen) > 50
    for answer, has, about in seen:
        clock = int(answer.header("herald-clock").split(".")[1])
        assert all(clocks[key] <= clock for key in has)
        assert all(clocks[key] > clock for key in (about or clocks.keys()) - has), answer


@pytest.mark.parametrize("field", ["since", "Last-Event-ID"])
@pytest.mark.parametrize("clock, status", [("9", 410), ("2.0", 410), ("x", 400), ("-1", 400)])
def test_a_clock_that_cannot_be_followed_from(start, clock, status, field):
    server = start()
    with Http(server) as http:
        answer = http.follow(since=clock) if field == "since" else http.follow(since=0, Last_Event_ID=clock)
        malformed = "parameter_invalid" if field == "since" else "header_invalid"
        assert (answer.status, answer.code) == (status, "changes_gone" if status == 410 else malformed)
        assert answer.json["field"] == field
        assert http.get("/health/live").status == 200


def test_an_account_that_changes_is_told_no_more(start):
    server = start("--directory", "authenticated")
    token = admin(server)
    with Http(server) as http, Http(server) as follower:
        path, user = create(http, new_secret())
        basic = "Basic " + base64.b64encode(":".join(user).encode()).decode()
        assert follower.follow(Authorization=basic).status == 200
        http.request("PATCH", path, {"password": new_secret()}, token=token)
        with pytest.raises(Closed):
            follower.event()


def test_an_admin_whose_token_is_revoked_is_told_no_more(start):
    """Nothing of what came after it, however fast that came. Other admins are."""
    server = start("--directory", "admin", shards=2)
    tokens = [control(server, command="token_add", label="one") for _ in range(2)]
    other = admin(server)
    for one in tokens:
        with Http(server) as http, Http(server) as follower, Http(server) as stays:
            assert follower.follow(Authorization=f"Bearer {one['token']}").status == 200
            assert stays.follow(Authorization=f"Bearer {other}").status == 200
            _, user = create(http)
            assert follower.event()["data"]["login"] == user[0]
            assert control(server, command="token_revoke", id=one["id"])["ok"]
            created = [create(http)[1][0] for _ in range(20)]
            with pytest.raises(Closed):
                raise AssertionError(follower.event())
            assert [stays.event()["event"] for _ in range(2)] == ["create", "token_revoke"]
            assert [stays.event()["data"]["login"] for _ in range(20)] == created
            assert http.get("/v1/changes", token=one["token"]).code == "credentials_wrong"


def test_who_may_follow_no_more_is_told_no_more(start, tmp_path):
    conf = tmp_path / "herald.conf"
    conf.write_text("directory = public\n")
    server = start("-c", conf, shards=1)
    bearer = "Bearer " + admin(server)
    with Http(server) as http, Http(server) as stays:
        _, user = create(http, new_secret())
        basic = "Basic " + base64.b64encode(":".join(user).encode()).decode()
        assert stays.follow(Authorization=bearer).status == 200
        for directory, who in (("authenticated", {}), ("admin", {"Authorization": basic})):
            with Http(server) as follower:
                assert follower.follow(**who).status == 200
                assert b"retry" in follower.chunk()
                conf.write_text(f"directory = {directory}\n")
                server.signal(1)
                follower.ends()
        login = create(http)[1][0]
        assert stays.event()["data"]["login"] == login


def test_a_revoked_token_changes_nothing_more(start):
    """Not even what it asked for before, and what waits for a password to be hashed."""
    server = start(hash_threads=1, shards=1)
    token = control(server, command="token_add", label="one")
    with Http(server) as http:
        paths = [create(http)[0] for _ in range(60)]

        def waiting():
            text = http.get("/metrics").body.decode()
            return int(re.search(r"^herald_hash_waiting (\d+)$", text, re.M)[1])
        asked = [Http(server) for _ in paths]
        for path, connection in zip(paths, asked):
            body = json.dumps({"password": new_secret()})
            connection.send(f"PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token['token']}\r\n"
                            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        eventually(lambda: waiting() > 10, "passwords wait to be hashed")
        assert control(server, command="token_revoke", id=token["id"])["ok"]
        answers = [connection.answer("PATCH") for connection in asked]
        assert {answer.status for answer in answers} <= {200, 401}
        done = sum(answer.status == 200 for answer in answers)
        assert any("meanwhile" in answer.json["detail"] for answer in answers if answer.status == 401)
        with Http(server) as follower:
            assert follower.follow(since=0).status == 200
            kinds = [follower.event()["event"] for _ in range(1 + 60 + done + 1)]
        assert kinds == ["token_add"] + ["create"] * 60 + ["modify"] * done + ["token_revoke"]
        assert http.get("/v1/settings").header("herald-clock") == f"1.{len(kinds)}"


def test_head_of_the_change_log_follows_nothing(start):
    server = start()
    with Http(server) as http:
        with Http(server) as follower:
            names = [[name for name, _ in head.headers if name != "date"] for head in
                     (follower.follow(since=0), http.request("HEAD", "/v1/changes?since=0"))]
            assert names[0] == names[1]  # as that of a GET, and no length
        answer = http.request("HEAD", "/v1/changes?since=0")
        assert (answer.status, answer.header("content-type")) == (200, "text/event-stream")
        create(http)  # the connection goes on, and hears nothing of that but its own answer
        assert http.get("/health/live").status == 200


def test_a_follower_that_closes_its_side_is_let_go(start):
    server = start()
    with Http(server) as follower:
        assert follower.follow().status == 200
        assert b"retry" in follower.chunk()
        follower.sock.shutdown(socket.SHUT_WR)
        follower.ends()


def test_a_follower_hears_from_time_to_time_that_the_server_is_there(start):
    server = start(http_idle_timeout="1s")
    with Http(server) as follower:
        follower.follow()
        assert wait_for(follower.sock, select.POLLIN, 60)  # it comes every 15 s
        assert follower.event() == {"comment": "still here"}


def test_a_follower_that_does_not_read_costs_a_cursor(start):
    server = start()
    token = admin(server)
    with Http(server) as http, Http(server) as follower:
        follower.follow()
        before = server.rss()
        for number in range(3000):
            http.request("PUT", f"/v1/settings/{number}/{'x' * 200}", b"", token=token, check=False)
        assert server.rss() - before < 16 << 20
        for number in range(3000):
            assert follower.event()["data"]["key"].startswith(f"{number}/")


# --- kill -9 ----------------------------------------------------------------------------------------------------
def test_what_was_answered_survives_a_kill(start):
    server = start()
    made = []
    for _ in range(3):
        with Http(server) as http:
            stop = threading.Event()
            clock = 0

            def work():
                nonlocal clock
                try:
                    while not stop.is_set():
                        answer = http.post("/v1/identities", {"login": new_name("user")}, check=False)
                        made.append(answer.json)
                        clock = int(answer.header("herald-clock").split(".")[1])
                except (AssertionError, OSError):
                    pass

            worker = threading.Thread(target=work)
            worker.start()
            few = len(made) + random.randrange(20, 60)
            eventually(lambda: len(made) > few, "some accounts")
            server.kill()
            stop.set()
            worker.join()
        server = start.restart(server)
        with Http(server) as http:
            for identity in made:
                found = http.get(f"/v1/identities/{identity['uuid']}")
                assert (found.status, found.json) == (200, identity)
            assert int(found.header("herald-clock").split(".")[1]) >= clock


# --- curl -------------------------------------------------------------------------------------------------------
def test_the_api_from_curl(start):
    server = start()
    url = f"http://127.0.0.1:{server.http_port}"
    token = admin(server)

    def curl(*words):
        done = subprocess.run([*CURL, "-w", "\n%{http_code}", *words], capture_output=True, text=True, check=True)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    json_type = ["-H", "Content-Type: application/json"]
    secret = new_secret()
    status, body = curl(*json_type, "-d", f'{{"login":"zoe","password":"{secret}"}}', f"{url}/v1/identities")
    assert status == 201
    uuid = body.split('"uuid":"')[1].split('"')[0]
    assert curl(f"{url}/v1/identities?login=Zoe") == (200, body)
    assert curl("-I", f"{url}/v1/identities/{uuid}")[0] == 200
    assert curl("-X", "PATCH", "-u", f"zoe:{secret}", *json_type, "-d", '{"name":"Zoe"}', f"{url}/v1/identities/{uuid}")[0] == 200
    assert curl("-X", "PUT", "-H", f"Authorization: Bearer {token}", "-H", "Expect: 100-continue", "--data-binary", "v",
                f"{url}/v1/settings/k")[0] == 200
    assert curl(f"{url}/v1/settings/k") == (200, "v")
    assert curl("--http1.0", f"{url}/health/live")[0] == 200
    assert curl("-X", "DELETE", "-u", f"zoe:{secret}", f"{url}/v1/identities/{uuid}")[0] == 204
    assert curl(f"{url}/v1/identities/{uuid}")[0] == 404
