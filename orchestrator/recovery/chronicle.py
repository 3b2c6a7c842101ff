"""One saga as the journal alone tells it, whatever has become of the database; reads only, and proves nothing."""

from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import assert_never

from orchestrator.blueprint.model import Blueprint
from orchestrator.broker.definitions import DefinitionTopic
from orchestrator.broker.port import Broker
from orchestrator.engine.evolve import fold
from orchestrator.engine.state import SagaState
from orchestrator.errors import JournalCorrupt, MessageRejected, TopicMismatch
from orchestrator.store.port import EventRow
from orchestrator.store.reader import ListedEvent
from orchestrator.wire.headers import place_of
from orchestrator.wire.journal import Entry, JournalEntry, SagasTrimmed, is_entry, parse_entry
from orchestrator.wire.partition import partition_of
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.topics import Topics


@dataclass(frozen=True, slots=True)
class Chronicle:
    """A saga and everything that happened to it; all of it is published."""

    shard: int
    state: SagaState
    events: list[ListedEvent]
    """In order, from number 1 on."""
    blueprint: Blueprint | None
    """None: the definitions topic does not have it."""
    trimmed: bool = False
    """Whether its rows have left the database."""
    earlier: "tuple[Chronicle, ...]" = ()
    """Sagas that had this id before it, the oldest first; each was trimmed before the next one was started."""


@dataclass(slots=True)
class _Life:
    """What one saga of the id has come to, as far as the journal was read."""

    state: SagaState | None = None
    events: list[ListedEvent] = field(default_factory=list[ListedEvent])
    trimmed: bool = False


def read_chronicle(broker: Broker, topics: Topics, saga_id: str) -> Chronicle | None:
    """Read the journal of the saga's shard from its first record to its end; None: there is no such saga.

    Of an id that was used again after its saga was trimmed: the last one, and ``earlier`` those before it.

    Raises ``Unavailable``, ``TopicMismatch`` when there is no journal, ``JournalCorrupt`` when an event is missing.
    """
    journal = broker.topics([topics.journal]).get(topics.journal)
    if journal is None:
        raise TopicMismatch(
            f"topic {topics.journal}: expected the journal of the namespace, it does not exist: name another "
            f"SAGA_NAMESPACE or SAGA_KAFKA"
        )
    shard = partition_of(saga_id, journal.partitions)
    lives = [_Life()]
    with closing(broker.history(topics.journal, shard)) as history:
        for record in chain.from_iterable(history.pages(*history.bounds())):
            if record.key in (saga_id.encode(), None) and is_entry(record):
                _take(lives, shard, saga_id, record)
    found = [
        Chronicle(shard, life.state, life.events, _blueprint(broker, topics, life.state.blueprint), life.trimmed)
        for life in lives
        if life.state is not None
    ]
    return replace(found[-1], earlier=tuple(found[:-1])) if found else None


def _take(lives: list[_Life], shard: int, saga_id: str, record: IncomingRecord) -> None:
    entry, life = _entry_of(record), lives[-1]
    match entry:
        case SagasTrimmed():
            life.trimmed = life.trimmed or saga_id in entry.saga_ids
        case JournalEntry():
            if life.trimmed:
                life = _Life()
                lives.append(life)
            if entry.number != len(life.events) + 1:
                raise JournalCorrupt(
                    f"{place_of(record)}: expected event {len(life.events) + 1} of saga {entry.saga_id}, got "
                    f"{entry.number}: the journal lacks records: `saga verify --chain` tells which"
                )
            life.state = fold(life.state, entry.events)
            life.events += _rows(shard, entry)
        case _:
            assert_never(entry)


def _entry_of(record: IncomingRecord) -> Entry:
    try:
        return parse_entry(record.value)
    except MessageRejected as error:
        raise JournalCorrupt(f"{place_of(record)}: {error}: `saga verify --chain` tells what was changed") from error


def _rows(shard: int, entry: JournalEntry) -> list[ListedEvent]:
    topic, partition, offset = entry.cause or (None, None, None)
    return [
        ListedEvent(
            shard,
            entry.seq,
            EventRow(entry.saga_id, number, kind, data, topic, partition, offset),
            published=True,
        )
        for number, (kind, data) in enumerate(entry.events, entry.number)
    ]


def _blueprint(broker: Broker, topics: Topics, hash_: str) -> Blueprint | None:
    with closing(DefinitionTopic(broker, topics)) as definitions:
        definitions.refresh()
        return next((known.blueprint for known in definitions.published() if known.blueprint.hash == hash_), None)
