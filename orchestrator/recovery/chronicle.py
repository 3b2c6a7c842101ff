"""One saga as the journal alone tells it, whatever has become of the database; reads only, and proves nothing."""

from contextlib import closing
from dataclasses import dataclass
from itertools import chain

from orchestrator.blueprint.model import Blueprint
from orchestrator.broker.definitions import DefinitionTopic
from orchestrator.broker.port import Broker
from orchestrator.engine.evolve import fold
from orchestrator.engine.state import SagaState
from orchestrator.errors import JournalCorrupt, MessageRejected, TopicMismatch
from orchestrator.store.port import EventRow
from orchestrator.store.reader import ListedEvent
from orchestrator.wire.headers import place_of
from orchestrator.wire.journal import JournalEntry, is_entry, parse_entry
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


def read_chronicle(broker: Broker, topics: Topics, saga_id: str) -> Chronicle | None:
    """Read the journal of the saga's shard from its first record to its end; None: there is no such saga.

    Raises ``Unavailable``, ``TopicMismatch`` when there is no journal, ``JournalCorrupt`` when an event is missing.
    """
    journal = broker.topics([topics.journal]).get(topics.journal)
    if journal is None:
        raise TopicMismatch(
            f"topic {topics.journal}: expected the journal of the namespace, it does not exist: name another "
            f"SAGA_NAMESPACE or SAGA_KAFKA"
        )
    shard = partition_of(saga_id, journal.partitions)
    state: SagaState | None = None
    events: list[ListedEvent] = []
    with closing(broker.history(topics.journal, shard)) as history:
        for record in chain.from_iterable(history.pages(*history.bounds())):
            if record.key == saga_id.encode() and is_entry(record):
                entry = _entry_of(record, len(events) + 1)
                state = fold(state, entry.events)
                events += _rows(shard, entry)
    return None if state is None else Chronicle(shard, state, events, _blueprint(broker, topics, state.blueprint))


def _entry_of(record: IncomingRecord, number: int) -> JournalEntry:
    try:
        entry = parse_entry(record.value)
    except MessageRejected as error:
        raise JournalCorrupt(f"{place_of(record)}: {error}: `saga verify --chain` tells what was changed") from error
    if entry.number != number:
        raise JournalCorrupt(
            f"{place_of(record)}: expected event {number} of saga {entry.saga_id}, got {entry.number}: the journal "
            f"lacks records: `saga verify --chain` tells which"
        )
    return entry


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
