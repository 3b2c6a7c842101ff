"""One face for both clusters, so that one suite can look at what each broker does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Protocol, TypeVar

from confluent_kafka.admin import AdminClient

from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.memory import MemoryBroker, MemoryCluster
from orchestrator.broker.port import Broker, Inputs
from orchestrator.broker.topology import namespace_topics
from orchestrator.wire.record import Headers, IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics

SHARDS = 4
PATIENCE_SECONDS = 20.0
Found = TypeVar("Found")


class Cluster(Protocol):
    """A cluster with one namespace of ``SHARDS`` shards."""

    names: Topics

    def process(self, transaction_timeout_ms: int = 10_000) -> Broker:
        """What one more process has of the cluster."""
        ...

    def delete_topic(self, name: str) -> None:
        """Return when it is gone."""
        ...

    def eventually(self, look: Callable[[], Found | None]) -> Found:
        """What ``look`` finds at last; time passes meanwhile."""
        ...


@dataclass
class InMemory:
    """The clock moves on only while somebody waits for something."""

    clock_ms: int = 1_700_000_000_000
    names: Topics = field(default_factory=lambda: Topics("saga"))

    def __post_init__(self) -> None:
        self.cluster = MemoryCluster(now_ms=lambda: self.clock_ms)
        self.process().create(namespace_topics(self.names, SHARDS))

    def process(self, transaction_timeout_ms: int = 10_000) -> Broker:
        return MemoryBroker(self.cluster, self.names, transaction_timeout_ms=transaction_timeout_ms)

    def delete_topic(self, name: str) -> None:
        self.cluster.delete_topic(name)

    def eventually(self, look: Callable[[], Found | None]) -> Found:
        for _ in range(1_000):
            found = look()
            if found is not None:
                return found
            self.clock_ms += 100
        message = "it did not happen within 100 s of the clock"
        raise AssertionError(message)


class InKafka:
    """A namespace of its own in a real cluster."""

    def __init__(self, bootstrap: str, namespace: str) -> None:
        self.bootstrap = bootstrap
        self.names = Topics(namespace)
        self._processes: list[KafkaBroker] = []
        self.process().create(namespace_topics(self.names, SHARDS))

    def process(self, transaction_timeout_ms: int = 10_000) -> Broker:
        broker = KafkaBroker(self.bootstrap, self.names, transaction_timeout_ms=transaction_timeout_ms)
        self._processes.append(broker)
        return broker

    def delete_topic(self, name: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.delete_topics([name])[name].result()
        broker = self.process()
        self.eventually(lambda: None if broker.topics([name]) else True)

    def eventually(self, look: Callable[[], Found | None]) -> Found:
        until = monotonic() + PATIENCE_SECONDS
        while monotonic() < until:  # `look` asks a server each time, or waits for one
            found = look()
            if found is not None:
                return found
        message = f"it did not happen within {PATIENCE_SECONDS:.0f} s"
        raise AssertionError(message)

    def close(self) -> None:
        for broker in self._processes:
            broker.close()


def record(
    topic: str, value: bytes | None, partition: int = 1, key: bytes | None = b"k", headers: Headers = ()
) -> OutgoingRecord:
    return OutgoingRecord(topic, partition, key, headers, value)


def incompressible(size: int) -> bytes:
    """Bytes that no compression makes fewer: a topic bounds the compressed batch."""
    return Random(1).randbytes(size)


def values(records: Sequence[IncomingRecord]) -> list[bytes | None]:
    return [each.value for each in records]


def read(cluster: Cluster, inputs: Inputs, count: int, limit: int = 1_000) -> list[IncomingRecord]:
    """The next ``count`` records, in the polls they came in."""
    records: list[IncomingRecord] = []

    def enough() -> bool | None:
        inputs.wait(0 if isinstance(cluster, InMemory) else 0.2)
        records.extend(inputs.poll(limit))
        return True if len(records) >= count else None

    if count:
        cluster.eventually(enough)
    return records


def read_to_the_end(cluster: Cluster, broker: Broker, inputs: Inputs, shard: int = 1) -> list[IncomingRecord]:
    """Everything up to the high watermarks as they are now."""
    ends, records = broker.input_ends(shard), list[IncomingRecord]()

    def there() -> bool | None:
        inputs.wait(0 if isinstance(cluster, InMemory) else 0.2)
        records.extend(inputs.poll(1_000))
        return True if inputs.position() == ends else None

    cluster.eventually(there)
    return records
