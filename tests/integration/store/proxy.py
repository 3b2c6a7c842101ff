"""A way to Postgres that can lose requests and answers, or say nothing at all."""

import selectors
import socket
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from enum import Enum
from urllib.parse import urlsplit

CHUNK = 1 << 16


class Way(Enum):
    OPEN = "everything passes"
    LOSES_ANSWERS = "requests pass; at the first answer both sides are cut"
    LOSES_REQUESTS = "at the first request both sides are cut"
    SILENT = "nothing passes, nothing is cut"


class Proxy:
    """One thread for all connections through it."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        assert parts.hostname is not None
        self._upstream = (parts.hostname, parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self.dsn = parts._replace(netloc=f"{user}127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self.way = Way.OPEN
        self.lost = threading.Event()
        """Something was lost."""
        self.turns = 0
        """How often an answer followed a request: round trips."""
        self._asked = False
        self._peers: dict[socket.socket, socket.socket] = {}
        self._servers: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._waker, self._wake = socket.socketpair()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._wake.send(b"x")
        self._thread.join()
        for end in (self._listener, self._waker, self._wake, *self._peers):
            end.close()
        self._selector.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._waker:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._peers:
                    self._pass_on(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self._upstream)
        self._peers |= {client: server, server: client}
        self._servers.add(server)
        for end in (client, server):
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        from_server = end in self._servers
        if self.way is Way.SILENT:
            self._selector.unregister(end)  # what was sent stays where it is
            self.lost.set()
            return
        try:
            data = end.recv(CHUNK)
        except ConnectionError:
            data = b""
        cut = self.way is (Way.LOSES_ANSWERS if from_server else Way.LOSES_REQUESTS)
        if data and cut:
            self.lost.set()
        if not data or cut:
            self._cut(end)
            return
        if from_server and self._asked:
            self.turns += 1
        self._asked = not from_server
        self._peers[end].sendall(data)

    def _cut(self, end: socket.socket) -> None:
        for side in (end, self._peers[end]):
            self._selector.unregister(side)
            del self._peers[side]
            side.close()


@contextmanager
def proxy_to(dsn: str) -> Generator[Proxy]:
    with closing(Proxy(dsn)) as proxy:
        proxy.start()
        yield proxy
