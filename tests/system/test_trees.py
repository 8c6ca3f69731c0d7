"""Trees of real servers: every activity once, every name once (design.md, section 6)."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from herald_harness import (Deadline, Http, Peer, Server, Swarm, SwarmClient, eventually, exact, new_name, new_secret,
                            stamped, without_stamp)
from herald_harness.clock import patience

# For each server after the first: the number of its parent.
SHAPES = {
    "chain of 2": [0],
    "chain of 4": [0, 1, 2],
    "star of 4": [0, 0, 0],
    "mixed of 10": [0, 0, 1, 1, 3, 2, 5, 6, 2],
}
SAMPLES = sorted((Path(__file__).resolve().parents[1] / "data" / "activities").glob("*.json"))


def grow(start, shape, **options):
    """Starts a server for every place of the shape and waits until every one knows all others."""
    options.setdefault("announce_interval", "1s")
    options.setdefault("shards", 1)
    servers = [start(**options)]
    for at in shape:
        servers.append(start(parent=servers[at], **options))
    settle(servers)
    return servers


def settle(servers):
    """Waits until every server knows all others: an observer at each has heard of all, and has left again."""
    observers = [Peer.dial(server, name=f"observer at :{server.port}") for server in servers]
    for server, observer in zip(servers, observers):
        observer.expect_announces("port", {other.port for other in servers})
    links = [server.links() - 1 for server in servers]
    for server, observer, before in zip(servers, observers, links):
        observer.close()
        server.wait_links(before)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_everyone_hears_everything_once_and_in_each_sender_s_order(start, shape):
    """protocol.md, Clients: every logged-in client on every server, once; design.md, section 6: each sender's order."""
    servers = grow(start, shape, log_level="info")
    clients = [server.anonymous() for server in servers]  # one each: nobody is redirected
    each = 60
    for n in range(each):
        for who, client in enumerate(clients):
            client.publish({"who": who, "n": n})
    for listener in clients:
        heard = {who: [] for who in range(len(clients))}
        for _ in range(each * len(clients)):
            activity = listener.hear()
            heard[activity["who"]].append(activity["n"])
        assert all(order == list(range(each)) for order in heard.values()), heard
    clients[0].publish({"last": True})
    for listener in clients:  # and nothing came a second time
        listener.hear(last=True)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_name_registered_anywhere_is_known_everywhere(start, shape):
    """seed 004, Successfully registering: all servers learn about it; the user can log in on any of them."""
    servers = grow(start, shape)
    for at in (0, len(servers) - 1, len(servers) // 2):
        name, secret = servers[at].register()
        for server in servers:
            client = server.client().login(name, secret)
            client.close()
            client = server.client()
            client.send_register(name, new_secret())
            client.expect_refusal("REGISTER_FAILED")
            client = server.client()
            client.send_login(name, secret + "x")
            client.expect_refusal("LOGIN_FAILED")


@pytest.mark.parametrize("shape", [SHAPES["chain of 2"], SHAPES["star of 4"], SHAPES["chain of 4"]],
                         ids=["chain of 2", "star of 4", "chain of 4"])
def test_a_name_registered_on_two_servers_at_once_is_given_once_at_most(start, shape):
    """design.md, section 6: a login is unique, always. Whose attempt succeeds can log in everywhere, the other
    nowhere; when neither does, the name is free again."""
    servers = grow(start, shape)
    for turn in range(8):
        name = new_name()
        pair = servers[0], servers[-1 - turn % (len(servers) - 1)]
        clients = [(server.client(), new_secret()) for server in pair]
        for client, secret in clients:
            client.send_register(name, secret)
        won = [secret for client, secret in clients
               if client.expect(("REGISTER_SUCCESS", "REGISTER_FAILED"))["command"] == "REGISTER_SUCCESS"]
        assert len(won) <= 1
        if won:
            for server in servers:
                server.client().login(name, won[0]).close()
        else:
            secret = new_secret()
            eventually(lambda: tries_to_register(pair[turn % 2], name, secret), "the name is free again")


def tries_to_register(server, name, secret):
    client = server.client()
    client.send_register(name, secret)
    reply = client.expect(("REGISTER_SUCCESS", "REGISTER_FAILED"))["command"]
    client.close()
    return reply == "REGISTER_SUCCESS"


def test_what_http_does_holds_on_its_server_and_register_respects_it(start):
    """docs/http.md, Servers in a tree."""
    servers = grow(start, SHAPES["chain of 4"], lock_window="1s")
    first, last = servers[0], servers[-1]
    with Http(first) as here, Http(last) as there:
        login = new_name()
        assert there.post("/v1/identities", {"login": login}).status == 201
        for server in servers:
            client = server.client()
            client.send_register(login.upper(), new_secret())
            client.expect_refusal("REGISTER_FAILED")
        assert here.post("/v1/identities", {"login": login}).status == 201  # HTTP asks nobody
        user = first.register()

        def found(http):
            return http.get(f"/v1/identities?login={user[0]}")
        assert found(here).status == 200
        eventually(lambda: found(there).status == 200, "the lock's window has ended")
        assert found(here).json["uuid"] != found(there).json["uuid"]
        assert there.post("/v1/identities", {"login": user[0]}).status == 409
        assert here.request("DELETE", f"/v1/identities/{found(here).json['uuid']}", user=user).status == 204
        last.client().login(*user)
        client = first.client()
        client.send_register(*user)
        client.expect_refusal("REGISTER_FAILED")
        assert here.post("/v1/identities", {"login": user[0]}).status == 201


def test_a_name_that_http_gave_away_meanwhile_is_another_s(start):
    """docs/http.md, Servers in a tree: registered elsewhere, and not an account here yet."""
    first, second = grow(start, SHAPES["chain of 2"])
    name, secret = first.register()
    with Http(second) as http:
        heir = new_secret()
        assert http.post("/v1/identities", {"login": name, "password": heir}).status == 201
    for _ in range(2):
        client = second.client()
        client.send_login(name, secret)
        client.expect_refusal("LOGIN_FAILED", info="unknown user or wrong secret")
    second.client().login(name, heir)
    first.client().login(name, secret)


def test_many_register_at_once_on_all_servers(start):
    """seed 004, REGISTER: locks of many names cross each other and all succeed."""
    servers = grow(start, SHAPES["star of 4"])
    wanted = [(server, server.client(), new_name(), new_secret()) for server in servers for _ in range(10)]
    for _, client, name, secret in wanted:
        client.send_register(name, secret)
    for _, client, _, _ in wanted:
        client.expect("REGISTER_SUCCESS")
    _, _, name, secret = wanted[0]
    for server in servers:
        server.client().login(name, secret).close()


# --- spreading --------------------------------------------------------------------------------------------------


class Wanderer(SwarmClient):
    """Logs in as anonymous and follows redirects. It has arrived when it hears an activity: a REDIRECT would have
    followed its LOGIN_SUCCESS at once."""

    def __init__(self, crowd, address, bounces=0):
        super().__init__(address)
        self.crowd, self.bounces = crowd, bounces
        self.next = None
        self.logged_in = self.arrived = False

    def on_open(self):
        self.send(b'{"command":"LOGIN","username":"anonymous"}\n')

    def on_line(self, line):
        message = json.loads(line)
        if message["command"] == "REDIRECT":
            assert self.logged_in and not self.arrived, "redirected after it had stayed"
            self.next = (message["hostname"], message["port"])
        elif message["command"] == "LOGIN_SUCCESS":
            self.logged_in = True
        else:
            assert message["command"] == "ACTIVITY_BROADCAST", message
            self.crowd.arrived += not self.arrived
            self.arrived = True

    def on_close(self):
        assert self.next, "closed without a REDIRECT"
        self.crowd.bounces[self.bounces + 1] = self.crowd.bounces.get(self.bounces + 1, 0) + 1
        self.crowd.add(Wanderer(self.crowd, self.next, self.bounces + 1))


class Crowd(Swarm):
    def __init__(self):
        super().__init__()
        self.arrived = 0
        self.bounces = {}

    def seated(self):
        """Everyone is logged in, as far as is known here."""
        return all(member.logged_in and not member.next for member in self.members.values())


def test_a_storm_of_clients_is_spread_evenly(start):
    """seed 004, Architecture: load balance client requests over the servers. 300 clients arrive at one of five
    servers at once; nobody is bounced more than twice, and the loads end up close together."""
    servers = grow(start, [0, 0, 1, 1], log_level="info", shards=2)
    speaker = servers[0].anonymous()
    observer = Peer.dial(servers[0])
    with Crowd() as crowd:
        for _ in range(299):
            crowd.add(Wanderer(crowd, ("127.0.0.1", servers[0].port)))
        while crowd.arrived < 299:
            crowd.run(crowd.seated, lambda: f"bounced {crowd.bounces}", seconds=6 * patience())
            heard = crowd.arrived
            speaker.publish({"who": "is here?"})
            crowd.run(lambda: crowd.arrived > heard or not crowd.seated(), "someone hears", seconds=patience())
        loads, deadline = {}, Deadline()
        while len(loads) < 5 or sum(loads.values()) != 300:
            heard = observer.next_announce()
            loads[heard["port"]] = heard["load"]
            assert not deadline.passed(), f"not 300 clients altogether: {loads}"
        print("loads", [loads[server.port] for server in servers], "bounced", crowd.bounces)
        assert max(crowd.bounces, default=0) <= 2, crowd.bounces
        assert max(loads.values()) - min(loads.values()) <= 10, loads
    observer.close()


def test_a_second_client_is_sent_to_the_next_server(start):
    """seed 004, REDIRECT: presumably to the server as given in the message; the client starts afresh there."""
    servers = grow(start, [0])
    first = servers[0].anonymous()
    second = servers[0].client().login()
    message = second.expect_refusal("REDIRECT")
    assert (message["hostname"], message["port"]) == ("127.0.0.1", servers[1].port)
    third = servers[1].anonymous().proves_to_stay()
    first.hear()
    first.publish({"n": 1})
    third.hear(n=1)


# --- samples ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two servers and a client on each, for all samples."""
    a = Server(tmp_path_factory.mktemp("two") / "a", shards=1)
    b = Server(tmp_path_factory.mktemp("two") / "b", shards=1, connect=[a.address], secret=a.secret)
    b.secret = a.secret
    settle([a, b])
    name, secret = a.register("alice")
    yield a.client().login(name, secret), b.anonymous(), name
    b.finish()
    a.finish()


def test_there_are_samples():
    """tests/data/activities: at least two dozen activities of real programs."""
    assert len(SAMPLES) >= 24


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_passes_through_two_servers_intact(two, path):
    """design.md, decision 6: messages keep their meaning; of an activity only authenticated_user changes."""
    speaker, listener, name = two
    text = path.read_bytes().strip()
    speaker.publish(text.replace(b"\r", b" ").replace(b"\n", b" "))
    for heard in (listener.hear_exact(), speaker.hear_exact()):
        assert without_stamp(heard) == without_stamp(exact(text))
        assert stamped(heard) == name


def test_concurrent_senders_on_two_servers(start):
    """design.md, section 6: each sender's order at every receiver, with senders that really run at once."""
    servers = grow(start, [0], log_level="info")
    clients = [server.anonymous() for server in servers]

    def pour(who):
        for n in range(0, 1000, 10):
            clients[who].publish(*({"who": who, "n": m} for m in range(n, n + 10)))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(pour, range(2)))
    for listener in clients:
        heard = [listener.hear() for _ in range(2000)]
        for who in range(2):
            assert [one["n"] for one in heard if one["who"] == who] == list(range(1000))
