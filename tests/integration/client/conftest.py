"""The orchestrator's side of a client, made by hand: takes requests, writes answers and outcomes when it is told to."""

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, TopicPartition

from orchestrator.broker.inputs import record_of
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.topology import namespace_topics
from orchestrator.client.client import Client
from orchestrator.clock import now_ms
from orchestrator.settings import Settings
from orchestrator.wire.outcome import Outcome, outcome_record
from orchestrator.wire.request import Request, parse_request
from orchestrator.wire.topics import Topics

SHARDS = 3


@dataclass
class Orchestrator:
    settings: Settings
    broker: KafkaBroker
    topics: Topics

    def __post_init__(self) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": self.settings.kafka, "group.id": self.topics.namespace, "enable.auto.commit": False}
        )
        self._consumer.assign([TopicPartition(self.topics.requests, shard, 0) for shard in range(SHARDS)])
        self._shard_of: dict[str, int] = {}

    def next_request(self) -> Request:
        deadline = time.monotonic() + 60
        while (message := self._consumer.poll(0.1)) is None:
            assert time.monotonic() < deadline, "no request came"
        assert message.error() is None, message.error()
        record = record_of(message)
        request = parse_request(record)
        self._shard_of[request.saga_id] = record.partition
        return request

    def tell(self, *outcomes: Outcome) -> None:
        self.broker.publish(
            [outcome_record(self.topics, self._shard_of[outcome.saga_id], outcome, now_ms()) for outcome in outcomes]
        )

    def close(self) -> None:
        self._consumer.close()
        self.broker.close()


@pytest.fixture
def orchestrator(kafka: str, namespace: str) -> Generator[Orchestrator]:
    topics = Topics(namespace)
    broker = KafkaBroker(kafka, topics)
    broker.create(namespace_topics(topics, SHARDS))
    orchestrator = Orchestrator(Settings(kafka=kafka, namespace=namespace, shards=SHARDS), broker, topics)
    yield orchestrator
    orchestrator.close()


@pytest.fixture
def client(orchestrator: Orchestrator) -> Generator[Client]:
    with Client(orchestrator.settings) as client:
        yield client


@pytest.fixture
def aside() -> Generator[Callable[[Callable[[], None]], None]]:
    """Runs something in a thread beside the test, which must have ended well when the test ends."""
    threads: list[threading.Thread] = []
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - told to the test
                failures.append(error)

        threads.append(threading.Thread(target=guarded))
        threads[-1].start()

    yield run
    for thread in threads:
        thread.join(60)
    assert failures == []
