"""A way to a server that can lose requests and answers, delay them, hold them back, or say nothing at all.

It knows no protocol: Postgres is reached through it by ``proxy_to``, Kafka where a broker advertises its port.
"""

import random
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from enum import Enum
from functools import partial
from typing import Final
from urllib.parse import urlsplit

HOST: Final = "127.0.0.1"
CHUNK: Final = 1 << 16
END: Final = 5
"""Bytes of the message of Postgres' protocol that ends a request, and with it the transaction."""
APPEND: Final = 2_000
"""Bytes: an append is larger, what an owner asks beside it is smaller."""


class Way(Enum):
    """What becomes of what is sent through a proxy."""

    OPEN = "everything passes"
    LOSES_ANSWERS = "requests pass; at the first answer both sides are cut"
    LOSES_REQUESTS = "at the first request both sides are cut"
    HOLDS_ANSWERS = "requests pass; answers stay where they are, nothing is cut"
    HOLDS_THE_END = "of the first large request, and of what follows it, all but the last bytes pass"
    SILENT = "nothing passes, nothing is cut"
    """Whoever sends now has a connection that stays silent when others pass again: half open, until ``cut``."""


class Proxy:
    """One thread for all connections through it."""

    def __init__(self, upstream: tuple[str, int], port: int = 0) -> None:
        """Listens and takes nobody in before ``start``; ``port`` 0: any that is free."""
        self._upstream = upstream
        self._listener = socket.create_server((HOST, port))
        self.port: int = self._listener.getsockname()[1]
        self.way = Way.OPEN
        self.delay_s = 0.0
        """How much later everything arrives."""
        self.lost = threading.Event()
        """Something was lost, or is held back."""
        self.turns = 0
        """How often an answer followed a request: round trips."""
        self._asked = False
        self._late: deque[tuple[float, socket.socket, bytes]] = deque()
        """When it is due, from whom it came, what it is; in the order in which it came."""
        self._held: dict[socket.socket, bytes] = {}
        """The last bytes of each connection whose end is held, until it is cut."""
        self._orders: deque[Callable[[], None]] = deque()
        """What other threads want to be done to the connections."""
        self._closing = False
        self._peers: dict[socket.socket, socket.socket] = {}
        self._servers: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._waker, self._wake = socket.socketpair()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Take connections from now on."""
        self._thread.start()

    def cut(self) -> None:
        """Cut every connection that there is; any thread may ask for it."""
        self._order(self._cut_all)

    def disturb(self, share: float, chance: random.Random) -> None:
        """Cut this share of the connections, or let them stall: half of each; any thread may ask for it.

        What is sent over one that stalls arrives nowhere, and nobody is told.
        """
        self._order(partial(self._disturb, share, chance))

    def close(self) -> None:
        """Cut everything, and take no more."""
        self._closing = True
        self._wake.send(b"x")
        self._thread.join()
        for end in (self._listener, self._waker, self._wake, *self._peers):
            end.close()
        self._selector.close()

    def _order(self, what: Callable[[], None]) -> None:
        self._orders.append(what)
        self._wake.send(b"x")

    def _run(self) -> None:
        while not self._closing:
            pause_s = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
            for key, _ in self._selector.select(pause_s):
                if key.fileobj is self._waker:
                    self._waker.recv(1)
                    if self._orders:  # nothing but to look is wanted of one that is closing
                        self._orders.popleft()()
                elif key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._peers:
                    self._pass_on(key.fileobj)
            self._deliver_late()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self._upstream)
        except ConnectionError:  # it is down: so is this way to it
            client.close()
            return
        self._peers |= {client: server, server: client}
        self._servers.add(server)
        for end in (client, server):
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        from_server = end in self._servers
        if self.way is Way.SILENT or (from_server and self.way is Way.HOLDS_ANSWERS):
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
        if self.delay_s or self._late:  # nothing overtakes what is late
            self._late.append((time.monotonic() + self.delay_s, end, data))
        else:
            self._send(end, data)

    def _deliver_late(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            _, end, data = self._late.popleft()
            if end in self._peers:
                self._send(end, data)

    def _send(self, end: socket.socket, data: bytes) -> None:
        try:
            self._forward(end, data)
        except ConnectionError:
            self._cut(end)

    def _forward(self, end: socket.socket, data: bytes) -> None:
        """Send what came from ``end`` to its peer."""
        large = self.way is Way.HOLDS_THE_END and end not in self._servers and len(data) > APPEND
        if large or end in self._held:  # a request may come in several pieces: its end is in the last one
            data = self._held.get(end, b"") + data
            data, self._held[end] = data[:-END], data[-END:]
            self.lost.set()
        self._peers[end].sendall(data)

    def _cut_all(self) -> None:
        for end in list(self._peers):
            if end in self._peers:
                self._cut(end)

    def _disturb(self, share: float, chance: random.Random) -> None:
        for client in [end for end in self._peers if end not in self._servers]:
            if chance.random() >= share:
                continue
            self.lost.set()
            if chance.random() < 1 / 2:
                self._cut(client)
                continue
            for side in (client, self._peers[client]):
                if side in self._selector.get_map():
                    self._selector.unregister(side)

    def _cut(self, end: socket.socket) -> None:
        for side in (end, self._peers[end]):
            if side in self._selector.get_map():
                self._selector.unregister(side)
            del self._peers[side]
            self._servers.discard(side)
            self._held.pop(side, None)
            side.close()


class PostgresProxy(Proxy):
    """``dsn`` leads through it to the database of the dsn that it is made from."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        assert parts.hostname is not None
        super().__init__((parts.hostname, parts.port or 5432))
        self.dsn = self.way_to(dsn)

    def way_to(self, dsn: str) -> str:
        """The same for another database of the same server."""
        parts = urlsplit(dsn)
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return parts._replace(netloc=f"{user}{HOST}:{self.port}").geturl()


@contextmanager
def proxy_to(dsn: str) -> Generator[PostgresProxy]:
    """A way to this database."""
    with closing(PostgresProxy(dsn)) as proxy:
        proxy.start()
        yield proxy
