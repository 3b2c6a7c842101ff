"""A way to Kafka that can hold back the end of a transaction, as a network may, and deliver it later."""

import socket
import struct
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from chaos.proxy import CHUNK, Proxy

ANSWER_S = 60.0
END_TXN = 26
"""Api key of EndTxn: kafka.apache.org/protocol."""
FLEXIBLE_SINCE = 3
"""Version of EndTxn from which headers have tagged fields."""


@dataclass
class HeldBack:
    """An EndTxn on its way to the broker."""

    server: socket.socket
    frame: bytes

    def send(self) -> None:
        """Let it arrive now; nobody asks what became of it."""
        self.server.sendall(self.frame)

    def answered(self) -> int:
        """The broker's answer to what was sent: the error code, 0 when it ended a transaction."""
        (version,) = struct.unpack_from(">h", self.frame, 6)
        self.server.settimeout(ANSWER_S)
        answer = b""
        while len(answer) < 4 or len(answer) < 4 + struct.unpack_from(">i", answer)[0]:
            got = self.server.recv(CHUNK)
            assert got, "expected an answer to EndTxn, got the end of the connection"
            answer += got
        # Size, correlation id, perhaps no tagged fields, throttle time, error code.
        (code,) = struct.unpack_from(">h", answer, 12 + (version >= FLEXIBLE_SINCE))
        return code

    def deliver(self) -> int:
        """Let it arrive now; gives the broker's answer."""
        with self.server:
            self.send()
            return self.answered()


class KafkaProxy(Proxy):
    """The broker advertises it as one of its own listeners, so whoever begins here stays here."""

    def __init__(self, upstream: tuple[str, int], port: int) -> None:
        super().__init__(upstream, port)
        self._hold_next = False
        self.held: HeldBack | None = None
        self._requests: dict[socket.socket, bytearray] = {}

    def hold(self) -> None:
        """Hold back the next EndTxn; its client finds the connection broken, and asks again over another one."""
        self.lost.clear()
        self._hold_next = True

    def take(self) -> HeldBack | None:
        """Hold nothing back any more; gives what was held, which is the caller's now."""
        self._hold_next = False
        held, self.held = self.held, None
        return held

    def deliver(self) -> int:
        """Let what was held back arrive now, and give the broker's error code."""
        held, self.held = self.held, None
        assert held is not None, "nothing was held back"
        return held.deliver()

    def _forward(self, end: socket.socket, data: bytes) -> None:
        if end in self._servers:
            super()._forward(end, data)
            return
        waiting = self._requests.setdefault(end, bytearray())
        waiting += data
        while len(waiting) >= 4 and len(waiting) >= (size := 4 + struct.unpack_from(">i", waiting)[0]):
            frame = bytes(waiting[:size])
            del waiting[:size]
            if self._hold_next and struct.unpack_from(">h", frame, 4)[0] == END_TXN:
                self._hold_next = False
                self._hold(end, frame)
                return
            super()._forward(end, frame)

    def _hold(self, client: socket.socket, frame: bytes) -> None:
        server = self._peers.pop(client)
        del self._peers[server]
        self._servers.discard(server)
        for side in (client, server):
            self._selector.unregister(side)
        client.close()
        self.held = HeldBack(server, frame)
        self.lost.set()


@contextmanager
def kafka_proxy(upstream: tuple[str, int], port: int) -> Generator[KafkaProxy]:
    """A way to the broker's listener at ``upstream``, on the port that the broker advertises for it."""
    with closing(KafkaProxy(upstream, port)) as proxy:
        proxy.start()
        try:
            yield proxy
        finally:
            if proxy.held is not None:
                proxy.held.server.close()
