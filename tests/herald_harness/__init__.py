"""What the black-box tests are written with: real processes, real sockets, deadlines and no sleeps.

    Server   a running heraldd and its log          (server.py)
    Client   a client's connection, line by line    (connection.py)
    Library  a session of libherald                 (library.py)
    Peer     a hand-made server at a link's end     (peer.py)
    Swarm    hundreds of clients in one loop        (swarm.py)
    Http     an HTTP connection                     (http.py)
    Veil     TLS on a connection                    (veil.py)
    exact    JSON compared value for value          (values.py)
    Host     a server of the test's own, by hand     (host.py)
    frozen   a server with threads held still       (freezer.py)
"""

from .clock import Deadline, eventually
from .connection import Client, Connection, Message
from .freezer import frozen
from .host import Host
from .http import Closed, Http, admin, control, openapi
from .library import Fake, Library, Visitor, built
from .names import new_id, new_name, new_secret
from .peer import Parent, Peer
from .server import Server, binary, outside, reserve_port, run
from .swarm import Swarm, SwarmClient
from .values import Members, Number, exact, stamped, without_stamp
from .veil import Veil, fingerprint, make_certificate, openssl, trusting

__all__ = [
    "Client", "Closed", "Connection", "Deadline", "Fake", "Host", "Http", "Library", "Members", "Message", "Number", "Parent", "Peer",
    "Server", "Swarm", "SwarmClient", "Veil", "Visitor", "admin", "binary", "control", "built", "eventually", "exact", "fingerprint", "frozen",
    "make_certificate", "new_id", "new_name", "new_secret", "openapi", "openssl", "outside", "reserve_port", "run", "stamped", "trusting",
    "without_stamp",
]
