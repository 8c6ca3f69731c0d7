"""protocol.md, Framing and JSON: lines, their limits, and what is refused in them."""

import json
import select

import pytest
from herald_harness import new_name, new_secret

MIB = 1 << 20
ANONYMOUS = b'{"command":"LOGIN","username":"anonymous"}'


def refused(client, *lines):
    """protocol.md, Framing: INVALID_MESSAGE with an info, then close."""
    client.send(*lines)
    return client.expect_refusal("INVALID_MESSAGE")["info"]


# --- lines ------------------------------------------------------------------------------------------------------


def test_a_line_ends_with_a_newline(client):
    """protocol.md, Framing: one JSON object per line, `\\n`."""
    client.send(ANONYMOUS + b"\n")
    client.expect("LOGIN_SUCCESS")


def test_a_carriage_return_before_the_newline_is_accepted(client):
    """protocol.md, Framing: `\\r\\n` accepted."""
    client.send(ANONYMOUS + b"\r\n")
    client.expect("LOGIN_SUCCESS")
    client.send(b'{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"n":1}}\r\n')
    client.hear(n=1)


def test_replies_end_with_a_bare_newline(client):
    """protocol.md, Framing: one JSON object per line, `\\n`."""
    client.send(ANONYMOUS + b"\n")
    assert not client.receive_line().endswith(b"\r")


def test_an_object_may_arrive_byte_by_byte(client):
    """protocol.md, Framing: an object may arrive in any number of pieces."""
    for byte in ANONYMOUS + b"\r\n":
        client.send_some(bytes([byte]))
    client.expect("LOGIN_SUCCESS")


@pytest.mark.parametrize("cut", [1, 2, len(ANONYMOUS) - 1, len(ANONYMOUS), len(ANONYMOUS) + 1])
def test_two_objects_cut_anywhere_are_two_objects(client, cut):
    """protocol.md, Framing: an object may arrive in any number of pieces."""
    both = ANONYMOUS + b"\n" + b'{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"n":2}}\n'
    client.send_some(both[:cut])
    client.send_some(both[cut:])
    client.expect("LOGIN_SUCCESS")
    client.hear(n=2)


def test_a_multibyte_character_may_be_cut_in_two(client):
    """protocol.md, Framing: an object may arrive in any number of pieces."""
    client.login()
    line = '{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"t":"€𝄞"}}\n'.encode()
    for at in range(line.index("€".encode()), line.index(b'"}}')):
        client.send_some(line[:at])
        client.send_some(line[at:])
        client.hear(t="€𝄞")


def test_many_messages_in_one_segment_are_answered_in_their_order(client):
    """protocol.md, Framing: one JSON object per line."""
    client.send(ANONYMOUS + b"\n",
                *({"command": "ACTIVITY_MESSAGE", "username": "anonymous", "activity": {"n": n}} for n in range(100)))
    client.expect("LOGIN_SUCCESS")
    for n in range(100):
        client.hear(n=n)


def test_registering_and_logging_in_may_be_sent_at_once(client):
    """design.md, decision 7: a connection is not read while its secret is being hashed, so order holds."""
    name, secret = new_name(), new_secret()
    client.send({"command": "REGISTER", "username": name, "secret": secret},
                {"command": "LOGIN", "username": name, "secret": secret},
                {"command": "ACTIVITY_MESSAGE", "username": name, "secret": secret, "activity": {"n": 1}})
    client.expect("REGISTER_SUCCESS")
    client.expect("LOGIN_SUCCESS")
    client.hear(n=1, authenticated_user=name)


def test_blanks_around_an_object_are_json(client):
    """protocol.md, Framing: a JSON object; RFC 8259 allows white space around it."""
    client.send(b" \t" + b'{ "command" : "LOGIN" ,\t"username" : "anonymous" }' + b"  \n")
    client.expect("LOGIN_SUCCESS")


def test_members_may_come_in_any_order(client):
    """protocol.md, Framing: a JSON object."""
    client.send(b'{"username":"anonymous","command":"LOGIN"}\n')
    client.expect("LOGIN_SUCCESS")


def test_escapes_in_names_and_values_are_understood(client):
    """protocol.md, Framing: peers escape freely; compare values, not bytes."""
    client.send(b'{"c\\u006fmmand":"LOGI\\u004e","username":"\\u0061nonymous"}\n')
    client.expect("LOGIN_SUCCESS")


def test_unknown_fields_are_ignored(client):
    """protocol.md, Framing: unknown fields are ignored on input."""
    client.send(b'{"command":"LOGIN","username":"anonymous","x":1,"y":{"command":"LOGOUT"},"z":[null]}\n')
    client.expect("LOGIN_SUCCESS")
    client.proves_to_stay()


# --- length -----------------------------------------------------------------------------------------------------


def activity_line(length):
    """An ACTIVITY_MESSAGE of exactly `length` bytes without its newline."""
    head = b'{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"t":"'
    return head + b"x" * (length - len(head) - 3) + b'"}}'


def test_a_line_of_one_mebibyte_is_accepted(client):
    """protocol.md, Framing: default limit 1 MiB a line."""
    client.login()
    line = activity_line(MIB)
    client.send(line + b"\n")
    assert client.hear()["t"] == json.loads(line)["activity"]["t"]


def test_one_byte_over_the_limit_is_refused(client):
    """protocol.md, Framing: a line over the limit: INVALID_MESSAGE, close."""
    client.login()
    refused(client, activity_line(MIB + 1) + b"\n")


def test_an_endless_line_is_refused_before_it_ends(client):
    """protocol.md, Framing: a line over the limit likewise."""
    client.send_some(b"x" * (MIB + 1))
    client.expect_refusal("INVALID_MESSAGE")


def test_the_limit_can_be_set(start):
    """protocol.md, Framing: `max_message`."""
    server = start(max_message="64KiB")
    client = server.anonymous()
    client.send(activity_line(65536) + b"\n")
    client.hear()
    refused(client, activity_line(65537) + b"\n")


def test_two_hundred_kilobytes_pass(client):
    """protocol.md, Framing: peers relay at least 200 kB."""
    client.login()
    client.publish({"t": "é" * 100_000})
    assert client.hear()["t"] == "é" * 100_000


# --- what is refused --------------------------------------------------------------------------------------------

EMPTY = {
    "nothing": b"\n",
    "a carriage return": b"\r\n",
    "blanks": b"  \t \n",
}
NON_OBJECTS = {
    "an array": b"[]\n",
    "an array with an object": b'[{"command":"LOGIN","username":"anonymous"}]\n',
    "a string": b'"LOGIN"\n',
    "a number": b"42\n",
    "true": b"true\n",
    "null": b"null\n",
}
BAD_UTF8 = {
    "a lone byte ff": b"\xff",
    "a lone continuation": b"\x80",
    "overlong slash": b"\xc0\xaf",
    "overlong NUL": b"\xe0\x80\x80",
    "a surrogate": b"\xed\xa0\x80",
    "a truncated sequence": b"\xe2\x82",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "latin-1": "é".encode("latin-1"),
}
BAD_JSON = {
    "words": b"hello\n",
    "http": b"GET / HTTP/1.1\r\n",
    "open brace": b"{\n",
    "cut short": b'{"command":"LOGIN","username":"anon\n',
    "trailing comma": b'{"command":"LOGIN","username":"anonymous",}\n',
    "single quotes": b"{'command':'LOGIN','username':'anonymous'}\n",
    "bare names": b'{command:"LOGIN",username:"anonymous"}\n',
    "no comma": b'{"command":"LOGIN" "username":"anonymous"}\n',
    "no colon": b'{"command" "LOGIN"}\n',
    "text behind": b'{"command":"LOGIN","username":"anonymous"} x\n',
    "two objects": b'{"command":"LOGIN","username":"anonymous"}{"command":"LOGOUT"}\n',
    "comment": b'{"command":"LOGIN",/* me */"username":"anonymous"}\n',
    "NaN": b'{"command":"LOGIN","username":"anonymous","x":NaN}\n',
    "Infinity": b'{"command":"LOGIN","username":"anonymous","x":-Infinity}\n',
    "leading zero": b'{"command":"LOGIN","username":"anonymous","x":01}\n',
    "plus sign": b'{"command":"LOGIN","username":"anonymous","x":+1}\n',
    "bare point": b'{"command":"LOGIN","username":"anonymous","x":1.}\n',
    "hexadecimal": b'{"command":"LOGIN","username":"anonymous","x":0x10}\n',
    "raw tab in a string": b'{"command":"LOGIN","username":"anonymous","x":"\t"}\n',
    "raw NUL in a string": b'{"command":"LOGIN","username":"anonymous","x":"\0"}\n',
    "NUL behind": b'{"command":"LOGIN","username":"anonymous"}\0\n',
    "unknown escape": b'{"command":"LOGIN","username":"anonymous","x":"\\q"}\n',
    "short escape": b'{"command":"LOGIN","username":"anonymous","x":"\\u12"}\n',
    "True": b'{"command":"LOGIN","username":"anonymous","x":True}\n',
}
COMMANDS = {
    "no command": b'{"username":"anonymous"}\n',
    "an empty object": b"{}\n",
    "unknown": b'{"command":"FLY","username":"anonymous"}\n',
    "empty": b'{"command":"","username":"anonymous"}\n',
    "lower case": b'{"command":"login","username":"anonymous"}\n',
    "with a blank": b'{"command":"LOGIN ","username":"anonymous"}\n',
    "with a NUL": b'{"command":"LOGIN\\u0000","username":"anonymous"}\n',
    "capital name": b'{"Command":"LOGIN","username":"anonymous"}\n',
    "a number": b'{"command":1,"username":"anonymous"}\n',
    "null": b'{"command":null,"username":"anonymous"}\n',
    "an array": b'{"command":["LOGIN"],"username":"anonymous"}\n',
    "an object": b'{"command":{"command":"LOGIN"},"username":"anonymous"}\n',
    "true": b'{"command":true,"username":"anonymous"}\n',
}
WRONG = [1, 1.5, None, True, [], {}, ["anonymous"]]


@pytest.mark.parametrize("line", EMPTY.values(), ids=EMPTY)
def test_an_empty_line_is_refused(client, line):
    """protocol.md, Framing: an empty line: INVALID_MESSAGE, close."""
    refused(client, line)


@pytest.mark.parametrize("line", NON_OBJECTS.values(), ids=NON_OBJECTS)
def test_what_is_not_an_object_is_refused(client, line):
    """protocol.md, Framing: a non-object: INVALID_MESSAGE, close."""
    refused(client, line)


@pytest.mark.parametrize("text", BAD_UTF8.values(), ids=BAD_UTF8)
def test_bad_utf8_is_refused(client, text):
    """protocol.md, Framing: bad UTF-8: INVALID_MESSAGE, close."""
    refused(client, b'{"command":"LOGIN","username":"anonymous","x":"' + text + b'"}\n')


@pytest.mark.parametrize("text", BAD_UTF8.values(), ids=BAD_UTF8)
def test_bad_utf8_inside_an_activity_is_refused(client, text):
    """protocol.md, Framing: bad UTF-8: INVALID_MESSAGE, close."""
    client.login()
    client.publish(b'{"t":"' + text + b'"}')
    client.expect_refusal("INVALID_MESSAGE")


@pytest.mark.parametrize("line", BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json_is_refused(client, line):
    """protocol.md, Framing: bad JSON; seed 004, INVALID_MESSAGE: JSON parse error while parsing message."""
    refused(client, line)


@pytest.mark.parametrize("line", COMMANDS.values(), ids=COMMANDS)
def test_a_missing_or_unknown_command_is_refused(client, line):
    """protocol.md, Framing: a missing or unknown `command`; seed 004, unknown commands."""
    assert "command" in refused(client, line).lower()


MISSING = {
    "LOGIN username": ({"command": "LOGIN", "secret": "*"}, "username"),
    "LOGIN secret": ({"command": "LOGIN", "username": "aaron"}, "secret"),
    "LOGIN null username": ({"command": "LOGIN", "username": None, "secret": "*"}, "username"),
    "LOGIN null secret": ({"command": "LOGIN", "username": "aaron", "secret": None}, "secret"),
    "REGISTER username": ({"command": "REGISTER", "secret": "*"}, "username"),
    "REGISTER secret": ({"command": "REGISTER", "username": "aaron"}, "secret"),
    "REGISTER null secret": ({"command": "REGISTER", "username": "aaron", "secret": None}, "secret"),
    "AUTHENTICATE secret": ({"command": "AUTHENTICATE"}, "secret"),
}


@pytest.mark.parametrize("message, field", MISSING.values(), ids=MISSING)
def test_a_missing_field_is_refused_by_its_name(client, message, field):
    """protocol.md, Framing: a missing field: INVALID_MESSAGE with an info that names the fault."""
    message = {name: new_secret() if value == "*" else value for name, value in message.items()}
    assert field in refused(client, message)


@pytest.mark.parametrize("field", ["username", "activity"])
def test_a_missing_field_of_an_activity_message_is_refused_by_its_name(client, field):
    """protocol.md, Framing: a missing field; seed 004, ACTIVITY_MESSAGE: INVALID_MESSAGE."""
    client.login()
    message = {"command": "ACTIVITY_MESSAGE", "username": "anonymous", "activity": {}}
    del message[field]
    assert field in refused(client, message)


@pytest.mark.parametrize("value", [value for value in WRONG if value is not None], ids=repr)
@pytest.mark.parametrize("command, field", [("LOGIN", "username"), ("LOGIN", "secret"), ("REGISTER", "username"),
                                            ("REGISTER", "secret"), ("AUTHENTICATE", "secret")])
def test_a_field_of_the_wrong_type_is_refused_by_its_name(client, command, field, value):
    """protocol.md, Framing: a wrongly typed field: INVALID_MESSAGE with an info that names the fault."""
    message = {"command": command, "username": new_name(), "secret": new_secret(), field: value}
    assert field in refused(client, message)


@pytest.mark.parametrize("value", WRONG[:3] + WRONG[3:5] + ["{}", '{"a":1}'], ids=repr)
def test_an_activity_that_is_not_an_object_is_refused(client, value):
    """protocol.md, Clients: `activity` missing or not an object: INVALID_MESSAGE, close."""
    client.login()
    assert "activity" in refused(
        client, {"command": "ACTIVITY_MESSAGE", "username": "anonymous", "activity": value})


DUPLICATED = {
    "command": b'{"command":"LOGIN","command":"LOGIN","username":"anonymous"}\n',
    "username": b'{"command":"LOGIN","username":"anonymous","username":"anonymous"}\n',
    "escaped": b'{"command":"LOGIN","username":"anonymous","user\\u006eame":"anonymous"}\n',
    "unknown": b'{"command":"LOGIN","username":"anonymous","x":1,"x":2}\n',
    "secret": b'{"command":"LOGIN","username":"anonymous","secret":"","secret":null}\n',
}


@pytest.mark.parametrize("line", DUPLICATED.values(), ids=DUPLICATED)
def test_a_duplicated_member_of_a_command_is_refused(client, line):
    """protocol.md, Framing: a duplicated member name in a command object is INVALID_MESSAGE."""
    refused(client, line)


def test_a_second_activity_in_a_message_is_refused(client):
    """protocol.md, Framing: a duplicated member name in a command object is INVALID_MESSAGE."""
    client.login()
    refused(client, b'{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{},"activity":{}}\n')


def nested(depth):
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


def test_nesting_below_the_limit_passes(client):
    """protocol.md, Framing, and the option max_depth (64)."""
    client.login()
    client.publish(nested(50))
    client.hear()


@pytest.mark.parametrize("depth", [80, 1000, 100_000])
def test_nesting_over_the_limit_is_refused(client, depth):
    """The option max_depth (64): INVALID_MESSAGE, whatever the depth."""
    client.login()
    client.publish(nested(depth))
    client.expect_refusal("INVALID_MESSAGE")


@pytest.mark.parametrize("opener", [b"[", b'{"a":'])
def test_a_megabyte_of_opening_brackets_is_refused(client, opener):
    """protocol.md, Framing: bad JSON: INVALID_MESSAGE, close; and no stack is exhausted by it."""
    refused(client, opener * (1_000_000 // len(opener)) + b"\n")


# --- the refusal itself -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [
    '{"command":"LOGIN","username":5,"secret":"%s"}\n',
    '{"command":"FLY","secret":"%s"}\n',
    '{"command":"%s"}\n',
    '{"command":"REGISTER","secret":"%s"}\n',
    '{"command":"AUTHENTICATE","secret":["%s"]}\n',
    '{"command":"AUTHENTICATE","secret":"%s","secret":"%s"}\n',
    '{"command":"LOGIN","username":"anonymous","secret":"%s"\n',
    '%s\n',
], ids=["typed", "unknown", "as a command", "missing", "in an array", "twice", "cut", "bare"])
def test_the_reason_never_repeats_a_secret(client, line):
    """protocol.md, Framing: an `info` that names the fault (never the secret)."""
    secret = new_secret()
    assert secret not in refused(client, line.replace("%s", secret))


def test_different_faults_are_named_differently(shared):
    """protocol.md, Framing: an `info` that names the fault."""
    lines = [b"\n", b"[]\n", b"{\n", b'{"a":"\xff"}\n', b"{}\n", b'{"command":"FLY"}\n', b'{"command":"LOGIN"}\n']
    infos = [refused(shared.client(), line) for line in lines]
    assert len(set(infos)) >= 5, infos


@pytest.mark.parametrize("wrong", [b"\n", b"{}\n", b"hello\n", b'{"command":"LOGIN"}\n'], ids=repr)
def test_the_reason_arrives_though_much_more_was_sent(client, wrong):
    """design.md, decision 8: a lingering close with a bounded drain, so that the reason arrives."""
    client.send_some(wrong + ANONYMOUS * 1500)
    client.expect("INVALID_MESSAGE")
    client.expect_close(orderly=True)


def test_who_goes_on_sending_after_the_refusal_still_reads_it(client):
    """design.md, decision 8: a lingering close with a bounded drain: no reset for what is sent meanwhile."""
    client.send_some(b"{}\n")
    select.select([client.sock], [], [], 10)  # the reason is here, and not yet read
    for _ in range(8):
        assert client.send_some(ANONYMOUS * 800) == 0
    client.expect("INVALID_MESSAGE")
    client.expect_close(orderly=True)


def test_the_reason_arrives_though_a_mebibyte_more_was_sent(client):
    """design.md, decision 8: a lingering close with a bounded drain, so that the reason arrives."""
    client.send_some(b"{}\n" + b'{"command":"LOGIN","username":"anonymous"}\n' * 25_000)
    client.expect_refusal("INVALID_MESSAGE")


def test_nothing_after_a_wrong_line_is_obeyed(shared):
    """seed 004, INVALID_MESSAGE: after sending it the sender closes the connection."""
    listener = shared.anonymous()
    wrong = shared.anonymous()
    wrong.send(b"{}\n")
    wrong.send_some(b'{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"n":"late"}}\n')
    wrong.expect_refusal("INVALID_MESSAGE")
    listener.proves_to_stay()


def test_what_was_right_before_a_wrong_line_is_done(shared):
    """seed 004, INVALID_MESSAGE: a reply to the message that was wrong; the ones before it count."""
    listener = shared.anonymous()
    sender = shared.anonymous()
    sender.send({"command": "ACTIVITY_MESSAGE", "username": "anonymous", "activity": {"n": 7}}, b"{}\n")
    listener.hear(n=7)
    while sender.expect(("ACTIVITY_BROADCAST", "INVALID_MESSAGE"))["command"] != "INVALID_MESSAGE":
        pass  # its own activity may still reach it
    sender.expect_close()


def test_a_client_that_closes_in_the_middle_of_a_line_harms_nobody(shared):
    """seed 004, Failure model: clients may quit at any time."""
    listener = shared.anonymous()
    for text in (b"{", b'{"command":"LOGIN","username":"anonymous"', b""):
        for leave in ("close", "abort"):
            client = shared.client()
            client.send_some(text)
            getattr(client, leave)()
    listener.proves_to_stay()
