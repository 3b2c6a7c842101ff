"""The quarantine as an operator works with it: read whole, sent on its way again, or put down for good.

Reads and writes Kafka alone. A record that is sent again is a new record of its input topic: that it counts once is
the engine's doing, which knows a request by its id and a reply by its command and attempt.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

from orchestrator.broker.port import Broker
from orchestrator.errors import NotQuarantined, TopicMismatch
from orchestrator.wire.quarantine import (
    DISCARDED,
    REDRIVEN,
    Quarantined,
    Settlement,
    original_of,
    parse_quarantined,
    parse_settlement,
    settlement_record,
)
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics

Place = tuple[int, int]
"""Partition and offset in the quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which records of the quarantine; None: whichever."""

    places: frozenset[Place] | None = None
    """These alone, settled or not."""
    reason: str | None = None
    saga_id: str | None = None
    topic: str | None = None
    """Where they were read from."""
    since_ms: int | None = None
    settled: bool = False
    """Those that are settled, too."""

    def takes(self, found: Quarantined, settlement: Settlement | None) -> bool:
        """Whether it is one of them."""
        named = self.places is not None and (found.partition, found.offset) in self.places
        return (
            (named or self.places is None)
            and (named or self.settled or settlement is None)
            and self.reason in (None, found.reason)
            and self.saga_id in (None, found.saga_id)
            and self.topic in (None, found.topic)
            and (self.since_ms is None or found.at_ms >= self.since_ms)
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A record of the quarantine, and what was done about it."""

    record: IncomingRecord
    quarantined: Quarantined
    settlement: Settlement | None
    original: OutgoingRecord | str
    """What is sent when it is redriven; or why it cannot be."""


class Quarantine:
    """The quarantine of a namespace as it was when this was made: what comes later is no part of it.

    Raises ``TopicMismatch`` when there is none, and ``Unavailable``, as every call may.
    """

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._broker = broker
        self._topics = topics
        found = broker.topics([topics.quarantine])
        if topics.quarantine not in found:
            raise TopicMismatch(
                f"topic {topics.quarantine}: expected it to exist, it does not: `saga deploy FILE --create-topics` "
                f"makes it; or name another SAGA_NAMESPACE"
            )
        self._shards = found[topics.quarantine].partitions
        self._bounds = [self._bounds_of(partition) for partition in range(self._shards)]

    def chosen(self, choice: Choice) -> Iterator[Kept]:
        """What was chosen, partition by partition, the oldest first; a page of records in memory at a time."""
        partitions = range(self._shards) if choice.places is None else sorted({place[0] for place in choice.places})
        for partition in partitions:
            if partition < self._shards:
                yield from (kept for kept in self._of(partition) if choice.takes(kept.quarantined, kept.settlement))

    def check(self, places: Iterable[Place]) -> None:
        """Raises ``NotQuarantined`` for places where none is."""
        wanted = frozenset(places)
        found = {(kept.record.partition, kept.record.offset) for kept in self.chosen(Choice(places=wanted))}
        missing = ", ".join(f"{partition}/{offset}" for partition, offset in sorted(wanted - found))
        if missing:
            raise NotQuarantined(
                f"expected records of {self._topics.quarantine} at {missing}, got none: `saga quarantine list` shows "
                f"those that there are; they are kept for as long as the topic's retention.ms says"
            )

    def redrive(self, kept: Kept, by: str) -> None:
        """Send it on its way again, then say so: killed in between, it may be sent twice, and counts once.

        It can be redriven, see ``Kept.original``. Raises ``TopicMismatch`` when its topic does not take it any more.
        """
        assert isinstance(kept.original, OutgoingRecord), kept.original
        self._broker.publish([kept.original])
        self._broker.publish([settlement_record(kept.record, REDRIVEN, by)])

    def discard(self, kept: Kept, by: str) -> None:
        """Say that nothing shall be done about it; it stays where it is until its retention is over."""
        self._broker.publish([settlement_record(kept.record, DISCARDED, by)])

    def _bounds_of(self, partition: int) -> tuple[int, int]:
        with closing(self._broker.history(self._topics.quarantine, partition)) as history:
            return history.bounds()

    def _of(self, partition: int) -> Iterator[Kept]:
        """Read twice: what became of a record stands behind it."""
        start, end = self._bounds[partition]
        if start == end:
            return
        with closing(self._broker.history(self._topics.quarantine, partition)) as history:
            settlements: dict[int, Settlement] = {}
            for record in chain.from_iterable(history.pages(start, end)):
                settlement = parse_settlement(record)
                if settlement is not None:
                    settlements.setdefault(settlement.offset, settlement)
            for record in chain.from_iterable(history.pages(start, end)):
                if parse_settlement(record) is None:
                    original = original_of(record, self._topics, self._shards)
                    yield Kept(record, parse_quarantined(record), settlements.get(record.offset), original)
