"""What happens to a server of a tree, and what must hold after it.

Each takes a grove and the number of the server; each ends with a tree that is whole again:

    dies            SIGKILL, with registrations on their way      returns          started again, here or elsewhere
    falls_asleep    SIGSTOP, longer than its silence is borne     wakes_up         SIGCONT
    is_stopped      SIGTERM

`heal` is how long the tree may take to be whole again; what is promised counts in announce intervals."""

import time

from .clock import patience

SILENCE = 3  # intervals after which a silent server is given up (seed 004 leaves it open; protocol)


class Story:
    def __init__(self, grove, heal=None, register=None):
        """heal: seconds, by default the harness's patience. register: how long a REGISTER may take."""
        self.grove = grove
        self.heal = patience() if heal is None else heal
        self.forget = SILENCE * grove.interval + self.heal
        self.register = register
        self.worst = {}  # event: the longest that the tree was not whole

    def _note(self, event, seconds):
        self.worst[event] = max(seconds, self.worst.get(event, 0))

    def _askers(self, *victims):
        return [server for server in self.grove.live() if server not in victims][::3]

    def _make_attractive(self, *victims):
        """They have a client less than the others, who send them their next one as long as they believe in them."""
        grove = self.grove
        for victim in victims:
            for ear in [ear for ear in grove.ears if ear.server is victim][1:]:
                grove.ears.remove(ear)
                ear.close()
        grove.wait_loads({server: 1 if server in victims else 2 for server in grove.live()})

    def _settle(self, begun):
        """The tree is whole: everyone hears everyone, nobody knows the dead, names can be registered."""
        grove = self.grove
        grove.everyone_hears_everyone()
        grove.wait_known(self.forget)
        grove.nobody_is_sent_to_the_dead()
        grove.end_registering(begun, self.register)
        askers = self._askers()
        assert grove.end_registering(grove.begin_registering(askers)) == len(askers), "a name is not registered"

    # --- going ----------------------------------------------------------------------------------------------
    def dies(self, at):
        self.die(at)

    def die(self, *numbers):
        grove, victims = self.grove, [self.grove.servers[at] for at in numbers]
        self._make_attractive(*victims)
        for at in numbers:
            grove.freeze(at)
        begun = grove.begin_registering(self._askers(*victims))  # and they wait for those who sleep
        began = time.monotonic()
        for at in numbers:
            grove.kill(at)
        self._note("SIGKILL", grove.wait_whole(began, self.heal))
        self._settle(begun)

    def is_stopped(self, at):
        grove, victim = self.grove, self.grove.servers[at]
        self._make_attractive(victim)
        begun = grove.begin_registering(self._askers(victim))
        grove.ask_to_stop(at)
        grove.wait_gone(victim)
        began = time.monotonic()
        self._note("SIGTERM", grove.wait_whole(began, self.heal))
        self._settle(begun)

    def falls_asleep(self, at):
        grove, victim = self.grove, self.grove.servers[at]
        self._make_attractive(victim)
        began = time.monotonic()
        grove.freeze(at)
        begun = grove.begin_registering(self._askers(victim))
        self._note("SIGSTOP", grove.wait_whole(began, SILENCE * grove.interval + self.heal))
        self._settle(begun)

    # --- coming ---------------------------------------------------------------------------------------------
    def returns(self, at, elsewhere=False):
        grove = self.grove
        server = grove.move(at) if elsewhere else grove.plant(at)
        began = time.monotonic()
        grove.seat(server, server)
        self._note("another address" if elsewhere else "same address", grove.wait_whole(began, self.heal))
        self._home(server)

    def wakes_up(self, at):
        grove = self.grove
        began = time.monotonic()
        server = grove.thaw(at)
        self._note("SIGCONT", grove.wait_whole(began, self.heal))
        grove.seat(server)
        self._home(server)

    def _home(self, server):
        grove = self.grove
        grove.everyone_hears_everyone()
        grove.wait_known(self.forget)
        grove.wait_loads({server: grove.clients_of(server) for server in grove.live()})
