"""Compares a living shard with its journal, row by row, and stops nobody.

The journal is folded first, at whatever rate; then the tables are read at one moment, what was decided until then is
folded too, from the journal or, where it is not published yet, from the outbox of that moment; and both are walked
through in the order of their keys.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, is_dataclass, replace
from hashlib import sha256
from typing import Any, Final, TypeAlias

from orchestrator.broker.port import Broker, History
from orchestrator.engine.state import dumps
from orchestrator.errors import ChainsDiverged, DatabaseBehind, JournalCorrupt
from orchestrator.recovery.loading import Loader, Step
from orchestrator.recovery.proof import ChainProof
from orchestrator.recovery.recovery import Namespace
from orchestrator.recovery.scratch import Scratch
from orchestrator.shard.batch import unsealed
from orchestrator.shard.catalogue import Catalogue
from orchestrator.shard.sagas import state_of
from orchestrator.store.port import (
    GENESIS,
    Definition,
    EventRow,
    IncidentRow,
    OutboxRow,
    SagaRow,
    ShardRow,
    StoredSaga,
    Tables,
)
from orchestrator.wire.journal import footer_record, is_entry
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics

OUTBOX_READ: Final = 32
"""Outbox rows that are read at once."""
TEXT_MAX: Final = 200
"""Characters of each side of a difference."""
CAUGHT_UP: Final = 2_000
"""Offsets of a journal: so few are read within the seconds for which tables may be kept at one moment."""
CATCH_UPS: Final = 5
"""How often what came meanwhile is folded, until it is few: in each round less, if the rate is above the traffic's."""
DIGITS: Final = 16
"""Of a hash that a person compares."""

Rows: TypeAlias = Iterator[tuple[int, Any]]
"""Each with the batch that wrote it."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One table, of one shard but for the definitions."""

    table: str
    rows: int
    """That the journal folds to."""
    journal: str
    """The canonical hash: sha256 of all rows in the order of their keys."""
    database: str
    difference: str | None
    """The first one, with both sides; None: the two are equal."""


@dataclass(frozen=True, slots=True)
class Verified:
    """One shard, as of one batch."""

    shard: int
    seq: int
    chain: bytes
    tables: tuple[Compared, ...]

    @property
    def differences(self) -> list[str]:
        """What is not as the journal says."""
        return [each.difference for each in self.tables if each.difference is not None]


@dataclass(frozen=True, slots=True)
class Proven:
    """One shard's journal, proved to its end."""

    shard: int
    seq: int
    chain: bytes
    records: int


def prove(broker: Broker, topics: Topics, shard: int) -> Proven:
    """Prove a whole journal from Kafka alone. Raises ``JournalCorrupt``, which names the first record that is wrong.

    That its last transactions are gone is not to be seen from Kafka alone.
    """
    proof, records = ChainProof(0, GENESIS), 0
    with closing(broker.history(topics.journal, shard)) as history:
        first, end = history.bounds()
        for page in history.pages(first, end):
            records += len(page)
            for record in page:
                proof.take(record)
    proof.expect_whole()
    if first > 0 and not records:
        raise JournalCorrupt(
            f"{topics.journal}[{shard}]: expected a journal from its first record on, got none below offset {first}: "
            f"they were deleted (its retention must be unlimited): keep the database, and restore the topic from its "
            f"replicas or a copy"
        )
    return Proven(shard, proof.seq, proof.chain, records)


def verify(namespace: Namespace, shard: int, cache: int, tell: Callable[[Step], None] = lambda _: None) -> Verified:
    """Compare a shard's tables with its journal; ``tell`` may wait, so as to bound the rate, and is told all of it.

    Tables are kept at one moment only once the journal is folded but for what came a moment ago, which is folded as
    fast as it can be: a server ends a session that waits in its transaction.

    Raises ``JournalCorrupt``, and ``DatabaseBehind`` or ``ChainsDiverged`` for a database of another history.
    """
    topics = namespace.topics
    with Scratch() as scratch, closing(namespace.broker.history(topics.journal, shard)) as history:
        loader = Loader(shard, scratch, ChainProof(0, GENESIS), cache, tell)
        read = _fold(history, loader)
        late: list[Step] = []
        loader.tell = late.append
        with namespace.store.tables(shard) as tables:
            row = tables.snapshot().row
            _follow(history, read, loader, tables, topics)
            if (loader.seq, loader.chain) != (row.seq, row.chain):
                raise _other_history(shard, loader, row.seq)
            pairs: list[tuple[str, Rows, Rows]] = [
                ("events", scratch.events(), tables.events()),
                ("sagas", _whole(scratch.stored_sagas()), _as_found(tables.sagas())),
                ("incidents", scratch.incidents(), tables.incidents()),
                ("offsets", iter([(row.seq, scratch.head)]), iter([(row.seq, _head_of(row))])),
            ]
            compared = tuple(_compare(f"shard {shard}, {table}", *both) for table, *both in pairs)
        for step in late:
            tell(step)
        return Verified(shard, row.seq, row.chain, compared)


def verify_definitions(namespace: Namespace) -> Compared:
    """Compare the cache of definitions with its topic. Raises ``Unavailable``."""
    published: list[Definition] = []
    with closing(Catalogue(namespace.broker, namespace.topics, published.extend)) as catalogue:
        catalogue.refresh()
        catalogue.save()
    rows = sorted(published, key=lambda each: (each.name, each.hash))
    return _compare("definitions", ((0, each) for each in rows), ((0, each) for each in namespace.store.definitions()))


def _fold(history: History, loader: Loader) -> int:
    """Fold the journal up to about its end; returns the offset below which it is."""
    read, end = history.bounds()
    for _ in range(CATCH_UPS):
        for page in history.pages(read, end):
            loader.take(page)
        loader.flush()
        read, (_, end) = end, history.bounds()
        if end - read <= CAUGHT_UP:
            break
    return read


def _head_of(row: ShardRow) -> tuple[int, int, int]:
    return row.next_requests, row.next_replies, row.now_ms


def _follow(history: History, start: int, loader: Loader, tables: Tables, topics: Topics) -> None:
    """Fold what was decided since, up to the batch that the tables are at."""
    row = tables.snapshot().row
    if loader.seq < row.seq:
        _, end = history.bounds()
        for page in history.pages(start, end):
            if not loader.take(page, row.seq):
                break
        loader.flush()
    while loader.seq < row.seq and (waiting := tables.outbox(loader.seq, OUTBOX_READ)):
        for each in waiting:
            loader.take(_as_read(each, topics, row.shard))
        loader.flush()


def _as_read(row: OutboxRow, topics: Topics, shard: int) -> Iterator[IncomingRecord]:
    """What the journal will have of a batch that is not published yet."""
    batch = unsealed(row)
    footer = footer_record(topics, shard, [batch.footer], {})
    for record in (*filter(is_entry, batch.records), footer):
        yield _read_back(record)


def _read_back(record: OutgoingRecord) -> IncomingRecord:
    return IncomingRecord(record.topic, record.partition, -1, 0, record.key, record.headers, record.value)


def _other_history(shard: int, loader: Loader, seq: int) -> Exception:
    where = f"shard {shard}: the database is at batch {seq}, the journal at {loader.seq}"
    if loader.seq > seq:
        return DatabaseBehind(f"{where}: expected a database that has all of its journal: `saga recover`")
    if loader.seq < seq:
        return JournalCorrupt(f"{where}: expected the rest in the outbox, it has no such batch")
    return ChainsDiverged(f"{where}: expected the journal's chain, got another one: `saga recover`")


def _whole(sagas: Iterator[tuple[int, StoredSaga]]) -> Rows:
    """With their states, wherever these are written: what counts is what an owner would read."""
    for seq, stored in sagas:
        yield seq, replace(stored.row, state=dumps(state_of(stored)))


def _as_found(sagas: Iterator[tuple[int, StoredSaga]]) -> Rows:
    """The same of rows that anybody may have changed: one that cannot be read is a difference, and no end."""
    for seq, stored in sagas:
        try:
            (found,) = _whole(iter([(seq, stored)]))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a row is what the comparison is to tell
            found = seq, replace(stored.row, state=f"what cannot be read: {type(error).__name__}: {error}")
        yield found


def _compare(table: str, journal: Rows, database: Rows) -> Compared:
    hashes, count, difference = (sha256(), sha256()), 0, None
    while True:
        sides = next(journal, None), next(database, None)
        if sides == (None, None):
            break
        count += sides[0] is not None
        for digest, side in zip(hashes, sides, strict=True):
            if side is not None:
                digest.update(f"{side!r}\n".encode())
        if sides[0] != sides[1] and difference is None:
            difference = f"{table}: {_difference(*sides)}"
    return Compared(table, count, hashes[0].hexdigest(), hashes[1].hexdigest(), difference)


def _difference(journal: tuple[int, Any] | None, database: tuple[int, Any] | None) -> str:
    if journal is None or database is None:
        texts = ["no such row" if side is None else _shown(side[1]) for side in (journal, database)]
        return f"the journal says {texts[0]}; the database has {texts[1]}"
    keys = _name_of(journal[1]), _name_of(database[1])
    if keys[0] != keys[1]:
        return f"a row is missing on one side: the journal says {keys[0][:-2]}; the database has {keys[1][:-2]}"
    sides = [{"batch": seq} | _fields(row) for seq, row in (journal, database)]
    names = [name for name in sides[0] if sides[0][name] != sides[1].get(name)]
    told = [
        f"{name}: the journal says {_shown(sides[0][name])}; the database has {_shown(sides[1].get(name))}"
        for name in names
    ]
    return f"{_name_of(journal[1])}{', '.join(told)}"


def _fields(row: object) -> dict[str, object]:
    return asdict(row) if is_dataclass(row) and not isinstance(row, type) else {"row": row}


def _name_of(row: object) -> str:
    """What a person finds the row by."""
    match row:
        case EventRow() | IncidentRow():
            return f"{row.saga_id}, number {row.number}: "
        case SagaRow():
            return f"{row.saga_id}: "
        case Definition():
            return f"{row.name}, {row.hash[:DIGITS]}: "
        case _:
            return ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"
