"""What only the cluster in memory can: faults on demand, a clock of its own, compaction at once."""

from collections.abc import Callable

import pytest

from orchestrator.broker.memory import CommitFault, MemoryBroker, MemoryCluster
from orchestrator.broker.port import Broker, Commit, Fenced, InputPosition, Producer
from orchestrator.broker.topology import namespace_topics
from orchestrator.errors import Unavailable
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.topics import Topics

NAMES = Topics("saga")
RELAY = NAMES.relay_id(1)


class Clock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cluster(clock: Clock) -> MemoryCluster:
    cluster = MemoryCluster(now_ms=clock)
    MemoryBroker(cluster, NAMES).create(namespace_topics(NAMES, 4))
    return cluster


@pytest.fixture
def broker(cluster: MemoryCluster) -> Broker:
    return MemoryBroker(cluster, NAMES, session_timeout_ms=6_000)


@pytest.fixture
def relay(broker: Broker) -> Callable[[], Producer]:
    def make() -> Producer:
        producer = broker.producer(1)
        producer.init()
        return producer

    return make


def journal(*values: bytes) -> list[OutgoingRecord]:
    return [OutgoingRecord(NAMES.journal, 1, value, (), value) for value in values]


def seen(cluster: MemoryCluster) -> list[bytes | None]:
    return [record.value for record in cluster.committed(NAMES.journal)]


def write(producer: Producer, *values: bytes) -> Commit:
    producer.begin()
    producer.produce(journal(*values))
    return producer.commit()


# ---------------------------------------------------------------- the end of a transaction


def test_held_back_end_commits_half_of_the_next_transaction_of_the_same_producer(
    cluster: MemoryCluster, relay: Callable[[], Producer]
) -> None:
    producer = relay()
    cluster.fault(RELAY, CommitFault.SLOW)
    assert write(producer, b"first") is Commit.SLOW
    producer.begin()
    producer.produce(journal(b"half of the second"))
    (held,) = cluster.held
    cluster.release(held)
    assert seen(cluster) == [b"first", b"half of the second"]


def test_held_back_end_is_harmless_once_there_is_a_new_producer(
    cluster: MemoryCluster, relay: Callable[[], Producer]
) -> None:
    cluster.fault(RELAY, CommitFault.SLOW)
    assert write(relay(), b"first") is Commit.SLOW
    renewed = relay()
    renewed.begin()
    renewed.produce(journal(b"half of the second"))
    (held,) = cluster.held
    cluster.release(held)
    assert seen(cluster) == [b"first"]
    assert cluster.held == ()
    assert renewed.commit() is Commit.CLEAN


@pytest.mark.parametrize(
    ("fault", "visible"),
    [(CommitFault.ANSWER_LOST, [b"1"]), (CommitFault.REQUEST_LOST, []), (CommitFault.HELD, [])],
    ids=lambda value: value.name if isinstance(value, CommitFault) else "",
)
def test_unknown_outcome_is_unavailable_whatever_happened(
    cluster: MemoryCluster, relay: Callable[[], Producer], fault: CommitFault, visible: list[bytes]
) -> None:
    cluster.fault(RELAY, fault)
    producer = relay()
    with pytest.raises(Unavailable, match=RELAY):
        write(producer, b"1")
    assert seen(cluster) == visible


def test_end_that_was_held_back_may_still_arrive_before_the_next_init(
    cluster: MemoryCluster, relay: Callable[[], Producer]
) -> None:
    cluster.fault(RELAY, CommitFault.HELD)
    producer = relay()
    with pytest.raises(Unavailable):
        write(producer, b"late")
    cluster.release(cluster.held[0])
    assert seen(cluster) == [b"late"]


def test_fault_befalls_one_commit_only(cluster: MemoryCluster, relay: Callable[[], Producer]) -> None:
    cluster.fault(RELAY, CommitFault.ANSWER_LOST)
    with pytest.raises(Unavailable):
        write(relay(), b"1")
    assert write(relay(), b"2") is Commit.CLEAN


def test_transaction_times_out_by_the_clock(
    cluster: MemoryCluster, clock: Clock, relay: Callable[[], Producer]
) -> None:
    producer = relay()
    producer.begin()
    producer.produce(journal(b"1"))
    clock.ms += 9_999
    cluster.committed(NAMES.journal)
    producer.produce(journal(b"2"))
    clock.ms += 1
    with pytest.raises(Fenced):
        producer.commit()
    assert seen(cluster) == []


# ---------------------------------------------------------------- groups


def test_silent_member_loses_its_shards_after_its_session_and_joins_again(broker: Broker, clock: Clock) -> None:
    silent, living = broker.membership(), broker.membership()
    assert silent.poll(0) == {0, 1, 2, 3}
    assert living.poll(0) == frozenset()
    assert silent.poll(0) == {0, 2}
    assert living.poll(0) == {1, 3}
    clock.ms += 6_000
    assert living.poll(0) == {1, 3}
    clock.ms += 1
    assert living.poll(0) == {0, 1, 2, 3}
    assert silent.poll(0) == frozenset()
    assert living.poll(0) == {0, 2}
    assert silent.poll(0) == {1, 3}


def test_member_that_is_cut_off_gives_up_its_shards_by_itself(
    cluster: MemoryCluster, broker: Broker, clock: Clock
) -> None:
    member = broker.membership()
    member.poll(0)
    cluster.answering = False
    clock.ms += 6_000
    assert member.poll(0) == {0, 1, 2, 3}
    clock.ms += 1
    assert member.poll(0) == frozenset()
    cluster.answering = True
    assert member.poll(0) == {0, 1, 2, 3}


# ---------------------------------------------------------------- servers and logs


def test_cluster_that_does_not_answer_is_unavailable_and_readers_wait(
    cluster: MemoryCluster, broker: Broker, relay: Callable[[], Producer]
) -> None:
    inputs, producer, follower = broker.inputs(1, InputPosition(0, 0)), relay(), broker.follower(NAMES.schemas)
    producer.begin()
    broker.publish([OutgoingRecord(NAMES.requests, 1, b"k", (), b"v")])
    cluster.answering = False
    calls: list[Callable[[], object]] = [
        producer.commit,
        relay,
        follower.catch_up,
        lambda: broker.topics([NAMES.journal]),
        lambda: broker.last(NAMES.journal, 1, lambda _: True),
        lambda: broker.input_ends(1),
        lambda: broker.input_beginnings(1),
        lambda: broker.publish(journal(b"1")),
        lambda: broker.create([]),
        lambda: broker.delete_inputs(1, InputPosition(0, 0)),
    ]
    for call in calls:
        with pytest.raises(Unavailable):
            call()
    inputs.wait(0)
    assert inputs.poll(10) == []
    cluster.answering = True
    assert len(inputs.poll(10)) == 1


def test_last_and_followers_look_behind_what_compaction_took_away(cluster: MemoryCluster, broker: Broker) -> None:
    def definition(key: bytes, value: bytes) -> OutgoingRecord:
        return OutgoingRecord(NAMES.definitions, 0, key, (), value)

    broker.publish([definition(b"once", b"kept"), *[definition(b"often", b"%d" % number) for number in range(100)]])
    cluster.compact(NAMES.definitions, 0)
    assert [record.offset for record in broker.follower(NAMES.definitions).catch_up()] == [0, 100]
    found = broker.last(NAMES.definitions, 0, lambda record: record.key == b"once")
    assert found is not None
    assert found.value == b"kept"


def test_time_stamps_are_the_clusters(cluster: MemoryCluster, broker: Broker, clock: Clock) -> None:
    broker.publish(journal(b"1"))
    clock.ms += 5
    broker.publish(journal(b"2"))
    first, second = cluster.committed(NAMES.journal)
    assert (first.timestamp_ms, second.timestamp_ms) == (clock.ms - 5, clock.ms)
