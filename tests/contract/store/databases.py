"""The two stores behind one handle: what a test of the contract may do beside the port."""

from typing import Protocol

import psycopg

from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.store.memory import Contents, MemoryStore
from orchestrator.store.port import GENESIS, DatabaseState, EventRow, IncidentRow, OutboxRow, ShardRow, Store
from orchestrator.store.postgres import PostgresStore
from orchestrator.store.tables import stored_saga

NAMESPACE = "bank"
SHARDS = 3


class Handle(Protocol):
    """A database, migrated and empty."""

    store: Store

    def set_state(self, state: DatabaseState) -> None: ...

    def contents(self, shard: int) -> Contents: ...

    def seqs(self, shard: int) -> dict[str, set[int]]:
        """The batches of the rows, by table."""
        ...

    def set_crash_point(self, crash_point: CrashPoint) -> None: ...


class _CrashPoint:
    """The crash point of a store, which a test may exchange."""

    def __init__(self) -> None:
        self.calls: CrashPoint = nowhere

    def __call__(self, name: str) -> None:
        self.calls(name)


class InMemory:
    def __init__(self, shards: int = SHARDS) -> None:
        self._crash_point = _CrashPoint()
        self._store = MemoryStore(NAMESPACE, shards, self._crash_point)
        self.store: Store = self._store

    def set_crash_point(self, crash_point: CrashPoint) -> None:
        self._crash_point.calls = crash_point

    def set_state(self, state: DatabaseState) -> None:
        self._store.set_state(state)

    def contents(self, shard: int) -> Contents:
        return self._store.contents(shard)

    def seqs(self, shard: int) -> dict[str, set[int]]:
        return self._store.seqs(shard)


class InPostgres:
    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._crash_point = _CrashPoint()
        self.store: Store = PostgresStore(dsn, self._crash_point)

    def set_crash_point(self, crash_point: CrashPoint) -> None:
        self._crash_point.calls = crash_point

    def empty(self) -> None:
        """Back to the genesis."""
        with psycopg.connect(self._dsn) as connection:
            connection.execute("truncate saga.outbox, saga.sagas, saga.events, saga.incidents")
            connection.execute(
                "update saga.shards set seq = 0, chain = %s, next_requests = 0, next_replies = 0, now_ms = 0", [GENESIS]
            )

    def set_state(self, state: DatabaseState) -> None:
        with psycopg.connect(self._dsn) as connection:
            connection.execute("update saga.meta set state = %s", [state])

    def seqs(self, shard: int) -> dict[str, set[int]]:
        with psycopg.connect(self._dsn) as connection:
            found = connection.execute(
                "select 'events', seq from saga.events where shard = %(shard)s"
                " union select 'sagas', seq from saga.sagas where shard = %(shard)s",
                {"shard": shard},
            ).fetchall()
        return {table: {seq for each, seq in found if each == table} for table, _ in found}

    def contents(self, shard: int) -> Contents:
        with psycopg.connect(self._dsn) as connection:
            execute, key = connection.execute, [shard]
            row = execute(
                "select shard, seq, chain, next_requests, next_replies, now_ms from saga.shards where shard = %s", key
            ).fetchone()
            assert row is not None
            outbox = execute(
                "select seq, chain, owner, next_requests, next_replies, now_ms, records from saga.outbox"
                " where shard = %s order by seq",
                key,
            )
            sagas = execute(
                "select saga_id, saga, blueprint, status, version, state::text, due_ms, labels::text,"
                " started_ms, ended_ms, tail_types, tail_data from saga.stored_sagas where shard = %s order by saga_id",
                key,
            )
            events = execute(
                'select saga_id, number, type, data::text, topic, partition, "offset" from saga.events'
                " where shard = %s order by saga_id, number",
                key,
            )
            incidents = execute(
                "select saga_id, number, step, reason, text, opened_ms, closed_ms from saga.incidents"
                " where shard = %s order by saga_id, number",
                key,
            )
            return Contents(
                ShardRow(*row),
                tuple(OutboxRow(*found) for found in outbox),
                tuple(stored_saga(found).row for found in sagas),
                tuple(EventRow(*found) for found in events),
                tuple(IncidentRow(*found) for found in incidents),
            )
