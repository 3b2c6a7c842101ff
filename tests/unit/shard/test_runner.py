"""The threads of a process: one that hangs in the database is freed, one that waits does not oversleep."""

import threading
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from orchestrator.clock import now_ms
from orchestrator.errors import AccessDenied
from orchestrator.shard import runner as module
from orchestrator.shard.housekeeping import Housekeeping
from orchestrator.shard.loop import Decide
from orchestrator.shard.runner import NOT_RUNNING, PAUSE_MAX_S, Runner, pause_s
from orchestrator.shard.shard import Plant
from orchestrator.store.memory import Failure
from orchestrator.store.port import ShardStore
from tests.unit.shard.world import Process, World
from tests.waiting import PATIENCE_S, until


def runner_of(world: World, decider: Callable[[int, ShardStore], Decide] | None = None) -> Runner:
    """The threads of a process of this world, not running yet."""
    process = Process(world)
    plant = Plant(world.topics, process.broker, process.store, decider or process._decider, process.bounds)
    return Runner(plant, Housekeeping(process.broker, process.catalogue, process.store))


def test_a_call_of_the_database_that_hangs_is_broken_and_the_shard_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HANG_S", 0.2)
    world = World()
    world.store.fail_next("append", Failure.HANGS)
    runner = runner_of(world)
    world.start("s1")
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    until(lambda: world.steps() or not thread.is_alive())
    assert thread.is_alive()
    running = runner.status()
    assert (running.joined, [shard.owned for shard in running.shards]) == (True, [True])
    runner.stop()
    thread.join(PATIENCE_S)
    assert world.store.hanging.is_set()
    assert world.steps() == ["withdraw"]


def test_housekeeping_that_hangs_in_the_database_holds_up_no_shard_and_no_end() -> None:
    world = World()
    world.store.fail_next("save_definitions", Failure.HANGS)
    runner = runner_of(world)
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    assert world.store.hanging.wait(PATIENCE_S)
    asked = world.start("s1", saga="unknown")  # so the shard reads the definitions itself
    until(lambda: asked in world.answers())
    assert world.store.definitions() == []
    runner.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_definitions_that_hang_on_their_way_into_the_cache_are_saved_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HANG_S", 0.2)
    world = World()
    world.store.fail_next("save_definitions", Failure.HANGS)
    runner = runner_of(world)
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    until(world.store.definitions)
    runner.stop()
    thread.join(PATIENCE_S)
    assert world.store.hanging.is_set()
    assert [each.hash for each in world.store.definitions() if each.active] == [world.blueprint.hash]


def test_a_thread_that_is_long_in_one_step_is_stuck_and_one_that_waits_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    runner = runner_of(world)
    assert runner.status() == NOT_RUNNING
    world.store.fail_next("append", Failure.HANGS)
    world.start("s1")
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    assert world.store.hanging.wait(PATIENCE_S)
    assert runner.status().stuck == ()
    monkeypatch.setattr(module, "STUCK_S", 0.2)
    until(lambda: "shard-0" in runner.status().stuck)  # and who waits for its turn beside it
    monkeypatch.setattr(module, "HANG_S", 0.0)  # so it is freed
    until(lambda: not runner.status().stuck)
    runner.stop()
    thread.join(PATIENCE_S)


@pytest.mark.parametrize(("error", "logged"), [(AccessDenied("the words"), 0), (AssertionError("a defect"), 1)])
def test_what_no_retry_mends_ends_the_process_and_only_a_defect_with_where_it_happened(
    error: Exception, logged: int
) -> None:
    def failing(shard: int, store: ShardStore) -> Decide:
        raise error

    runner = runner_of(World(), failing)
    with capture_logs() as logs, pytest.raises(type(error), match=str(error)):
        runner.run()
    assert sum(bool(line.get("exc_info")) for line in logs) == logged


def test_a_thread_does_not_sleep_as_long_as_a_clock_that_was_set_back_says() -> None:
    assert pause_s(now_ms() + 3_600_000) == PAUSE_MAX_S
    assert pause_s(now_ms() - 3_600_000) == 0
