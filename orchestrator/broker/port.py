"""What the orchestrator needs of Kafka, as a port: `kafka.py` is the real one, `memory/` a verified fake.

Every call may raise ``Unavailable`` (nobody must act; try again). No call retries for ever: each has a bound, stated
in its adapter. Objects are used by one thread at a time. A shard has a consumer and a producer of its own, so that
one shard's trouble is its own; the consumer group only says who *should* own which shard.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from orchestrator.errors import InputsDeleted, OrchestratorError
from orchestrator.wire.record import IncomingRecord, OutgoingRecord


class Fenced(OrchestratorError):
    """The producer may not write any more; it does not prove that somebody else owns the shard."""


class InputLost(OrchestratorError):
    """Reading cannot go on where it stood (any consumer error but end-of-partition): take over again."""


class Commit(Enum):
    """How a successful ``commit`` of a Kafka transaction went."""

    CLEAN = "clean"
    """The producer may be used for the next transaction."""
    SLOW = "slow"
    """It did commit, but librdkafka may have retried EndTxn: throw the producer away, the owner stays owner."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic to be created; ``settings`` are topic configurations."""

    name: str
    partitions: int
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    replication: int | None = None
    """Copies of each record; None: the cluster's default."""


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic that exists."""

    name: str
    id: str
    """Changes when the topic is deleted and created again."""
    partitions: int
    max_message_bytes: int
    replication: int = 1
    """Copies of each record, of the partition that has the fewest."""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    """All topic configurations, defaults included."""
    operations: frozenset[str] | None = None
    """What we may do with it, in Kafka's words; None: the cluster does not say."""


@dataclass(frozen=True, slots=True)
class InputPosition:
    """Where a shard reads on in its two input logs."""

    next_requests: int
    next_replies: int


def inputs_deleted(doing: str, at: InputPosition, got: str) -> InputsDeleted:
    """What stops a shard whose next inputs are not there, ``doing`` what needs them; ``got`` says what is there."""
    return InputsDeleted(
        f"Kafka: expected to {doing} from offsets {at.next_requests} and {at.next_replies} on, got {got}: what comes "
        f"next was deleted unread, or the topics are not those of this database. None is skipped: have it sent again, "
        f"then set next_requests and next_replies of the shard to what is there, in the table saga.shards"
    )


class Membership(Protocol):
    """A process in the consumer group of the namespace: which shards it should own."""

    def poll(self, timeout_s: float) -> frozenset[int]:
        """Keep the membership alive; return the shards assigned now (empty while rebalancing or cut off)."""
        ...

    @property
    def joined(self) -> bool:
        """Whether the group has told this member its share, which may be none."""
        ...

    def close(self) -> None:
        """Leave the group at once, so that others take over without waiting for the session's end."""
        ...


class Inputs(Protocol):
    """Both input logs of one shard, read_committed, assigned by hand at given offsets."""

    def wait(self, timeout_s: float) -> None:
        """Return as soon as ``poll`` has something to give (or raise), at the latest after ``timeout_s``."""
        ...

    def poll(self, limit: int) -> list[IncomingRecord]:
        """Up to ``limit`` records that are here already, in offset order for each topic.

        Raises ``InputLost``, and ``InputsDeleted`` when what comes next is not there any more.
        """
        ...

    def position(self) -> InputPosition:
        """The offsets after what was read and, at end of partition, after control records that nobody is handed."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class Producer(Protocol):
    """The transactional producer of one shard's relay."""

    def init(self) -> None:
        """Fence every older producer of this shard, and end its open transaction."""
        ...

    def begin(self) -> None:
        """Open a transaction. Raises ``Fenced``."""
        ...

    def produce(self, records: Sequence[OutgoingRecord]) -> None:
        """Add records to the open transaction, in order. Raises ``Fenced``, or ``Unavailable``."""
        ...

    def commit(self) -> Commit:
        """End it; returns only when it surely committed. Raises ``Fenced`` or ``Unavailable``: outcome unknown."""
        ...

    def close(self) -> None:
        """Throw the producer away; what was open is aborted by whoever inits next, or by its timeout."""
        ...


class Follower(Protocol):
    """A reader of a whole single-partition topic (definitions, schemas), from its start."""

    def catch_up(self) -> list[IncomingRecord]:
        """What came since the last call, up to the end as it is fetched now (read_committed)."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class History(Protocol):
    """A reader of what a partition holds, from any offset to one that was fixed before (read_committed)."""

    def bounds(self) -> tuple[int, int]:
        """The first offset that is there, and the stable end."""
        ...

    def pages(self, start: int, end: int) -> Iterator[Sequence[IncomingRecord]]:
        """Every record from ``start`` on and below ``end``, some at a time; to be left early by whoever has enough."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class Broker(Protocol):
    """One Kafka cluster as one namespace sees it."""

    def membership(self) -> Membership:
        """Join the namespace's group."""
        ...

    def inputs(self, shard: int, at: InputPosition) -> Inputs:
        """Read ``{namespace}.requests[shard]`` and ``{namespace}.replies[shard]`` from ``at``."""
        ...

    def producer(self, shard: int) -> Producer:
        """A new producer with ``transactional.id = {namespace}-relay-{shard}``, not yet initialised."""
        ...

    def follower(self, topic: str) -> Follower:
        """Read ``topic[0]`` from its beginning."""
        ...

    def history(self, topic: str, partition: int) -> History:
        """Read ``topic[partition]`` from anywhere."""
        ...

    def last(self, topic: str, partition: int, wanted: Callable[[IncomingRecord], bool]) -> IncomingRecord | None:
        """The last committed record that is ``wanted``; reads backwards in doubling windows from the stable end."""
        ...

    def last_open(self, topic: str, partition: int, wanted: Callable[[IncomingRecord], bool]) -> IncomingRecord | None:
        """The last record that is ``wanted`` behind the stable end; asked where only one producer writes."""
        ...

    def is_settled(self, topic: str, partition: int) -> bool:
        """Whether no transaction is open in the partition: everything below its high watermark is decided."""
        ...

    def input_ends(self, shard: int) -> InputPosition:
        """High watermarks of both inputs, read_uncommitted: an answer behind an open transaction counts."""
        ...

    def input_beginnings(self, shard: int) -> InputPosition:
        """The first offsets of both inputs that were not deleted."""
        ...

    def topics(self, names: Sequence[str]) -> dict[str, TopicDescription]:
        """Those of ``names`` that exist."""
        ...

    def create(self, specs: Sequence[TopicSpec]) -> None:
        """Create what is missing; a topic that exists with other partitions raises ``TopicMismatch``."""
        ...

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Write outside any transaction (deploy, clients), acks=all, idempotent; returns when all are stored."""
        ...

    def delete_inputs(self, shard: int, below: InputPosition) -> None:
        """Delete input records below these offsets; they are in the journal."""
        ...

    def close(self) -> None:
        """Close what the broker itself holds."""
        ...
