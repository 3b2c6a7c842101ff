"""What the orchestrator needs of Postgres, as a port: `postgres.py` is the real one, `memory.py` a verified fake.

One ``ShardStore`` is one connection and serves one shard: the life of the connection is the life of the ownership,
for a new connection may lead to another database. Every call may raise ``Unavailable``; after it the shard store is
closed and the shard is taken over again.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from orchestrator.blueprint.frozen import frozen

GENESIS: Final = bytes(32)
"""The chain before the first batch."""
FORMAT: Final = 3
"""Of the tables: the number of the last migration."""
BATCH_FORMAT: Final = 1
"""Of batches and events in a shard."""
BATCH_FORMAT_TRIMMED: Final = 2
"""The same, from the first trimmed saga on. A shard of a later format than this is a newer version's, and refused."""

_VERSION: Final = re.compile(r'"version":([0-9]+)}$')

DatabaseState: TypeAlias = Literal["ready", "recovering"]
"""``meta.state``: what the database is for. While it is recovering only a recovery takes over, appends and loads."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What the database is: one row."""

    namespace: str
    shards: int
    state: str
    """``ready``, or ``recovering``: take-overs refuse."""
    format: int


@dataclass(frozen=True, slots=True)
class ShardRow:
    """The head of a shard's history."""

    shard: int
    seq: int
    chain: bytes
    next_requests: int
    next_replies: int
    now_ms: int


@frozen
class EventRow:
    """One event of one saga; ``number`` counts from 1 in the saga, ``data`` is canonical JSON."""

    saga_id: str
    number: int
    type: str
    data: str
    topic: str | None
    """Where the input came from that caused it; None for a timer."""
    partition: int | None
    offset: int | None


@frozen
class SagaRow:
    """One saga as it stands; ``state`` and ``labels`` are canonical JSON."""

    saga_id: str
    saga: str
    blueprint: str
    status: str
    version: int
    state: str | None
    """Written now and then (``shard/sagas.py``); None in a table: not yet, in a batch: not again."""
    due_ms: int | None
    labels: str
    started_ms: int
    ended_ms: int | None

    @property
    def written(self) -> int:
        """The number of the event that the state is as of, which stands at its end; 0: nothing is written."""
        found = None if self.state is None else _VERSION.search(self.state)
        return 0 if found is None else int(found[1])


@frozen
class StoredSaga:
    """A saga's row, and the events behind its state: type and data of each, in order."""

    row: SagaRow
    tail: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident of one saga; ``number`` counts from 1 in the saga; closed when ``closed_ms`` is not None."""

    saga_id: str
    number: int
    step: str | None
    reason: str
    text: str
    opened_ms: int
    closed_ms: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything decided from one intake; appended whole or not at all."""

    shard: int
    seq: int
    previous: bytes
    chain: bytes
    owner: str
    next_requests: int
    next_replies: int
    now_ms: int
    records: bytes
    """All Kafka records of the batch in order, as ``wire.outbox`` encodes them."""
    events: Sequence[EventRow] = ()
    sagas: Sequence[SagaRow] = ()
    """Every saga that the batch changed, as it left it; inserted or replaced, but for a state of None."""
    incidents: Sequence[IncidentRow] = ()
    """Opened or changed; inserted or replaced."""
    trimmed: Sequence[str] = ()
    """Closed sagas whose rows are deleted: sagas, events, incidents. Such a batch writes no rows of these tables."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Consecutive batches as the journal has them, on their way back into a database; loaded whole or not at all."""

    shard: int
    previous: bytes
    """The chain before them."""
    seq: int
    """Of the last batch; it and what follows is what the shard's row says afterwards."""
    chain: bytes
    owner: str
    next_requests: int
    next_replies: int
    now_ms: int
    records: bytes
    """Of an outbox row without records: all of them are published."""
    events: Sequence[tuple[int, EventRow]] = ()
    """With the batch of each."""
    sagas: Sequence[tuple[int, SagaRow]] = ()
    """Every saga that they changed, as of a ``Batch``, with the batch that changed it last."""
    incidents: Sequence[tuple[int, IncidentRow]] = ()
    """Of these sagas, all; inserted or replaced."""
    trimmed: Sequence[str] = ()
    """Sagas whose rows are deleted; none of the rows above is of one of them."""


@dataclass(frozen=True, slots=True)
class OutboxHead:
    """Which batch an outbox row is."""

    seq: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A batch as the relay needs it after a take-over, to publish it and to write its footer."""

    seq: int
    chain: bytes
    owner: str
    next_requests: int
    next_replies: int
    now_ms: int
    records: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A shard's row and the heads of its outbox, in order, in one snapshot of the database."""

    row: ShardRow
    outbox: tuple[OutboxHead, ...]
    state: str
    """``meta.state`` in the same snapshot."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A blueprint as the cache table holds it."""

    name: str
    hash: str
    blueprint: str
    active: bool


class SagaRows(Protocol):
    """Where the rows of a shard's sagas are."""

    def sagas(self, ids: Sequence[str]) -> dict[str, StoredSaga]:
        """Those of the shard's sagas that exist."""
        ...


class ShardStore(SagaRows, Protocol):
    """One connection, serving one shard of a database that is in the state it was opened for."""

    def snapshot(self) -> Snapshot:
        """Row, outbox heads and ``meta.state`` of one moment; a shard never used is seq 0, ``GENESIS``, offsets 0.

        Raises ``ConfigError`` when the database has no such shard.
        """
        ...

    def take_over(self, owner_batch: Callable[[ShardRow], Batch]) -> ShardRow:
        """In one transaction lock the row, check the state, append the batch made from it; return the row read.

        A former owner that holds the lock for more than 2 s is ended (``pg_terminate_backend``).
        Raises ``DatabaseNotReady``, ``ShardRefused`` when newer code has had the shard, ``BatchRefused``.
        """
        ...

    def append(self, batch: Batch) -> None:
        """Append by compare-and-set on the chain, while the database is in the store's state.

        A batch whose chain the row carries already was appended by an earlier call whose answer was lost: no error.
        Raises ``OwnershipLost`` when the row has another history or the state is another, ``BatchRefused`` when a
        constraint forbids it; after both the shard store can be used on.
        """
        ...

    def load(self, passage: Passage) -> None:
        """Load what the journal has by compare-and-set on the chain, while the database is recovering.

        A passage that was loaded by an earlier call whose answer was lost is no error. Raises as ``append`` does.
        """
        ...

    def reset(self, chain: bytes) -> None:
        """Back to the genesis, while the database is recovering and the shard's row has this chain: delete its rows.

        A shard that is at its genesis is no error. Raises ``OwnershipLost`` when the row has another history.
        """
        ...

    def outbox(self, above: int, limit: int) -> list[OutboxRow]:
        """Rows with seq > ``above``, in order, at most ``limit``."""
        ...

    def due(self, now_ms: int, limit: int) -> list[str]:
        """Ids of sagas with ``due_ms <= now_ms``, earliest first."""
        ...

    def next_due(self) -> int | None:
        """The earliest ``due_ms`` of the shard."""
        ...

    def closed(self, before_ms: int, limit: int) -> list[tuple[str, int]]:
        """Sagas with ``ended_ms < before_ms`` and no open incident, those that ended first in front.

        The id of each, and how many events it has.
        """
        ...

    def trim_outbox(self, below: int) -> None:
        """Delete outbox rows with seq < ``below``; the row at the footer is kept."""
        ...

    def calling_s(self) -> float:
        """Called from another thread: for how many seconds the running call has been with the server; 0: none runs."""
        ...

    def terminate(self) -> None:
        """Called from another thread: break the connection, so that a call that hangs raises ``Unavailable``.

        Whether that call took effect is unknown. Harmless when repeated, and after ``close``.
        """
        ...

    def close(self) -> None:
        """Close the connection; harmless when repeated."""
        ...


class Tables(Protocol):
    """The rows of one shard at one moment, each with its batch, in the order of their keys (ids by their bytes)."""

    def snapshot(self) -> Snapshot:
        """As ``ShardStore.snapshot``."""
        ...

    def outbox(self, above: int, limit: int) -> list[OutboxRow]:
        """As ``ShardStore.outbox``."""
        ...

    def events(self) -> Iterator[tuple[int, EventRow]]:
        """Every event."""
        ...

    def sagas(self) -> Iterator[tuple[int, StoredSaga]]:
        """Every saga."""
        ...

    def incidents(self) -> Iterator[tuple[int, IncidentRow]]:
        """Every incident."""
        ...


class Store(Protocol):
    """One database as one namespace uses it."""

    def meta(self) -> Meta:
        """Raises ``ConfigError`` when the schema is missing or of another format."""
        ...

    def shard(self, shard: int, state: DatabaseState = "ready") -> ShardStore:
        """A new connection for this shard, which changes it while the database is in this state only.

        Raises ``ConfigError`` for wrong credentials or a missing database.
        """
        ...

    def tables(self, shard: int) -> AbstractContextManager[Tables]:
        """The rows of a shard as they are now, for as long as the block runs; nobody is kept from changing them."""
        ...

    def recovering(self) -> AbstractContextManager[None]:
        """While the block runs no other process has such a block. Raises ``Unavailable`` when one has."""
        ...

    def set_state(self, state: DatabaseState) -> None:
        """Set ``meta.state``; appends that had begun under another state are over when it returns."""
        ...

    def save_definitions(self, definitions: Sequence[Definition]) -> None:
        """Fill the cache table from what the definitions topic says; idempotent.

        Each name given has the active hash given here, or none; names not given stay as they are.
        """
        ...

    def definitions(self) -> list[Definition]:
        """The cache table, by name and hash."""
        ...

    def open_incidents(self) -> dict[int, int]:
        """How many incidents are open in each shard that has any."""
        ...

    def interrupt(self, longer_than_s: float) -> bool:
        """Called from another thread: break calls of the store itself that last longer; whether there were any.

        They raise ``Unavailable``; those of its shard stores have ``terminate``.
        """
        ...

    def close(self) -> None:
        """Close what the store itself holds."""
        ...
