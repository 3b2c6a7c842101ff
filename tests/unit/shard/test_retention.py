"""Closed sagas are trimmed by a batch of their own: not before their time, and not before what waits was read."""

import pytest

from orchestrator.errors import Unavailable
from orchestrator.shard import retention
from orchestrator.store.memory.store import MemoryShardStore
from orchestrator.store.port import Batch
from orchestrator.wire.journal import SagasTrimmed, is_entry, parse_entry
from orchestrator.wire.request import CancelSaga
from tests.unit.shard.test_meter import Meter
from tests.unit.shard.world import Process, World, reasons

RETENTION_MS = 5_000


def sagas(world: World) -> list[str]:
    return [row.saga_id for row in world.store.contents(0).sagas]


def trimmed(world: World) -> list[tuple[str, ...]]:
    """What the journal says of it, an item for each record."""
    records = filter(is_entry, world.cluster.committed(world.topics.journal))
    entries = (parse_entry(record.value) for record in records)
    return [entry.saga_ids for entry in entries if isinstance(entry, SagasTrimmed)]


def test_a_closed_saga_goes_when_it_is_old_enough_and_others_stay() -> None:
    world, meter = World(), Meter()
    process = Process(world, meter=meter, retention_ms=RETENTION_MS)
    world.start("s1", "closed")
    world.run(process)
    world.silent = True
    world.start("open")
    world.run(process, rounds=30)
    assert sagas(world) == ["open", "s1"]
    assert trimmed(world) == []
    world.run(process, rounds=30)
    assert sagas(world) == ["open"]
    assert {row.saga_id for row in world.store.contents(0).events} == {"open"}
    assert trimmed(world) == [("s1",)]
    assert meter.trimmed_sagas == [1]
    world.audit()


def test_without_a_retention_everything_stays() -> None:
    world = World()
    process = Process(world)
    world.start("s1")
    world.run(process)
    world.run(process, rounds=10, ms=86_400_000)
    assert sagas(world) == ["s1"]


def test_many_go_in_several_batches_each_of_several_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "TRIMMED_MAX", 150)
    world = World()
    process = Process(world, retention_ms=RETENTION_MS)
    for number in range(250):
        world.start(f"s{number}")
    world.run(process, rounds=20)
    world.run(process, rounds=20, ms=1_000)
    assert sagas(world) == []
    assert sorted(each for ids in trimmed(world) for each in ids) == sorted(f"s{number}" for number in range(250))
    assert max(map(len, trimmed(world))) == 100
    world.audit()


def test_sagas_of_many_events_go_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """One statement deletes them, and it has a time-out."""
    monkeypatch.setattr(retention, "EVENTS_MAX", 20)
    world = World()
    process = Process(world, retention_ms=RETENTION_MS)
    for number in range(7):
        world.start(f"s{number}")
    world.run(process, rounds=20)
    events = len(world.store.contents(0).events) // 7
    world.run(process, rounds=20, ms=1_000)
    assert sagas(world) == []
    assert [len(ids) for ids in trimmed(world)] == [20 // events] * (7 * events // 20) + [1]
    world.audit()
    monkeypatch.setattr(retention, "EVENTS_MAX", 1)  # a single saga goes, however many events it has
    world.start("long")
    world.run(process, rounds=40, ms=1_000)
    assert sagas(world) == []


def test_a_trimming_that_fails_ends_an_ownership_now_and_then_and_not_each_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    process = Process(world, retention_ms=RETENTION_MS)
    world.start("s1")
    world.run(process)
    failed: list[Batch] = []

    def append(store: MemoryShardStore, batch: Batch) -> None:
        if batch.trimmed:
            failed.append(batch)
            raise Unavailable("canceling statement due to statement timeout")
        right(store, batch)

    right = MemoryShardStore.append
    monkeypatch.setattr(MemoryShardStore, "append", append)
    world.run(process, rounds=6, ms=1_000)
    failed.clear()
    world.run(process, rounds=60, ms=100)
    assert 1 <= len(failed) <= 6, "once in each LOOK_LEAST_MS, though a shard is taken over again four times as soon"
    world.start("s2")
    world.run(process, rounds=30)
    assert world.ended()["s2"] == "completed"
    monkeypatch.undo()
    world.run(process, rounds=40, ms=1_000)
    assert sagas(world) == []
    world.audit()


def test_a_start_that_waited_through_an_outage_meets_its_saga() -> None:
    """It was repeated in time; nobody was there to read it, and now its saga is old."""
    world = World()
    process = Process(world, retention_ms=RETENTION_MS)
    first = world.start("s1")
    world.run(process)
    again = world.start("s1")
    world.now_ms += 100 * RETENTION_MS  # it was paused, and looks at once
    world.run(process, rounds=1)
    assert sagas(world) == ["s1"]
    world.run(process)
    assert world.answers() == {first: "accepted", again: "already"}
    assert sagas(world) == []
    world.audit()


def test_a_trimmed_saga_is_as_one_that_never_was() -> None:
    world = World()
    process = Process(world, retention_ms=RETENTION_MS)
    first = world.start("s1")
    world.run(process)
    late = next(iter(world.cluster.committed("bank.commands")))
    world.run(process, rounds=20, ms=1_000)
    assert sagas(world) == []
    world.ask(CancelSaga(request_id="c1", saga_id="s1"))
    world.broker.publish([world.answer(late)])
    world.run(process)
    assert world.answers() == {first: "accepted", "c1": "refused"}
    assert reasons(world) == ["unknown_saga"]
    again = world.start("s1")
    world.run(process)
    assert world.answers()[again] == "accepted"
    assert sagas(world) == ["s1"]


def test_an_owner_that_is_fenced_trims_nothing() -> None:
    world = World()
    zombie, other = Process(world, retention_ms=RETENTION_MS), Process(world)
    world.start("s1")
    world.run(zombie)
    other.take_over()
    world.run(other)
    before = world.store.contents(0), world.cluster.committed(world.topics.journal)
    world.now_ms += 10 * RETENTION_MS
    zombie.step()
    assert not zombie.shard.owned
    assert (world.store.contents(0), world.cluster.committed(world.topics.journal)) == before
