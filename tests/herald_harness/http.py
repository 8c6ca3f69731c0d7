"""HTTP over a raw socket: what is sent is what the test says, byte for byte, and what comes back is taken apart
strictly. Every answer to a request of the API is held against docs/openapi.yaml."""

import base64
import functools
import json
import re
import socket
from pathlib import Path

import jsonschema
import yaml

from .clock import Deadline

ROOT = Path(__file__).resolve().parents[2]


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # in order; names in lower case
        self.body = body

    def header(self, name):
        found = [value for key, value in self.headers if key == name.lower()]
        assert len(found) <= 1, f"{name} stands there {len(found)} times"
        return found[0] if found else None

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """Of a problem."""
        assert self.header("content-type") == "application/problem+json", self
        assert self.json["status"] == self.status, self
        return self.json["code"]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]!r}"


class Closed(AssertionError):
    """The connection ended where an answer was expected."""


class Http:
    """One connection."""

    def __init__(self, server, source=None, tls=None, host="127.0.0.1"):
        """tls: an ssl.SSLContext."""
        self.sock = socket.create_connection((host, server.http_port), Deadline().seconds,
                                             source_address=(source, 0) if source else None)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost", suppress_ragged_eofs=False)
        self.held = b""

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- bytes ----------------------------------------------------------------------------------------------
    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def _more(self):
        self.sock.settimeout(Deadline().seconds)
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError as error:
            raise Closed("reset") from error
        if not data:
            raise Closed(f"closed after {self.held[:200]!r}")
        self.held += data

    def _until(self, mark):
        while mark not in self.held:
            self._more()
        head, self.held = self.held.split(mark, 1)
        return head

    def _exactly(self, count):
        while len(self.held) < count:
            self._more()
        data, self.held = self.held[:count], self.held[count:]
        return data

    def line(self):
        return self._until(b"\n")

    def ends(self):
        """Nothing more comes, and the server closes."""
        try:
            self._more()
        except Closed:
            pass
        assert not self.held, f"more came: {self.held[:300]!r}"

    # --- answers --------------------------------------------------------------------------------------------
    def head(self):
        lines = self._until(b"\r\n\r\n").decode("ascii").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) ([A-Za-z ]+)", lines[0])
        assert match, lines[0]
        headers = []
        for line in lines[1:]:
            name, value = re.fullmatch(r"([A-Za-z-]+): (\S(?:.*\S)?)", line).groups()
            headers.append((name.lower(), value))
        return Answer(int(match[1]), headers, b"")

    def chunk(self):
        """b"" for the last one."""
        size = int(self._until(b"\r\n"), 16)
        data = self._exactly(size)
        assert self._exactly(2) == b"\r\n"
        return data

    def answer(self, method="GET"):
        answer = self.head()
        assert answer.header("date") or answer.status == 100
        length = answer.header("content-length")
        if method == "HEAD" or answer.status in (100, 204, 304):
            return answer
        if answer.header("transfer-encoding") == "chunked":
            while data := self.chunk():
                answer.body += data
        elif length is not None:
            answer.body = self._exactly(int(length))
        return answer

    def request(self, method, path, body=None, headers=(), user=None, token=None, check=True, **more):
        """Sends a request and reads its answer. body: bytes as they are, anything else as JSON. more: headers, with _
        for -."""
        lines = [f"{method} {path} HTTP/1.1", "Host: herald"]
        headers = dict(headers) | {name.replace("_", "-"): value for name, value in more.items()}
        if user is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
                headers.setdefault("Content-Type", "application/json")
            headers.setdefault("Content-Length", len(body))
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))
        answer = self.answer(method)
        if check:
            check_answer(method, path, answer)
        return answer

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body, **more):
        return self.request("POST", path, body, **more)

    # --- the change log -------------------------------------------------------------------------------------
    def follow(self, since=None, **more):
        """Begins to follow; events() then."""
        lines = ["GET /v1/changes" + (f"?since={since}" if since is not None else "") + " HTTP/1.1", "Host: herald"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
        self.send("\r\n".join(lines) + "\r\n\r\n")
        answer = self.head()
        self.text = ""
        if answer.status != 200:
            answer.body = self._exactly(int(answer.header("content-length")))
        return answer

    def event(self):
        """The next event: {"id", "event", "data"}, or {"comment"}; None at the end."""
        while "\n\n" not in self.text:
            data = self.chunk()
            if not data:
                return None
            self.text += data.decode()
        one, self.text = self.text.split("\n\n", 1)
        fields = {}
        for line in one.split("\n"):
            name, _, value = line.partition(":")
            fields[name or "comment"] = value.strip()
        if "retry" in fields:
            return self.event()
        if "data" in fields:
            fields["data"] = json.loads(fields["data"])
            validate("Change", fields["data"])
            assert fields["id"] == fields["data"]["clock"] and fields["event"] == fields["data"]["kind"]
        return fields


# --- docs/openapi.yaml ------------------------------------------------------------------------------------------
@functools.cache
def openapi():
    return yaml.safe_load((ROOT / "docs/openapi.yaml").read_text(encoding="utf-8"))


@functools.cache
def _validator(name):
    return jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{name}", **openapi()})


def validate(name, value):
    _validator(name).validate(value)


def _operation(method, path):
    path = path.split("?")[0]
    for pattern, operations in openapi()["paths"].items():
        regex = re.sub(r"\\\{key\\\}", ".+", re.sub(r"\\\{uuid\\\}", "[^/]+", re.escape(pattern)))
        if re.fullmatch(regex, path):
            return operations.get({"HEAD": "GET"}.get(method, method).lower())
    return None


def _resolve(thing):
    while "$ref" in thing:
        target = openapi()
        for part in thing["$ref"].split("/")[1:]:
            target = target[part]
        thing = target
    return thing


def check_answer(method, path, answer):
    """Fails unless the document says that such a request may be answered so."""
    operation = _operation(method, path)
    if answer.status >= 400:
        validate("Problem", answer.json) if method != "HEAD" else None
    if operation is None:
        assert answer.status in (204, 400, 404, 405, 501, 503), answer
        return
    assert str(answer.status) in operation["responses"], f"{method} {path} is not said to answer {answer}"
    response = _resolve(operation["responses"][str(answer.status)])
    content = response.get("content", {})
    media = (answer.header("content-type") or "").split(";")[0]
    assert media in content or (not content and not answer.body), f"{method} {path}: {answer}"
    if method != "HEAD" and answer.status < 400 and media == "application/json":
        jsonschema.Draft202012Validator({**content[media]["schema"], **{"components": openapi()["components"]}}).validate(
            answer.json)
    replayed = answer.header("idempotency-replayed")
    if replayed is not None:
        jsonschema.validate(replayed, _resolve(response["headers"]["Idempotency-Replayed"])["schema"])
    # Whoever is refused by the look of it is told nothing of the roll.
    if not path.startswith(("/health", "/metrics")) and answer.status not in (411, 413, 415):
        assert re.fullmatch(r"\d+\.\d+", answer.header("herald-clock") or ""), f"no Herald-Clock: {answer}"


# --- the control socket -----------------------------------------------------------------------------------------
def control(server, **question):
    """Asks over the control socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(Deadline().seconds)
        sock.connect(str(Path(server.directory) / "control.sock"))
        sock.sendall(json.dumps(question).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            more = sock.recv(65536)
            assert more, data
            data += more
    return json.loads(data)


def admin(server):
    """A new admin token."""
    return control(server, command="token_add", label="a test")["token"]
