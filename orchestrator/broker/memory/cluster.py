"""A Kafka cluster in memory: topics with identities and settings, logs, transactions, groups, and its faults."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from orchestrator import clock
from orchestrator.broker.memory.coordinator import CommitFault, Coordinator, HeldEnd
from orchestrator.broker.memory.group import Group
from orchestrator.broker.memory.log import PartitionLog
from orchestrator.broker.port import TopicDescription
from orchestrator.errors import NotAuthorized, TopicMismatch, Unavailable
from orchestrator.wire.record import IncomingRecord, OutgoingRecord

DEFAULTS: Final[Mapping[str, str]] = {
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "min.insync.replicas": "1",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "unclean.leader.election.enable": "false",
}
"""Kafka's, of the settings that we look at."""


@dataclass(slots=True)
class MemoryTopic:
    """One life of a topic: deleted and created again, it has another id."""

    id: str
    settings: Mapping[str, str]
    partitions: list[PartitionLog]
    operations: frozenset[str] | None = None
    """What its clients may do with it, in Kafka's words; None: everything."""

    @property
    def max_message_bytes(self) -> int:
        """The bytes of a record batch that it takes."""
        return int(self.settings["max.message.bytes"])


@dataclass
class MemoryCluster:
    """See the package. Methods that are not a client's are what a test does to the cluster."""

    now_ms: Callable[[], int] = clock.now_ms
    answering: bool = True
    """False: no server answers, every call raises ``Unavailable``."""
    topics: dict[str, MemoryTopic] = field(default_factory=dict[str, MemoryTopic])

    def __post_init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        """Its lock guards everything; it is notified whenever there may be more to read."""
        self.coordinator = Coordinator(self.now_ms)
        self._groups: dict[str, Group] = {}
        self._created = 0

    # ------------------------------------------------------------ what clients do, with the lock held

    def enter(self) -> None:
        """Begin a call: raises ``Unavailable`` when no server answers; transactions time out by the clock."""
        if not self.answering:
            raise Unavailable("expected the cluster in memory to answer, it was told not to")
        self.coordinator.expire()

    def group(self, name: str) -> Group:
        """The consumer group; a name that is new makes one."""
        if name not in self._groups:
            self._groups[name] = Group(self.now_ms)
        return self._groups[name]

    def create(self, name: str, partitions: int, settings: Mapping[str, str]) -> None:
        """Create a topic that does not exist."""
        assert name not in self.topics, f"{name} exists"
        self._created += 1
        logs = [PartitionLog() for _ in range(partitions)]
        self.topics[name] = MemoryTopic(f"topic-{self._created}", {**DEFAULTS, **settings}, logs)

    def describe(self, name: str) -> TopicDescription | None:
        """The topic as ``Broker.topics`` tells it; None: it does not exist. Raises ``NotAuthorized``."""
        topic = self.topics.get(name)
        if topic is None:
            return None
        if topic.operations is not None and "DESCRIBE" not in topic.operations:
            raise NotAuthorized(
                f"expected to describe topic {name}, it is not allowed: grant what `saga acls FILE` prints"
            )
        settings, partitions = dict(topic.settings), len(topic.partitions)
        return TopicDescription(name, topic.id, partitions, topic.max_message_bytes, 1, settings, topic.operations)

    def log(self, topic: str, partition: int) -> PartitionLog:
        """The log of a partition. Raises ``TopicMismatch`` when there is none."""
        found = self.topics.get(topic)
        if found is None or partition >= len(found.partitions):
            raise TopicMismatch(f"expected {topic}[{partition}] in the cluster in memory, it does not exist: create it")
        return found.partitions[partition]

    def append(self, record: OutgoingRecord, writer: str | None) -> None:
        """Write a record, in the open transaction of ``writer`` or in none."""
        log = self.log(record.topic, record.partition)
        stored = IncomingRecord(
            record.topic, record.partition, log.end, self.now_ms(), record.key, tuple(record.headers), record.value
        )
        log.append(stored, writer)
        self.changed.notify_all()

    # ------------------------------------------------------------ what tests do

    def delete_topic(self, name: str) -> None:
        """Delete a topic; created again, it has another id and starts at offset 0."""
        with self.changed:
            del self.topics[name]
            self.changed.notify_all()

    def compact(self, topic: str, partition: int) -> None:
        """Do what Kafka's cleaner does."""
        with self.changed:
            self.log(topic, partition).compact()

    def fault(self, transactional_id: str, fault: CommitFault) -> None:
        """Let ``fault`` befall the next commit of this transactional id."""
        with self.changed:
            self.coordinator.fault(transactional_id, fault)

    @property
    def held(self) -> tuple[HeldEnd, ...]:
        """Every EndTxn that is on its way."""
        with self.changed:
            return tuple(self.coordinator.held)

    def release(self, held: HeldEnd) -> None:
        """Let an EndTxn that was held back arrive."""
        with self.changed:
            self.coordinator.expire()
            self.coordinator.release(held)
            self.changed.notify_all()

    def committed(self, topic: str) -> list[IncomingRecord]:
        """Every committed record that a reader could see now, by partition and offset."""
        with self.changed:
            self.coordinator.expire()
            return [
                record for log in self.topics[topic].partitions for record in log.committed(log.start, log.stable_end)
            ]
