"""A server of the test's own, in a thread: it does with those who come what its subclass says."""

import selectors
import socket
import threading


class Host:
    """came(client) and readable(sock), in the thread, are the subclass's; of what it watches, the rest is closed at the
    end. It is there, at `address`, when __init__ returns: what the two need is to be set before."""

    def __init__(self):
        self.loop = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.wake, self.woken = socket.socketpair()
        for sock in (self.listener, self.woken):
            self.watch(sock)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.wake.send(b"x")
        self.thread.join()
        for key in list(self.loop.get_map().values()):
            key.fileobj.close()
        self.wake.close()
        self.loop.close()

    def watch(self, sock):
        self.loop.register(sock, selectors.EVENT_READ)

    def hang_up(self, sock):
        self.loop.unregister(sock)
        sock.close()

    def run(self):
        while True:
            for key, _ in self.loop.select():
                if key.fileobj is self.woken:
                    return
                if key.fileobj is self.listener:
                    client, _ = self.listener.accept()
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.came(client)
                elif self.loop.get_map().get(key.fd) is key:  # or it was hung up on a moment ago
                    self.readable(key.fileobj)
