"""The last committed record of a partition that is wanted, the whole of a small topic, any part of a large one.

Reads only what is committed. A partition's offsets have gaps (control records, aborted transactions, compaction,
deleted beginnings), so a window of offsets may hold nothing, and the next record may lie behind it.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from orchestrator.broker import configuration
from orchestrator.broker.admin import Admin
from orchestrator.broker.client import made
from orchestrator.broker.inputs import record_of
from orchestrator.broker.translation import ConnectionTrouble, Local
from orchestrator.errors import OrchestratorError, Unavailable
from orchestrator.turns import waiting
from orchestrator.wire.record import IncomingRecord

ANSWER_SECONDS: Final = 10.0
"""How long one question, or one window, may take."""
FIRST_WINDOW: Final = 64
"""Offsets: the last footer is the last record but for a control record, so one window is almost always enough."""
POLL_SECONDS: Final = 0.5
CONSUME_MAX: Final = 1_000


class PartitionReader:
    """A consumer that reads one partition at a time, from where it is told; used by one thread at a time."""

    def __init__(self, connection: configuration.Connection, settings: configuration.Configuration) -> None:
        self._trouble = ConnectionTrouble()
        self._group = str(settings["group.id"])
        self._place = ""
        self._consumer: Consumer | None = made(Consumer, {**connection.client(self._trouble), **settings})

    def start(self, topic: str, partition: int, offset: int) -> None:
        """Read on from here; what was read ahead elsewhere is forgotten."""
        self._place = f"{topic}[{partition}]"
        self._living().assign([TopicPartition(topic, partition, offset)])

    def read(self, take: Callable[[IncomingRecord], None], position: int, end: int) -> int:
        """Hand over every record below ``end``, and what came with them; return the position after all of it.

        ``position`` is where it stands. Raises as ``pages`` does.
        """
        for page, after in self.pages(position, end):
            for record in page:
                take(record)
            position = after
        return position

    def pages(self, position: int, end: int) -> Iterator[tuple[list[IncomingRecord], int]]:
        """Records as they come, and the position after them, until it is ``end``; the last may bring more.

        ``position`` is where it stands.
        Raises ``Unavailable`` when nothing comes for ``ANSWER_SECONDS``, and for any error but end-of-partition.
        """
        consumer, until = self._living(), time.monotonic() + ANSWER_SECONDS
        while position < end:
            first = consumer.poll(POLL_SECONDS)
            if first is None:
                if time.monotonic() > until:
                    raise Unavailable(f"Kafka: expected records up to offset {end}, got none behind {position} in time")
                continue
            page: list[IncomingRecord] = []
            for message in (first, *consumer.consume(CONSUME_MAX, 0)):
                error, offset = message.error(), message.offset()
                if error is None:
                    record = record_of(message)
                    position = record.offset + 1
                    page.append(record)
                elif error.code() == Local.PARTITION_EOF and offset is not None:
                    position = max(position, offset)
                else:
                    doing = f"read {self._place} up to offset {end} in the name of the consumer group {self._group}"
                    raise self._trouble.explained(error, doing)
            yield page, position
            until = time.monotonic() + ANSWER_SECONDS

    def stop(self) -> None:
        """Fetch nothing more until the next ``start``."""
        self._living().unassign()

    def _living(self) -> Consumer:
        if self._consumer is None:
            raise Unavailable("Kafka: expected a reader in use, got one that was closed")
        return self._consumer

    def close(self) -> None:
        """Dropping the last reference destroys the consumer; ``Consumer.close()`` would wait for the brokers."""
        self._consumer = None


class Tail:
    """``Broker.last``: one consumer for all partitions, whose calls wait for each other (4 ms each, measured)."""

    def __init__(self, connection: configuration.Connection, group: str, admin: Admin) -> None:
        self._connection = connection
        self._group = group
        self._admin = admin
        self._lock = threading.Lock()
        self._reader: PartitionReader | None = None

    def last(self, topic: str, partition: int, wanted: Callable[[IncomingRecord], bool]) -> IncomingRecord | None:
        """See the port."""
        (low,), (end,) = self._admin.beginnings([(topic, partition)]), self._admin.stable_ends([(topic, partition)])
        with self._lock:
            if self._reader is None:
                self._reader = PartitionReader(self._connection, configuration.backwards(self._group))
            found: list[IncomingRecord] = []
            window = FIRST_WINDOW
            try:
                while end > low and not found:
                    start = max(low, end - window)
                    self._reader.start(topic, partition, start)
                    self._reader.read(lambda record: found.append(record) if wanted(record) else None, start, end)
                    end, window = start, window * 2
                self._reader.stop()
            except OrchestratorError:
                self._throw_away()
                raise
            return found[-1] if found else None

    def last_open(self, topic: str, partition: int, wanted: Callable[[IncomingRecord], bool]) -> IncomingRecord | None:
        """See the port; asked once in a blue moon, by a consumer of its own."""
        place = [(topic, partition)]
        (start,), (end,) = self._admin.stable_ends(place), self._admin.high_watermarks(place)
        found: list[IncomingRecord] = []
        reader = PartitionReader(self._connection, configuration.undecided(self._group))
        try:
            reader.start(topic, partition, start)
            reader.read(lambda record: found.append(record) if wanted(record) else None, start, end)
        finally:
            reader.close()
        return found[-1] if found else None

    def _throw_away(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def close(self) -> None:
        """Close the consumer."""
        with self._lock:
            self._throw_away()


class KafkaFollower:
    """Reads ``topic[0]`` from its first record; see the port. Calls wait for each other."""

    def __init__(self, connection: configuration.Connection, group: str, admin: Admin, topic: str) -> None:
        self._connection = connection
        self._group = group
        self._admin = admin
        self._topic = topic
        self._lock = threading.Lock()
        self._reader: PartitionReader | None = None
        """It reads ahead between the calls."""
        self._next = 0

    @waiting()
    def catch_up(self) -> list[IncomingRecord]:
        """See the port. A topic that was deleted and created again is read from its new beginning."""
        with self._lock:
            # Asked by another connection: on the reader's own it would wait for the end of its long-polling fetch.
            (end,) = self._admin.stable_ends([(self._topic, 0)])
            if end < self._next:
                self._throw_away()
                self._next = 0
            if self._reader is None:
                self._next = max(self._next, *self._admin.beginnings([(self._topic, 0)]))
                self._reader = PartitionReader(self._connection, configuration.inputs(self._group))
                self._reader.start(self._topic, 0, self._next)
            records: list[IncomingRecord] = []
            try:
                self._next = self._reader.read(records.append, self._next, end)
            except OrchestratorError:
                self._throw_away()  # what was read of it is read again
                raise
            return records

    def _throw_away(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def close(self) -> None:
        """See the port."""
        with self._lock:
            self._throw_away()


class KafkaHistory:
    """Reads one partition from where it is told; see the port."""

    def __init__(self, connection: configuration.Connection, group: str, admin: Admin, place: tuple[str, int]) -> None:
        self._connection = connection
        self._group = group
        self._admin = admin
        self._place = place
        self._reader: PartitionReader | None = None

    def bounds(self) -> tuple[int, int]:
        """See the port."""
        (first,), (end,) = self._admin.beginnings([self._place]), self._admin.stable_ends([self._place])
        return first, end

    def pages(self, start: int, end: int) -> Iterator[Sequence[IncomingRecord]]:
        """See the port. Raises ``Unavailable``; what an earlier call has read ahead is forgotten."""
        if self._reader is None:
            self._reader = PartitionReader(self._connection, configuration.history(self._group))
        self._reader.start(*self._place, start)
        for page, _ in self._reader.pages(start, end):
            yield [record for record in page if record.offset < end] if page and page[-1].offset >= end else page

    def close(self) -> None:
        """See the port."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
