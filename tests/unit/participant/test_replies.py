"""The producer of replies when Kafka is silent, or slower than the replies."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from orchestrator.broker.configuration import Connection
from orchestrator.errors import Unavailable
from orchestrator.participant import replies as module
from orchestrator.participant.offsets import Offsets, Span
from orchestrator.participant.replies import Reply, ReplyProducer
from orchestrator.wire.record import IncomingRecord, OutgoingRecord

COMMAND = IncomingRecord("bank.commands", 0, 0, 0, b"k")
REPLIES = 10


class Kafka:
    """What librdkafka's producer does with replies; has room for two until it is flushed."""

    def __init__(self) -> None:
        self.silent = False
        self.looked_up: list[str] = []
        self.waiting: list[Callable[[], None]] = []
        self.stored: list[bytes] = []

    def list_topics(self, topic: str, _timeout: float) -> Any:
        self.looked_up.append(topic)
        if self.silent:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        found = type("Topic", (), {"error": None})
        return type("Metadata", (), {"topics": {topic: found}})

    def produce(self, *record: Any, headers: object, on_delivery: Callable[[Any, Any], None]) -> None:
        del headers
        if len(self.waiting) == 2:
            raise BufferError("Local: Queue full")

        def store() -> None:
            self.stored.append(record[1])
            on_delivery(None, None)

        self.waiting.append(store)

    def flush(self, _timeout: float) -> None:
        waiting, self.waiting = self.waiting, []
        for store in waiting:
            store()

    def __len__(self) -> int:
        return len(self.waiting)

    def poll(self, _timeout: float) -> None: ...

    def purge(self) -> None: ...


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()

    def made(*_: object) -> Kafka:
        return kafka

    monkeypatch.setattr(module, "made", made)
    return kafka


def posted(offsets: Offsets) -> ReplyProducer:
    """A producer with replies to send, to as many topics, and closed."""

    def too_large(*_: object) -> OutgoingRecord:
        raise AssertionError("nothing is too large")

    span = Span(0, REPLIES, REPLIES)
    offsets.opened(span)
    producer = ReplyProducer(Connection("localhost:1", {}), "bank", offsets, too_large)
    for number in range(REPLIES):
        producer.post(Reply(COMMAND, span, OutgoingRecord(f"t{number}.replies", 0, b"k", (), b"%d" % number)))
    producer.start()
    producer.close()
    return producer


def test_replies_that_fill_the_queue_wait_for_room(kafka: Kafka) -> None:
    offsets = Offsets()
    producer = posted(offsets)
    assert producer.failure is None
    assert kafka.stored == [b"%d" % number for number in range(REPLIES)]
    assert offsets.take_committable() == {0: REPLIES}


def test_a_silent_kafka_is_waited_for_once_and_not_by_each_reply(kafka: Kafka) -> None:
    kafka.silent = True
    offsets = Offsets()
    producer = posted(offsets)
    assert isinstance(producer.failure, Unavailable)
    assert kafka.looked_up == ["t0.replies"]
    assert offsets.take_committable() == {}
