"""A recovery, and those who write meanwhile: living owners, open transactions, another recovery."""

from contextlib import closing

import pytest

from orchestrator.broker.memory import CommitFault, MemoryBroker
from orchestrator.broker.memory.clients import MemoryProducer
from orchestrator.broker.port import Fenced, Producer
from orchestrator.crashpoints import OF_A_RECOVERY
from orchestrator.errors import (
    DatabaseNotReady,
    JournalUnsettled,
    OwnershipLost,
    TopicMismatch,
    Unavailable,
)
from orchestrator.recovery import recovery as recovery_module
from orchestrator.recovery.course import Course
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.unit.recovery.scene import SHARDS, goes_on, new_database, recover, tables, worked
from tests.unit.shard.world import Process, World, saga_on


def test_living_owners_lose_their_shards_and_have_them_again_afterwards() -> None:
    world, process = worked()

    def meanwhile(name: str) -> None:
        if name.startswith("recover."):
            world.start(saga_on(0, SHARDS, f"during-{name}"))
            process.step()
            world.now_ms += 300
            if name != "recover.recovering":
                assert not process.owners[0].owned
                assert isinstance(process.owners[0].trouble, OwnershipLost | DatabaseNotReady | Unavailable)

    recover(world, crash_point=meanwhile)
    for _ in range(80):
        process.step()
        world.bank()
        world.now_ms += 300
    ends = world.ended()
    for name in OF_A_RECOVERY:
        if name.startswith("recover."):
            assert ends[saga_on(0, SHARDS, f"during-{name}")] == "completed"
    world.audit()


def test_a_transaction_that_an_old_relay_had_open_is_over_before_the_journal_is_read() -> None:
    world, process = worked()
    del process
    with closing(world.broker.producer(0)) as old:
        old.init()
        old.begin()
        old.produce([OutgoingRecord(world.topics.journal, 0, b"", (), b"what nobody may see")])
        new_database(world)
        recover(world)
        with pytest.raises(Fenced):
            old.commit()
    goes_on(world)


def test_a_recovery_that_somebody_fences_begins_anew() -> None:
    world, process = worked()
    del process
    lost = world.store
    new_database(world)
    fenced: list[str] = []

    def rival(name: str) -> None:
        if name == "recover.loaded" and len(fenced) < 2:
            fenced.append(name)
            with closing(world.broker.producer(1)) as producer:
                producer.init()

    recover(world, crash_point=rival)
    assert len(fenced) == 2
    for shard in range(SHARDS):
        assert tables(world.store, shard) == tables(lost, shard)
    goes_on(world)


def test_a_recovery_that_somebody_writes_behind_begins_anew() -> None:
    """As a living owner does that renews its producer: the next fence ends what it has open."""
    world, process = worked()
    del process
    lost = world.store
    new_database(world)
    began: list[Producer] = []

    def rival(name: str) -> None:
        if name == "recover.fenced" and not began:
            producer = world.broker.producer(1)
            producer.init()
            producer.begin()
            producer.produce([OutgoingRecord(world.topics.journal, 1, b"", (), b"what nobody may see")])
            began.append(producer)

    recover(world, crash_point=rival)
    assert began
    for shard in range(SHARDS):
        assert tables(world.store, shard) == tables(lost, shard)
    goes_on(world)


def test_a_transaction_that_nobody_ends_is_no_other_writer() -> None:
    world, process = worked()
    del process
    with closing(MemoryBroker(world.cluster, Topics("foreign")).producer(0)) as lost:
        lost.init()
        lost.begin()
        lost.produce([OutgoingRecord(world.topics.journal, 0, b"", (), b"whatever")])
        before = [world.store.contents(shard) for shard in range(SHARDS)]
        with pytest.raises(JournalUnsettled):
            recover(world)
    assert [world.store.contents(shard) for shard in range(SHARDS)] == before
    assert world.store.meta().state == "ready"


def test_rows_are_kept_that_alone_know_how_a_transaction_ended() -> None:
    """Kafka has lost the marker of the last transaction: nobody can read its batches, but the outbox has its footer."""
    world, losing = World(SHARDS), list[str]()

    def lose_the_marker(name: str) -> None:
        if losing and name == "commit.before_end":
            world.cluster.coordinator.lose_marker(world.topics.relay_id(0), (world.topics.journal, 0))

    process = Process(world, range(SHARDS), crash_point=lose_the_marker)
    world.start(saga_on(0, SHARDS))
    world.run(process)
    losing.append("from now on")
    world.start(saga_on(0, SHARDS, "t"))
    process.step()
    process.step()  # with nothing to read, so that the rows before leave the outbox
    before = [world.store.contents(shard) for shard in range(SHARDS)]
    with pytest.raises(JournalUnsettled):
        recover(world, wipe=True)
    assert [world.store.contents(shard) for shard in range(SHARDS)] == before
    losing.clear()
    recover(world)
    for _ in range(80):
        process.step()
        world.bank()
        world.now_ms += 300
    assert set(world.ended().values()) == {"completed"}
    world.audit()


def waits_in_the_outbox(world: World, process: Process, names: list[str]) -> None:
    process.stepping_relays = False
    for name in names:
        world.start(name)
        process.step()
        world.now_ms += 100


def test_a_kafka_that_ends_each_transaction_slowly_is_no_other_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a long way each is slow, and more than ``ATTEMPTS`` of them are needed."""
    world, process = worked()
    waits_in_the_outbox(world, process, [saga_on(0, SHARDS, f"ahead{number}-") for number in range(8)])
    waiting = world.store.contents(0).row.seq
    monkeypatch.setattr(recovery_module, "OUTBOX_READ", 1)
    monkeypatch.setattr(recovery_module, "ATTEMPTS", 1)
    begun = MemoryProducer.begin

    def begin(producer: MemoryProducer) -> None:
        world.cluster.fault(producer._id, CommitFault.SLOW)
        begun(producer)

    monkeypatch.setattr(MemoryProducer, "begin", begin)
    recover(world)
    assert world.store.contents(0).row.seq == waiting + 1
    assert [head.seq for head in world.store.contents(0).outbox] == [waiting + 1]
    monkeypatch.undo()
    goes_on(world)


def test_what_waits_for_a_topic_that_is_gone_is_refused_by_its_name() -> None:
    world, process = worked()
    waits_in_the_outbox(world, process, [saga_on(0, SHARDS, "ahead-")])
    before = [world.store.contents(shard) for shard in range(SHARDS)]
    bank = world.cluster.topics.pop("bank.commands")
    with pytest.raises(TopicMismatch, match=r"bank\.commands: create it again"):
        recover(world)
    assert [world.store.contents(shard) for shard in range(SHARDS)] == before
    assert world.store.meta().state == "ready"
    world.cluster.topics["bank.commands"] = bank
    recover(world)
    goes_on(world)


def test_rows_that_go_while_a_shard_is_kept_are_noticed() -> None:
    """As by a process of a recovery that was killed, and that deletes what it had planned to."""
    world, process = worked()
    del process
    lost, gone = tables(world.store, 0), list[str]()

    def meanwhile(name: str) -> None:
        if name == "recover.loaded" and not gone:
            gone.append(name)
            with closing(world.store.shard(0, "recovering")) as shard:
                shard.reset(shard.snapshot().row.chain)

    done = recover(world, drop=True, crash_point=meanwhile)
    assert [each.course for each in done] == [Course.REBUILD, Course.KEEP]
    assert tables(world.store, 0) == lost
    goes_on(world)


def test_a_recovery_is_not_over_while_the_lost_database_has_an_owner_that_writes() -> None:
    """It goes on by itself where it was cut off, and publishes more than the recovery has batches."""
    world, old = worked(rounds=3)
    new_database(world)
    began: list[str] = []

    def meanwhile(name: str) -> None:
        if name == "recover.loaded" and not began:
            began.append(name)
            for _ in range(20):  # fenced, it takes over once more, and fences
                old.step()
                world.bank()
                world.now_ms += 300
            assert all(owner.owned for owner in old.owners.values())

    recover(world, drop=True, crash_point=meanwhile)
    assert began
    goes_on(world)


def test_one_recovery_at_a_time() -> None:
    world, process = worked()
    del process
    with world.store.recovering(), pytest.raises(Unavailable, match="another one that runs"):
        recover(world)
    recover(world)


# ---------------------------------------------------------------- crashes
