"""Bugs of the store, and of recovery."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import OwnershipLost
from orchestrator.recovery import recovery
from orchestrator.recovery.course import Course, Plan
from orchestrator.recovery.fold import Fold
from orchestrator.shard import takeover
from orchestrator.shard.comparison import LastFooter
from orchestrator.shard.takeover import Ports
from orchestrator.store.memory.store import MemoryShardStore
from orchestrator.store.memory.tables import ShardTables
from tests.simulation.seeded.registry import bug, sought


@bug
def zero_rows_is_ok(patch: pytest.MonkeyPatch) -> None:
    """A compare-and-set that changed nothing is taken for done."""
    right = MemoryShardStore.append

    def append(self: MemoryShardStore, batch: Any) -> None:
        try:
            right(self, batch)
        except OwnershipLost:
            return

    patch.setattr(MemoryShardStore, "append", append)


@sought
def cas_on_seq(patch: pytest.MonkeyPatch) -> None:
    """The compare-and-set asks for the number of the last batch, not for the chain."""

    def append(self: MemoryShardStore, batch: Any) -> None:
        self._crash_point("append.before_commit")
        with self._call("append") as (tables, meta):
            if tables.row.seq != batch.seq - 1 or meta.state != self._state:
                raise self._lost_race(batch.previous, tables, meta)
            tables.append(batch)

    patch.setattr(MemoryShardStore, "append", append)


@bug
def footer_row_deleted(patch: pytest.MonkeyPatch) -> None:
    """The outbox row at the footer is deleted with those below it."""
    right = MemoryShardStore.trim_outbox

    def trim_outbox(self: MemoryShardStore, below: int) -> None:
        right(self, below + 1)

    patch.setattr(MemoryShardStore, "trim_outbox", trim_outbox)


@bug
def recover_no_fence(patch: pytest.MonkeyPatch) -> None:
    """The journal is read before its writers are fenced."""
    right = recovery._own

    def own(ports: Ports, producer: Any, *of: Any) -> None:
        producer.init()
        right(ports, producer, *of)

    def fence(ports: Ports, _stack: object) -> Any:
        return ports.broker.producer(ports.shard)

    patch.setattr(recovery, "_fence", fence)
    patch.setattr(recovery, "_own", own)


@bug
def recover_blind(patch: pytest.MonkeyPatch) -> None:
    """A database is rolled forward, or kept, by its number alone."""
    right = recovery.plan

    def plan(snapshot: Any, footer: LastFooter, history: Any, *, wipe: bool = False) -> Plan:
        planned = right(snapshot, footer, history, wipe=wipe)
        blind = Course.FORWARD if snapshot.row.seq < footer.seq else Course.KEEP
        return replace(planned, course=blind)

    patch.setattr(recovery, "plan", plan)


def _own_without_publishing(ports: Ports, _producer: object, _footer: object, now_ms: int) -> None:
    takeover.append_owner_batch(ports.store, "somebody", now_ms)


@bug
def recover_no_publish(patch: pytest.MonkeyPatch) -> None:
    """The owner batches of a recovery are left to the next owners."""
    patch.setattr(recovery, "_own", _own_without_publishing)


@bug
def recover_no_footer_row(patch: pytest.MonkeyPatch) -> None:
    """A recovered database does not have the row of the last footer, nor an owner batch in Kafka."""
    right = ShardTables.load

    def load(self: ShardTables, passage: Any) -> None:
        right(self, passage)
        self.outbox = {}

    patch.setattr(ShardTables, "load", load)
    patch.setattr(recovery, "_own", _own_without_publishing)


@bug
def offsets_from_events(patch: pytest.MonkeyPatch) -> None:
    """A recovery takes for read what has left events."""
    right = Fold.passage

    def passage(self: Fold, previous: bytes, batches: Any) -> Any:
        causes = [entry.cause for each in batches for entry in each.entries if entry.cause is not None]
        read = max((offset + 1 for topic, _, offset in causes if topic.endswith("replies")), default=0)
        return replace(right(self, previous, batches), next_replies=read)

    patch.setattr(Fold, "passage", passage)
