"""What the black-box tests are written with: real processes, real sockets, deadlines and no sleeps.

    Server   a running heraldd and its log          (server.py)
    Client   a client's connection, line by line    (connection.py)
    Library  a session of libherald                 (library.py)
    Peer     a hand-made server at a link's end     (peer.py)
    Swarm    hundreds of clients in one loop        (swarm.py)
    exact    JSON compared value for value          (values.py)
"""

from .clock import Deadline, eventually
from .connection import Client, Connection, Message
from .library import Fake, Library, Visitor, built
from .names import new_id, new_name, new_secret
from .peer import Parent, Peer
from .server import Server, binary, reserve_port, run
from .swarm import Swarm, SwarmClient
from .values import Members, Number, exact, stamped, without_stamp

__all__ = [
    "Client", "Connection", "Deadline", "Fake", "Library", "Members", "Message", "Number", "Parent", "Peer",
    "Server", "Swarm", "SwarmClient", "Visitor", "binary", "built", "eventually", "exact", "new_id", "new_name",
    "new_secret", "reserve_port", "run", "stamped", "without_stamp",
]
