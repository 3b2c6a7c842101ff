"""A read_committed consumer that reads every topic from its first record on, while everything else goes on.

In a thread of its own; keeps all records, for the audit.
"""

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from orchestrator.broker.admin import Admin
from orchestrator.broker.configuration import Connection
from orchestrator.broker.inputs import record_of
from orchestrator.broker.translation import Local
from orchestrator.errors import Unavailable

if TYPE_CHECKING:
    from orchestrator.wire.record import IncomingRecord

POLL_S: Final = 0.1
POLL_MAX: Final = 2_000
END_S: Final = 30.0
"""How long it may be silent while there is more to read."""

Place = tuple[str, int]


class Watcher:
    """``with Watcher(kafka, {topic: partitions}) as watcher: …; watcher.finish(); watcher.records``."""

    def __init__(self, kafka: str, topics: Mapping[str, int]) -> None:
        """Connects nothing yet."""
        self._kafka = kafka
        self._places = [(topic, partition) for topic, count in topics.items() for partition in range(count)]
        self._consumer: Consumer | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._reached: dict[Place, int] = {}
        self.records: list[IncomingRecord] = []
        """Everything read, each partition in order."""
        self.failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._consumer = Consumer(
            {
                "bootstrap.servers": self._kafka,
                "group.id": "watcher",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                # The orchestrator deletes replies that are in the journal: one that it is faster with leaves a gap in
                # the offsets, for which the audit wants the journal's word.
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 100,
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in self._places])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        assert self._consumer is not None
        self._consumer.close()

    def wait_for(self, topic: str, partitions: int, timeout_s: float) -> None:
        """Return when something was read of so many partitions of the topic. Raises ``Unavailable``."""
        until = time.monotonic() + timeout_s
        while sum(place[0] == topic and end > 0 for place, end in self._reached.copy().items()) < partitions:
            if self.failure is not None:
                raise self.failure
            if time.monotonic() > until:
                raise Unavailable(f"expected records in {partitions} partitions of {topic} within {timeout_s:.0f} s")
            self._thread.join(POLL_S)

    def finish(self) -> None:
        """Return when everything is read that is in the topics now. Raises ``Unavailable`` when it does not come."""
        ends = self._ends()
        read, since = 0, time.monotonic()
        while waiting := {place: end for place, end in ends.items() if self._reached.get(place, 0) < end}:
            if self.failure is not None:
                raise self.failure
            if len(self.records) > read:
                read, since = len(self.records), time.monotonic()
            elif time.monotonic() - since > END_S:
                behind = {place: (self._reached.get(place, 0), end) for place, end in waiting.items()}
                raise Unavailable(
                    f"expected the watcher to reach the ends, it read nothing for {END_S:.0f} s: {behind}"
                )
            self._thread.join(POLL_S)

    def _ends(self) -> dict[Place, int]:
        # A client of its own: the consumer lets nobody else in while it polls.
        admin = Admin(Connection(self._kafka))
        return dict(zip(self._places, admin.stable_ends(self._places), strict=True))

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._read()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the end is told
            self.failure = error

    def _read(self) -> None:
        assert self._consumer is not None
        first = self._consumer.poll(POLL_S)
        if first is None:
            return
        for message in (first, *self._consumer.consume(POLL_MAX, 0)):
            error = message.error()
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            if error is None:
                record = record_of(message)
                self.records.append(record)
                self._reached[record.topic, record.partition] = record.offset + 1
            elif error.code() == Local.PARTITION_EOF and topic and partition is not None and offset is not None:
                # Behind the records that end transactions, which nobody is handed.
                self._reached[topic, partition] = offset
            else:
                raise KafkaException(error)
