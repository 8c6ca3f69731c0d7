"""protocol.md, Clients: every row of its table, and the messages of seed 004 that clients see."""

import os
import random
import unicodedata

import pytest
from herald_harness import new_name, new_secret

# --- LOGIN ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [b"", b',"secret":""', b',"secret":null', b',"secret":"whatever"'],
                         ids=["absent", "empty", "null", "a string"])
def test_anonymous_logs_in_whatever_its_secret(client, members):
    """protocol.md, Clients: LOGIN `anonymous`: secret absent, "", null or any string: accepted, ignored."""
    client.send(b'{"command":"LOGIN","username":"anonymous"' + members + b"}\n")
    client.expect("LOGIN_SUCCESS")
    client.proves_to_stay()


def test_an_account_logs_in_with_its_secret(shared):
    """seed 004, LOGIN_SUCCESS."""
    name, secret = shared.register()
    client = shared.client()
    client.send_login(name, secret)
    client.expect("LOGIN_SUCCESS", info=lambda info: name in info)
    client.user, client.secret = name, secret
    client.proves_to_stay()


def test_an_unknown_user_is_refused(client):
    """protocol.md, Clients: LOGIN unknown user: LOGIN_FAILED, close."""
    client.send_login(new_name(), new_secret())
    client.expect_refusal("LOGIN_FAILED")


@pytest.mark.parametrize("change", [
    lambda secret: secret + "x",
    lambda secret: secret[:-1],
    lambda secret: secret.upper(),
    lambda secret: secret + "\0",
    lambda secret: "",
    lambda secret: " " + secret,
], ids=["longer", "shorter", "upper case", "a NUL behind", "empty", "a blank before"])
def test_a_wrong_secret_is_refused(shared, change):
    """protocol.md, Clients: LOGIN wrong secret: LOGIN_FAILED, close."""
    name, secret = shared.register()
    client = shared.client()
    client.send_login(name, change(secret))
    client.expect_refusal("LOGIN_FAILED")


def test_unknown_user_and_wrong_secret_get_the_same_words(shared):
    """protocol.md, Clients: LOGIN unknown user or wrong secret: same words for both."""
    name, secret = shared.register()
    infos = []
    for user in (name, new_name()):
        client = shared.client()
        client.send_login(user, secret + "x")
        infos.append(client.expect_refusal("LOGIN_FAILED")["info"].replace(user, "NAME"))
    assert infos[0] == infos[1]


def test_unknown_user_and_wrong_secret_cost_the_same_work(start):
    """protocol.md, Clients: LOGIN unknown user or wrong secret: same work for both. Measured in CPU time."""
    server = start(shards=1, hash_threads=1)
    name, _ = server.register()

    def work(user):
        before = server.cpu()
        for _ in range(8):
            client = server.client()
            client.send_login(user(), new_secret())
            client.expect_refusal("LOGIN_FAILED")
        return server.cpu() - before

    work(new_name)
    wrong, unknown = work(lambda: name), work(new_name)
    assert unknown > wrong / 2 and wrong > unknown / 2, (unknown, wrong)


def test_a_refused_login_is_not_logged_in(shared):
    """seed 004, LOGIN_FAILED: after sending it the server will close the connection."""
    listener = shared.anonymous()
    client = shared.client()
    client.send({"command": "LOGIN", "username": new_name(), "secret": new_secret()},
                {"command": "LOGIN", "username": "anonymous"},
                {"command": "ACTIVITY_MESSAGE", "username": "anonymous", "activity": {"n": "late"}})
    client.expect_refusal("LOGIN_FAILED")
    listener.proves_to_stay()


def test_a_second_login_counts_instead_of_the_first(shared):
    """protocol.md, Clients: second LOGIN on a connection: allowed; the later one counts."""
    (alice, alice_secret), (bob, bob_secret) = shared.register("alice"), shared.register("bob")
    client = shared.anonymous()
    client.login(alice, alice_secret)
    client.publish({"n": 1})
    client.hear(n=1, authenticated_user=alice)
    client.login(bob, bob_secret)
    client.publish({"n": 2})
    client.hear(n=2, authenticated_user=bob)
    client.publish({"n": 3}, user=alice, secret=alice_secret)
    client.expect_refusal("AUTHENTICATION_FAIL")


def test_a_second_login_as_anonymous_gives_the_name_up(shared):
    """protocol.md, Clients: second LOGIN on a connection: the later one counts."""
    alice, secret = shared.register("alice")
    client = shared.client().login(alice, secret)
    client.login()
    client.publish({"n": 1}, user=alice, secret=secret)
    client.expect_refusal("AUTHENTICATION_FAIL")


def test_after_a_second_login_everything_is_still_heard_once(shared):
    """protocol.md, Clients: second LOGIN; every logged-in client hears an activity once."""
    client = shared.anonymous()
    client.login()
    client.publish({"n": 1}, {"n": 2})
    client.hear(n=1)
    client.hear(n=2)


def test_a_second_login_that_fails_closes(shared):
    """protocol.md, Clients: LOGIN wrong secret: LOGIN_FAILED, close; also the second on a connection."""
    alice, secret = shared.register("alice")
    client = shared.client().login(alice, secret)
    client.send_login(alice, secret + "x")
    client.expect_refusal("LOGIN_FAILED")


# --- REGISTER ---------------------------------------------------------------------------------------------------


def test_a_new_name_is_registered(client):
    """seed 004, REGISTER_SUCCESS: the info names the user."""
    name = new_name()
    client.send_register(name, new_secret())
    client.expect("REGISTER_SUCCESS", info=lambda info: name in info)


def test_after_registering_one_may_log_in_on_the_same_connection(client):
    """protocol.md, Clients: REGISTER success: connection stays open; LOGIN may follow on it."""
    name, secret = new_name(), new_secret()
    client.register(name, secret).login(name, secret)
    client.publish({"n": 1})
    client.hear(n=1, authenticated_user=name)


def test_registering_does_not_log_in(client):
    """protocol.md, Clients: REGISTER success: not logged in."""
    name, secret = new_name(), new_secret()
    client.register(name, secret)
    client.publish({"n": 1}, user=name, secret=secret)
    client.expect_refusal("AUTHENTICATION_FAIL")


@pytest.mark.parametrize("same", [True, False], ids=["the same secret", "another secret"])
def test_a_known_name_is_not_registered_again(shared, same):
    """seed 004, REGISTER_FAILED: already registered with the system; the connection is closed."""
    name, secret = shared.register()
    client = shared.client()
    client.send_register(name, secret if same else new_secret())
    client.expect_refusal("REGISTER_FAILED", info=lambda info: name in info)
    shared.client().login(name, secret)


def test_names_are_unique_without_regard_to_case(shared):
    """design.md, section 5: logins are compared without case."""
    name, _ = shared.register("alice")
    client = shared.client()
    client.send_register(name.upper(), new_secret())
    client.expect_refusal("REGISTER_FAILED")


def test_names_are_compared_in_their_composed_form(shared):
    """design.md, section 5: logins are Unicode NFC."""
    name, secret = shared.register("é")
    client = shared.client()
    client.send_register(unicodedata.normalize("NFD", name), new_secret())
    client.expect_refusal("REGISTER_FAILED")
    shared.client().login(unicodedata.normalize("NFD", name), secret)


@pytest.mark.parametrize("stem", ["é", "山田", "🙂", "o'neil", 'quo"te', "back\\slash", "a/b", "<b>", "%s%n", "x" * 40])
def test_names_may_hold_what_people_write(shared, stem):
    """design.md, section 5: 1-64 characters, Unicode."""
    name, secret = shared.register(stem)
    client = shared.client().login(name, secret)
    client.publish({"n": 1})
    client.hear(n=1, authenticated_user=name)


NOT_LOGINS = {
    "empty": "",
    "a blank": "ann bee",
    "a newline": "ann\nbee",
    "a NUL": "ann\0bee",
    "a control character": "ann\x07",
    "a no-break space": "ann\u00a0bee",
    "a bidirectional override": "ann\u202ebee",
    "65 characters": "a" * 65,
    "10,000 characters": "a" * 10_000,
}


@pytest.mark.parametrize("name", NOT_LOGINS.values(), ids=NOT_LOGINS)
def test_a_name_our_rules_do_not_allow_is_refused(client, name):
    """design.md, section 5: 1-64 characters, no control characters or white space."""
    client.send_register(name, new_secret())
    client.expect_refusal(("REGISTER_FAILED", "INVALID_MESSAGE"))


@pytest.mark.parametrize("name", NOT_LOGINS.values(), ids=NOT_LOGINS)
def test_a_name_our_rules_do_not_allow_does_not_log_in(client, name):
    """protocol.md, Clients: LOGIN unknown user: LOGIN_FAILED, close."""
    client.send_login(name, new_secret())
    client.expect_refusal(("LOGIN_FAILED", "INVALID_MESSAGE"))


@pytest.mark.parametrize("name", ["anonymous", "Anonymous", "ANONYMOUS"])
def test_anonymous_is_reserved(client, name):
    """protocol.md, Clients: REGISTER `anonymous`: REGISTER_FAILED (reserved)."""
    client.send_register(name, new_secret())
    client.expect_refusal("REGISTER_FAILED")


def test_registering_after_logging_in_is_refused(shared):
    """protocol.md, Clients: REGISTER after LOGIN: INVALID_MESSAGE, close; and nothing is registered."""
    client = shared.anonymous()
    name, secret = new_name(), new_secret()
    client.send_register(name, secret)
    client.expect_refusal("INVALID_MESSAGE")
    shared.client().register(name, secret)


def test_a_secret_may_be_long_and_of_any_characters(shared):
    """seed 004, REGISTER: the client selects the secret that it wishes to register with."""
    for tail in (" with blanks", "é山🙂", '"\\/\b\f\n\r\t', "x" * 200):
        name, secret = new_name(), new_secret() + tail
        shared.client().register(name, secret)
        shared.client().login(name, secret)


def test_of_many_who_register_one_name_at_once_one_succeeds(shared):
    """seed 004, REGISTER_SUCCESS: if the username was not already known; design.md, section 6: unique, always."""
    name = new_name()
    clients = [(shared.client(), new_secret()) for _ in range(10)]
    for client, secret in clients:
        client.send_register(name, secret)
    winners = []
    for client, secret in clients:
        if client.expect(("REGISTER_SUCCESS", "REGISTER_FAILED"))["command"] == "REGISTER_SUCCESS":
            winners.append(secret)
        else:
            client.expect_close()
    assert len(winners) == 1
    shared.client().login(name, winners[0])


# --- ACTIVITY_MESSAGE: who may say what -------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["anonymous", "alice"])
def test_publishing_before_logging_in_is_refused(shared, user):
    """protocol.md, Clients: ACTIVITY_MESSAGE before LOGIN: AUTHENTICATION_FAIL, close."""
    listener = shared.anonymous()
    name, secret = shared.register("alice") if user == "alice" else ("anonymous", None)
    client = shared.client()
    client.publish({"n": 1}, user=name, secret=secret)
    client.expect_refusal("AUTHENTICATION_FAIL")
    listener.proves_to_stay()


def test_the_user_logged_in_is_stamped(shared):
    """protocol.md, Clients: session alice, message alice with her secret: accepted, stamped `alice`."""
    alice, secret = shared.register("alice")
    client = shared.client().login(alice, secret)
    client.publish({"n": 1})
    client.hear(n=1, authenticated_user=alice)


@pytest.mark.parametrize("secret", [None, "whatever"])
def test_a_user_may_publish_as_anonymous(shared, secret):
    """protocol.md, Clients: session alice, message `anonymous`: accepted, stamped `anonymous`."""
    client = shared.client().login(*shared.register("alice"))
    client.secret = None
    client.publish({"n": 1}, user="anonymous", secret=secret)
    client.hear(n=1, authenticated_user="anonymous")


def test_anonymous_may_not_publish_as_a_user_even_with_the_right_secret(shared):
    """protocol.md, Clients: session `anonymous`, message alice with the right secret: AUTHENTICATION_FAIL, close."""
    listener = shared.anonymous()
    alice, secret = shared.register("alice")
    client = shared.anonymous()
    client.publish({"n": 1}, user=alice, secret=secret)
    client.expect_refusal("AUTHENTICATION_FAIL")
    listener.proves_to_stay()


@pytest.mark.parametrize("case", ["wrong secret", "empty secret", "no secret", "another user",
                                  "another user with her own secret", "unknown user"])
def test_name_and_secret_must_be_those_logged_in(shared, case):
    """seed 004, ACTIVITY_MESSAGE: AUTHENTICATION_FAIL if username and secret do not match the logged in user."""
    alice, secret = shared.register("alice")
    bob, bob_secret = shared.register("bob")
    user, given = {
        "wrong secret": (alice, secret + "x"),
        "empty secret": (alice, ""),
        "no secret": (alice, None),
        "another user": (bob, secret),
        "another user with her own secret": (bob, bob_secret),
        "unknown user": (new_name(), secret),
    }[case]
    listener = shared.anonymous()
    client = shared.client().login(alice, secret)
    client.secret = None
    client.publish({"n": 1}, user=user, secret=given)
    client.expect_refusal("AUTHENTICATION_FAIL")
    listener.proves_to_stay()


@pytest.mark.parametrize("members", [b"", b',"secret":""', b',"secret":null', b',"secret":"whatever"'],
                         ids=["absent", "empty", "null", "a string"])
def test_anonymous_publishes_whatever_its_secret(shared, members):
    """seed 004, LOGIN: the secret of anonymous should be ignored."""
    client = shared.anonymous()
    client.send(b'{"command":"ACTIVITY_MESSAGE","username":"anonymous"' + members + b',"activity":{"n":1}}\n')
    client.hear(n=1, authenticated_user="anonymous")


def test_the_publisher_gets_nothing_but_the_broadcast(shared):
    """protocol.md, Clients: the sender included, once; seed 004 gives a successful ACTIVITY_MESSAGE no reply."""
    client = shared.anonymous()
    client.publish({"n": 1}, {"n": 2}, {"n": 3})
    for n in (1, 2, 3):
        client.hear(n=n)
    client.proves_to_stay()


# --- who hears --------------------------------------------------------------------------------------------------


def test_every_client_logged_in_hears_an_activity_once(shared):
    """protocol.md, Clients: who hears an activity: every logged-in client, the sender included, once."""
    alice, secret = shared.register("alice")
    clients = [shared.anonymous(), shared.client().login(alice, secret), shared.anonymous(),
               shared.client().login(alice, secret)]
    clients[1].publish({"n": 1})
    clients[0].hear(n=1, authenticated_user=alice)
    clients[0].publish({"n": 2})
    for client in clients[1:]:
        client.hear(n=1, authenticated_user=alice)
    for client in clients:
        client.hear(n=2, authenticated_user="anonymous")


def test_connections_not_logged_in_hear_nothing(shared):
    """protocol.md, Clients: connections not logged in: hear nothing."""
    silent, registered, speaker = shared.client(), shared.client(), shared.anonymous()
    registered.register(new_name(), new_secret())
    speaker.publish({"n": 1})
    speaker.hear(n=1)
    for client in (silent, registered):
        client.login()  # whose answer is the first it hears
    speaker.publish({"n": 2})
    for client in (silent, registered, speaker):
        client.hear(n=2)


def test_what_was_said_before_a_login_is_not_heard(shared):
    """seed 004, Multi-server system: to all other clients connected at the time."""
    speaker = shared.anonymous()
    speaker.publish(*({"n": n} for n in range(50)))
    for n in range(50):
        speaker.hear(n=n)
    late = shared.anonymous()
    speaker.publish({"n": 50})
    late.hear(n=50)


def test_a_sender_is_heard_in_its_order_and_nothing_is_lost(shared):
    """design.md, section 6: each sender's order holds at every receiver."""
    speaker, listener = shared.anonymous(), shared.anonymous()
    speaker.publish(*({"n": n} for n in range(2000)))
    for client in (listener, speaker):
        for n in range(2000):
            client.hear(n=n)


def test_senders_interleave_and_each_keeps_its_order(shared):
    """design.md, section 6: each sender's order holds at every receiver; and all hear the same order."""
    clients = [shared.anonymous() for _ in range(4)]
    for n in range(100):
        for who, client in enumerate(clients):
            client.publish({"who": who, "n": n})
    orders = []
    for client in clients:
        heard = [client.hear() for _ in range(400)]
        for who in range(4):
            assert [one["n"] for one in heard if one["who"] == who] == list(range(100))
        orders.append([(one["who"], one["n"]) for one in heard])
    assert all(order == orders[0] for order in orders)


# --- LOGOUT, and what only servers say --------------------------------------------------------------------------


@pytest.mark.parametrize("logged_in", [False, True], ids=["before LOGIN", "after LOGIN"])
def test_logout_closes_silently(shared, logged_in):
    """protocol.md, Clients: LOGOUT, before or after LOGIN: close silently."""
    client = shared.anonymous() if logged_in else shared.client()
    client.send({"command": "LOGOUT"})
    client.expect_close(orderly=True)


def test_logout_ignores_other_fields_and_what_follows(shared):
    """seed 004, LOGOUT: the server will close the connection after receiving."""
    listener = shared.anonymous()
    client = shared.anonymous()
    client.send({"command": "LOGOUT", "username": 5},
                {"command": "ACTIVITY_MESSAGE", "username": "anonymous", "activity": {"n": "late"}}, b"{}\n")
    client.expect_close()
    listener.proves_to_stay()


SERVER_COMMANDS = {
    "SERVER_ANNOUNCE": {"command": "SERVER_ANNOUNCE", "id": "x", "load": 0, "hostname": "127.0.0.1", "port": 1},
    "ACTIVITY_BROADCAST": {"command": "ACTIVITY_BROADCAST", "activity": {"n": "forged"}},
    "LOCK_REQUEST": {"command": "LOCK_REQUEST", "username": "x", "secret": "y"},
    "LOCK_ALLOWED": {"command": "LOCK_ALLOWED", "username": "x", "secret": "y"},
    "LOCK_DENIED": {"command": "LOCK_DENIED", "username": "x", "secret": "y"},
    "LOGIN_SUCCESS": {"command": "LOGIN_SUCCESS", "info": "x"},
    "LOGIN_FAILED": {"command": "LOGIN_FAILED", "info": "x"},
    "REGISTER_SUCCESS": {"command": "REGISTER_SUCCESS", "info": "x"},
    "REGISTER_FAILED": {"command": "REGISTER_FAILED", "info": "x"},
    "REDIRECT": {"command": "REDIRECT", "hostname": "127.0.0.1", "port": 1},
    "HERALD": {"command": "HERALD", "version": 1, "id": "x"},
}


@pytest.mark.parametrize("message", SERVER_COMMANDS.values(), ids=SERVER_COMMANDS)
@pytest.mark.parametrize("logged_in", [False, True], ids=["before LOGIN", "after LOGIN"])
def test_what_only_servers_say_is_refused_from_a_client(shared, message, logged_in):
    """protocol.md, Clients: a server-only command from a client: INVALID_MESSAGE, close; it has no effect."""
    listener = shared.anonymous()
    client = shared.anonymous() if logged_in else shared.client()
    client.send(message)
    client.expect_refusal("INVALID_MESSAGE")
    listener.proves_to_stay()


@pytest.mark.parametrize("before", ["LOGIN", "REGISTER"])
def test_a_client_does_not_become_a_server(shared, before):
    """seed 004, AUTHENTICATE: always and only the first message; protocol.md, Clients: server-only commands."""
    client = shared.client()
    client.login() if before == "LOGIN" else client.register(new_name(), new_secret())
    client.send({"command": "AUTHENTICATE", "secret": shared.secret})
    client.expect_refusal("INVALID_MESSAGE")


@pytest.mark.parametrize("logged_in", [False, True], ids=["before LOGIN", "after LOGIN"])
@pytest.mark.parametrize("info", [b',"info":"you are wrong"', b""], ids=["info", "no info"])
def test_a_client_that_calls_us_invalid_is_left(shared, logged_in, info):
    """protocol.md, Clients: a client that sends INVALID_MESSAGE: close."""
    client = shared.anonymous() if logged_in else shared.client()
    client.send(b'{"command":"INVALID_MESSAGE"' + info + b"}\n")
    client.expect_close()


@pytest.mark.parametrize("end", ["close", "reset"])
def test_clients_may_quit_at_any_time(shared, end):
    """seed 004, Failure model: clients may quit at any time."""
    listener = shared.anonymous()
    alice, secret = shared.register("alice")
    for _ in range(10):
        leaver = shared.client()
        leaver.send({"command": "LOGIN", "username": alice, "secret": secret},
                    {"command": "ACTIVITY_MESSAGE", "username": alice, "secret": secret, "activity": {}})
        leaver.close() if end == "close" else leaver.abort()
    listener.publish({"last": True})
    while not listener.hear().get("last"):
        pass


def test_noise_does_not_harm_the_server(shared):
    """seed 004, Failure model: messages received could be corrupted. Half-broken lines, seeded."""
    seed = int(os.environ.get("HERALD_SEED", random.randrange(1 << 32)))
    print(f"HERALD_SEED={seed}")
    dice = random.Random(seed)
    whole = (b'{"command":"LOGIN","username":"anonymous","secret":null}\n'
             b'{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"a":[1,2.5e3,"\\u00e9\\ud83d\\ude42"]}}\n')
    listener = shared.anonymous()
    for _ in range(100):
        broken = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(broken))
            if dice.random() < 0.5:
                broken[at] = dice.randrange(256)
            else:
                del broken[at:at + dice.randrange(1, 10)]
        client = shared.client()
        client.send_some(bytes(broken))
        client.close()
    listener.publish({"last": True})
    while not listener.hear().get("last"):
        pass
