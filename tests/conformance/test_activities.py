"""protocol.md, Framing: an activity passes value for value; its authenticated_user is ours alone.

Compared are exact values (herald_harness/values.py): number texts, the order of members, duplicated names."""

import pytest
from herald_harness import Members, exact, new_name, new_secret, stamped, without_stamp


@pytest.fixture
def speaker(shared):
    return shared.anonymous()


def passes(client, text):
    """Publishes raw activity text and returns what is heard, exact."""
    client.publish(text.encode() if isinstance(text, str) else text)
    return client.hear_exact()


NUMBERS = ["0", "-0", "1", "-1", "1.0", "1.10", "-0.0", "1e5", "1E5", "1e+5", "1E-5", "1.5e300", "1e400", "-1e400",
           "1e-400", "123456789012345678901234567890", "-123456789012345678901234567890", "18446744073709551615",
           "18446744073709551616", "9223372036854775808", "-9223372036854775809", "0.1", "0.30000000000000004",
           "3.141592653589793238462643383279502884197", "1" + "0" * 400, "0." + "3" * 400, "1e99999999999999999999"]


@pytest.mark.parametrize("number", NUMBERS, ids=[number[:32] for number in NUMBERS])
def test_a_number_keeps_its_text(speaker, number):
    """protocol.md, Framing: we pass an activity through value for value, number text kept."""
    text = f'{{"n":{number},"in":[{number},{{"deep":{number}}}]}}'
    assert without_stamp(passes(speaker, text)) == exact(text)


VALUES = {
    "nothing": "{}",
    "null": '{"a":null,"b":[null]}',
    "booleans": '{"t":true,"f":false}',
    "empty things": '{"o":{},"a":[],"s":"","":"an empty name"}',
    "nested": '{"a":{"b":{"c":[1,[2,[3,{"d":[]}]]]}}}',
    "order": '{"z":1,"y":2,"x":3,"a":4,"m":5}',
    "escapes": r'{"s":"\"\\\/\b\f\n\r\t"}',
    "unicode escapes": r'{"s":"\u0041\u00e9\u20ac\ud834\udd1e\u0001\u001f\u007f"}',
    "NUL in a string": r'{"s":"a\u0000b"}',
    "line separators": r'{"s":"\u2028\u2029"}',
    "raw unicode": '{"s":"é€𝄞🙂山田","ключ":"значение"}',
    "noncharacters": '{"s":"\ufffe\uffff\U0010ffff"}',
    "combining": '{"s":"e\u0301 é"}',
    "bidirectional": '{"s":"\u202eabc\u202c"}',
    "delete and C1": '{"s":"\x7f\x80\x9f"}',
    "escaped name": r'{"\u0061\u0022\\":1,"a\nb":2}',
    "base64": '{"s":"a+b/c=="}',
    "html": '{"s":"<script>&amp;\'</script>"}',
    "a command inside": '{"command":"LOGOUT","username":"root","secret":"x","activity":{}}',
    "duplicated names": '{"a":1,"a":2,"b":{"c":1,"c":2},"a":{"a":3}}',
    "duplicated by escape": r'{"a":1,"\u0061":2}',
    "prototype": '{"__proto__":{"x":1},"constructor":1}',
    "blanks": '{ "a" : [ 1 , 2 ] , "b" : { } }',
    "long name": '{"' + "k" * 5000 + '":1}',
    "long string": '{"s":"' + "s" * 50_000 + '"}',
    "many members": "{" + ",".join(f'"m{n}":{n}' for n in range(2000)) + "}",
    "long array": '{"a":[' + ",".join("[]" for _ in range(5000)) + "]}",
    "other spellings": '{"authenticated_User":1,"Authenticated_user":2,"authenticated_user ":3,"authenticateduser":4}',
    "stamp deeper": '{"object":{"authenticated_user":"eve"},"list":[{"authenticated_user":1}]}',
}


@pytest.mark.parametrize("text", VALUES.values(), ids=VALUES)
def test_an_activity_passes_value_for_value(speaker, text):
    """protocol.md, Framing: we pass an activity through value for value; inside an activity duplicates pass."""
    heard = passes(speaker, text)
    assert without_stamp(heard) == exact(text)
    assert stamped(heard) == "anonymous"


def test_the_activity_follows_the_command_and_nothing_else_does(speaker):
    """seed 004, ACTIVITY_BROADCAST: command and activity."""
    speaker.publish(b'{"n":1}')
    message = speaker.expect("ACTIVITY_BROADCAST")
    assert sorted(message.exact.names()) == ["activity", "command"]


FORGED = {
    "a string": '{"a":1,"authenticated_user":"eve","b":2}',
    "first": '{"authenticated_user":"eve","a":1,"b":2}',
    "only": '{"authenticated_user":"eve"}',
    "twice": '{"authenticated_user":"eve","a":1,"authenticated_user":"mallory","b":2}',
    "a hundred times": '{"a":1' + ',"authenticated_user":"eve"' * 100 + ',"b":2}',
    "an escaped underscore": r'{"a":1,"authenticated\u005fuser":"eve","b":2}',
    "an escaped first letter": r'{"a":1,"\u0061uthenticated_user":"eve","b":2}',
    "all escaped": '{"' + "".join(f"\\u{ord(c):04x}" for c in "authenticated_user") + '":"eve","b":2}',
    "plain and escaped": r'{"authenticated_user":"eve","a":1,"authenticated_use\u0072":"mallory"}',
    "null": '{"authenticated_user":null,"a":1}',
    "a number": '{"authenticated_user":1,"a":1}',
    "an object": '{"authenticated_user":{"authenticated_user":"eve"},"a":1}',
    "an array": '{"authenticated_user":["eve"],"a":1}',
    "a blank before the colon": '{"a":1, "authenticated_user" : "eve" , "b":2}',
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("who", ["anonymous", "alice"])
def test_authenticated_user_cannot_be_forged(shared, text, who):
    """protocol.md, Framing: of `authenticated_user` every top-level occurrence, however escaped, is removed
    and one is written; seed 004, Processing an activity object."""
    if who == "alice":
        who, secret = shared.register("alice")
        client = shared.client().login(who, secret)
    else:
        client = shared.anonymous()
    heard = passes(client, text)
    assert stamped(heard) == who
    assert without_stamp(heard) == without_stamp(exact(text))


@pytest.mark.parametrize("stem", ['quo"te', "back\\slash", "sla/sh", "é山🙂", "<&>", "{}", "\\u0041"])
def test_a_name_is_stamped_as_it_is(shared, stem):
    """seed 004, Processing: the field will contain the username of the logged in user."""
    name, secret = new_name(stem), new_secret()
    client = shared.client().register(name, secret).login(name, secret)
    assert stamped(passes(client, '{"authenticated_user":"eve"}')) == name


def test_what_is_heard_can_be_said_again(speaker):
    """seed 004, Processing: the process will overwrite the contents of the field if it was already there."""
    text = VALUES["duplicated names"].encode()
    for _ in range(3):
        speaker.publish(text)
        heard = speaker.expect("ACTIVITY_BROADCAST")
        start = heard.raw.index(b'"activity":') + len(b'"activity":')
        text = heard.raw[start:-1]
        assert without_stamp(exact(text)) == exact(VALUES["duplicated names"])
        assert stamped(exact(text)) == "anonymous"


def test_everyone_hears_the_same_values(shared):
    """protocol.md, Framing: value for value; Clients: every logged-in client."""
    clients = [shared.anonymous() for _ in range(3)]
    text = VALUES["unicode escapes"]
    clients[0].publish(text.encode())
    heard = [client.hear_exact() for client in clients]
    assert heard[0] == heard[1] == heard[2]
    assert isinstance(heard[0], Members)
