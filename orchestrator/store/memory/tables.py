"""The rows of a database in memory, with the rules of the real tables."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from orchestrator.errors import BatchRefused
from orchestrator.store.constraints import broken_by
from orchestrator.store.port import (
    GENESIS,
    Batch,
    EventRow,
    IncidentRow,
    Meta,
    OutboxHead,
    OutboxRow,
    Passage,
    SagaRow,
    ShardRow,
    Snapshot,
    StoredSaga,
)

Key = TypeVar("Key", int, str, tuple[str, int])
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Contents:
    """All of one shard, each table in the order of its key."""

    row: ShardRow
    outbox: tuple[OutboxRow, ...]
    sagas: tuple[SagaRow, ...]
    events: tuple[EventRow, ...]
    incidents: tuple[IncidentRow, ...]


@dataclass(slots=True)
class ShardTables:
    """One shard."""

    row: ShardRow
    outbox: dict[int, OutboxRow] = field(default_factory=dict[int, OutboxRow])
    sagas: dict[str, SagaRow] = field(default_factory=dict[str, SagaRow])
    events: dict[tuple[str, int], EventRow] = field(default_factory=dict[tuple[str, int], EventRow])
    incidents: dict[tuple[str, int], IncidentRow] = field(default_factory=dict[tuple[str, int], IncidentRow])
    event_seqs: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    saga_seqs: dict[str, int] = field(default_factory=dict[str, int])
    """The batch of each row, as the tables have it in a column."""

    def copy(self) -> "ShardTables":
        """The same rows, to be changed apart from these."""
        return ShardTables(
            self.row,
            dict(self.outbox),
            dict(self.sagas),
            dict(self.events),
            dict(self.incidents),
            dict(self.event_seqs),
            dict(self.saga_seqs),
        )

    def contents(self) -> Contents:
        """All rows, in the order of their keys."""

        def ordered(table: Mapping[Key, Row]) -> tuple[Row, ...]:
            return tuple(table[key] for key in sorted(table))

        rows = ordered(self.outbox), ordered(self.sagas), ordered(self.events), ordered(self.incidents)
        return Contents(self.row, *rows)

    def snapshot(self, meta: Meta) -> Snapshot:
        """Row and outbox heads of this moment."""
        heads = tuple(OutboxHead(seq, self.outbox[seq].chain) for seq in sorted(self.outbox))
        return Snapshot(self.row, heads, meta.state)

    def outbox_above(self, above: int, limit: int) -> list[OutboxRow]:
        """Rows with seq > ``above``, in order, at most ``limit``."""
        return [self.outbox[seq] for seq in sorted(seq for seq in self.outbox if seq > above)[:limit]]

    def append(self, batch: Batch) -> None:
        """Raises ``BatchRefused`` and changes nothing, or changes everything."""
        problem = broken_by(batch, self.events)
        if problem is not None:
            raise BatchRefused(f"shard {batch.shard}: batch {batch.seq} breaks a rule of the tables: {problem}")
        offsets = batch.next_requests, batch.next_replies
        self.row = ShardRow(batch.shard, batch.seq, batch.chain, *offsets, batch.now_ms)
        self.outbox[batch.seq] = OutboxRow(batch.seq, batch.chain, batch.owner, *offsets, batch.now_ms, batch.records)
        self.events.update(((event.saga_id, event.number), event) for event in batch.events)
        self.sagas.update((saga.saga_id, self._merged(saga)) for saga in batch.sagas)
        self.incidents.update(((incident.saga_id, incident.number), incident) for incident in batch.incidents)
        self.event_seqs.update(((event.saga_id, event.number), batch.seq) for event in batch.events)
        self.saga_seqs.update((saga.saga_id, batch.seq) for saga in batch.sagas)
        self._delete(batch.trimmed)

    def load(self, passage: Passage) -> None:
        """Raises ``BatchRefused`` and changes nothing, or changes everything."""
        problem = broken_by(_as_batch(passage), self.events)
        if problem is not None:
            raise BatchRefused(
                f"shard {passage.shard}: up to batch {passage.seq} a rule of the tables breaks: {problem}"
            )
        offsets = passage.next_requests, passage.next_replies
        self.row = ShardRow(passage.shard, passage.seq, passage.chain, *offsets, passage.now_ms)
        last = passage.seq, passage.chain, passage.owner, *offsets, passage.now_ms, passage.records
        self.outbox = {passage.seq: OutboxRow(*last)}
        self.events.update(((event.saga_id, event.number), event) for _, event in passage.events)
        self.sagas.update((saga.saga_id, self._merged(saga)) for _, saga in passage.sagas)
        self.incidents.update(((incident.saga_id, incident.number), incident) for _, incident in passage.incidents)
        self.event_seqs.update(((event.saga_id, event.number), seq) for seq, event in passage.events)
        self.saga_seqs.update((saga.saga_id, seq) for seq, saga in passage.sagas)
        self._delete(passage.trimmed)

    def _delete(self, saga_ids: Sequence[str]) -> None:
        """All rows of these sagas; what there is of an id is found by the number of its events."""
        for saga_id in saga_ids:
            saga = self.sagas.pop(saga_id, None)
            self.saga_seqs.pop(saga_id, None)
            for number in range(1, 1 + (0 if saga is None else saga.version)):
                for table in (self.events, self.incidents, self.event_seqs):
                    table.pop((saga_id, number), None)

    def closed(self, before_ms: int, limit: int) -> list[tuple[str, int]]:
        """Sagas that ended before, the first in front, but for those with an open incident; and their events."""
        waiting = {saga_id for (saga_id, _), row in self.incidents.items() if row.closed_ms is None}
        ended = [
            (saga.ended_ms, saga.saga_id, saga.version)
            for saga in self.sagas.values()
            if saga.ended_ms is not None and saga.ended_ms < before_ms and saga.saga_id not in waiting
        ]
        return [(saga_id, version) for _, saga_id, version in sorted(ended)[:limit]]

    def _merged(self, saga: SagaRow) -> SagaRow:
        """As it comes back: a state that is not written again stays, and the text of labels is made anew."""
        before = self.sagas.get(saga.saga_id)
        if saga.state is None and before is not None:
            saga = replace(saga, state=before.state)
        if saga.labels == "{}":
            return saga
        labels = json.loads(saga.labels)
        return replace(saga, labels=json.dumps(labels, ensure_ascii=False, sort_keys=True, separators=(",", ":")))

    def stored(self, saga_id: str) -> StoredSaga:
        """A saga and the events behind its state."""
        row = self.sagas[saga_id]
        behind = (self.events.get((saga_id, number)) for number in range(row.written + 1, row.version + 1))
        return StoredSaga(row, [(event.type, event.data) for event in behind if event is not None])

    def reset(self) -> None:
        """Back to the genesis."""
        self.row = ShardRow(self.row.shard, 0, GENESIS, 0, 0, 0)
        for table in (self.outbox, self.sagas, self.events, self.incidents, self.event_seqs, self.saga_seqs):
            table.clear()


def _as_batch(passage: Passage) -> Batch:
    """The same rows, to be checked by the same rules."""
    return Batch(
        shard=passage.shard,
        seq=passage.seq,
        previous=passage.previous,
        chain=passage.chain,
        owner=passage.owner,
        next_requests=passage.next_requests,
        next_replies=passage.next_replies,
        now_ms=passage.now_ms,
        records=passage.records,
        events=[event for _, event in passage.events],
        sagas=[saga for _, saga in passage.sagas],
        incidents=[incident for _, incident in passage.incidents],
    )


class MemoryTables:
    """The rows of one shard at one moment."""

    def __init__(self, tables: ShardTables, meta: Meta) -> None:
        self._tables = tables
        self._meta = meta

    def snapshot(self) -> Snapshot:
        """See the port."""
        return self._tables.snapshot(self._meta)

    def outbox(self, above: int, limit: int) -> list[OutboxRow]:
        """See the port."""
        return self._tables.outbox_above(above, limit)

    def events(self) -> Iterator[tuple[int, EventRow]]:
        """See the port."""
        tables = self._tables
        return ((tables.event_seqs[key], tables.events[key]) for key in sorted(tables.events))

    def sagas(self) -> Iterator[tuple[int, StoredSaga]]:
        """See the port."""
        tables = self._tables
        return ((tables.saga_seqs[key], tables.stored(key)) for key in sorted(tables.sagas))

    def incidents(self) -> Iterator[tuple[int, IncidentRow]]:
        """See the port."""
        tables = self._tables
        return ((tables.saga_seqs[key[0]], tables.incidents[key]) for key in sorted(tables.incidents))
