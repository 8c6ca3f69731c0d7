"""A tree of real servers that things are done to, and what must hold afterwards.

    Grove ──► Server × N, each with a parent and fallbacks
          ──► Ear × 2 a server, in one Swarm: everything that is heard, and nothing of it twice

A server's `census` is its own table of servers, as it tells a newcomer that declares itself Herald; whom it has given up
for certain its log tells."""

import json
import signal
import time

from .clock import Deadline, Metronome, eventually, patience
from .names import new_name, new_secret
from .peer import Peer
from .server import reserve_port
from .swarm import Swarm, SwarmClient

# Servers so small that hundreds fit on one machine.
SMALL = {"shards": 1, "hash_threads": 1, "reel_segments": 8, "reel_segment_size": "96KiB", "max_message": "16KiB",
         "log_level": "info"}
LOGIN = b'{"command":"LOGIN","username":"anonymous"}\n'
ANSWERS = ("REGISTER_SUCCESS", "REGISTER_FAILED")
MOST_TARGETS = 16  # of --connect
MOST_STALE = 2  # of these


def identity(server):
    """The id by which a server announces itself; another after every start."""
    return server.wait_log(msg="listening").fields["id"]


def links(server):
    """Its links that are up, by its log: {address of the other side: "parent" or "child"}."""
    found = {}
    for line in list(server.log):
        if line.msg == "link up":
            found[line.fields["peer"]] = line.fields["side"]
        elif line.msg == "link down":
            found.pop(line.fields["peer"], None)
    return found


def believed(server):
    """The ids of the servers that it knows, by its log, and its own."""
    found = {identity(server)}
    for line in list(server.log):
        if line.msg == "server heard":
            found.add(line.fields["id"])
        elif line.msg == "server forgotten":
            found.discard(line.fields["id"])
    return found


def census(server, seconds=None):
    """The servers that it knows and has heard lately, itself among them: {id: its announce}."""
    peer = Peer.dial(server, herald=True, name=f"census of :{server.port}")
    peer.send({"command": "AUTHENTICATE", "secret": server.secret})  # a second one: refused, after all it had to say
    peer.read_to_end(seconds)
    peer.close()
    return {one["id"]: one for one in peer.announces}


class Ear(SwarmClient):
    """A client that stays where it is and fails when it hears anything twice."""

    def __init__(self, grove, server):
        super().__init__(("127.0.0.1", server.port))
        self.grove, self.server = grove, server
        self.heard = set()
        self.logged_in = False

    def on_open(self):
        self.send(LOGIN)

    def on_line(self, line):
        message = json.loads(line)
        if message["command"] == "LOGIN_SUCCESS":
            self.logged_in = True
            return
        if message["command"] == "REDIRECT" and self.server in self.grove.doomed:
            ports = [server.port for server in self.grove.live()]
            assert message["port"] in ports, f"a server that stops sent its client to {message['port']}: who is there?"
            return
        assert message["command"] == "ACTIVITY_BROADCAST", f"a client of :{self.server.port} was sent {line[:300]!r}"
        word = message["activity"].get("word")
        if word is not None:
            assert word not in self.heard, f"a client of :{self.server.port} heard {word} twice"
            self.heard.add(word)

    def say(self, word):
        self.send(b'{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"word":"%s"}}\n' % word.encode())

    def on_close(self):
        self.grove.ears.remove(self)
        assert self.server in self.grove.doomed, f"a client of :{self.server.port} was closed"


class Grove:
    """start: the fixture. parents: for each server after the first, the number of its parent. Each has `ears` clients.

    A server's --connect: its parent, the parent's parent and so on to the root, then the other children of the
    root; the root's: its children, which it finds when it returns. Who is whose child later on, the logs tell."""

    def __init__(self, start, parents, interval=0.3, ears=2, **options):
        self.start = start
        self.parents = [None, *parents]
        self.interval = interval
        self.options = {**SMALL, "announce_interval": f"{int(interval * 1000)}ms", **options}
        self.secret = new_secret()
        self.ports = [reserve_port() for _ in self.parents]
        self.servers = [None] * len(self.parents)
        self.told = [{}] * len(self.parents)  # {number: port} of the servers that each was told of
        self.frozen, self.doomed = set(), set()
        self.swarm = start.keep(_Kept(self))
        self.metronome = start.keep(Metronome())
        self.ears = []
        self._words = 0
        for at in range(len(self.parents)):
            self.plant(at)
        self.wait_known(patience() * 2)
        for load in range(ears):
            self.seat(*self.servers)
            self.wait_loads(dict.fromkeys(self.servers, load + 1))

    # --- servers --------------------------------------------------------------------------------------------
    def targets(self, at):
        """The numbers of the servers in the --connect of server `at`, in order."""
        children_of_root = [one for one, parent in enumerate(self.parents) if parent == 0]
        found, above = [], self.parents[at]
        while above is not None:
            found.append(above)
            above = self.parents[above]
        return [one for one in dict.fromkeys(found + children_of_root) if one != at][:MOST_TARGETS]

    def root(self):
        """The number of a server that has no parent now."""
        return next(at for at, server in enumerate(self.servers)
                    if server in self.live() and "parent" not in links(server).values())

    def leaf(self):
        """The number of a server that has a parent and no child now."""
        return min(self._below(), key=lambda at: len(links(self.servers[at])))

    def inner(self):
        """The number of a server that has a parent and as many children as any such."""
        return max(self._below(), key=lambda at: len(links(self.servers[at])))

    def _below(self):
        return [at for at, server in enumerate(self.servers)
                if server in self.live() and "parent" in links(server).values()]

    def plant(self, at, **options):
        """Starts server `at`; again, with the data it had, if it was there before."""
        old = self.servers[at]
        self.told[at] = {one: self.ports[one] for one in self.targets(at)}
        options = {**self.options, "listen": f"127.0.0.1:{self.ports[at]}", "secret": self.secret,
                   "connect": [f"127.0.0.1:{port}" for port in self.told[at].values()] or None, **options}
        self.servers[at] = self.start(data=old.directory if old else None, **options)
        return self.servers[at]

    def may_move(self, at):
        """Whether all others then still know enough of where others are: a list of addresses that nobody keeps up leads
        nowhere in the end, and each that is wrong takes its time."""
        return all(sum(one == at or port != self.ports[one] for one, port in told.items()) <= MOST_STALE
                   for told in self.told)

    def move(self, at):
        """Starts server `at` again, at another address."""
        self.ports[at] = reserve_port()
        return self.plant(at)

    def live(self):
        return [server for server in self.servers if server.running() and server not in self.frozen | self.doomed]

    def kill(self, at):
        self.doomed.add(self.servers[at])
        self.servers[at].kill()
        self.frozen.discard(self.servers[at])

    def freeze(self, at):
        self.frozen.add(self.servers[at])
        self.servers[at].signal(signal.SIGSTOP)
        eventually(self.servers[at].stopped, "it is stopped")

    def thaw(self, at):
        self.servers[at].signal(signal.SIGCONT)
        self.frozen.discard(self.servers[at])
        return self.servers[at]

    def ask_to_stop(self, at):
        self.doomed.add(self.servers[at])
        self.servers[at].signal(signal.SIGTERM)

    def wait_gone(self, server):
        """Until it has ended in good order; its clients are served meanwhile, and close when they are told to."""
        deadline = Deadline()
        while server.running():
            assert not deadline.passed(), server._story(f"did not end within {deadline.seconds:g} s")
            self.swarm.serve(lambda: False, 0.005)
        assert server.wait_exit() == 0, server._story("was to stop in good order")

    # --- clients --------------------------------------------------------------------------------------------
    def listen_at(self, server):
        ear = self.swarm.add(Ear(self, server))
        self.ears.append(ear)
        return ear

    def seat(self, *servers):
        """A client more at each."""
        for server in servers:
            self.listen_at(server)
        self.swarm.run(lambda: all(ear.logged_in for ear in self.ears), "clients are logged in")

    def clients_of(self, server):
        return sum(ear.server is server for ear in self.ears)

    def listeners(self):
        """The ears at servers that can serve them."""
        live = set(self.live())
        return [ear for ear in self.ears if ear.server in live]

    def word(self):
        self._words += 1
        return f"w{self._words}"

    # --- what must hold ---------------------------------------------------------------------------------------
    def wait_whole(self, since, bound):
        """Until a word said at one server is heard at all. Returns the seconds since `since`; fails after `bound`, not
        counting what the machine was busy with other things. What is said while the tree is apart may be lost: another
        is said every 20 ms."""
        ears = self.listeners()
        words, late = [], self.metronome.late
        while True:
            words.append(self.word())
            ears[0].say(words[-1])
            whole = self.swarm.serve(lambda: self._everywhere(ears, words), 0.02)
            took = time.monotonic() - since - (self.metronome.late - late)
            missing = [] if whole else [ear.server for ear in ears if not ear.heard.intersection(words[-50:])]
            assert took <= bound, f"not whole {took:.3f} s after the event, but {bound:g} s were promised\n" + \
                "\n".join(server._story("is not reached") for server in missing[:2])
            if whole:
                return took

    @staticmethod
    def _everywhere(ears, words):
        return any(all(word in ear.heard for ear in ears) for word in words[-50:])

    def everyone_hears_everyone(self):
        """A word from every server is heard by everyone. That nobody hears it twice is checked by every ear. A tree
        that is whole may still exchange a link for another, and what is on its way there is lost: then all speak
        again."""
        ears = self.listeners()
        speakers = {ear.server: ear for ear in ears}.values()
        deadline = Deadline()
        while True:
            words = {self.word(): ear for ear in speakers}
            for word, ear in words.items():
                ear.say(word)
            if self.swarm.serve(lambda: all(words.keys() <= ear.heard for ear in ears), patience() / 10):
                return
            assert not deadline.passed(), "these words are heard nowhere or not everywhere: " + \
                str({word: ear.server.port for word, ear in words.items()
                     if not all(word in other.heard for other in ears)})

    def wait_known(self, seconds):
        """Until every server's table holds all that are alive, and no other."""
        began, late, left = time.monotonic(), self.metronome.late, list(self.live())
        alive = {identity(server) for server in left}
        while left:
            wrong = (census(left[-1]).keys() ^ alive) | (believed(left[-1]) ^ alive)
            if not wrong:
                left.pop()
                continue
            ghosts = wrong - alive
            took = time.monotonic() - began - (self.metronome.late - late)
            assert took <= seconds, left[-1]._story(
                f"knows {len(ghosts)} that are not there {ghosts}, and not {len(wrong - ghosts)} that are, after {took:g} s")
            self.swarm.serve(lambda: False, 0.02)

    def nobody_is_sent_to_the_dead(self):
        """A login more at each server stays. Each has as many clients as the other; the dead one had one less."""
        for server in self.live():
            client, marker = server.client().login(), new_name()
            client.publish({"marker": marker})
            said = None
            while said != marker:
                message = client.expect(("ACTIVITY_BROADCAST", "REDIRECT"))
                assert message["command"] != "REDIRECT", server._story(f"sends a client to {message['port']}, though " + str(
                    {one["port"]: one["load"] for one in census(server).values()}) + " are what it knows")
                said = message["activity"].get("marker")
            client.close()

    def wait_loads(self, loads):
        """Until every server has heard of as many clients as {server: count} says of each."""
        deadline = Deadline()
        loads = {identity(server): load for server, load in loads.items()}
        for server in self.live():
            while any(one["load"] != loads.get(one["id"], one["load"]) for one in census(server).values()):
                assert not deadline.passed(), server._story(f"has not heard of the loads {loads}")
                self.swarm.serve(lambda: False, 0.02)

    # --- registrations --------------------------------------------------------------------------------------
    def begin_registering(self, servers):
        """A REGISTER on the way at each: [(client, name, secret)]."""
        begun = []
        for server in servers:
            client, name, secret = server.client(), new_name(), new_secret()
            client.send_register(name, secret)
            begun.append((client, name, secret))
        return begun

    def end_registering(self, begun, seconds=None):
        """Every one ends with an answer. Who was told yes can log in there. Returns how many were."""
        granted = 0
        for client, name, secret in begun:
            if client.expect(ANSWERS, seconds)["command"] == "REGISTER_SUCCESS":
                client.login(name, secret)
                granted += 1
            client.close()
        return granted


class _Kept(Swarm):
    """The grove's swarm: at the end of a test, whoever is frozen must be able to end."""

    def __init__(self, grove):
        super().__init__()
        self.grove = grove

    def close(self):
        for server in self.grove.frozen:
            if server.running():
                server.signal(signal.SIGCONT)
        self.__exit__()
