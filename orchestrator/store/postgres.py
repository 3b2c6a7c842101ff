"""The store on a real Postgres.

A batch is one statement, and so its own transaction: while the client is silent the server holds no lock for it. Only
a take-over has a transaction of several statements, because the batch depends on the row that it locks.
"""

import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import AccessDenied, ConfigError, DatabaseNotReady, OwnershipLost, ShardRefused, Unavailable
from orchestrator.store import arrays, queries
from orchestrator.store.connection import (
    LOCK_TIMEOUT_MS,
    OWNER_SESSION,
    READER_SESSION,
    RECOVERY_SESSION,
    SESSION,
    SNAPSHOT_SESSION,
    Breaker,
    Server,
    Watch,
    check_durability,
    connect,
    translated,
)
from orchestrator.store.meta import check_format, meta_of
from orchestrator.store.parameters import batch_parameters, passage_parameters, trim_parameters
from orchestrator.store.port import (
    BATCH_FORMAT_TRIMMED,
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
)
from orchestrator.store.tables import PostgresTables, snapshot_of, stored_saga
from orchestrator.turns import waiting

_SQL: Final = queries.load()

LOCK_ATTEMPTS: Final = 3
"""How often a take-over waits for the row; before each further one it ends the session that holds it."""
END_SESSION_MS: Final = 1_000
"""How long a take-over waits for an ended session to be gone."""
RECOVERY_KEY: Final = 0x5341_4752  # "SAGR": the key of the advisory lock


class PostgresStore:
    """One database as one namespace uses it; each call has a connection of its own."""

    def __init__(self, dsn: str, crash_point: CrashPoint = nowhere) -> None:
        """Raises ``ConfigError`` when ``dsn`` cannot be parsed; does not connect."""
        self._server = Server.of(dsn)
        self._crash_point = crash_point
        self._watch = Watch()

    def meta(self) -> Meta:
        """See the port."""
        with self._connected(READER_SESSION) as connection:
            row = connection.execute(_SQL["meta"]).fetchone()
        meta = meta_of(row, self._server.name)
        check_format(meta)
        return meta

    def durability_warnings(self) -> list[str]:
        """Warnings for a person, one for each setting of the server with which a committed batch can be lost."""
        with self._connected(READER_SESSION) as connection:
            return check_durability(connection)

    def check_trimming(self) -> None:
        """Raises ``AccessDenied`` when this user may not delete the rows of closed sagas."""
        with self._connected(READER_SESSION) as connection:
            (may_trim,) = connection.execute(_SQL["may_trim"]).fetchone() or (False,)
        if not may_trim:
            raise AccessDenied(
                f"Postgres at {self._server.name}: expected the right to delete rows of saga.sagas, saga.events and "
                f"saga.incidents, since SAGA_RETENTION is set, got none: grant it, or run without SAGA_RETENTION"
            )

    @waiting()
    def shard(self, shard: int, state: DatabaseState = "ready") -> ShardStore:
        """See the port."""
        session = OWNER_SESSION if state == "ready" else RECOVERY_SESSION
        connection = connect(self._server, f"saga shard {shard}", session, self._watch.over)
        return PostgresShardStore(shard, state, self._server, connection, self._crash_point)

    @contextmanager
    def tables(self, shard: int) -> Generator[PostgresTables]:
        """See the port."""
        with self._connected(SNAPSHOT_SESSION) as connection, connection.transaction():
            connection.execute(_SQL["one_moment"])
            yield PostgresTables(shard, connection)

    @contextmanager
    def recovering(self) -> Generator[None]:
        """See the port."""
        with self._connected(RECOVERY_SESSION) as connection:
            (locked,) = connection.execute(_SQL["try_recovery_lock"], {"key": RECOVERY_KEY}).fetchone() or (False,)
            if not locked:
                raise Unavailable(
                    f"expected to be the only recovery of {self._server.name}, got another one that runs: wait for it"
                )
            yield

    def set_state(self, state: DatabaseState) -> None:
        """See the port."""
        with self._connected(RECOVERY_SESSION) as connection, connection.transaction():
            connection.execute(_SQL["lock_shards"])
            connection.execute(_SQL["set_state"], {"state": state})

    def save_definitions(self, definitions: Sequence[Definition]) -> None:
        """See the port."""
        names = sorted({definition.name for definition in definitions})
        rows = [{"name": d.name, "hash": d.hash, "blueprint": d.blueprint, "active": d.active} for d in definitions]
        with self._connected(SESSION) as connection, connection.transaction():
            connection.execute(_SQL["lock_definitions"])
            connection.execute(_SQL["clear_active"], {"names": names})
            connection.cursor().executemany(_SQL["save_definition"], rows)

    def definitions(self) -> list[Definition]:
        """See the port."""
        with self._connected(READER_SESSION) as connection:
            return [Definition(*row) for row in connection.execute(_SQL["definitions"])]

    def open_incidents(self) -> dict[int, int]:
        """See the port."""
        with self._connected(READER_SESSION) as connection:
            return dict(connection.execute(_SQL["count_open_incidents"]).fetchall())

    def interrupt(self, longer_than_s: float) -> bool:
        """See the port."""
        return self._watch.interrupt(longer_than_s)

    def close(self) -> None:
        """See the port."""

    @contextmanager
    def _connected(self, session: Mapping[str, str]) -> Generator[psycopg.Connection]:
        over = self._watch.over
        with waiting(), translated(self._server), connect(self._server, "saga", session, over) as made, over(made):
            yield made


class PostgresShardStore:
    """One connection, serving one shard; used by one thread at a time, but for ``calling_s`` and ``terminate``."""

    def __init__(
        self,
        shard: int,
        state: DatabaseState,
        server: Server,
        connection: psycopg.Connection,
        crash_point: CrashPoint,
    ) -> None:
        self._shard = shard
        self._state = state
        self._server = server
        self._connection = connection
        self._crash_point = crash_point
        self._breaker = Breaker(connection)
        self._calls = threading.Lock()
        self._called_at: float | None = None
        arrays.register(connection)

    def snapshot(self) -> Snapshot:
        """See the port."""
        rows = self._fetch("snapshot")
        if not rows:
            raise self._no_such_shard()
        return snapshot_of(rows)

    def take_over(self, owner_batch: Callable[[ShardRow], Batch]) -> ShardRow:
        """See the port."""
        with self._call():
            for attempt in range(LOCK_ATTEMPTS):
                if attempt:
                    self._end_lock_holder()
                try:
                    return self._append_locked(owner_batch)
                except psycopg.errors.LockNotAvailable:
                    continue
            raise Unavailable(
                f"shard {self._shard}: expected to lock its row within {LOCK_ATTEMPTS} * {LOCK_TIMEOUT_MS} ms, another "
                f"session of {self._server.name} holds it (see pg_locks)"
            )

    def append(self, batch: Batch) -> None:
        """See the port."""
        if batch.trimmed:
            self._append("trim", trim_parameters(batch), batch)
        else:
            self._append("append", batch_parameters(batch), batch)

    def _append(self, name: str, parameters: Mapping[str, Any], batch: Batch) -> None:
        self._crash_point(f"{name}.before_commit")
        with self._call():
            row = self._execute(name, {**parameters, "state": self._state}).fetchone()
            if row is None:
                self._lost_race(batch)
            else:
                assert row[0] == batch.seq, f"expected batch {batch.seq} after its chain, got {row[0]}"
        self._crash_point(f"{name}.after_commit")

    def load(self, passage: Passage) -> None:
        """See the port."""
        parameters = {**passage_parameters(passage), "state": self._state}
        self._crash_point("load.before_commit")
        with self._call():
            if not self._load(parameters, passage.trimmed):
                self._lost_race(passage)
        self._crash_point("load.after_commit")

    def _load(self, parameters: Mapping[str, Any], trimmed: Sequence[str]) -> bool:
        """Whether the shard had the history; rows are deleted by a statement of its own, and only when there are any.

        So a recovery needs no right to delete rows where nothing was ever trimmed.
        """
        with self._connection.transaction():
            loaded = self._execute("load", parameters).fetchone() is not None
            if loaded and trimmed:
                self._execute("delete_trimmed", {"shard": self._shard, "trimmed": arrays.texts(trimmed)})
        return loaded

    def reset(self, chain: bytes) -> None:
        """See the port."""
        given = {"shard": self._shard, "chain": chain, "genesis": GENESIS, "state": self._state}
        with self._call():
            if self._execute("reset", given).fetchone() is None:
                raise OwnershipLost(f"shard {self._shard}: expected chain {chain.hex()[:16]}, got another history")

    def outbox(self, above: int, limit: int) -> list[OutboxRow]:
        """See the port."""
        return [OutboxRow(*row) for row in self._fetch("outbox", above=above, limit=limit)]

    def sagas(self, ids: Sequence[str]) -> dict[str, StoredSaga]:
        """See the port."""
        rows = self._fetch("sagas", saga_ids=arrays.texts(ids))
        return {row[0]: stored_saga(row) for row in rows}

    def due(self, now_ms: int, limit: int) -> list[str]:
        """See the port."""
        return [row[0] for row in self._fetch("due", now_ms=now_ms, limit=limit)]

    def next_due(self) -> int | None:
        """See the port."""
        return self._fetch("next_due")[0][0]

    def closed(self, before_ms: int, limit: int) -> list[tuple[str, int]]:
        """See the port."""
        return [(row[0], row[1]) for row in self._fetch("closed", before_ms=before_ms, limit=limit)]

    def trim_outbox(self, below: int) -> None:
        """See the port."""
        with self._call():
            self._execute("trim_outbox", {"shard": self._shard, "below": below})

    def calling_s(self) -> float:
        """See the port."""
        since = self._called_at
        return 0.0 if since is None else time.monotonic() - since

    def terminate(self) -> None:
        """See the port."""
        self._breaker.trip()

    @waiting()
    def close(self) -> None:
        """See the port."""
        if not self._calls.acquire(blocking=False):
            self._breaker.trip()  # a call of another thread ends first: the connection is closed under nobody
            self._calls.acquire()
        try:
            self._connection.close()
        finally:
            self._calls.release()
        self._breaker.close()

    # ---------------------------------------------------------------- inside

    @contextmanager
    def _call(self) -> Generator[None]:
        """One call at a time, its errors in our words; after ``Unavailable`` the connection is closed."""
        with waiting(), self._calls:
            self._called_at = time.monotonic()
            try:
                with translated(self._server):
                    yield
            except Unavailable:
                self._connection.close()
                self._breaker.close()
                raise
            finally:
                self._called_at = None

    def _execute(self, name: str, parameters: Mapping[str, Any]) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._connection.execute(_SQL[name], parameters, prepare=True, binary=True)

    def _fetch(self, name: str, **parameters: object) -> list[tuple[Any, ...]]:
        with self._call():
            return self._execute(name, {"shard": self._shard, **parameters}).fetchall()

    def _append_locked(self, owner_batch: Callable[[ShardRow], Batch]) -> ShardRow:
        with self._connection.transaction():
            locked = self._execute("lock_shard", {"shard": self._shard}).fetchone()
            if locked is None:
                raise self._no_such_shard()
            row, batch_format = ShardRow(*locked[:6]), locked[6]
            if batch_format > BATCH_FORMAT_TRIMMED:
                raise ShardRefused(
                    f"shard {self._shard}: expected batches of format {BATCH_FORMAT_TRIMMED} or older, got "
                    f"{batch_format}: a newer version has run this shard; run that version"
                )
            batch = owner_batch(row)
            assert batch.previous == row.chain, "an owner batch follows the row it was made from"
            if self._execute("append", {**batch_parameters(batch), "state": self._state}).fetchone() is None:
                # The chain is locked and right, so it is the other condition. Asked for in the same statement, because
                # the state may change until then.
                raise DatabaseNotReady(
                    f"shard {self._shard}: expected a database that is {self._state} at {self._server.name}, saga.meta "
                    f"says that it is not: `saga recover` works on it, or was stopped; let it end, or call it again"
                )
            self._crash_point("take_over.before_commit")
        return row

    def _end_lock_holder(self) -> None:
        held = {"shard": self._shard, "held_ms": LOCK_TIMEOUT_MS, "wait_ms": END_SESSION_MS}
        self._execute("end_lock_holder", held)

    def _lost_race(self, batch: Batch | Passage) -> None:
        found = self._execute("whose", {"shard": self._shard}).fetchone()
        if found is None:
            raise self._no_such_shard()
        seq, chain, owner, state = found
        if chain == batch.chain:
            return
        raise OwnershipLost(
            f"shard {self._shard}: expected chain {batch.previous.hex()[:16]} before seq {batch.seq}, got seq {seq} "
            f"with chain {chain.hex()[:16]} of owner {owner}, in a database that is {state}"
        )

    def _no_such_shard(self) -> ConfigError:
        return ConfigError(
            f"expected shard {self._shard} in {self._server.name}, the database has fewer: SAGA_SHARDS is not what "
            f"`saga migrate` was given"
        )
