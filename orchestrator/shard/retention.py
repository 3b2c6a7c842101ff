"""Which closed sagas of a shard are old enough to be trimmed: looked for now and then, never for each batch.

Only after the inputs were read to an end fetched at that moment: a start that a client repeats, or a reply that comes
late, and that was in Kafka within the retention, still meets its saga, also after an outage that was longer.
"""

from typing import Final

from orchestrator.broker.port import Broker, InputPosition
from orchestrator.store.port import ShardStore

TRIMMED_MAX: Final = 1_000
"""Sagas in one batch: their rows are deleted by one statement, in about the time of a large batch."""
LOOK_MS: Final = 60_000
"""Between two looks: each one that finds something costs a batch, and an entry that is kept for ever."""
LOOK_LEAST_MS: Final = 1_000
LOOKS: Final = 10
"""In the time of a retention that is short."""
PAUSE_MS: Final = 250
"""Behind a batch that is full: there are more, and inputs have their turn in between."""


class Retention:
    """See the module; of one ownership."""

    def __init__(self, shard: int, broker: Broker, store: ShardStore, retention_ms: int | None) -> None:
        """``retention_ms`` None: sagas are kept for ever."""
        self._shard = shard
        self._broker = broker
        self._store = store
        self._retention_ms = retention_ms
        self._next_ms = 0
        self._ends: tuple[int, InputPosition] | None = None

    def due(self, now_ms: int, read: InputPosition) -> list[str]:
        """Ids of closed sagas to be trimmed now, at most ``TRIMMED_MAX``; of most calls none, without asking anybody.

        ``now_ms`` is the shard's time, ``read`` how far inputs were read and decided.
        """
        retention_ms = self._retention_ms
        if retention_ms is None:
            return []
        look_ms = min(max(retention_ms // LOOKS, LOOK_LEAST_MS), LOOK_MS)
        if now_ms < self._next_ms <= now_ms + look_ms:  # beyond it the clock was set back meanwhile
            return []
        if self._ends is None:
            self._ends = now_ms, self._broker.input_ends(self._shard)
        fetched_ms, ends = self._ends
        if read.next_requests < ends.next_requests or read.next_replies < ends.next_replies:
            return []
        self._ends = None
        found = self._store.closed(fetched_ms - retention_ms, TRIMMED_MAX)
        self._next_ms = now_ms + (PAUSE_MS if len(found) == TRIMMED_MAX else look_ms)
        return found
