"""The rows of one shard as Postgres holds them, read in one transaction that sees one moment."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import psycopg

from orchestrator.store import queries
from orchestrator.store.port import (
    EventRow,
    IncidentRow,
    OutboxHead,
    OutboxRow,
    SagaRow,
    ShardRow,
    Snapshot,
    StoredSaga,
)

_SQL: Final = queries.load()
FETCHED: Final = 2_000
"""Rows that a cursor brings at once."""


def snapshot_of(rows: Sequence[Sequence[Any]]) -> Snapshot:
    """What the query ``snapshot`` found, at least one row."""
    first = rows[0]
    heads = tuple(OutboxHead(row[7], row[8]) for row in rows if row[7] is not None)
    return Snapshot(ShardRow(*first[:6]), heads, first[6])


def stored_saga(row: Sequence[Any]) -> StoredSaga:
    """A row of ``saga.stored_sagas``, without shard and seq."""
    saga_id, saga, blueprint, status, version, state, due_ms, labels, started_ms, ended_ms, types, data = row
    if labels != "{}":  # jsonb gives them back with other white space and order
        labels = json.dumps(json.loads(labels), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    found = SagaRow(saga_id, saga, blueprint, status, version, state, due_ms, labels, started_ms, ended_ms)
    return StoredSaga(found, list(zip(types, data, strict=True)))


class PostgresTables:
    """See the port; ``connection`` is in a transaction that sees one moment."""

    def __init__(self, shard: int, connection: psycopg.Connection) -> None:
        self._shard = shard
        self._connection = connection

    def snapshot(self) -> Snapshot:
        """See the port."""
        return snapshot_of(self._fetch("snapshot"))

    def outbox(self, above: int, limit: int) -> list[OutboxRow]:
        """See the port."""
        return [OutboxRow(*row) for row in self._fetch("outbox", above=above, limit=limit)]

    def events(self) -> Iterator[tuple[int, EventRow]]:
        """See the port."""
        return ((row[0], EventRow(*row[1:])) for row in self._stream("all_events"))

    def sagas(self) -> Iterator[tuple[int, StoredSaga]]:
        """See the port."""
        return ((row[0], stored_saga(row[1:])) for row in self._stream("all_sagas"))

    def incidents(self) -> Iterator[tuple[int, IncidentRow]]:
        """See the port."""
        return ((row[0], IncidentRow(*row[1:])) for row in self._stream("all_incidents"))

    def _fetch(self, name: str, **parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(_SQL[name], self._with_shard(parameters), binary=True).fetchall()

    def _stream(self, name: str) -> Iterator[tuple[Any, ...]]:
        with self._connection.cursor(name) as cursor:
            cursor.itersize = FETCHED
            yield from cursor.execute(_SQL[name], self._with_shard({}))

    def _with_shard(self, parameters: Mapping[str, object]) -> dict[str, object]:
        return {"shard": self._shard, **parameters}
