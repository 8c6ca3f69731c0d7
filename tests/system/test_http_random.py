"""Random changes against a model, with a kill at random moments: nothing acknowledged is lost, nothing is half done,
the clock never goes back. HERALD_SEED repeats a run."""

import os
import random
import threading
import uuid

from herald_harness import Closed, Http, admin

ROUNDS = int(os.environ.get("HERALD_KILLS", "6"))


class Model:
    """What the server must hold: accounts by login without case, settings by key."""

    def __init__(self):
        self.accounts = {}
        self.settings = {}

    def expected(self, change):
        """The status of a change, and what it leaves."""
        kind, name, value = change
        if kind == "create":
            if name in self.accounts:
                return 409
            self.accounts[name] = value
            return 201
        if kind in ("rename", "name", "delete") and name not in self.accounts:
            return None  # there is nothing to be asked for
        if kind == "rename":
            if value in self.accounts and value != name:
                return 409
            self.accounts[value] = self.accounts.pop(name)
            return 200
        if kind == "name":
            self.accounts[name] = value
            return 200
        if kind == "delete":
            del self.accounts[name]
            return 204
        if kind == "put":
            self.settings[name] = value
            return 200
        if name not in self.settings:
            return 404
        del self.settings[name]
        return 204


class Driver:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.model = Model()
        self.uuids = {}
        self.clock = 0
        self.done = 0

    def change(self):
        kind = self.dice.choice(["create"] * 4 + ["rename", "name", "delete", "put", "put", "unset"])
        name = f"n{self.dice.randrange(30)}"
        if kind == "rename":
            return kind, name, f"n{self.dice.randrange(30)}"
        return kind, name, f"value {self.dice.random()}"

    def send(self, http, token, change, key):
        kind, name, value = change
        path = f"/v1/identities/{self.uuids.get(name)}"
        more = {"token": token, "Idempotency_Key": key, "check": False}
        if kind == "create":
            return http.request("POST", "/v1/identities", {"login": name, "name": value}, **more)
        if kind == "rename":
            return http.request("PATCH", path, {"login": value}, **more)
        if kind == "name":
            return http.request("PATCH", path, {"name": value}, **more)
        if kind == "delete":
            return http.request("DELETE", path, **more)
        if kind == "put":
            return http.request("PUT", f"/v1/settings/{name}", value.encode(), **more)
        return http.request("DELETE", f"/v1/settings/{name}", **more)

    def settle(self, change, answer):
        """An answer came: it must be the model's, and the clock goes on."""
        status = self.model.expected(change)
        assert answer.status == status, (change, answer)
        kind, name, value = change
        if status == 201:
            self.uuids[name] = answer.json["uuid"]
        if status == 200 and kind == "rename":
            self.uuids[value] = self.uuids.pop(name)
        clock = int(answer.header("herald-clock").split(".")[1])
        assert clock >= self.clock
        self.clock = clock
        self.done += 1

    def look(self, http):
        """Somebody by login, from memory or the disk: as the model has them."""
        name = f"n{self.dice.randrange(30)}"
        answer = http.get(f"/v1/identities?login={name}")
        found = answer.json["name"] if answer.status == 200 else None
        assert (answer.status == 404) == (name not in self.model.accounts), (name, answer)
        assert found == self.model.accounts.get(name)

    def compare(self, http):
        accounts, after = {}, ""
        while after is not None:
            page = http.get(f"/v1/identities?limit=7{'&after=' + after if after else ''}").json
            accounts |= {one["login"]: one["name"] for one in page["identities"]}
            after = page["next"]
        assert accounts == self.model.accounts
        settings = [one["key"] for one in http.get("/v1/settings?limit=1000").json["settings"]]
        assert settings == sorted(self.model.settings)
        for key in settings:
            assert http.get(f"/v1/settings/{key}").body.decode() == self.model.settings[key]
        clock = int(http.get("/v1/settings?limit=1").header("herald-clock").split(".")[1])
        assert clock >= self.clock


def test_random_changes_survive_kills(start):
    seed = int(os.environ.get("HERALD_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"HERALD_SEED={seed}")
    driver = Driver(seed)
    server = start()
    token = admin(server)
    unknown = None  # the change whose answer never came, and its key
    for _ in range(ROUNDS):
        with Http(server) as http:
            if unknown:  # sent again it is done once
                driver.settle(unknown[0], driver.send(http, token, *unknown))
                unknown = None
            driver.compare(http)
            killer = threading.Timer(driver.dice.uniform(0.05, 0.6), server.kill)
            killer.start()
            while not unknown:
                change = driver.change()
                if change[0] in ("rename", "name", "delete") and change[1] not in driver.model.accounts:
                    continue
                attempt = (change, str(uuid.UUID(int=driver.dice.getrandbits(128))))
                try:
                    driver.look(http)
                    driver.settle(change, driver.send(http, token, *attempt))
                except (Closed, OSError):
                    unknown = attempt
            killer.join()
        server = start.restart(server)
    with Http(server) as http:
        driver.settle(unknown[0], driver.send(http, token, *unknown))
        driver.compare(http)
    assert driver.done > ROUNDS * 5
