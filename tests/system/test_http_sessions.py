"""That no one is heard under a name that is no longer theirs, at the moments when it is close: threads of the server are
held still, so that the news of a change, a login or an activity stays under way for as long as a test needs it to."""

import base64
import json
import select
from contextlib import ExitStack

import pytest

from herald_harness import Deadline, Http, admin, eventually, frozen, new_name, new_secret

CHANGES = ["rename", "password", "delete"]


def create(http, login=None):
    user = (login or new_name("user"), new_secret())
    answer = http.post("/v1/identities", {"login": user[0], "password": user[1]})
    assert answer.status == 201, answer
    return f"/v1/identities/{answer.json['uuid']}", user


def apply(http, change, path, token):
    """The change, in a way that needs no hashing."""
    if change == "delete":
        assert http.request("DELETE", path, token=token).status == 204
    else:
        body = {"login": new_name("former")} if change == "rename" else {"password": None}
        assert http.request("PATCH", path, body, token=token).status == 200


def ready(things, count):
    """The first `count` of them that have something to read."""
    deadline, poll = Deadline(), select.poll()
    by_fd = {thing.sock.fileno(): thing for thing in things}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    found = []
    while len(found) < count:
        assert not deadline.passed(), f"{len(found)} of {count} were answered"
        for fd, _ in poll.poll(deadline.left() * 1000):
            poll.unregister(fd)
            found.append(by_fd[fd])
    return found


def by_shard(server, connections):
    """HTTP connections as (those of shard 1, the others)."""
    with frozen(server, "shard 1"):
        for http in connections:
            http.send("GET /health/live HTTP/1.1\r\nHost: h\r\n\r\n")
        awake = ready(connections, len(connections) // 2)
    for http in connections:
        assert http.answer().status == 200
    return [http for http in connections if http not in awake], awake


def basic(user):
    return "Basic " + base64.b64encode(":".join(user).encode()).decode()


def ask(http, method, path, body, authorization):
    """A request of which the answer is not awaited."""
    body = json.dumps(body)
    http.send(f"{method} {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\n"
              f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")


def say(http, user, activity):
    ask(http, "POST", "/v1/activities", activity, basic(user))


@pytest.mark.parametrize("change", CHANGES)
def test_a_session_whose_thread_has_not_heard_of_the_change_is_not_heard(start, change):
    server = start(shards=2)
    token = admin(server)
    with Http(server) as one, Http(server) as two:
        [_], [http] = by_shard(server, [one, two])
        path, user = create(http)
        listeners = [server.anonymous() for _ in range(2)]  # one on each shard
        sessions = [server.client().login(*user) for _ in range(2)]
        with frozen(server, "shard 1"):
            for session in sessions:
                session.publish({"said": "before"})
            [awake] = ready(sessions, 1)
            [late] = [session for session in sessions if session is not awake]
            [listener] = ready(listeners, 1)
            apply(http, change, path, token)
            if change != "password":
                path, user = create(http, user[0])  # from here on the name is another's
            late.publish({"said": "after"})
        assert b"AUTHENTICATION_FAIL" in late.read_to_close()[-1]
        # Who was awake has said it before; from here on only the heir is heard.
        listener.hear(said="before", authenticated_user=user[0])
        server.anonymous().publish({"said": "last"})
        listener.hear(said="last")


@pytest.mark.parametrize("change", CHANGES)
def test_an_activity_over_http_that_was_allowed_before_the_change_is_not_heard_after_it(start, change):
    server = start(shards=2)
    token = admin(server)
    listeners = [server.anonymous() for _ in range(2)]
    with ExitStack() as stack:
        connections = [stack.enter_context(Http(server)) for _ in range(4)]
        (held, marker), (http, _) = by_shard(server, connections)
        path, user = create(http)
        _, bystander = create(http)
        for who in (user, bystander):  # remembered as right: the desk answers at once
            assert http.post("/v1/activities", {"said": "early"}, user=who).status == 202
        core = stack.enter_context(frozen(server, "core"))
        say(held, user, {"said": "late"})
        assert marker.get("/health/live").status == 200  # so it has been read, and its question lies with the desk
        with frozen(server, "shard 1"):
            core.thaw()
            # The desk answers one after the other: what it says of the first lies with the shard.
            assert http.post("/v1/activities", {"said": "between"}, user=bystander).status == 202
            apply(http, change, path, token)
        refused = held.answer()
        assert (refused.status, refused.code) == (401, "credentials_wrong")
        assert http.post("/v1/activities", {"said": "last"}, user=bystander).status == 202
        for listener in listeners:
            for said in ("early", "early", "between", "last"):
                listener.hear(said=said)


@pytest.mark.parametrize("change", CHANGES)
def test_a_login_that_was_found_before_the_change_opens_no_session_after_it(start, change):
    server = start(shards=2)
    token = admin(server)
    listener = server.anonymous()
    with Http(server) as http, Http(server) as other:
        path, user = create(http)
        late = server.client()
        with frozen(server, "worker"):
            late.send_login(*user)
            say(other, user, {"said": "late"})
            eventually(lambda: "herald_hash_waiting 2\n" in http.get("/metrics").body.decode(), "two secrets to be verified")
            apply(http, change, path, token)
        late.expect_refusal("AUTHENTICATION_FAIL")
        assert other.answer().code == "credentials_wrong"
        server.anonymous().publish({"said": "last"})
        listener.hear(said="last")


def test_a_password_that_was_replaced_meanwhile_changes_nothing(start):
    """Two changes wait to be applied: the second was allowed by the password that the first one takes away."""
    server = start(shards=2)
    token = admin(server)
    with Http(server) as http, Http(server) as owner, Http(server) as other:
        path, user = create(http)
        assert owner.request("PATCH", path, {"name": "before"}, user=user).status == 200  # remembered as right

        def proposed(count):
            eventually(lambda: f"herald_proposals_waiting {count}\n" in other.get("/metrics").body.decode(), "it is proposed")
        with frozen(server, "storage"):
            ask(http, "PATCH", path, {"password": None}, f"Bearer {token}")
            proposed(1)
            ask(owner, "PATCH", path, {"name": "after"}, basic(user))
            proposed(2)
        assert http.answer().json["name"] == "before"
        assert owner.answer().code == "credentials_wrong"
        assert http.get(path).json["name"] == "before"
