"""Which closed sagas of a shard are old enough to be trimmed: looked for now and then, never for each batch.

Only after the inputs were read to an end fetched at that moment (``horizon``): a start that a client repeats, or a
reply that comes late, and that was in Kafka within the retention, still meets its saga, also after an outage that was
longer.
"""

from typing import Final

from orchestrator.broker.port import Broker, InputPosition
from orchestrator.shard.horizon import Horizon
from orchestrator.store.port import ShardStore

TRIMMED_MAX: Final = 1_000
"""Sagas in one batch: their rows are deleted by one statement, in about the time of a large batch."""
EVENTS_MAX: Final = 20_000
"""Events of these sagas, unless a single one has more: a saga may have tens of thousands, and a statement that takes
longer than its time-out ends the ownership."""
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
        self._horizon = Horizon(shard, broker)
        self._store = store
        self._retention_ms = retention_ms
        self._next_ms: int | None = None
        """None: nobody has asked yet. The first look comes later: a batch that fails ends the ownership, and a shard
        whose every ownership began with it would do little else."""

    def due(self, now_ms: int, read: InputPosition) -> list[str]:
        """Ids of closed sagas to be trimmed now, at most ``TRIMMED_MAX``; of most calls none, without asking anybody.

        ``now_ms`` is the shard's time, ``read`` how far inputs were read and decided.
        """
        retention_ms = self._retention_ms
        if retention_ms is None:
            return []
        look_ms = min(max(retention_ms // LOOKS, LOOK_LEAST_MS), LOOK_MS)
        if self._next_ms is None:
            self._next_ms = now_ms + look_ms
        if now_ms < self._next_ms <= now_ms + look_ms:  # beyond it the clock was set back meanwhile
            return []
        passed_ms = self._horizon.passed(now_ms, read)
        if passed_ms is None:
            return []
        found = self._store.closed(passed_ms - retention_ms, TRIMMED_MAX)
        taken = _first(found)
        self._next_ms = now_ms + (PAUSE_MS if len(taken) < len(found) or len(found) == TRIMMED_MAX else look_ms)
        return taken


def _first(found: list[tuple[str, int]]) -> list[str]:
    """As many as have ``EVENTS_MAX`` events, and at least one."""
    taken: list[str] = []
    events = 0
    for saga_id, count in found:
        events += count
        if taken and events > EVENTS_MAX:
            break
        taken.append(saga_id)
    return taken
