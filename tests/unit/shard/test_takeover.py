"""Two processes and one shard: pauses, crashes, lost answers, servers that hold things back. Nothing is lost."""

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.broker.memory import CommitFault
from orchestrator.broker.topology import namespace_topics
from orchestrator.crashpoints import OF_A_RUN, CrashPoint
from orchestrator.errors import (
    AccessDenied,
    ChainsDiverged,
    ConfigError,
    DatabaseBehind,
    DatabaseNotReady,
    FooterMissing,
    InputsDeleted,
    OwnershipLost,
    TopicMismatch,
)
from orchestrator.shard.batch import RelayBatch
from orchestrator.store.memory import Failure
from tests.unit.shard.world import Killed, Process, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.store.port import ShardStore


def crash_at(wanted: str, passes: int = 1) -> CrashPoint:
    left = passes

    def crash(name: str) -> None:
        nonlocal left
        if name == wanted:
            left -= 1
            if not left:
                raise Killed(name)

    return crash


def run_until_killed(world: World, process: Process, rounds: int = 60) -> bool:
    """Whether it was killed."""
    try:
        world.run(process, rounds=rounds)
    except Killed:
        return True
    return False


IN_THIS_PROCESS = [name for name in OF_A_RUN if name != "inputs.before_delete"]
"""The deletion of inputs is the housekeeping's, see its own test."""


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("name", IN_THIS_PROCESS)
def test_a_crash_at_any_point_loses_and_doubles_nothing(name: str, passes: int) -> None:
    world = World()
    starts = {f"s{number}": "closed" if number % 3 == 0 else "b" for number in range(9)}
    retention_ms, killed = (1_000 if name.startswith("trim.") else None), False
    process = Process(world, crash_point=crash_at(name, passes), retention_ms=retention_ms)
    for saga_id, target in starts.items():
        world.start(saga_id, target)
        if not killed and run_until_killed(world, process, rounds=8):
            killed, process = True, Process(world, retention_ms=retention_ms)
    if name.startswith("take_over.") and passes == 2:
        assert not killed  # a process takes over once
    else:
        assert killed
    world.run(process, rounds=40)
    assert world.ended() == {each: "compensated" if to == "closed" else "completed" for each, to in starts.items()}
    world.audit()


def test_a_paused_owner_that_wakes_up_writes_nothing() -> None:
    world = World()
    paused, other = Process(world), Process(world)
    world.start("s1")
    world.run(paused)
    other.take_over()
    world.start("s2")
    world.run(other)
    before = world.store.contents(0), world.cluster.committed(world.topics.journal)
    world.start("s3")
    paused.step()  # reads s3, decides, and finds another history
    assert not paused.shard.owned
    assert (world.store.contents(0), world.cluster.committed(world.topics.journal)) == before
    world.run(other)
    assert world.ended() == {"s1": "completed", "s2": "completed", "s3": "completed"}
    world.audit()


def test_an_owner_paused_before_it_publishes_anything_drops_the_shard_when_another_has_published_it() -> None:
    """The outbox rows that it was to publish are gone: another owner did."""
    world = World()
    paused, other = Process(world), Process(world)
    paused.take_over()
    other.take_over()
    world.start("s1")
    world.run(other)
    paused.step()
    assert isinstance(paused.trouble, OwnershipLost)
    world.run(other)
    assert world.ended() == {"s1": "completed"}
    world.audit()


def test_an_owner_paused_inside_a_kafka_transaction_is_fenced() -> None:
    world = World()
    paused, other = Process(world), Process(world)
    paused.take_over()
    paused.relay()
    world.start("s1")
    paused.stepping_relays = False
    paused.step()  # appended, not published
    relay = paused.relays[0]
    world.start("s2")
    relay._open = None
    other.take_over()
    world.run(other)
    paused.relay()  # produces what the other has published already: its producer is fenced
    assert paused.relays == [] or paused.relays[0].status.value == "broken"
    world.run(paused, other, rounds=4)
    assert world.ended() == {"s1": "completed", "s2": "completed"}
    world.audit()


@pytest.mark.parametrize("failure", [Failure.NOTHING_HAPPENED, Failure.ANSWER_LOST])
@pytest.mark.parametrize("call", ["append", "take_over"])
def test_a_commit_whose_outcome_is_unknown_counts_once(call: str, failure: Failure) -> None:
    world = World()
    process = Process(world)
    if call == "append":
        process.take_over()
    world.store.fail_next(call, failure)
    world.start("s1")
    world.run(process, rounds=20)
    assert world.ended() == {"s1": "completed"}
    world.audit()


@pytest.mark.parametrize("fault", list(CommitFault))
def test_the_end_of_a_transaction_that_is_slow_lost_or_held_back(fault: CommitFault) -> None:
    world = World()
    process = Process(world)
    world.start("s1")
    world.run(process, rounds=8)
    world.cluster.fault(world.topics.relay_id(0), fault)
    world.start("s2")
    world.run(process, rounds=3)
    for held in world.cluster.held:  # what was held back arrives while the next transactions run
        world.start("s3")
        process.stepping_relays = False
        process.step()
        world.cluster.release(held)
        process.stepping_relays = True
    world.run(process, rounds=20)
    assert set(world.ended().values()) == {"completed"}
    world.audit()


def test_a_slow_commit_keeps_the_ownership() -> None:
    world = World()
    process = Process(world)
    world.start("s1")
    world.run(process, rounds=8)
    before = world.store.contents(0).row
    world.cluster.fault(world.topics.relay_id(0), CommitFault.SLOW)
    world.start("s2")
    world.run(process)
    owners = {row.owner for row in world.store.contents(0).outbox}
    assert len(owners) == 1
    assert world.store.contents(0).row.seq == before.seq + 3  # three batches of s2, no owner batch
    assert world.ended()["s2"] == "completed"
    world.audit()


def test_a_postgres_that_does_not_answer_a_commit_gives_up_the_kafka_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    process = Process(world)
    process.take_over()
    process.relay()
    relay = process.relays[0]
    world.store.fail_next("append", Failure.NOTHING_HAPPENED)
    world.start("s1")
    process.stepping_relays = False
    offered = relay.offer

    def hang(batch: RelayBatch) -> None:
        offered(batch)
        relay.step(world.now_ms)  # produced ahead
        world.now_ms += 1_000
        relay.step(world.now_ms)

    monkeypatch.setattr(relay, "offer", hang)
    process.step()
    assert relay.status.value == "broken"
    assert "COMMIT" in str(relay.trouble)
    process.stepping_relays = True
    world.run(process, rounds=20)
    assert world.ended() == {"s1": "completed"}
    world.audit()


# ---------------------------------------------------------------- refusals


def after_some_work(world: World) -> Process:
    process = Process(world)
    for number in range(3):
        world.start(f"s{number}")
        world.run(process)
    return process


def refused(world: World, kind: type[Exception]) -> Process:
    """A new process on this world, refused with ``kind``; nothing was changed by it."""
    process = Process(world)
    before = world.store.contents(0), len(world.cluster.committed(world.topics.journal))
    world.run(process, rounds=20)
    assert type(process.trouble) is kind, process.trouble
    assert (world.store.contents(0), len(world.cluster.committed(world.topics.journal))) == before
    return process


def test_inputs_that_were_deleted_unread_refuse_a_shard_before_anything_is_appended() -> None:
    world = World()
    after_some_work(world)
    world.start("lost")
    end = world.broker.input_ends(0)
    world.broker.delete_inputs(0, end)
    refused(world, InputsDeleted)
    row = world.store.contents(0).row
    world.store._database.tables[0].row = replace(row, next_requests=end.next_requests)  # as the text says
    world.start("s4")
    world.run(Process(world))
    assert world.ended()["s4"] == "completed"


def test_a_restored_backup_is_refused_and_mended_it_runs_by_itself() -> None:
    world = World()
    process = after_some_work(world)
    healthy, backup = world.store, world.store.copy()
    world.start("s8")
    world.run(process)
    world.store = backup
    other = refused(world, DatabaseBehind)
    assert "point SAGA_DATABASE to the database that continues the journal" in str(other.trouble)
    world.store = healthy


def test_an_emptied_database_is_refused() -> None:
    world = World()
    after_some_work(world)
    world.store = World().store
    refused(world, DatabaseBehind)


def test_a_clock_that_is_set_back_does_not_stop_a_shard() -> None:
    world = World()
    process = Process(world)
    process.take_over()
    world.store.fail_next("append", Failure.NOTHING_HAPPENED)
    world.start("s1")
    world.run(process, rounds=1)
    assert not process.shard.owned
    world.now_ms -= 3_600_000
    world.run(process)
    assert world.ended() == {"s1": "completed"}
    world.audit()


def test_of_two_primaries_the_one_that_was_fenced_is_refused() -> None:
    world = World()
    old = after_some_work(world)
    world.store, old_primary = world.store.copy(), world.store
    promoted = Process(world)
    promoted.take_over()  # fences the old owner in Kafka, and appends where the old one does not look
    world.start("s8")
    world.run(promoted)
    world.start("s9")
    old.step()  # appends to the old primary, and cannot publish
    world.run(old, rounds=8)
    assert type(old.trouble) is DatabaseBehind  # the new one has published more
    assert old_primary.contents(0).row.seq > 0
    world.run(promoted)
    assert {world.ended()["s8"], world.ended()["s9"]} == {"completed"}
    world.audit()


def test_diverged_chains_are_refused() -> None:
    world, elsewhere = World(), World()
    after_some_work(world)
    after_some_work(elsewhere)
    world.store = elsewhere.store  # as many batches, another history
    refused(world, ChainsDiverged)


def test_an_emptied_journal_is_refused() -> None:
    world = World()
    after_some_work(world)
    log = world.cluster.log(world.topics.journal, 0)
    log.delete_below(log.end)
    refused(world, FooterMissing)


def test_a_recreated_topic_is_refused() -> None:
    world = World()
    after_some_work(world)
    world.cluster.delete_topic(world.topics.requests)
    specs = namespace_topics(world.topics, world.shards)
    world.broker.create([spec for spec in specs if spec.name == world.topics.requests])
    refused(world, TopicMismatch)


def test_a_database_that_is_gone_is_waited_for_and_a_right_that_lacks_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    after_some_work(world)
    process = Process(world)
    with monkeypatch.context() as patch:
        patch.setattr(process.store, "shard", gone(ConfigError("the database does not exist")))
        process.step()
    assert isinstance(process.trouble, ConfigError)
    world.now_ms += 10_000
    process.take_over()
    other = Process(world)
    monkeypatch.setattr(other.store, "shard", gone(AccessDenied("the password is wrong")))
    with pytest.raises(AccessDenied):
        other.step()


def gone(error: ConfigError) -> "Callable[..., ShardStore]":
    """What connecting comes to."""

    def shard(*_: object) -> "ShardStore":
        raise error

    return shard


def test_a_recovering_database_is_refused_until_it_is_ready() -> None:
    world = World()
    after_some_work(world)
    world.store.set_state("recovering")
    process = refused(world, DatabaseNotReady)
    world.store.set_state("ready")
    world.start("s9")
    world.run(process, rounds=80)
    assert world.ended()["s9"] == "completed"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_random_faults_pauses_and_crashes_lose_nothing(seed: int) -> None:
    chance = random.Random(seed)
    world = World()
    processes = [Process(world), Process(world)]

    def crash() -> None:
        processes[chance.randrange(2)] = Process(world)

    def fault() -> None:
        world.cluster.fault(world.topics.relay_id(0), chance.choice(list(CommitFault)))

    def failure() -> None:
        call = chance.choice(["append", "take_over", "snapshot", "outbox", "sagas"])
        world.store.fail_next(call, chance.choice([Failure.NOTHING_HAPPENED, Failure.ANSWER_LOST]))

    def arrive() -> None:
        if world.cluster.held:
            world.cluster.release(chance.choice(world.cluster.held))

    faults: list[Callable[[], None]] = [crash, fault, failure, arrive]
    for number in range(120):
        if number % 3 == 0:
            world.start(f"s{number}", chance.choice(["b", "closed"]))
        if chance.random() < 0.25:
            chance.choice(faults)()
        process = chance.choice(processes)
        process.stepping_relays = chance.random() < 0.7
        process.step()
        if chance.random() < 0.5:
            world.bank()
        world.now_ms += chance.choice([1, 50, 300])
    for held in world.cluster.held:
        world.cluster.release(held)
    for call in ("append", "take_over", "snapshot", "outbox", "sagas"):
        world.store.fail_next(call, Failure.NOTHING_HAPPENED)
    survivor = Process(world)
    world.run(survivor, rounds=300)
    assert len(world.ended()) == 40
    world.audit()
