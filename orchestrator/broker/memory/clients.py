"""What a process holds of the cluster in memory: a membership, a shard's inputs, a relay's producer, readers."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from orchestrator.broker.configuration import batch_bytes
from orchestrator.broker.memory.cluster import MemoryCluster
from orchestrator.broker.port import Commit, Fenced, InputLost, InputPosition
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import InputsDeleted, NotAuthorized, TopicMismatch
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics

PAGE: Final = 7
"""Records that a history gives at once: few, so that a test has several pages."""


class MemoryMembership:
    """A member of the namespace's group; its session is over when it does not poll, by the cluster's clock."""

    def __init__(self, cluster: MemoryCluster, names: Topics, session_ms: int) -> None:
        self._cluster = cluster
        self._names = names
        self._session_ms = session_ms
        self._member_id: int | None = None
        self._answered_ms = cluster.now_ms()
        self._shards: frozenset[int] = frozenset()
        self._closed = False

    def poll(self, timeout_s: float) -> frozenset[int]:
        """See the port; never waits."""
        del timeout_s
        cluster = self._cluster
        with cluster.changed:
            if not cluster.answering:
                if cluster.now_ms() - self._answered_ms > self._session_ms:
                    self._shards = frozenset()
                return self._shards
            group = cluster.group(self._names.group)
            partitions = len(cluster.topics[self._names.requests].partitions)
            owned = None if self._member_id is None else group.poll(self._member_id, partitions)
            if owned is None:  # not joined yet, or the session was over: what was owned is another's
                self._member_id = group.join(self._session_ms)
                owned = group.poll(self._member_id, partitions) or frozenset()
            self._answered_ms, self._shards = cluster.now_ms(), owned
            return owned

    @property
    def joined(self) -> bool:
        """See the port."""
        return self._member_id is not None

    def close(self) -> None:
        """See the port."""
        with self._cluster.changed:
            if self._member_id is not None:
                self._cluster.group(self._names.group).leave(self._member_id)
            self._member_id, self._shards = None, frozenset()


class MemoryInputs:
    """Reads both inputs of one shard."""

    def __init__(self, cluster: MemoryCluster, names: Topics, shard: int, at: InputPosition) -> None:
        self._cluster = cluster
        self._names = names
        self._shard = shard
        self._next = {names.requests: at.next_requests, names.replies: at.next_replies}

    def wait(self, timeout_s: float) -> None:
        """See the port; waits in real time, whatever the cluster's clock."""
        with self._cluster.changed:
            self._cluster.changed.wait_for(self._ready, timeout_s)

    def _ready(self) -> bool:
        if not self._cluster.answering:
            return False
        self._cluster.coordinator.expire()
        for topic, position in self._next.items():
            found = self._cluster.topics.get(topic)
            if found is None or found.partitions[self._shard].stable_end != position:
                return True
        return False

    def poll(self, limit: int) -> list[IncomingRecord]:
        """See the port. While no server answers there is nothing, and no error: a client would connect again."""
        records: list[IncomingRecord] = []
        with self._cluster.changed:
            if self._cluster.answering:
                self._cluster.coordinator.expire()
                for topic in self._next:
                    self._read(topic, limit - len(records), records)
        return records

    def _read(self, topic: str, limit: int, into: list[IncomingRecord]) -> None:
        found, position = self._cluster.topics.get(topic), self._next[topic]
        if found is None:
            raise InputLost(f"expected to read {topic}[{self._shard}], the topic does not exist: take over again")
        log = found.partitions[self._shard]
        if not log.start <= position <= log.end:
            raise InputsDeleted(
                f"expected to read {topic}[{self._shard}] at offset {position}, it has {log.start} to {log.end}"
            )
        end = log.stable_end
        records = list(islice(log.committed(position, end), limit + 1))
        into += records[:limit]
        # All was read: the position is behind the control records and what was aborted, too.
        if len(records) <= limit:
            self._next[topic] = max(position, end)
        elif limit:
            self._next[topic] = records[limit - 1].offset + 1

    def position(self) -> InputPosition:
        """See the port."""
        return InputPosition(self._next[self._names.requests], self._next[self._names.replies])

    def close(self) -> None:
        """See the port."""


class MemoryProducer:
    """The transactional producer of one relay; like the real one it hears of a fence when it ends a transaction."""

    def __init__(
        self, cluster: MemoryCluster, transactional_id: str, timeout_ms: int, crash_point: CrashPoint = nowhere
    ) -> None:
        self._cluster = cluster
        self._id = transactional_id
        self._timeout_ms = timeout_ms
        self._crash_point = crash_point
        self._epoch: int | None = None
        self._fenced = False
        self._refused: TopicMismatch | NotAuthorized | None = None

    def init(self) -> None:
        """See the port."""
        with self._cluster.changed:
            self._cluster.enter()
            self._epoch = self._cluster.coordinator.init(self._id, self._timeout_ms)
            self._cluster.changed.notify_all()

    def begin(self) -> None:
        """See the port."""
        self._living()

    def produce(self, records: Sequence[OutgoingRecord]) -> None:
        """See the port. What is too large or not allowed is found out by ``commit``, as with a real broker."""
        with self._cluster.changed:
            self._cluster.enter()
            epoch = self._living()
            for record in records:
                log = self._cluster.log(record.topic, record.partition)
                topic = self._cluster.topics[record.topic]
                allowed = topic.max_message_bytes
                if topic.operations is not None and "WRITE" not in topic.operations:
                    self._refused = NotAuthorized(f"expected to write to {record.topic}, it is not allowed")
                elif batch_bytes(record) > allowed:
                    self._refused = TopicMismatch(
                        f"expected at most {allowed} bytes for {record.topic}[{record.partition}], got "
                        f"{batch_bytes(record)}, key {record.key!r}: raise the topic's max.message.bytes"
                    )
                elif self._cluster.coordinator.join(self._id, epoch, (record.topic, record.partition), log):
                    self._cluster.append(record, self._id)
                else:
                    self._fenced = True

    def commit(self) -> Commit:
        """See the port."""
        with self._cluster.changed:
            self._cluster.enter()
            epoch = self._living()
            if self._refused is not None:
                raise self._refused
            self._crash_point("commit.before_end")
            try:
                clean = self._cluster.coordinator.commit(self._id, epoch)
            except Fenced:
                self._fenced = True
                raise
            self._cluster.changed.notify_all()
        self._crash_point("commit.after_end")
        return Commit.CLEAN if clean else Commit.SLOW

    def _living(self) -> int:
        if self._epoch is None or self._fenced:
            raise Fenced(f"expected a producer of {self._id} that is in use, got one that is fenced or was thrown away")
        return self._epoch

    def close(self) -> None:
        """See the port: what is open stays open."""
        self._epoch = None


class MemoryFollower:
    """Reads a single-partition topic from its start."""

    def __init__(self, cluster: MemoryCluster, topic: str) -> None:
        self._cluster = cluster
        self._topic = topic
        self._next = 0

    def catch_up(self) -> list[IncomingRecord]:
        """See the port."""
        with self._cluster.changed:
            self._cluster.enter()
            log = self._cluster.log(self._topic, 0)
            if log.end < self._next:
                self._next = 0
            end = log.stable_end
            records = list(log.committed(self._next, end))
            self._next = max(self._next, end)
            return records

    def close(self) -> None:
        """See the port."""


class MemoryHistory:
    """Reads one partition from anywhere, a few records at a time."""

    def __init__(self, cluster: MemoryCluster, topic: str, partition: int) -> None:
        self._cluster = cluster
        self._topic = topic
        self._partition = partition

    def bounds(self) -> tuple[int, int]:
        """See the port."""
        with self._cluster.changed:
            self._cluster.enter()
            log = self._cluster.log(self._topic, self._partition)
            return log.start, log.stable_end

    def pages(self, start: int, end: int) -> Iterator[Sequence[IncomingRecord]]:
        """See the port."""
        with self._cluster.changed:
            self._cluster.enter()
            records = list(self._cluster.log(self._topic, self._partition).committed(start, end))
        for first in range(0, len(records), PAGE):
            yield records[first : first + PAGE]

    def close(self) -> None:
        """See the port."""
