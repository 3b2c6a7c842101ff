"""One database in memory, and its connections; what fails is planted."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum

from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import ConfigError, DatabaseNotReady, OwnershipLost, Unavailable
from orchestrator.store.memory.tables import Contents, MemoryTables, ShardTables
from orchestrator.store.port import (
    FORMAT,
    GENESIS,
    Batch,
    DatabaseState,
    Definition,
    Meta,
    OutboxRow,
    Passage,
    ShardRow,
    ShardStore,
    Snapshot,
    StoredSaga,
    Tables,
)


class Failure(Enum):
    """What becomes of a call; in each case it raises ``Unavailable`` and its connection is gone."""

    NOTHING_HAPPENED = "nothing happened"
    ANSWER_LOST = "it was committed, and its answer was lost"
    HANGS = "it hangs until its connection is terminated or closed, and nothing happened"


class _Database:
    """What all connections of one store share."""

    def __init__(self, meta: Meta, tables: dict[int, ShardTables]) -> None:
        self.meta = meta
        self.tables = tables
        self.definitions: dict[tuple[str, str], Definition] = {}
        self.failures: dict[str, deque[Failure]] = {}
        self.lock = threading.RLock()
        self.hanging = threading.Event()
        self.interrupted = threading.Event()
        self.hanging_since: float | None = None
        """Of a call of the store itself."""
        self.down = False
        self.recovered = False
        """Whether a recovery runs."""

    @contextmanager
    def transaction(self, call: str = "") -> Generator[None]:
        """One at a time; of a call of the store itself, which may have been planted to hang.

        Raises ``Unavailable`` while the database is down.
        """
        if call and self.next_failure(call) is Failure.HANGS:
            self.interrupted.clear()
            self.hanging_since = time.monotonic()
            self.hanging.set()
            self.interrupted.wait()
            self.hanging_since = None
            raise Unavailable(f"{call}: {Failure.HANGS.value}")
        if self.down:
            raise Unavailable("Postgres does not answer: the store in memory is down")
        with self.lock:
            yield

    def next_failure(self, call: str) -> Failure | None:
        """What was planted for this call."""
        with self.lock:
            failures = self.failures.get(call)
            return failures.popleft() if failures else None


class MemoryStore:
    """One database; may be used by several threads."""

    def __init__(self, namespace: str = "test", shards: int = 4, crash_point: CrashPoint = nowhere) -> None:
        tables = {shard: ShardTables(ShardRow(shard, 0, GENESIS, 0, 0, 0)) for shard in range(shards)}
        self._database = _Database(Meta(namespace, shards, "ready", FORMAT), tables)
        self._crash_point = crash_point

    # ---------------------------------------------------------------- the port

    def meta(self) -> Meta:
        """See the port."""
        with self._database.transaction():
            return self._database.meta

    def shard(self, shard: int, state: DatabaseState = "ready") -> ShardStore:
        """See the port."""
        with self._database.transaction():
            return MemoryShardStore(self._database, shard, state, self._crash_point)

    @contextmanager
    def tables(self, shard: int) -> Generator[Tables]:
        """See the port."""
        with self._database.transaction():
            yield MemoryTables(self._database.tables[shard].copy(), self._database.meta)

    @contextmanager
    def recovering(self) -> Generator[None]:
        """See the port."""
        with self._database.transaction():
            if self._database.recovered:
                raise Unavailable("expected to be the only recovery of the store in memory, got another one that runs")
            self._database.recovered = True
        try:
            yield
        finally:
            self._database.recovered = False

    def set_state(self, state: DatabaseState) -> None:
        """See the port."""
        with self._database.transaction():
            self._database.meta = replace(self._database.meta, state=state)

    def save_definitions(self, definitions: Sequence[Definition]) -> None:
        """See the port."""
        names = {definition.name for definition in definitions}
        with self._database.transaction("save_definitions"):
            kept = self._database.definitions
            for key, old in kept.items():
                if old.active and old.name in names:
                    kept[key] = replace(old, active=False)
            kept.update(((new.name, new.hash), new) for new in definitions)

    def definitions(self) -> list[Definition]:
        """See the port."""
        with self._database.transaction():
            return [definition for _, definition in sorted(self._database.definitions.items())]

    def open_incidents(self) -> dict[int, int]:
        """See the port."""
        with self._database.transaction():
            tables = self._database.tables.items()
            counts = {shard: sum(each.closed_ms is None for each in of.incidents.values()) for shard, of in tables}
            return {shard: count for shard, count in counts.items() if count}

    def interrupt(self, longer_than_s: float) -> bool:
        """See the port."""
        since = self._database.hanging_since
        hangs = since is not None and time.monotonic() - since > longer_than_s
        if hangs:
            self._database.interrupted.set()
        return hangs

    def close(self) -> None:
        """See the port."""

    # ---------------------------------------------------------------- for tests

    @property
    def down(self) -> bool:
        """While true, nothing answers, and connections that ask are gone."""
        return self._database.down

    @down.setter
    def down(self, down: bool) -> None:
        self._database.down = down

    @property
    def hanging(self) -> threading.Event:
        """Set as soon as a call hangs."""
        return self._database.hanging

    def fail_next(self, call: str, failure: Failure) -> None:
        """The next call of this name of any shard store (``append``, ``take_over`` …) fails so; several queue up.

        Of the store itself ``save_definitions`` can hang.
        """
        with self._database.lock:
            self._database.failures.setdefault(call, deque()).append(failure)

    def contents(self, shard: int) -> Contents:
        """All of one shard."""
        with self._database.lock:
            return self._database.tables[shard].contents()

    def stored(self, shard: int) -> dict[str, StoredSaga]:
        """One shard's sagas, each with the events behind its state."""
        with self._database.lock:
            tables = self._database.tables[shard]
            return {saga_id: tables.stored(saga_id) for saga_id in sorted(tables.sagas)}

    def seqs(self, shard: int) -> dict[str, set[int]]:
        """The batches of the rows, by table."""
        with self._database.lock:
            tables = self._database.tables[shard]
            return {"events": set(tables.event_seqs.values()), "sagas": set(tables.saga_seqs.values())}

    def copy(self) -> "MemoryStore":
        """Another database with the same contents: a backup, a replica."""
        with self._database.lock:
            meta = self._database.meta
            other = MemoryStore(meta.namespace, meta.shards, self._crash_point)
            tables = {shard: tables.copy() for shard, tables in self._database.tables.items()}
            other._database = _Database(meta, tables)
            other._database.definitions.update(self._database.definitions)
            return other


class MemoryShardStore:
    """One connection, serving one shard."""

    def __init__(self, database: _Database, shard: int, state: DatabaseState, crash_point: CrashPoint) -> None:
        self._database = database
        self._shard = shard
        self._state = state
        self._crash_point = crash_point
        self._gone = threading.Event()
        self._called_at: float | None = None

    def snapshot(self) -> Snapshot:
        """See the port."""
        with self._call("snapshot") as (tables, meta):
            return tables.snapshot(meta)

    def take_over(self, owner_batch: Callable[[ShardRow], Batch]) -> ShardRow:
        """See the port."""
        with self._call("take_over") as (tables, meta):
            row = tables.row
            batch = owner_batch(row)
            assert batch.previous == row.chain, "an owner batch follows the row it was made from"
            if meta.state != self._state:
                raise DatabaseNotReady(
                    f"shard {self._shard}: expected a database that is {self._state}, it is {meta.state}"
                )
            self._crash_point("take_over.before_commit")
            tables.append(batch)
        return row

    def append(self, batch: Batch) -> None:
        """See the port."""
        name = "trim" if batch.trimmed else "append"
        self._crash_point(f"{name}.before_commit")
        with self._call("append") as (tables, meta):
            if tables.row.chain == batch.previous and meta.state == self._state:
                assert batch.seq == tables.row.seq + 1, f"expected batch {tables.row.seq + 1}, got {batch.seq}"
                tables.append(batch)
            elif tables.row.chain != batch.chain:
                raise self._lost_race(batch.previous, tables, meta)
        self._crash_point(f"{name}.after_commit")

    def load(self, passage: Passage) -> None:
        """See the port."""
        self._crash_point("load.before_commit")
        with self._call("load") as (tables, meta):
            if tables.row.chain == passage.previous and meta.state == self._state:
                tables.load(passage)
            elif tables.row.chain != passage.chain:
                raise self._lost_race(passage.previous, tables, meta)
        self._crash_point("load.after_commit")

    def reset(self, chain: bytes) -> None:
        """See the port."""
        with self._call("reset") as (tables, meta):
            if tables.row.chain not in (chain, GENESIS) or meta.state != self._state:
                raise self._lost_race(chain, tables, meta)
            tables.reset()

    def _lost_race(self, expected: bytes, tables: ShardTables, meta: Meta) -> OwnershipLost:
        return OwnershipLost(
            f"shard {self._shard}: expected chain {expected.hex()[:16]}, got {tables.row.chain.hex()[:16]} at seq "
            f"{tables.row.seq}, in a database that is {meta.state}"
        )

    def outbox(self, above: int, limit: int) -> list[OutboxRow]:
        """See the port."""
        with self._call("outbox") as (tables, _):
            return tables.outbox_above(above, limit)

    def sagas(self, ids: Sequence[str]) -> dict[str, StoredSaga]:
        """See the port."""
        with self._call("sagas") as (tables, _):
            return {saga_id: tables.stored(saga_id) for saga_id in ids if saga_id in tables.sagas}

    def due(self, now_ms: int, limit: int) -> list[str]:
        """See the port."""
        with self._call("due") as (tables, _):
            timers = [(saga.due_ms, saga.saga_id) for saga in tables.sagas.values() if saga.due_ms is not None]
            return [saga_id for due_ms, saga_id in sorted(timers) if due_ms <= now_ms][:limit]

    def next_due(self) -> int | None:
        """See the port."""
        with self._call("next_due") as (tables, _):
            return min((saga.due_ms for saga in tables.sagas.values() if saga.due_ms is not None), default=None)

    def closed(self, before_ms: int, limit: int) -> list[tuple[str, int]]:
        """See the port."""
        with self._call("closed") as (tables, _):
            return tables.closed(before_ms, limit)

    def trim_outbox(self, below: int) -> None:
        """See the port."""
        with self._call("trim_outbox") as (tables, _):
            for seq in [seq for seq in tables.outbox if seq < below]:
                del tables.outbox[seq]

    def calling_s(self) -> float:
        """See the port."""
        since = self._called_at
        return 0.0 if since is None else time.monotonic() - since

    def terminate(self) -> None:
        """See the port."""
        self._gone.set()

    def close(self) -> None:
        """See the port."""
        self._gone.set()

    @contextmanager
    def _call(self, name: str) -> Generator[tuple[ShardTables, Meta]]:
        """The shard's tables in a transaction, and what was planted for this call."""
        database = self._database
        if self._gone.is_set() or database.down:
            raise self._lost(name, "the connection is gone")
        failure = database.next_failure(name)
        if failure is Failure.HANGS:
            self._called_at = time.monotonic()
            database.hanging.set()
            self._gone.wait()
            self._called_at = None
        if failure in (Failure.HANGS, Failure.NOTHING_HAPPENED):
            raise self._lost(name, failure.value)
        with database.transaction():
            tables = database.tables.get(self._shard)
            if tables is None:
                raise ConfigError(f"expected one of {database.meta.shards} shards, got {self._shard}")
            yield tables, database.meta
        if failure is Failure.ANSWER_LOST:
            raise self._lost(name, failure.value)

    def _lost(self, name: str, what: str) -> Unavailable:
        self._gone.set()
        return Unavailable(f"shard {self._shard}: {name}: {what}")
