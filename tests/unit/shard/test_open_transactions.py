"""A journal that ends in an open transaction behind the fence: waited for, or known to be committed, never guessed."""

import pytest

from orchestrator.broker.memory import CommitFault, MemoryBroker
from orchestrator.broker.memory.log import Status
from orchestrator.errors import FooterMissing, JournalUnsettled, OwnershipLost
from orchestrator.shard.shard import REFUSED_PAUSE_MS, RETAKE_PAUSE_MS
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.unit.shard.test_takeover import after_some_work, crash_at, refused
from tests.unit.shard.world import Killed, Process, World


def test_a_transaction_that_is_open_behind_the_fence_is_waited_for() -> None:
    """As one whose marker the cluster has lost: the footer before it is not the last one."""
    world = World()
    foreign = MemoryBroker(world.cluster, Topics("foreign"))
    lost = foreign.producer(0)
    lost.init()
    lost.begin()
    lost.produce([OutgoingRecord(world.topics.journal, 0, b"s1", (), b"whatever")])
    process = Process(world)
    world.start("s1")
    world.run(process)
    assert isinstance(process.trouble, JournalUnsettled)
    assert world.commands() == []
    seq = world.store.contents(0).row.seq
    world.now_ms += REFUSED_PAUSE_MS
    world.run(process)
    assert isinstance(process.trouble, JournalUnsettled)
    assert world.store.contents(0).row.seq == seq, "a refused shard only looks"
    foreign.producer(0).init()  # ends it
    world.now_ms += REFUSED_PAUSE_MS
    world.run(process)
    assert world.ended() == {"s1": "completed"}


@pytest.mark.parametrize("known", [True, False])
def test_a_marker_that_was_lost_stops_a_shard_only_while_nobody_knows_what_it_said(*, known: bool) -> None:
    """Kafka, restarted, may lose the marker of a transaction whose end it has answered."""
    world = World()
    journal, relay_id = world.topics.journal, world.topics.relay_id(0)
    losing = False

    def lose_the_marker(name: str) -> None:
        if losing and name == "commit.before_end":
            world.cluster.coordinator.lose_marker(relay_id, (journal, 0))

    process = Process(world, crash_point=lose_the_marker)
    world.start("s1")
    world.run(process)
    losing = True
    world.start("s2")
    process.step()  # the relay hears that the transaction is committed
    if known:
        process.step()  # with nothing to read, so that the rows before leave the outbox; then the process is killed
        other = Process(world)
    else:
        other = Process(world)
        world.run(other)
        assert isinstance(other.trouble, JournalUnsettled)
        assert f"--topic {journal} --partition 0" in str(other.trouble)
        world.cluster.log(journal, 0).end_transaction(relay_id, Status.COMMITTED)
        world.now_ms += REFUSED_PAUSE_MS
    world.run(other, rounds=20)
    assert world.ended() == {"s1": "completed", "s2": "completed"}
    world.audit()


def test_a_journal_that_ends_in_a_foreign_open_transaction_has_not_lost_its_end() -> None:
    world = World()
    after_some_work(world)
    log = world.cluster.log(world.topics.journal, 0)
    for entry in log.entries:
        entry.status = Status.ABORTED
    producer = MemoryBroker(world.cluster, Topics("foreign")).producer(0)
    producer.init()
    producer.begin()
    producer.produce([OutgoingRecord(world.topics.journal, 0, b"s1", (), b"whatever")])
    refused(world, JournalUnsettled)
    producer.close()
    world.cluster.log(world.topics.journal, 0).end_transaction("foreign-relay-0", Status.ABORTED)
    refused(world, FooterMissing)


def test_a_transaction_of_a_later_owner_is_no_reason_to_wait_for_its_end() -> None:
    """Who was paused behind its fence has lost the shard: what is open is another's, dead or alive."""
    world = World()
    paused, later = Process(world), Process(world, crash_point=crash_at("relay.after_produce"))
    for _ in ("compare", "owner batch", "init"):
        paused.step()
    world.start("s1")
    with pytest.raises(Killed):
        world.run(later)
    paused.step()
    assert isinstance(paused.trouble, OwnershipLost)
    world.now_ms += RETAKE_PAUSE_MS
    world.run(paused)  # whose fence ends what the dead owner has left open
    assert world.ended() == {"s1": "completed"}
    world.audit()


def test_an_owner_that_renews_its_producer_does_not_wait_for_a_later_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    slow, later = Process(world), Process(world, crash_point=crash_at("relay.after_produce"))
    slow.take_over()
    world.cluster.fault(world.topics.relay_id(0), CommitFault.SLOW)
    slow.step()  # its owner batch is published, slowly
    world.start("s1")

    def is_settled(topic: str, partition: int) -> bool:
        with pytest.raises(Killed):
            world.run(later)
        return world.broker.is_settled(topic, partition)

    monkeypatch.setattr(slow.broker, "is_settled", is_settled)
    slow.step()
    assert isinstance(slow.trouble, OwnershipLost)
