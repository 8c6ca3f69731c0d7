"""The HTTP API, route by route: every answer is also held against docs/openapi.yaml by the harness."""

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from herald_harness import Deadline, Http, Server, admin, control, eventually, new_name, new_secret, openapi
from herald_harness.places import need_root
from herald_harness.server import binary

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def roll(tmp_path_factory):
    """A server whose accounts these tests share."""
    server = Server(tmp_path_factory.mktemp("roll") / "data")
    server.token = admin(server)
    yield server
    server.finish()


@pytest.fixture
def http(roll):
    with Http(roll) as connection:
        yield connection


def create(http, password=None, **more):
    """A new account: (identity, (login, password))."""
    login = new_name("user")
    body = {"login": login} | ({"password": password} if password else {})
    answer = http.post("/v1/identities", body, **more)
    assert answer.status == 201, answer
    return answer.json, (login, password)


def path(identity):
    return f"/v1/identities/{identity['uuid']}"


# --- the document -----------------------------------------------------------------------------------------------
def test_the_document_is_what_the_table_of_routes_says():
    program = Path(os.environ.get("HERALD_OPENAPI", binary().parent / "tests/unit/gateway/openapi"))
    if not program.exists():
        pytest.skip(f"no {program}")
    made = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    written = (ROOT / "docs/openapi.yaml").read_text(encoding="utf-8")
    assert written == made, f"run: {program} docs/openapi.yaml"


def test_every_operation_is_named_once_and_can_be_refused():
    names = []
    for operations in openapi()["paths"].values():
        for operation in operations.values():
            names.append(operation["operationId"])
            assert operation["description"]
            assert operation["responses"]
    assert len(names) == len(set(names))


# --- creating ---------------------------------------------------------------------------------------------------
def test_a_created_account_can_be_looked_up_by_uuid_and_by_login_in_any_case(http):
    login = new_name("user")
    made = http.post("/v1/identities", {"login": login.capitalize(), "name": "Åsa Öst", "password": new_secret()})
    assert made.status == 201
    identity = made.json
    assert made.header("location") == path(identity)
    assert identity["login"] == login.capitalize()
    assert identity["name"] == "Åsa Öst"
    assert identity["created_from"] == "127.0.0.1"
    assert identity["created_at"] == identity["modified_at"]
    for where in (path(identity), f"/v1/identities?login={login.upper()}"):
        found = http.get(where)
        assert found.status == 200
        assert found.json == identity
        assert found.header("etag") == made.header("etag")
    assert "password" not in made.body.decode() and "hash" not in made.body.decode()


def test_a_login_is_taken_without_regard_to_case(http):
    identity, _ = create(http)
    again = http.post("/v1/identities", {"login": identity["login"].upper()})
    assert again.status == 409
    assert again.code == "login_taken"
    assert again.json["field"] == "login"


@pytest.mark.parametrize("body, field", [
    ({}, "login"),
    ({"login": ""}, "login"),
    ({"login": "a b"}, "login"),
    ({"login": "a\u202eb"}, "login"),
    ({"login": "x" * 65}, "login"),
    ({"login": "anonymous"}, "login"),
    ({"login": "Anonymous"}, "login"),
    ({"login": 7}, "login"),
    ({"login": None}, "login"),
    ({"login": ["a"]}, "login"),
    ({"login": "a", "name": 7}, "name"),
    ({"login": "a", "name": "x" * 257}, "name"),
    ({"login": "a", "name": "two\nlines"}, "name"),
    ({"login": "a", "name": "a\x7fb"}, "name"),
    ({"login": "a", "password": ""}, "password"),
    ({"login": "a", "password": "x" * 1025}, "password"),
    ({"login": "a", "password": 5}, "password"),
    ({"login": "a", "uuid": str(uuid.uuid4())}, "uuid"),
    ({"login": "a", "pasword": "typo"}, "pasword"),
])
def test_a_member_that_is_not_permitted_is_named(http, body, field):
    answer = http.post("/v1/identities", body)
    assert answer.status == 422
    assert answer.code == "field_invalid"
    assert answer.json["field"] == field
    assert answer.json["detail"]
    assert http.get("/v1/identities?limit=1").status == 200  # the connection goes on


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"null", b'{"login":"a"}x', b'{"login":"\xff"}',
                                  b'{"login":"a",}', b"{'login':'a'}", b'{"a":' * 50 + b"1" + b"}" * 50])
def test_a_body_that_is_no_json_object_is_said_to_be_none(http, body):
    answer = http.request("POST", "/v1/identities", body, Content_Type="application/json")
    assert (answer.status, answer.code) == (400, "json_malformed")


def test_a_duplicated_member_is_refused(http):
    answer = http.request("POST", "/v1/identities", b'{"login":"a","login":"b"}', Content_Type="application/json")
    assert (answer.status, answer.json["field"]) == (422, "login")


@pytest.mark.parametrize("media", ["text/plain", "application/jsonx", "application/jso", "application/merge-patch+json"])
def test_a_body_is_taken_by_its_media_type(http, media):
    assert http.request("POST", "/v1/identities", b"{}", Content_Type=media).code == "media_type_unsupported"
    http.ends()


def test_a_body_without_a_length_is_refused(http):
    answer = http.request("POST", "/v1/identities", headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (411, "length_required")


def test_a_body_that_is_too_long_is_refused(http):
    answer = http.request("POST", "/v1/identities", b" " * 20000, Content_Type="application/json")
    assert (answer.status, answer.code) == (413, "body_too_large")


# --- looking up -------------------------------------------------------------------------------------------------
def test_what_is_not_there_is_404(http):
    assert http.get(f"/v1/identities/{uuid.uuid4()}").code == "identity_absent"
    assert http.get("/v1/identities/not-a-uuid").code == "identity_absent"
    assert http.get(f"/v1/identities?login={new_name('nobody')}").code == "identity_absent"
    assert http.get("/v1/identities?login=a%20b").code == "parameter_invalid"
    assert http.get("/v2/identities").code == "no_such_resource"


def test_parameters_are_known_once_and_well_formed(http):
    for query in ("limit=0", "limit=1001", "limit=x", "limit=", "limit=1&limit=1", "after=x", "after=", "after=cffffffffffffffff", "size=1",
                  "login=%", "login=%ff", "login=%00", "login=a&login=b", "prefix=a"):
        answer = http.get(f"/v1/identities?{query}")
        assert (answer.status, answer.code) == (400, "parameter_invalid"), query


@pytest.mark.parametrize("where, field, known", [
    ("identities?limt=5", "limt", "login limit after"), ("identities?limit=5&si%7ae=1", "size", "login limit after"),
    ("settings/x?prefix=y", "prefix", "none"), ("identities?%ff=1", "query", "login limit after"),
    (f"identities?{'x' * 64}=1", "query", "login limit after"), ("identities?=1", "query", "login limit after")])
def test_a_parameter_that_is_not_known_is_named_with_those_that_are(http, where, field, known):
    answer = http.get(f"/v1/{where}")
    assert (answer.code, answer.json["field"]) == ("parameter_invalid", field)
    assert answer.json["detail"].endswith(known)


def test_a_list_is_paged_and_holds_everyone_once(start):
    server = start()
    with Http(server) as http:
        made = [create(http)[0] for _ in range(7)]
        for limit in (1, 2, 3, 7, 100):
            seen, after = [], ""
            while after is not None:
                page = http.get(f"/v1/identities?limit={limit}{'&after=' + after if after else ''}")
                assert len(page.json["identities"]) <= limit
                seen += page.json["identities"]
                after = page.json["next"]
            assert seen == made


def test_a_page_is_not_disturbed_by_what_happens_meanwhile(start):
    server = start()
    token = admin(server)
    with Http(server) as http:
        made = [create(http)[0] for _ in range(6)]
        first = http.get("/v1/identities?limit=3").json
        assert http.request("DELETE", path(made[0]), token=token).status == 204
        assert http.request("DELETE", path(made[4]), token=token).status == 204
        late, _ = create(http)
        second = http.get(f"/v1/identities?after={first['next']}").json
        assert second["identities"] == [made[3], made[5], late]


def test_an_etag_saves_sending_it_again(http):
    identity, _ = create(http)
    tag = http.get(path(identity)).header("etag")
    for where in (path(identity), f"/v1/identities?login={identity['login']}"):
        for known in (tag, f'"0", {tag}', f"W/{tag}", "*"):
            answer = http.get(where, If_None_Match=known)
            assert (answer.status, answer.body, answer.header("etag")) == (304, b"", tag)
        assert http.get(where, If_None_Match='"0"').status == 200


def test_head_is_get_without_the_body(http):
    identity, _ = create(http)
    got, head = http.get(path(identity)), http.request("HEAD", path(identity))
    assert head.status == 200
    without_date = [pair for pair in head.headers if pair[0] != "date"]
    assert without_date == [pair for pair in got.headers if pair[0] != "date"]


# --- changing ---------------------------------------------------------------------------------------------------
def test_an_account_changes_itself(http):
    identity, user = create(http, new_secret())
    renamed = http.request("PATCH", path(identity), {"login": new_name("new"), "name": "New"}, user=user)
    assert renamed.status == 200
    assert renamed.json["uuid"] == identity["uuid"]
    assert renamed.json["name"] == "New"
    assert renamed.json["modified_at"] >= identity["modified_at"]
    assert http.get(path(identity)).json == renamed.json
    assert http.get(f"/v1/identities?login={identity['login']}").status == 404
    # Its old login is nobody's, and its new one has the old password.
    assert http.request("PATCH", path(identity), {"name": ""}, user=user).code == "credentials_wrong"
    user = (renamed.json["login"], user[1])
    assert http.request("PATCH", path(identity), {"name": None}, user=user).json["name"] == ""


def test_a_new_password_replaces_the_old_one(http):
    identity, user = create(http, new_secret())
    fresh = new_secret()
    assert http.request("PATCH", path(identity), {"password": fresh}, user=user).status == 200
    assert http.request("PATCH", path(identity), {"name": "x"}, user=user).code == "credentials_wrong"
    assert http.request("PATCH", path(identity), {"name": "x"}, user=(user[0], fresh)).status == 200


def test_a_merge_patch_is_taken_by_its_own_media_type(http):
    identity, user = create(http, new_secret())
    answer = http.request("PATCH", path(identity), b'{"name":"x"}', user=user,
                          Content_Type="application/merge-patch+json; charset=utf-8")
    assert answer.status == 200


def test_an_empty_change_is_refused(http, roll):
    identity, _ = create(http)
    assert http.request("PATCH", path(identity), {}, token=roll.token).code == "field_invalid"


def test_nobody_changes_an_account_but_itself_and_admins(http, roll):
    identity, _ = create(http, new_secret())
    _, other = create(http, new_secret())
    for method, body in (("PATCH", {"name": "mine"}), ("DELETE", None)):
        assert http.request(method, path(identity), body).code == "credentials_missing"
        assert http.request(method, path(identity), body, user=other).code == "forbidden"
        assert http.request(method, path(identity), body, token="herald_00").code == "credentials_wrong"
    assert http.request("PATCH", path(identity), {"name": "by an admin"}, token=roll.token).status == 200
    assert http.request("DELETE", path(identity), token=roll.token).status == 204


def test_an_account_without_a_password_is_changed_by_admins_only(http, roll):
    identity, user = create(http)
    for password in ("", "x"):
        answer = http.request("PATCH", path(identity), {"name": "x"}, user=(user[0], password))
        assert answer.code == "credentials_wrong"
    assert http.request("PATCH", path(identity), {"password": new_secret()}, token=roll.token).status == 200


def test_a_stranger_cannot_tell_which_accounts_exist_by_trying_to_change_them(http):
    identity, _ = create(http, new_secret())
    for user in (("nobody-of-that-name", "x"), (identity["login"], "x"), ("a b", "x")):
        there = http.request("DELETE", path(identity), user=user)
        absent = http.request("DELETE", f"/v1/identities/{uuid.uuid4()}", user=user)
        assert (there.status, there.json) == (absent.status, absent.json) == (401, there.json)
        assert there.json["detail"] == "unknown user or wrong secret"
    _, user = create(http, new_secret())
    there = http.request("DELETE", path(identity), user=user)
    absent = http.request("DELETE", f"/v1/identities/{uuid.uuid4()}", user=user)
    assert (there.status, there.json) == (absent.status, absent.json) == (403, there.json)


@pytest.mark.parametrize("value", ["Basic", "Basic !", "Basic YQ", "Basic YWxpY2U=", "Bearer", "Digest x", "",
                                   "Basic YWxpY2U6eA== x"])
def test_authorization_is_read_strictly(http, value):
    answer = http.request("DELETE", f"/v1/identities/{uuid.uuid4()}", headers={"Authorization": value})
    assert answer.status == 401
    challenges = [text for name, text in answer.headers if name == "www-authenticate"]
    assert [text.split()[0] for text in challenges] == ["Basic", "Bearer"]


def test_a_rename_onto_a_taken_login_changes_nothing(http, roll):
    one, _ = create(http)
    other, _ = create(http)
    answer = http.request("PATCH", path(one), {"login": other["login"].upper(), "name": "x"}, token=roll.token)
    assert answer.code == "login_taken"
    assert http.get(path(one)).json == one
    # Onto itself in another case it is allowed.
    assert http.request("PATCH", path(one), {"login": one["login"].upper()}, token=roll.token).status == 200


def test_a_deleted_account_is_gone_and_its_login_free(http, roll):
    identity, user = create(http, new_secret())
    assert http.request("DELETE", path(identity), user=user).status == 204
    assert http.get(path(identity)).status == 404
    assert http.request("DELETE", path(identity), token=roll.token).code == "identity_absent"
    assert http.request("PATCH", path(identity), {"name": "x"}, token=roll.token).code == "identity_absent"
    again = http.post("/v1/identities", {"login": identity["login"]})
    assert again.status == 201
    assert again.json["uuid"] != identity["uuid"]


def test_if_match_lets_a_change_happen_to_one_version_only(http, roll):
    identity, _ = create(http)
    tag = http.get(path(identity)).header("etag")
    first = http.request("PATCH", path(identity), {"name": "1"}, token=roll.token, If_Match=tag)
    assert first.status == 200
    for method, body in (("PATCH", {"name": "2"}), ("DELETE", None)):
        for old in (tag, f'W/{first.header("etag")}', '"x"'):
            late = http.request(method, path(identity), body, token=roll.token, If_Match=old)
            assert (late.status, late.code) == (412, "version_mismatch")
    assert http.request("PATCH", path(identity), {"name": "3"}, token=roll.token, If_Match="*").status == 200
    assert http.request("PATCH", path(identity), {"name": "4"}, token=roll.token, If_Match="4").code == "header_invalid"
    for method, body in (("PATCH", {"name": "5"}), ("DELETE", None)):  # of a change it would promise what is not kept
        answer = http.request(method, path(identity), body, token=roll.token, If_None_Match="*")
        assert (answer.code, answer.json["field"]) == ("header_invalid", "If-None-Match")


def test_a_number_that_is_no_etag_is_no_version(http, roll):
    """No version is 0, and none begins with 0: in a change 0 means that there is no such setting."""
    identity, key = create(http)[0], "/v1/settings/" + new_name("zero")
    for tag in ('"0"', '"00"', '"01"'):
        put = http.request("PUT", key, b"x", token=roll.token, If_Match=tag)
        assert (put.code, put.json["field"]) == ("version_mismatch", "If-Match")
        late = http.request("PATCH", path(identity), {"name": "x"}, token=roll.token, If_Match=tag)
        assert (late.code, late.json["field"]) == ("version_mismatch", "If-Match")
    assert http.get(key).code == "setting_absent"


# --- idempotency ------------------------------------------------------------------------------------------------
def is_replayed(answer):
    return answer.header("idempotency-replayed") == "true"


def test_the_same_request_is_done_once_and_answered_twice(http):
    key = str(uuid.uuid4())
    body = {"login": new_name("user"), "password": new_secret()}
    first = http.post("/v1/identities", body, Idempotency_Key=key)
    again = http.post("/v1/identities", body, Idempotency_Key=key)
    assert first.status == again.status == 201
    assert first.json == again.json
    assert first.header("etag") == again.header("etag")
    assert first.header("location") == again.header("location")
    assert [is_replayed(answer) for answer in (first, again)] == [False, True]


def test_an_answer_that_is_repeated_says_so_whatever_was_done(http, roll):
    identity, _ = create(http)
    key = "/v1/settings/" + new_name("replay")
    for method, where, body, status in (("PATCH", path(identity), {"name": "x"}, 200), ("DELETE", path(identity), None, 204),
                                        ("PUT", key, b"x", 200), ("DELETE", key, None, 204)):
        once = str(uuid.uuid4())
        first, again = [http.request(method, where, body, token=roll.token, Idempotency_Key=once) for _ in range(2)]
        assert first.status == again.status == status
        assert [is_replayed(answer) for answer in (first, again)] == [False, True]
        assert "idempotency-replayed" not in dict(http.request(method, where, body, token=roll.token).headers)


def test_another_request_under_the_same_key_is_refused(http):
    key = str(uuid.uuid4())
    assert http.post("/v1/identities", {"login": new_name("user")}, Idempotency_Key=key).status == 201
    other = http.post("/v1/identities", {"login": new_name("user")}, Idempotency_Key=key)
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert not is_replayed(other)


def refused_under(http, key, method, where, body, **more):
    answer = http.request(method, where, body, Idempotency_Key=key, **more)
    return answer.code == "idempotency_key_reused"


def test_whatever_makes_it_another_change_of_an_account_is_noticed(http, roll):
    one, _ = create(http)
    other, _ = create(http)
    key, admin_ = str(uuid.uuid4()), {"token": roll.token}
    done = http.request("PATCH", path(one), {"name": "x", "password": None}, Idempotency_Key=key, **admin_)
    assert done.status == 200
    for method, where, body, more in (("PATCH", path(one), {"name": "y", "password": None}, {}),
                                      ("PATCH", path(one), {"name": "x", "password": None, "login": new_name("user")}, {}),
                                      ("PATCH", path(one), {"name": "x"}, {}),
                                      ("PATCH", path(one), {"name": "x", "password": new_secret()}, {}),
                                      ("PATCH", path(one), {"name": "x", "password": None}, {"If_Match": done.header("etag")}),
                                      ("PATCH", path(other), {"name": "x", "password": None}, {}),
                                      ("DELETE", path(one), None, {}),
                                      ("POST", "/v1/identities", {"login": new_name("user"), "name": "x"}, {})):
        assert refused_under(http, key, method, where, body, **more, **admin_), (method, where, body)
    again = http.request("PATCH", path(one), {"name": "x", "password": None}, Idempotency_Key=key, **admin_)
    assert again.json == done.json and is_replayed(again)


def test_whatever_makes_it_another_change_of_a_setting_is_noticed(http, roll):
    key, setting, admin_ = str(uuid.uuid4()), "/v1/settings/" + new_name("one"), {"token": roll.token}
    done = http.request("PUT", setting, b"", Idempotency_Key=key, **admin_)
    for method, where, body, more in (("PUT", setting, b"1", {}), ("PUT", setting + "2", b"", {}), ("DELETE", setting, None, {}),
                                      ("PUT", setting, b"", {"If_None_Match": "*"}),
                                      ("PUT", setting, b"", {"If_Match": done.header("etag")})):
        assert refused_under(http, key, method, where, body, **more, **admin_), (method, where, body, more)


def test_a_repeat_is_known_even_when_the_password_that_allowed_it_is_gone(http):
    identity, user = create(http, new_secret())
    fresh, key, last = new_secret(), str(uuid.uuid4()), str(uuid.uuid4())
    first = http.request("PATCH", path(identity), {"password": fresh}, user=user, Idempotency_Key=key)
    again = http.request("PATCH", path(identity), {"password": fresh}, user=user, Idempotency_Key=key)
    assert first.status == again.status == 200
    assert first.json == again.json
    for _ in range(2):
        gone = http.request("DELETE", path(identity), user=(user[0], fresh), Idempotency_Key=last)
        assert gone.status == 204


def test_keys_of_one_asker_do_not_meet_those_of_another(http, roll):
    one, first = create(http, new_secret())
    other, second = create(http, new_secret())
    for identity, user in ((one, first), (other, second)):
        assert http.request("PATCH", path(identity), {"name": "x"}, user=user, Idempotency_Key="1").status == 200
        assert http.request("PATCH", path(identity), {"name": "y"}, token=roll.token,
                            Idempotency_Key=f"1{identity['uuid']}").status == 200


def test_keys_of_one_admin_or_address_do_not_meet_those_of_another(http, roll):
    for token in (roll.token, admin(roll)):
        made = http.post("/v1/identities", {"login": new_name("user")}, token=token, Idempotency_Key="admin's")
        assert made.status == 201 and not is_replayed(made)
    with Http(roll, source="127.0.0.6") as elsewhere:
        for connection in (http, elsewhere):
            made = connection.post("/v1/identities", {"login": new_name("user")}, Idempotency_Key="nobody's")
            assert made.status == 201 and not is_replayed(made)


def test_what_was_refused_is_not_remembered(http):
    key = str(uuid.uuid4())
    identity, _ = create(http)
    taken = http.post("/v1/identities", {"login": identity["login"]}, Idempotency_Key=key)
    assert taken.status == 409
    assert http.post("/v1/identities", {"login": new_name("user")}, Idempotency_Key=key).status == 201


def test_a_key_is_short_and_printable(http):
    for key in ("", "x" * 256, "\u00e9"):
        answer = http.post("/v1/identities", {"login": new_name("user")}, Idempotency_Key=key)
        assert answer.code == "header_invalid"


# --- the clock --------------------------------------------------------------------------------------------------
def test_a_clock_that_was_told_is_reached_at_once(http):
    _, _ = create(http)
    clock = http.get("/v1/identities?limit=1").header("herald-clock")
    assert http.get("/v1/identities?limit=1", Herald_Clock=clock).status == 200
    epoch, number = clock.split(".")
    assert http.get("/v1/identities?limit=1", Herald_Clock=number).status == 200
    assert int(epoch) == 1


def test_a_clock_is_waited_for(roll, http):
    epoch, number = http.get("/v1/identities?limit=1").header("herald-clock").split(".")
    with Http(roll) as waiting:
        waiting.send(f"GET /v1/identities?limit=1 HTTP/1.1\r\nHost: h\r\nHerald-Clock: {epoch}.{int(number) + 1}\r\n\r\n")
        create(http)
        answer = waiting.answer()
        assert answer.status == 200
        assert int(answer.header("herald-clock").split(".")[1]) > int(number)


@pytest.mark.parametrize("clock", ["1.{future}", "2.1", "0.0"])
def test_a_clock_that_does_not_come_is_said_not_to_have_come(http, clock):
    number = int(http.get("/v1/identities?limit=1").header("herald-clock").split(".")[1])
    answer = http.get("/v1/identities?limit=1", Herald_Clock=clock.format(future=number + 1000000))
    assert (answer.status, answer.code) == (503, "clock_not_reached")
    assert answer.header("retry-after") == "1"
    assert ("field" in answer.json) == (not clock.startswith("1."))  # of another history: nobody waits for that


def test_consistency_and_concern_are_accepted_where_they_hold(http):
    for name, right, wrong in (("Herald-Consistency", ("local", "causal", "linearizable"), "eventual"),
                               ("Herald-Write-Concern", ("majority", "all", "1"), "2"),
                               ("Herald-Clock", ("0", "1.0"), "x")):
        for value in right:
            assert http.get("/v1/identities?limit=1", headers={name: value}).status == 200
        answer = http.get("/v1/identities?limit=1", headers={name: wrong})
        assert (answer.status, answer.code, answer.json["field"]) == (400, "header_invalid", name)


@pytest.mark.parametrize("name, value", [("Authorization", "Bearer x"), ("If-Match", '"1"'), ("If-None-Match", '"1"'),
                                         ("Idempotency-Key", "k"), ("Herald-Clock", "0"), ("Herald-Consistency", "local"),
                                         ("Herald-Write-Concern", "1"), ("Last-Event-ID", "0")])
def test_a_header_that_is_sent_twice_is_refused(http, name, value):
    method, where = {"If-Match": ("DELETE", f"/v1/identities/{uuid.uuid4()}"), "If-None-Match": ("PUT", "/v1/settings/x"),
                     "Idempotency-Key": ("DELETE", "/v1/settings/x"), "Last-Event-ID": ("GET", "/v1/changes")}.get(
                         name, ("GET", "/v1/identities"))
    answer = http.request(method, where, b"x" if method == "PUT" else None, headers={name: value, name.lower(): value})
    assert (answer.code, answer.json["field"]) == ("header_invalid", name)


# --- who may ----------------------------------------------------------------------------------------------------
def test_registration_by_admins_only(start):
    server = start(registration="admin")
    token = admin(server)
    with Http(server) as http:
        login = new_name("user")
        assert http.post("/v1/identities", {"login": login}).code == "credentials_missing"
        made = http.post("/v1/identities", {"login": login, "password": (secret := new_secret())}, token=token)
        assert made.status == 201
        refused = http.post("/v1/identities", {"login": new_name("user")}, user=(login, secret))
        assert refused.code == "forbidden"
        assert http.get(f"/v1/identities?login={login}").status == 200  # looking up is another matter


READS = ("/v1/identities?limit=1", "/v1/identities?login=x", f"/v1/identities/{uuid.uuid4()}", "/v1/settings",
         "/v1/settings/x", "/v1/changes?since=999999")


def test_a_directory_for_those_who_log_in(start):
    server = start("--directory", "authenticated")
    token = admin(server)
    with Http(server) as http:
        _, user = create(http, new_secret())
        for where in READS:
            assert http.get(where).code == "credentials_missing"
            assert http.get(where, user=user).status in (200, 404, 410)
            assert http.get(where, token=token).status in (200, 404, 410)
        assert http.get("/health/ready").status == 200
        assert http.get("/metrics").status == 200


def test_a_directory_for_admins(start):
    server = start("--directory", "admin")
    token = admin(server)
    with Http(server) as http:
        _, user = create(http, new_secret())
        for where in READS:
            assert http.get(where).code == "credentials_missing"
            assert http.get(where, user=user).code == "forbidden"
            assert http.get(where, token=token).status in (200, 404, 410)


@pytest.mark.parametrize("directory", ["authenticated", "admin"])
def test_an_account_looks_up_itself_and_changes(start, directory):
    """By its uuid and by its login in any spelling; that it is asked for beside another is no way to the other."""
    server = start("--directory", directory)
    with Http(server) as http:
        own, user = create(http, new_secret())
        other, _ = create(http)
        for where in (path(own), f"/v1/identities?login={user[0]}", f"/v1/identities?login={user[0].upper()}"):
            assert http.get(where, user=user).json == own
        for where in (path(other), f"/v1/identities?login={other['login']}", "/v1/identities"):
            assert (http.get(where, user=user).status == 403) == (directory == "admin")
        for first, second in ((own, other), (other, own)):
            both = http.get(f"/v1/identities?login={first['login']}&login={second['login']}", user=user)
            assert both.status in (400, 403)
        assert http.request("PATCH", path(own), {"name": "New"}, user=user).json["name"] == "New"
        assert http.request("DELETE", path(own), user=user).status == 204


def test_policies_change_with_sighup(start, tmp_path):
    conf = tmp_path / "herald.conf"
    conf.write_text("directory = public\n")
    server = start("-c", conf)
    with Http(server) as http:
        assert http.get("/v1/identities").status == 200
        conf.write_text("directory = admin\n")
        server.signal(1)
        server.wait_log(msg="configuration read again")
        eventually(lambda: http.get("/v1/identities").status == 401, "the shard has heard of it")


# --- settings ---------------------------------------------------------------------------------------------------
def test_a_setting_is_bytes_under_a_key(http, roll):
    key, value = "/v1/settings/" + new_name("app") + "/theme", bytes(range(256))
    assert http.get(key).code == "setting_absent"
    put = http.request("PUT", key, value, token=roll.token)
    assert put.status == 200
    assert put.json["size"] == 256
    got = http.get(key)
    assert (got.status, got.body, got.header("etag")) == (200, value, put.header("etag"))
    assert got.header("x-content-type-options") == "nosniff"  # it may look like a page
    assert http.get(key, If_None_Match=put.header("etag")).status == 304
    assert http.get(key.replace("app", "%61pp")).status == 200
    assert http.request("PUT", key, b"", token=roll.token).json["size"] == 0
    assert http.get(key).body == b""
    assert http.request("DELETE", key, token=roll.token).status == 204
    assert http.get(key).code == "setting_absent"
    assert http.request("DELETE", key, token=roll.token).code == "setting_absent"


def test_a_setting_holds_64_kib_and_no_more(roll, http):
    key = "/v1/settings/" + new_name("big")
    assert http.request("PUT", key, b"x" * 65536, token=roll.token).status == 200
    assert len(http.get(key).body) == 65536
    assert http.request("PUT", key, b"x" * 65537, token=roll.token).code == "body_too_large"


def test_settings_are_written_by_admins(http):
    _, user = create(http, new_secret())
    assert http.request("PUT", "/v1/settings/x", b"x").code == "credentials_missing"
    assert http.request("PUT", "/v1/settings/x", b"x", user=user).code == "forbidden"
    assert http.request("DELETE", "/v1/settings/x", user=user).code == "forbidden"


def test_a_setting_is_compared_and_set(http, roll):
    key = "/v1/settings/" + new_name("cas")
    first = http.request("PUT", key, b"1", token=roll.token, If_None_Match="*")
    assert first.status == 200
    taken = http.request("PUT", key, b"2", token=roll.token, If_None_Match="*")
    assert (taken.code, taken.json["field"]) == ("version_mismatch", "If-None-Match") and "If-Match" in taken.json["detail"]
    assert http.request("PUT", key, b"2", token=roll.token, If_Match=first.header("etag")).status == 200
    late = http.request("PUT", key, b"3", token=roll.token, If_Match=first.header("etag"))
    assert (late.code, late.json["field"]) == ("version_mismatch", "If-Match")
    assert http.request("DELETE", key, token=roll.token, If_Match=first.header("etag")).code == "version_mismatch"
    assert http.get(key).body == b"2"
    for wrong in ({"If_Match": "*"}, {"If_None_Match": '"1"'}, {"If_Match": first.header("etag"), "If_None_Match": "*"}):
        refused = http.request("PUT", key, b"3", token=roll.token, **wrong)
        assert refused.code == "header_invalid"
        assert "or *" not in refused.json["detail"]
    assert http.request("DELETE", key, token=roll.token, If_None_Match="*").code == "header_invalid"


@pytest.mark.parametrize("key", [".", "..", "app/../other", "app/.", "%2e%2e"])
def test_a_key_that_clients_would_rewrite_is_none(http, roll, key):
    for method, body in (("PUT", b"x"), ("GET", None), ("DELETE", None)):
        answer = http.request(method, f"/v1/settings/{key}", body, token=roll.token)
        assert (answer.code, answer.json["field"]) == ("parameter_invalid", "key")


def test_a_put_of_a_setting_is_repeated(http, roll):
    key, name = "/v1/settings/" + new_name("idem"), str(uuid.uuid4())
    first = http.request("PUT", key, b"1", token=roll.token, Idempotency_Key=name)
    again = http.request("PUT", key, b"1", token=roll.token, Idempotency_Key=name)
    assert first.json == again.json
    assert http.request("PUT", key, b"2", token=roll.token, Idempotency_Key=name).code == "idempotency_key_reused"


def test_settings_are_listed_by_prefix_and_paged(start):
    server = start()
    token = admin(server)
    with Http(server) as http:
        keys = ["a", "b/1", "b/2", "b/3", "b0", "c"]
        for key in reversed(keys):
            assert http.request("PUT", f"/v1/settings/{key}", key.encode(), token=token).status == 200
        assert [one["key"] for one in http.get("/v1/settings").json["settings"]] == keys
        page = http.get("/v1/settings?prefix=b/&limit=2").json
        assert [one["key"] for one in page["settings"]] == ["b/1", "b/2"]
        page = http.get(f"/v1/settings?prefix=b/&limit=2&after={page['next']}").json
        assert ([one["key"] for one in page["settings"]], page["next"]) == (["b/3"], None)
        for wrong in ("after=x", "after=", "after=k0", "after=kzz", "after=k00", "after=c0000000000000001", "limit=0", "login=a",
                      "prefix=" + "x" * 256):
            assert http.get(f"/v1/settings?{wrong}").code == "parameter_invalid", wrong


@pytest.mark.parametrize("key", ["a%20b", "a%00", "%c3%a9", "x" * 256, "a%zz"])
def test_keys_are_printable_ascii(http, roll, key):
    assert http.request("PUT", f"/v1/settings/{key}", b"x", token=roll.token).code == "parameter_invalid"


# --- admin tokens -----------------------------------------------------------------------------------------------
def test_tokens_are_made_listed_and_revoked_on_the_servers_machine(start):
    server = start()
    made = control(server, command="token_add", label="backup")
    assert made["ok"] and made["token"].startswith("herald_")
    listed = control(server, command="token_list")
    assert [(one["id"], one["label"]) for one in listed["tokens"]] == [(made["id"], "backup")]
    assert made["token"] not in json.dumps(listed)
    with Http(server) as http:
        assert http.request("PUT", "/v1/settings/x", b"x", token=made["token"]).status == 200
        assert control(server, command="token_revoke", id=made["id"]) == {"ok": True}
        assert http.request("PUT", "/v1/settings/x", b"x", token=made["token"]).code == "credentials_wrong"
    assert control(server, command="token_revoke", id=made["id"])["code"] == "absent"
    for wrong in ({}, {"command": "x"}, {"command": "token_add"}, {"command": "token_add", "label": "x" * 129},
                  {"command": "token_revoke", "id": "x"}):
        assert control(server, **wrong)["code"] == "invalid"
    assert not server.on_disk(made["token"])
    assert (server.directory / "control.sock").stat().st_mode & 0o777 == 0o600
    server.stop()
    assert not (server.directory / "control.sock").exists()


def at_control(server):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(Deadline().seconds)
    sock.connect(str(server.directory / "control.sock"))
    return sock


def closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:  # something was left unread
        return True


def test_the_control_socket_takes_few_who_say_little(start):
    server = start()
    with contextlib.ExitStack() as stack:
        talks = [stack.enter_context(at_control(server)) for _ in range(16)]
        assert closed(stack.enter_context(at_control(server)))
        talks[0].sendall(b"x" * 5000)
        assert closed(talks[0])
        for question in (b"{}\n{}\n", b"no json\n"):  # one at a time is what is asked; the first is answered
            sock = talks.pop()
            sock.sendall(question)
            assert b'"invalid"' in sock.recv(4096)
        assert len(talks) == 14
    assert admin(server)


STRANGER = """
import socket
sock = socket.socket(socket.AF_UNIX)
sock.connect("control.sock")
try:
    sock.sendall(b'{"command":"token_add","label":"mine"}\\n')
    print(sock.recv(4096))
except ConnectionError:
    print(b"")
"""


def test_the_control_socket_is_for_the_servers_own_user(start):
    """Also where a mode or a list of rights has let somebody else in."""
    need_root()
    server = start()
    server.directory.chmod(0o755)
    (server.directory / "control.sock").chmod(0o666)
    done = subprocess.run([sys.executable, "-c", STRANGER], cwd=server.directory, user=65534, group=65534, extra_groups=[],
                          capture_output=True, text=True, check=False)
    assert done.stdout == "b''\n", done
    assert control(server, command="token_list")["tokens"] == []


# --- the store --------------------------------------------------------------------------------------------------
def test_a_server_at_rest_holds_no_view_of_the_roll(start):
    """Or the write-ahead log could never be emptied."""
    server = start()
    with Http(server) as http:
        made, _ = create(http)
        assert http.get(path(made)).json == made
        create(http)
        with contextlib.closing(sqlite3.connect(server.directory / "state.db", timeout=0)) as database:
            def emptied():  # accounts are being read into memory, a page at a time
                return database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
            eventually(emptied, "nobody holds it")


def cached(http):
    lines = http.get("/metrics").body.decode().splitlines()
    told = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: int(told[f"herald_{name}"])
            for name in ("cached_accounts", "cached_bytes", "cache_hits_total", "cache_misses_total")}


def test_accounts_are_found_in_memory(start):
    server = start()
    with Http(server) as http:
        made = [create(http)[0] for _ in range(20)]
        eventually(lambda: cached(http)["cached_accounts"] == 20, "they are in memory")
        before = cached(http)
        for one in made:
            assert http.get(f"/v1/identities?login={one['login']}").json == one
        assert http.get("/v1/identities?login=nobody").status == 404
        after = cached(http)
        assert after["cache_hits_total"] - before["cache_hits_total"] == 20
        assert after["cache_misses_total"] - before["cache_misses_total"] == 1
        assert 0 < after["cached_bytes"] < 1 << 20
    server.kill()
    with Http(start.restart(server)) as http:
        eventually(lambda: cached(http)["cached_accounts"] == 20, "they are in memory after a start")


@pytest.mark.parametrize("size", ["0", "64KiB"])
def test_a_roll_that_has_no_room_in_memory_is_the_same(start, size):
    server = start(account_cache=size)
    with Http(server) as http:
        made = [create(http)[0] for _ in range(200)]
        for _ in range(2):
            for one in made:
                assert http.get(f"/v1/identities?login={one['login']}").json == one
        told = cached(http)
        assert told["cached_bytes"] <= 1 << 16
        assert told["cached_accounts"] < 200
        assert (told["cached_accounts"] == 0) == (size == "0")


# --- health and metrics -----------------------------------------------------------------------------------------
def test_health_and_metrics(http, roll):
    assert http.get("/health/live").json == {"status": "live"}
    assert http.get("/health/ready").json == {"status": "ready"}
    create(http, new_secret())
    roll.anonymous().proves_to_stay()
    text = http.get("/metrics").body.decode()
    families = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name.startswith("herald_") and name not in families
            families[name] = kind
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            float(value)
            base = name.split("{")[0]
            for suffix in ("_bucket", "_sum", "_count"):
                if base.removesuffix(suffix) in families and base not in families:
                    base = base.removesuffix(suffix)
            assert base in families, line
    assert {"counter", "gauge", "histogram"} == set(families.values())
    for name in ("herald_http_request_seconds", "herald_apply_seconds", "herald_hash_seconds",
                 "herald_stream_fanout_seconds"):
        assert families[name] == "histogram"

        def counted():  # a turn of a loop is timed when it is over: what it sent may be here before
            lines = http.get("/metrics").body.decode().splitlines()
            return int(next(line for line in lines if line.startswith(f"{name}_count")).split()[1])
        eventually(counted, f"{name} has counted")
