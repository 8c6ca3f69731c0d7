"""Fixtures for the black-box tests: servers that are always stopped and always asked whether they were well.

    start(...)     a new server for this test, with the flags given     (herald_harness/server.py)
    shared         one server for all tests of a module that only need some server
    client         an unauthenticated connection to the shared server
    parent()       a listening peer that a heraldd can be told to connect to
    plain          the folder of a build without sanitizers

The binary: $HERALDD, or build/heraldd. Deadlines: 10 s, 30 s with sanitizers, or $HERALD_DEADLINE."""

import resource

import pytest

pytest.register_assert_rewrite("herald_harness.connection", "herald_harness.peer", "herald_harness.values")

from herald_harness import Parent, Peer, Server, built  # noqa: E402
from herald_harness.clock import set_patience  # noqa: E402
from herald_harness.server import ROOT, is_sanitized  # noqa: E402


def pytest_configure(config):
    set_patience(30.0 if is_sanitized() else 10.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Fleet:
    """The servers of one test."""

    def __init__(self, tmp_path):
        self.tmp_path = tmp_path
        self.servers = []
        self.others = []

    def __call__(self, *words, parent=None, data=None, **options):
        """Starts a server. parent: the server, or the servers in order of preference, to connect to."""
        if parent is not None:
            parents = parent if isinstance(parent, (list, tuple)) else [parent]
            options.setdefault("connect", [one if isinstance(one, str) else one.address for one in parents])
            if "secret" not in options and not isinstance(parents[0], (str, Parent)):
                options["secret"] = parents[0].secret
        directory = data or self.tmp_path / f"data{len(self.servers) + 1}"
        return self.add(Server(directory, *words, **options))

    def add(self, server):
        self.servers.append(server)
        return server

    def restart(self, server, *words, **options):
        return self.add(server.restart(*words, **options))

    def keep(self, thing):
        """Something with a close() that must not outlive the test."""
        self.others.append(thing)
        return thing

    def finish(self):
        for thing in self.others:
            thing.close()
        problems = []
        for server in reversed(self.servers):
            try:
                server.finish()
            except AssertionError as error:
                problems.append(str(error))
        assert not problems, "\n\n".join(problems)


@pytest.fixture
def start(tmp_path):
    fleet = Fleet(tmp_path)
    yield fleet
    fleet.finish()


@pytest.fixture
def parent(start):
    """Makes listening peers."""
    return lambda *args, **kwargs: start.keep(Parent(*args, **kwargs))


@pytest.fixture
def dial(start):
    """Makes child peers: dial(server, announce=0). The server has taken them for a link when this returns."""
    def make(server, *args, **kwargs):
        mark = server.log_length()
        peer = start.keep(Peer.dial(server, *args, **kwargs))
        server.wait_log(msg="link up", after=mark)
        return peer
    return make


@pytest.fixture
def plain():
    """The folder of a build without sanitizers: that of the heraldd under test, or the one of stage `gcc`."""
    for folder in (built("src", "client").parents[1], ROOT / "build-gcc"):
        if (folder / "src" / "client" / "libherald.a").exists() and not is_sanitized(folder / "examples" / "echo"):
            return folder
    return pytest.skip("needs a build without sanitizers: run the stage gcc before")


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("shared") / "data")
    yield server
    server.finish()


@pytest.fixture
def shared(shared_server):
    assert shared_server.running(), "the shared server died in an earlier test; its log ends:\n" + \
        "\n".join(line.text for line in shared_server.log[-60:])
    before = len(shared_server._clients)
    yield shared_server
    for client in shared_server._clients[before:]:
        client.close()
    del shared_server._clients[before:]


@pytest.fixture
def client(shared):
    return shared.client()
