"""When the timers of a shard's sagas may fire: only after the answers that came in time were read.

A timer due at T fires once both inputs were read to an end that was fetched after T (``horizon``). So after an outage
answers that wait in Kafka come before time-outs.
"""

from orchestrator.broker.port import Broker, InputPosition
from orchestrator.shard.horizon import Horizon
from orchestrator.store.port import ShardStore


class Timers:
    """The earliest due time of one shard, and the proof that it may be acted upon."""

    def __init__(self, shard: int, broker: Broker, store: ShardStore, batch_max: int) -> None:
        self._horizon = Horizon(shard, broker)
        self._store = store
        self._batch_max = batch_max
        self._next_due = store.next_due()

    def seen(self, due_ms: int | None) -> None:
        """A saga was saved with this due time."""
        if due_ms is not None and (self._next_due is None or due_ms < self._next_due):
            self._next_due = due_ms

    def next_wake(self) -> int | None:
        """When there is something to do at the earliest; may be too early, never too late."""
        return self._next_due

    def due(self, now_ms: int, read: InputPosition) -> list[str]:
        """Ids of sagas whose timers fire now.

        ``read`` is how far the inputs of the batch being made reach.
        """
        if self._next_due is None or self._next_due > now_ms:
            return []
        passed_ms = self._horizon.passed(now_ms, read)
        if passed_ms is None:
            return []
        found = self._store.due(passed_ms, self._batch_max)
        if not found:  # what was to be due then is over: without another look it would be asked for with every step
            self._next_due = self._store.next_due()
        return found

    def fired(self, count: int) -> None:
        """The batch with ``count`` fired timers is appended: look for the next one."""
        if count < self._batch_max:
            self._next_due = self._store.next_due()
