"""Kafka and Postgres as one simulated process meets them: between any two calls it may be killed, wait, or fail.

``Wire`` and ``Primary`` are the verified fakes with a place before each call, ``Producer`` and ``Connection`` add what
befalls the two calls that matter: EndTxn and COMMIT.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from orchestrator.broker.memory import CommitFault, MemoryBroker, MemoryCluster
from orchestrator.broker.memory.clients import MemoryProducer
from orchestrator.broker.port import Commit, InputPosition, TopicDescription
from orchestrator.crashpoints import nowhere
from orchestrator.errors import BatchRefused, OwnershipLost, Unavailable
from orchestrator.store.memory import MemoryStore
from orchestrator.store.memory.store import MemoryShardStore
from orchestrator.store.memory.tables import ShardTables
from orchestrator.store.port import Batch, DatabaseState, Meta, ShardRow, ShardStore
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.simulation.chance import Chance

END_FAULTS: Final = {
    "EndTxn: answer lost": CommitFault.ANSWER_LOST,
    "EndTxn: held back": CommitFault.HELD,
    "EndTxn: lost": CommitFault.REQUEST_LOST,
    "EndTxn: slow": CommitFault.SLOW,
}


class Site(Protocol):
    """The process that makes the calls, and the chance that befalls them."""

    @property
    def chance(self) -> Chance:
        """Of the run."""
        ...

    def at(self, place: str) -> None:
        """Called before each call, and at each crash point; may raise ``Killed``."""
        ...

    def delay(self, late: "LateCommit") -> None:
        """A COMMIT is on its way, and its connection is gone."""
        ...


@dataclass(frozen=True, slots=True)
class LateCommit:
    """A transaction of a connection that is gone; Postgres may get its COMMIT yet."""

    connection: MemoryShardStore
    batch: Batch

    def arrive(self) -> bool:
        """Whether it changed anything."""
        try:
            self.connection.append(self.batch)
        except (BatchRefused, OwnershipLost, Unavailable):
            return False
        return True


class Connection(MemoryShardStore):
    """One connection of one process."""

    site: Site

    @contextmanager
    def _call(self, name: str) -> Generator[tuple[ShardTables, Meta]]:
        self.site.at(f"database.{name}")
        if self.site.chance.hit("Postgres: a call fails"):
            raise self._lost(name, "the connection broke")
        with super()._call(name) as found:
            yield found

    def append(self, batch: Batch) -> None:
        """COMMIT, and what may become of it."""
        chance = self.site.chance
        if chance.hit("COMMIT: batch refused"):
            raise BatchRefused(f"shard {self._shard}: batch {batch.seq}: refused by chance")
        if chance.hit("COMMIT: disk full"):
            raise self._lost("append", "no space left on device")
        if chance.hit("COMMIT: late"):
            self._crash_point("append.before_commit")
            self.site.delay(LateCommit(MemoryShardStore(self._database, self._shard, "ready", nowhere), batch))
            raise self._lost("append", "no answer")
        super().append(batch)
        if chance.hit("COMMIT: answer lost"):
            raise self._lost("append", "it was committed, and its answer was lost")

    def take_over(self, owner_batch: Callable[[ShardRow], Batch]) -> ShardRow:
        """See the port."""
        row = super().take_over(owner_batch)
        if self.site.chance.hit("COMMIT: answer lost"):
            raise self._lost("take_over", "it was committed, and its answer was lost")
        return row


class Primary(MemoryStore):
    """What one process takes for its database."""

    def __init__(self, site: Site, store: MemoryStore) -> None:
        meta = store._database.meta
        super().__init__(meta.namespace, meta.shards, site.at)
        self._site = site
        self.point_to(store)

    def point_to(self, store: MemoryStore) -> None:
        """From now on new connections go to this database; those that are open stay where they are."""
        self._database = store._database

    def is_at(self, store: MemoryStore) -> bool:
        """Whether this is the database of ``store``."""
        return self._database is store._database

    def shard(self, shard: int, state: DatabaseState = "ready") -> ShardStore:
        """See the port."""
        with self._database.transaction():
            connection = Connection(self._database, shard, state, self._crash_point)
        connection.site = self._site
        return connection


class Producer(MemoryProducer):
    """A relay's producer."""

    site: Site

    def init(self) -> None:
        """See the port."""
        self.site.at("kafka.init")
        super().init()

    def produce(self, records: Sequence[OutgoingRecord]) -> None:
        """See the port."""
        self.site.at("kafka.produce")
        if self.site.chance.hit("Kafka: a call fails"):
            raise Unavailable("expected records to be taken, got no answer")
        super().produce(records)

    def commit(self) -> Commit:
        """EndTxn, and what may become of it."""
        fault = next((fault for fault in END_FAULTS if self.site.chance.hit(fault)), None)
        if fault is not None:
            self._cluster.fault(self._id, END_FAULTS[fault])
        return super().commit()


class Wire(MemoryBroker):
    """One process' way to Kafka."""

    def __init__(self, site: Site, cluster: MemoryCluster, names: Topics) -> None:
        super().__init__(cluster, names, crash_point=site.at)
        self._site = site

    def _call(self, name: str) -> None:
        self._site.at(f"kafka.{name}")
        if self._site.chance.hit("Kafka: a call fails"):
            raise Unavailable(f"expected an answer to {name}, got none")

    def producer(self, shard: int) -> Producer:
        """See the port."""
        names, timeout_ms = self.names, self._transaction_timeout_ms
        made = Producer(self.cluster, names.relay_id(shard), timeout_ms, self._crash_point)
        made.site = self._site
        return made

    def last(self, topic: str, partition: int, wanted: Callable[[IncomingRecord], bool]) -> IncomingRecord | None:
        """See the port."""
        self._call("last")
        return super().last(topic, partition, wanted)

    def is_settled(self, topic: str, partition: int) -> bool:
        """See the port."""
        self._call("is_settled")
        return super().is_settled(topic, partition)

    def input_beginnings(self, shard: int) -> InputPosition:
        """See the port."""
        self._call("input_beginnings")
        return super().input_beginnings(shard)

    def input_ends(self, shard: int) -> InputPosition:
        """See the port."""
        self._call("input_ends")
        return super().input_ends(shard)

    def topics(self, names: Sequence[str]) -> dict[str, TopicDescription]:
        """See the port."""
        self._call("topics")
        return super().topics(names)

    def delete_inputs(self, shard: int, below: InputPosition) -> None:
        """See the port."""
        self._call("delete_inputs")
        super().delete_inputs(shard, below)
