"""The port of one process to a cluster in memory."""

from collections.abc import Callable, Sequence

from orchestrator.broker.configuration import batch_bytes
from orchestrator.broker.memory.clients import (
    MemoryFollower,
    MemoryHistory,
    MemoryInputs,
    MemoryMembership,
    MemoryProducer,
)
from orchestrator.broker.memory.cluster import MemoryCluster
from orchestrator.broker.port import InputPosition, TopicDescription, TopicSpec
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import TopicMismatch, Unavailable
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics


class MemoryBroker:
    """One process' way to the cluster, as one namespace sees it."""

    def __init__(
        self,
        cluster: MemoryCluster,
        names: Topics,
        *,
        session_timeout_ms: int = 6_000,
        transaction_timeout_ms: int = 10_000,
        crash_point: CrashPoint = nowhere,
    ) -> None:
        self.cluster = cluster
        self.names = names
        self._session_timeout_ms = session_timeout_ms
        self._transaction_timeout_ms = transaction_timeout_ms
        self._crash_point = crash_point

    def membership(self) -> MemoryMembership:
        """See the port."""
        return MemoryMembership(self.cluster, self.names, self._session_timeout_ms)

    def inputs(self, shard: int, at: InputPosition) -> MemoryInputs:
        """See the port."""
        return MemoryInputs(self.cluster, self.names, shard, at)

    def producer(self, shard: int) -> MemoryProducer:
        """See the port."""
        timeout_ms = self._transaction_timeout_ms
        return MemoryProducer(self.cluster, self.names.relay_id(shard), timeout_ms, self._crash_point)

    def follower(self, topic: str) -> MemoryFollower:
        """See the port."""
        return MemoryFollower(self.cluster, topic)

    def history(self, topic: str, partition: int) -> MemoryHistory:
        """See the port."""
        return MemoryHistory(self.cluster, topic, partition)

    def last(self, topic: str, partition: int, wanted: Callable[[IncomingRecord], bool]) -> IncomingRecord | None:
        """See the port."""
        with self.cluster.changed:
            self.cluster.enter()
            log = self.cluster.log(topic, partition)
            found = [record for record in log.committed(log.start, log.stable_end) if wanted(record)]
            return found[-1] if found else None

    def last_open(self, topic: str, partition: int, wanted: Callable[[IncomingRecord], bool]) -> IncomingRecord | None:
        """See the port."""
        with self.cluster.changed:
            self.cluster.enter()
            found = [record for record in self.cluster.log(topic, partition).undecided() if wanted(record)]
            return found[-1] if found else None

    def is_settled(self, topic: str, partition: int) -> bool:
        """See the port."""
        with self.cluster.changed:
            self.cluster.enter()
            log = self.cluster.log(topic, partition)
            return log.stable_end == log.end

    def input_ends(self, shard: int) -> InputPosition:
        """See the port."""
        with self.cluster.changed:
            self.cluster.enter()
            requests, replies = (
                self.cluster.log(self.names.requests, shard),
                self.cluster.log(self.names.replies, shard),
            )
            return InputPosition(requests.end, replies.end)

    def input_beginnings(self, shard: int) -> InputPosition:
        """See the port."""
        with self.cluster.changed:
            self.cluster.enter()
            requests, replies = (
                self.cluster.log(self.names.requests, shard),
                self.cluster.log(self.names.replies, shard),
            )
            return InputPosition(requests.start, replies.start)

    def topics(self, names: Sequence[str]) -> dict[str, TopicDescription]:
        """See the port."""
        with self.cluster.changed:
            self.cluster.enter()
            described = [self.cluster.describe(name) for name in names]
            return {topic.name: topic for topic in described if topic is not None}

    def create(self, specs: Sequence[TopicSpec]) -> None:
        """See the port."""
        with self.cluster.changed:
            self.cluster.enter()
            for spec in specs:
                if spec.name not in self.cluster.topics:
                    self.cluster.create(spec.name, spec.partitions, spec.settings)
                found = len(self.cluster.topics[spec.name].partitions)
                if found != spec.partitions:
                    raise TopicMismatch(
                        f"expected topic {spec.name} with {spec.partitions} partitions, got {found}: the number of "
                        f"shards of a namespace never changes"
                    )

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """See the port."""
        with self.cluster.changed:
            self.cluster.enter()
            for record in records:
                self.cluster.log(record.topic, record.partition)
                if batch_bytes(record) > self.cluster.topics[record.topic].max_message_bytes:
                    raise TopicMismatch(f"expected a smaller record for {record.topic}: raise its max.message.bytes")
                self.cluster.append(record, None)

    def delete_inputs(self, shard: int, below: InputPosition) -> None:
        """See the port."""
        with self.cluster.changed:
            self.cluster.enter()
            places = ((self.names.requests, below.next_requests), (self.names.replies, below.next_replies))
            for topic, offset in places:
                log = self.cluster.log(topic, shard)
                if offset > log.end:
                    raise Unavailable(f"expected an offset of {topic}[{shard}] up to {log.end}, got {offset}")
                log.delete_below(offset)

    def close(self) -> None:
        """See the port."""
