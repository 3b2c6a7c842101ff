"""What a shard tells of its work: once a batch and once a transaction, with times by the meter's own clock."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.shard.housekeeping import Housekeeping
from orchestrator.shard.meter import BatchFigures
from tests.unit.shard.world import Process, World, saga_on


class Meter:
    """Keeps what it is told; each look at its clock is a second later."""

    def __init__(self) -> None:
        self._seconds = itertools.count()
        self.batches: list[BatchFigures] = []
        self.transactions: list[tuple[int, float]] = []
        self.trimmed_sagas: list[int] = []
        self.quarantine_reasons: list[str] = []

    def clock(self) -> float:
        return float(next(self._seconds))

    def appended(self, batch: BatchFigures) -> None:
        self.batches.append(batch)

    def trimmed(self, sagas: int) -> None:
        self.trimmed_sagas.append(sagas)

    def quarantined(self, reasons: Sequence[str]) -> None:
        self.quarantine_reasons += reasons

    def published(self, batches: int, seconds: float) -> None:
        self.transactions.append((batches, seconds))


def test_each_batch_tells_its_size_and_its_times() -> None:
    world, meter = World(), Meter()
    for number in range(3):
        world.start(f"s{number}")
    world.run(Process(world, meter=meter))
    assert world.ended() == {f"s{number}": "completed" for number in range(3)}
    assert [(batch.inputs, batch.timers, batch.retries, batch.incidents) for batch in meter.batches] == [
        (3, 0, 0, 0)
    ] * 3
    assert all(batch.decide_s > 0 and batch.commit_s > 0 for batch in meter.batches)
    # The owner's batch is published, but nobody decided it.
    assert sum(batches for batches, _ in meter.transactions) == len(meter.batches) + 1
    assert all(seconds > 0 for _, seconds in meter.transactions)


def test_commands_that_are_sent_again_are_counted() -> None:
    world, meter = World(), Meter()
    process = Process(world, meter=meter)
    world.silent = True
    world.start("s1")
    world.run(process, rounds=4)
    assert sum(batch.retries for batch in meter.batches) == 0
    world.now_ms += 120_000
    world.run(process, rounds=30, ms=1_000)
    sent = len(world.commands())
    assert sent > 1
    assert sum(batch.retries for batch in meter.batches) == sent - 1
    assert sum(batch.timers for batch in meter.batches) >= sent - 1


def test_incidents_are_counted_once_when_they_are_opened() -> None:
    world, meter = World(), Meter()
    process = Process(world, meter=meter)
    process.take_over()
    world.start("s1")
    process.step()
    (command,) = world.cluster.committed("bank.commands")
    answered = world.answer(command)
    world.broker.publish([replace(answered, value=b"\x00")])
    process.step()
    assert [batch.incidents for batch in meter.batches] == [0, 1]
    world.run(process)  # the saga goes on, with its incident beside it
    assert len(meter.batches) > 2
    assert sum(batch.incidents for batch in meter.batches) == 1


def test_the_status_of_a_shard_tells_what_waits_where() -> None:
    world = World()
    process = Process(world)
    assert not process.shard.status().owned
    process.take_over()
    process.stepping_relays = False
    for number in range(3):
        world.start(f"s{number}")
    Housekeeping(process.broker, process.catalogue, process.store).step(world.now_ms, [process.shard])
    waiting = process.shard.status()
    assert (waiting.owned, waiting.lag_requests, waiting.lag_replies) == (True, 3, 0)
    process.step()
    appended = process.shard.status()
    assert (appended.lag_requests, appended.unpublished, appended.footer_ms) == (0, 2, None)
    process.stepping_relays = True
    process.relay()
    published = process.shard.status()
    assert (published.unpublished, published.footer_ms) == (0, world.now_ms)


def test_open_incidents_are_counted_now_and_then_and_also_those_of_a_former_owner() -> None:
    world = World(shards=2)
    former = Process(world, shards=(0, 1))
    former.take_over()
    waiting = saga_on(1, 2)
    world.start(waiting)
    former.step()
    (command,) = world.cluster.committed("bank.commands")
    world.broker.publish([replace(world.answer(command), value=b"\x00")])
    former.step()
    process = Process(world, shards=(0, 1))
    process.take_over()
    housekeeping, shards = Housekeeping(process.broker, process.catalogue, process.store), list(process.owners.values())
    assert [shard.status().open_incidents for shard in shards] == [None, None]
    housekeeping.step(world.now_ms, shards)
    assert [shard.status().open_incidents for shard in shards] == [0, 1]
    world.run(process, rounds=60, ms=1_000)  # asked again, the bank answers
    assert [each.closed_ms is None for each in world.store.contents(1).incidents] == [False]
    housekeeping.step(world.now_ms, shards)
    assert [shard.status().open_incidents for shard in shards] == [0, 0]


def test_what_a_former_owner_left_in_the_outbox_counts_from_the_take_over_on() -> None:
    world = World()
    former = Process(world)
    former.take_over()
    former.stepping_relays = False
    world.start("s1")
    former.step()
    later = Process(world)
    later.take_over()
    # The former owner's batch and its input's, and the new owner's own.
    assert later.shard.status().unpublished == 3
    later.step()
    assert later.shard.status().unpublished == 0
