"""Taking over a shard: compare, fence in Postgres, fence in Kafka, read the footer, compare again.

Fence first, read second: what the second comparison sees can no longer be changed by anybody else. The first one
fences nobody, so a database that is behind stays as it is. One phase a step, a crash point after each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from orchestrator.broker.port import Broker, Producer
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import FooterMissing, JournalCorrupt, JournalUnsettled, MessageRejected, OwnershipLost
from orchestrator.shard.batch import Draft, Head, seal
from orchestrator.shard.comparison import NO_FOOTER, LastFooter, inputs_lost, is_relayed, refusal, topics_changed
from orchestrator.store.port import Batch, ShardRow, ShardStore, Snapshot
from orchestrator.wire.journal import is_footer, parse_footer
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.topics import Topics

COMPARISONS_MAX: Final = 5
"""How often the first comparison is repeated because a living owner moved on meanwhile; then the fence decides."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a shard is run over."""

    shard: int
    topics: Topics
    broker: Broker
    store: ShardStore
    crash_point: CrashPoint = nowhere


@dataclass(frozen=True, slots=True)
class Ownership:
    """A shard taken over: the chain's head is this owner's batch, and only its producer may write."""

    owner: str
    head: Head
    producer: Producer
    footer: LastFooter
    topic_ids: Mapping[str, str]


@dataclass(slots=True)
class _Progress:
    """How far a take-over came; the data of a phase is there once the phase is over."""

    topic_ids: Mapping[str, str] | None = None
    head: Head | None = None
    producer: Producer | None = None
    footer: LastFooter | None = None


@dataclass(slots=True)
class TakeOver:
    """One attempt to become the owner of a shard; ``step`` until it returns the ownership.

    Raises a ``ShardRefused`` that waits for an operator, ``OwnershipLost`` when somebody was faster, ``Unavailable``.
    """

    ports: Ports
    unsettled: bool = False
    """The last attempt was refused with ``JournalUnsettled``, behind its fence: nothing is changed until that is over,
    while before any fence an open transaction is only the dead owner's."""
    new_owner: Callable[[], str] = field(default=lambda: str(uuid4()))
    _progress: _Progress = field(default_factory=_Progress)
    _owner: str = ""

    def step(self, now_ms: int) -> Ownership | None:
        """Do the next phase; the ownership when it was the last one."""
        done, ports = self._progress, self.ports
        if done.topic_ids is None:
            if self.unsettled:
                read_fenced_footer(ports)
            done.topic_ids = _compare_unfenced(ports)
            ports.crash_point("take_over.compared")
        elif done.head is None:
            self._owner = self.new_owner()
            done.head = append_owner_batch(ports.store, self._owner, now_ms)
            ports.crash_point("take_over.after_owner_batch")
        elif done.producer is None:
            done.producer = ports.broker.producer(ports.shard)
            done.producer.init()
            ports.crash_point("take_over.after_init")
        elif done.footer is None:
            done.footer = read_fenced_footer(ports, done.head)
            ports.crash_point("take_over.after_footer")
        else:
            compare_fenced(ports, done.head, done.footer)
            ports.crash_point("take_over.before_publish")
            return Ownership(self._owner, done.head, done.producer, done.footer, done.topic_ids)
        return None

    def abandon(self) -> None:
        """Throw away what was begun."""
        if self._progress.producer is not None:
            self._progress.producer.close()


def append_owner_batch(store: ShardStore, owner: str, now_ms: int) -> Head:
    """Append the batch that fences the former owner in Postgres, of no records, with an id that nobody else has.

    Returns the head after it. Raises as ``ShardStore.take_over`` does.
    """
    appended: list[Head] = []

    def owner_batch(row: ShardRow) -> Batch:
        previous = Head.of(row)
        head = Head(row.seq + 1, b"", row.next_requests, row.next_replies, max(now_ms, row.now_ms))
        batch, _, after = seal(row.shard, owner, previous, head, Draft())
        appended.append(after)
        return batch

    store.take_over(owner_batch)
    return appended[-1]


def read_footer(ports: Ports) -> LastFooter:
    """The last committed footer of the shard's journal. Raises ``JournalCorrupt`` when it cannot be read."""
    record = ports.broker.last(ports.topics.journal, ports.shard, is_footer)
    return NO_FOOTER if record is None else _last_footer(ports, record)


def _last_footer(ports: Ports, record: IncomingRecord) -> LastFooter:
    try:
        footer = parse_footer(record.value)
    except MessageRejected as error:
        raise JournalCorrupt(
            f"shard {ports.shard}: expected a footer at {record.topic}[{record.partition}] offset {record.offset}, "
            f"{error}: the journal was written by something else, or by a newer version; run the version that wrote it"
        ) from error
    last = footer.batches[-1]
    return LastFooter(last.seq, last.chain, last.next_requests, last.next_replies, footer.topic_ids)


def read_fenced_footer(ports: Ports, head: Head | None = None) -> LastFooter:
    """The footer behind the fence of ``init``, which ends every transaction of this shard and returns after its marker.

    When the journal lacks that marker, the footer before it would be read as the last, and the batches of the
    transaction be published a second time: it counts if the database knows that it was committed.
    Raises ``JournalUnsettled`` otherwise; ``OwnershipLost`` first, for whoever holds a ``head`` that is not the last
    any more: a later owner appends before it initialises, and what is open may be its own.
    """
    if _is_settled(ports):
        return read_footer(ports)
    footer, snapshot = _open_footer(ports), ports.store.snapshot()
    if head is not None:
        expect_mine(snapshot, head)
    if footer is None or not is_relayed(snapshot, footer):
        raise _unsettled(ports, "since its producer was initialised")
    return footer


def _open_footer(ports: Ports) -> LastFooter | None:
    """The last footer that is in an open transaction of the shard's journal."""
    record = ports.broker.last_open(ports.topics.journal, ports.shard, is_footer)
    return None if record is None else _last_footer(ports, record)


def expect_settled(ports: Ports) -> None:
    """Raises ``JournalUnsettled`` while a transaction is open behind the fence.

    Also while it is known to be committed: nobody can read what it holds.
    """
    if not _is_settled(ports):
        raise _unsettled(ports, "since its producer was initialised")


def _is_settled(ports: Ports) -> bool:
    return ports.broker.is_settled(ports.topics.journal, ports.shard)


def _unsettled(ports: Ports, since: str) -> JournalUnsettled:
    journal = ports.topics.journal
    return JournalUnsettled(
        f"shard {ports.shard}: expected every transaction in {journal}[{ports.shard}] to have an end, {since}, got an "
        f"open one: the shard waits, and goes on by itself when it is over. If it is not over within a minute, Kafka "
        f"has lost its marker (KAFKA-20734): look with `kafka-transactions.sh describe-producers --topic {journal} "
        f"--partition {ports.shard}`, and end it as docs/reliability.md says"
    )


def read_topic_ids(ports: Ports) -> dict[str, str]:
    """The identities of the topics that a shard's offsets and journal are about."""
    names = (ports.topics.requests, ports.topics.replies, ports.topics.journal)
    return {name: found.id for name, found in ports.broker.topics(names).items()}


def compare_fenced(ports: Ports, head: Head, footer: LastFooter) -> None:
    """Compare after the fences, in one snapshot: the head must still be ours, and continue the journal.

    Raises ``OwnershipLost`` first (another owner's database is healthy), then what ``refusal`` finds.
    """
    snapshot = ports.store.snapshot()
    expect_mine(snapshot, head)
    refused = refusal(ports.shard, snapshot, footer)
    if refused is not None:
        raise refused


def expect_mine(snapshot: Snapshot, head: Head) -> None:
    """Raises ``OwnershipLost`` when ``head``, which an owner holds, is not the end of the shard's history."""
    if snapshot.row.chain != head.chain:
        raise OwnershipLost(f"shard {snapshot.row.shard}: another owner has appended")


def _compare_unfenced(ports: Ports) -> Mapping[str, str]:
    """The comparison that changes nothing; returns the topic ids. A living owner may move on while we look."""
    topic_ids = read_topic_ids(ports)
    footer = read_footer(ports)
    changed = topics_changed(ports.shard, footer.topic_ids, topic_ids)
    if changed is not None:
        raise changed
    beginnings = ports.broker.input_beginnings(ports.shard)  # before the row, the ends after it
    for _ in range(COMPARISONS_MAX):
        snapshot = ports.store.snapshot()
        refused = refusal(ports.shard, snapshot, footer) or inputs_lost(
            ports.topics, snapshot.row, beginnings, ports.broker.input_ends(ports.shard)
        )
        if refused is None:
            break
        # Asked first: what was over by then is below the end that the footer is read up to.
        settled = _is_settled(ports)
        later = read_footer(ports)
        if later == footer:
            if settled or not isinstance(refused, FooterMissing):
                raise refused
            waiting = _open_footer(ports)
            if waiting is None or not is_relayed(snapshot, waiting):
                raise _unsettled(ports, "since the database knows of a later footer") from refused
            break
        footer = later
    return topic_ids
