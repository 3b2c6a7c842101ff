"""An owner that has nothing to do, while another one takes its shard, and is gone again."""

import pytest

from examples.money_transfer.saga import Receipt, Transfer, Withdraw
from orchestrator import RetryPolicy, Saga, saga, seconds
from orchestrator.errors import OwnershipLost
from orchestrator.shard.loop import LOOK_MS
from orchestrator.store.memory.store import MemoryShardStore
from orchestrator.store.port import Snapshot
from tests.unit.shard.world import Process, World

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


@saga(timeout=seconds(10), retry=RetryPolicy(maximum_attempts=1))
def one_attempt(s: Saga, asked: Transfer) -> Receipt:
    """It may end by a timer, behind which there is no other."""
    return s.step("withdraw", Withdraw(account=asked.source, amount=asked.amount), undo=None)


def owner_of_a_saga_that_waits() -> tuple[World, Process]:
    """Its command is sent, and nobody answers."""
    world = World(blueprint=one_attempt.compile())
    world.silent = True
    process = Process(world)
    process.take_over()
    world.start("s1", saga="one_attempt")
    world.run(process)
    return world, process


def test_an_owner_with_nothing_to_do_publishes_what_another_one_has_left() -> None:
    """It was not told that it had lost the shard, no input comes, and the timer that it knows of has fired already."""
    world, idle = owner_of_a_saga_that_waits()
    other = Process(world)
    other.stepping_relays = False
    other.take_over()
    world.now_ms += MINUTE_MS
    other.step()  # ends the saga, and is killed
    assert world.store.contents(0).row.seq == idle.relays[0].published.seq + 2
    assert world.ended() == {}
    world.run(idle, rounds=LOOK_MS // 100 + 10, ms=100)
    assert world.ended() == {"s1": "compensated"}
    world.audit()


def test_an_owner_whose_clock_is_set_back_looks_at_once() -> None:
    world, idle = owner_of_a_saga_that_waits()
    Process(world).take_over()
    world.now_ms -= HOUR_MS
    idle.step()
    assert isinstance(idle.trouble, OwnershipLost)


def test_an_owner_that_is_alone_looks_seldom_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    world, idle = owner_of_a_saga_that_waits()
    looks: list[int] = []
    right = MemoryShardStore.snapshot

    def snapshot(store: MemoryShardStore) -> Snapshot:
        looks.append(world.now_ms)
        return right(store)

    monkeypatch.setattr(MemoryShardStore, "snapshot", snapshot)
    before = world.store.contents(0).row
    world.run(idle, rounds=4 * LOOK_MS // 1_000, ms=1_000)
    assert 3 <= len(looks) <= 4
    assert idle.shard.owned
    assert world.ended() == {"s1": "compensated"}
    assert world.store.contents(0).row.seq == before.seq + 1, "the timer, and no owner batch"
