"""The real broker behind the port: assembles the clients of one cluster, as one namespace sees it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.broker.admin import Admin, ClusterDescription
from orchestrator.broker.configuration import Connection
from orchestrator.broker.inputs import KafkaInputs
from orchestrator.broker.membership import KafkaMembership
from orchestrator.broker.port import InputPosition, TopicDescription, TopicSpec
from orchestrator.broker.producer import KafkaProducer
from orchestrator.broker.publisher import Publisher
from orchestrator.broker.tail import KafkaFollower, KafkaHistory, Tail
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.settings import Settings
from orchestrator.turns import waiting
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics

REACHABLE_S: Final = 8.0
"""How long Kafka may take to answer for the first time: whoever waits for a start is told within 10 s."""


@dataclass
class KafkaBroker:
    """One Kafka cluster and one namespace. Making it connects to nothing; its own methods are safe for several threads.

    Besides what the port says, any call may raise ``ConfigError``: credentials or access rights that are refused, a
    setting that librdkafka or the cluster does not take.
    """

    bootstrap: str
    names: Topics
    """The namespace's."""
    options: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """librdkafka's keys for TLS and SASL; may hold passwords."""
    session_timeout_ms: int = 6_000
    """How long a silent member keeps its shards; with ``group_protocol="consumer"`` the cluster decides that."""
    group_protocol: str = "classic"
    transaction_timeout_ms: int = 10_000
    """How long a dead relay hides what others wrote to the same partitions."""
    publish_timeout_ms: int = 30_000
    crash_point: CrashPoint = nowhere

    def __post_init__(self) -> None:
        self._connection = Connection(self.bootstrap, self.options)
        self._admin = Admin(self._connection)
        self._tail = Tail(self._connection, self.names.group, self._admin)
        self._publisher = Publisher(self._connection, self.publish_timeout_ms)

    @classmethod
    def of(cls, settings: Settings, crash_point: CrashPoint = nowhere) -> "KafkaBroker":
        """The broker that the settings name."""
        return cls(
            settings.kafka,
            Topics(settings.namespace),
            settings.kafka_options,
            session_timeout_ms=settings.session_timeout_ms,
            group_protocol=settings.group_protocol,
            crash_point=crash_point,
        )

    def membership(self) -> KafkaMembership:
        """See the port."""
        return KafkaMembership(self._connection, self.names, self.group_protocol, self.session_timeout_ms)

    def inputs(self, shard: int, at: InputPosition) -> KafkaInputs:
        """See the port."""
        return KafkaInputs(self._connection, self.names, shard, at)

    def producer(self, shard: int) -> KafkaProducer:
        """See the port."""
        return KafkaProducer(
            self._connection,
            self.names.relay_id(shard),
            self.names.journal,
            self.transaction_timeout_ms,
            self.crash_point,
        )

    def follower(self, topic: str) -> KafkaFollower:
        """See the port."""
        return KafkaFollower(self._connection, self.names.group, self._admin, topic)

    def history(self, topic: str, partition: int) -> KafkaHistory:
        """See the port."""
        return KafkaHistory(self._connection, self.names.group, self._admin, (topic, partition))

    @waiting()
    def last(self, topic: str, partition: int, wanted: Callable[[IncomingRecord], bool]) -> IncomingRecord | None:
        """See the port. Calls wait for each other."""
        return self._tail.last(topic, partition, wanted)

    @waiting()
    def last_open(self, topic: str, partition: int, wanted: Callable[[IncomingRecord], bool]) -> IncomingRecord | None:
        """See the port."""
        return self._tail.last_open(topic, partition, wanted)

    @waiting()
    def is_settled(self, topic: str, partition: int) -> bool:
        """See the port."""
        place = [(topic, partition)]
        return self._admin.high_watermarks(place) == self._admin.stable_ends(place)

    @waiting()
    def input_ends(self, shard: int) -> InputPosition:
        """See the port."""
        places = [(self.names.requests, shard), (self.names.replies, shard)]
        return InputPosition(*self._admin.high_watermarks(places))

    @waiting()
    def input_beginnings(self, shard: int) -> InputPosition:
        """See the port."""
        places = [(self.names.requests, shard), (self.names.replies, shard)]
        return InputPosition(*self._admin.beginnings(places))

    @waiting()
    def topics(self, names: Sequence[str]) -> dict[str, TopicDescription]:
        """See the port."""
        return self._admin.topics(names)

    @waiting()
    def create(self, specs: Sequence[TopicSpec]) -> None:
        """See the port."""
        self._admin.create(specs)

    @waiting()
    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """See the port. Calls wait for each other, each for one round trip."""
        self._publisher.publish(records)

    @waiting()
    def delete_inputs(self, shard: int, below: InputPosition) -> None:
        """See the port."""
        self._admin.delete_below(
            {(self.names.requests, shard): below.next_requests, (self.names.replies, shard): below.next_replies}
        )

    @waiting()
    def check_reachable(self, timeout_s: float = REACHABLE_S) -> None:
        """Return when the cluster answers.

        Raises within ``timeout_s``: ``Unavailable`` with the reason why it does not, ``ConfigError`` if it refuses us.
        """
        self._admin.check_reachable(timeout_s)

    @waiting()
    def cluster(self) -> ClusterDescription:
        """What the cluster is, for ``topology.durability_warnings``."""
        return self._admin.cluster()

    def close(self) -> None:
        """See the port; what it gave out is closed by whoever holds it."""
        self._tail.close()
        self._publisher.close()
        self._admin.close()
