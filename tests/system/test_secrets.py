"""That secrets do not stay where somebody may find them later: in the memory of the server, which may be swapped out or
dumped. (Logs and files: test_crowds.py, test_command_line.py.)"""

import base64
import re
from pathlib import Path

import pytest
from herald_harness import Http, admin, new_name, new_secret, trusting


def stacks(pid):
    """Where the stack of each thread is just now. All of them wait for something."""
    calls = [(task / "syscall").read_text().split() for task in Path(f"/proc/{pid}/task").iterdir()]
    return [int(call[-2], 16) for call in calls if len(call) > 2]


def in_memory(server, text):
    """Where `text` stands in what the server's process can write to: what is before it, for each place. Stacks are left
    out: what a function has left there is not ours to wipe, and does not last."""
    places, pid = [], server.process.pid
    try:
        pointers, memory = stacks(pid), open(f"/proc/{pid}/mem", "rb", 0)
    except PermissionError as error:
        pytest.skip(f"its memory cannot be read here: {error}")
    with memory, open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            span, rights = line.split()[:2]
            first, end = (int(number, 16) for number in span.split("-"))
            if "w" not in rights or end - first > 1 << 30 or any(first <= one < end for one in pointers):
                continue  # the large ones are a sanitizer's shadow
            try:
                memory.seek(first)
                data = memory.read(end - first)
            except OSError:
                continue
            places += [data[max(0, at - 80):at] for at in (one.start() for one in re.finditer(re.escape(text), data))]
    return places


@pytest.mark.parametrize("tls", [False, True])
def test_no_secret_stays_in_memory(start, tls):
    """Once others have been served, over whose words it was read, nothing of it is left."""
    server = start(shards=1, tls="auto")
    user, token = (new_name(), new_secret()), admin(server)
    context, veil = (trusting(), {}) if tls else (None, None)
    with Http(server, tls=context) as http:
        path = "/v1/identities/" + http.post("/v1/identities", {"login": user[0], "password": user[1]}).json["uuid"]
        assert http.request("PATCH", path, {"name": "x"}, user=user).status == 200
        assert http.request("PATCH", path, {"name": "y"}, token=token).status == 200
    client = server.client(veil=veil).login(*user)
    client.publish({"n": 1})
    client.hear(n=1)
    client.close()
    with Http(server, tls=context) as http:  # whoever comes next
        assert http.request("PUT", "/v1/settings/x", b"x" * 9000, token=admin(server)).status == 200
    client = server.client(veil=veil).login()
    client.publish({"pad": "x" * 9000})
    client.hear()
    basic = base64.b64encode(":".join(user).encode())
    for secret in (user[1].encode(), basic, token.encode()):
        assert not in_memory(server, secret)
    assert in_memory(server, b"x" * 9000)  # as for how this looks
