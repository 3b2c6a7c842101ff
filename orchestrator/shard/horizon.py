"""How long ago everything that had come by then was read: what is decided by the clock alone waits for that.

The ends of both inputs are fetched at a moment T; once inputs are read to them, an answer or a request that was in
Kafka at T was met by what it is for, also after an outage that lasted longer than what the clock decides.
"""

from orchestrator.broker.port import Broker, InputPosition


class Horizon:
    """Of one shard's inputs; asked as often as its owner likes, it asks Kafka once for each moment that it gives."""

    def __init__(self, shard: int, broker: Broker) -> None:
        self._shard = shard
        self._broker = broker
        self._ends: tuple[int, InputPosition] | None = None

    def passed(self, now_ms: int, read: InputPosition) -> int | None:
        """A moment up to ``now_ms`` by which all that had come is read; None: not yet, read on.

        ``read`` is how far inputs are read. The next call after a moment begins with new ends. Raises ``Unavailable``.
        """
        if self._ends is None:
            self._ends = now_ms, self._broker.input_ends(self._shard)
        fetched_ms, ends = self._ends
        if read.next_requests < ends.next_requests or read.next_replies < ends.next_replies:
            return None
        self._ends = None
        return fetched_ms
