"""The threads of a process: one that hangs in the database is freed, one that waits does not oversleep."""

import threading
from time import monotonic

import pytest

from orchestrator.shard import runner as module
from orchestrator.shard.housekeeping import Housekeeping
from orchestrator.shard.ownership import Plant
from orchestrator.shard.runner import PAUSE_MAX_S, Runner, clock_ms, pause_s
from orchestrator.store.memory import Failure
from tests.unit.shard.world import Process, World

PATIENCE_S = 60.0


def test_a_call_of_the_database_that_hangs_is_broken_and_the_shard_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HANG_S", 0.2)
    world = World()
    process = Process(world)
    world.store.fail_next("append", Failure.HANGS)
    plant = Plant(world.topics, process.broker, process.store, process._decider, process.bounds)
    runner = Runner(plant, Housekeeping(process.broker, process.catalogue))
    world.start("s1")
    thread = threading.Thread(target=runner.run)
    thread.start()
    until = monotonic() + PATIENCE_S
    while not world.steps():
        assert monotonic() < until
        assert thread.is_alive()
    runner.stop()
    thread.join(PATIENCE_S)
    assert world.store.hanging.is_set()
    assert world.steps() == ["withdraw"]


def test_a_thread_does_not_sleep_as_long_as_a_clock_that_was_set_back_says() -> None:
    assert pause_s(clock_ms() + 3_600_000) == PAUSE_MAX_S
    assert pause_s(clock_ms() - 3_600_000) == 0
