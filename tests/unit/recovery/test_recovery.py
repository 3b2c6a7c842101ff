"""Databases that are lost, behind, ahead or of another history, brought to the end of the journal."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from orchestrator.crashpoints import OF_A_RECOVERY
from orchestrator.errors import (
    ChainsDiverged,
    FooterMissing,
    JournalCorrupt,
    Unavailable,
)
from orchestrator.recovery import loading as loading_module
from orchestrator.recovery.course import Course
from orchestrator.recovery.recovery import Recovery, survey
from orchestrator.store.memory import Failure
from orchestrator.wire.journal import is_entry
from tests.contract.store.batches import batch_after
from tests.unit.recovery.scene import SHARDS, goes_on, loading, namespace_of, new_database, recover, tables, worked
from tests.unit.shard.world import Killed, Process, World, saga_on


def test_a_lost_database_is_rebuilt_row_by_row() -> None:
    world, process = worked()
    lost = world.store
    del process
    new_database(world)
    done = recover(world)
    assert [each.course for each in done] == [Course.FORWARD] * SHARDS  # from the genesis, which is the journal's
    for shard in range(SHARDS):
        assert tables(world.store, shard) == tables(lost, shard)
        assert world.store.contents(shard).row.seq == lost.contents(shard).row.seq + 1
    assert world.store.meta().state == "ready"
    assert world.store.definitions() == lost.definitions() != []
    goes_on(world)


def test_what_was_in_no_journal_is_decided_again() -> None:
    world, process = worked()
    process.stepping_relays = False
    for shard in range(SHARDS):
        world.start(saga_on(shard, SHARDS, "unpublished-"))
    process.step()
    world.now_ms += 100
    new_database(world)
    recover(world)
    assert not any("unpublished" in saga.saga_id for saga in world.store.contents(0).sagas)
    goes_on(world)
    assert world.ended()[saga_on(0, SHARDS, "unpublished-")] == "completed"


def test_a_restored_backup_is_rolled_forward_from_where_it_stands() -> None:
    world, process = worked(rounds=3)
    backup = world.store.copy()
    at = [backup.contents(shard).row.seq for shard in range(SHARDS)]
    world.run(process, rounds=14)
    lost, world.store = world.store, backup
    done = recover(world)
    assert [(each.course, each.row.seq) for each in done] == [(Course.FORWARD, seq) for seq in at]
    for shard in range(SHARDS):
        assert tables(world.store, shard) == tables(lost, shard)
    goes_on(world)


def test_a_database_that_is_ahead_of_its_journal_is_kept_and_published() -> None:
    world, process = worked()
    process.stepping_relays = False
    world.start(saga_on(0, SHARDS, "ahead-"))
    process.step()
    before = tables(world.store, 0)
    assert "ahead-" in str([saga.saga_id for saga in before.sagas])
    done = recover(world)
    assert [each.course for each in done] == [Course.KEEP] * SHARDS
    assert tables(world.store, 0) == before
    goes_on(world)
    assert world.ended()[saga_on(0, SHARDS, "ahead-")] == "completed"


def diverged() -> World:
    """Two primaries: the backup was written to as well, and its journal is not the one in Kafka."""
    world, process = worked(rounds=3)
    backup = world.store.copy()
    world.run(process, rounds=14)
    world.store = backup
    with closing(backup.shard(0)) as shard:
        shard.append(batch_after(shard.snapshot().row, "the other primary"))
    return world


def test_a_history_that_is_not_the_journals_is_deleted_only_if_allowed() -> None:
    world = diverged()
    before = world.store.contents(0)
    with pytest.raises(ChainsDiverged, match=r"got another one in 0: .*`saga recover --yes`"):
        recover(world)
    assert world.store.contents(0) == before
    done = recover(world, drop=True)
    assert [each.course for each in done] == [Course.REBUILD, Course.FORWARD]
    goes_on(world)


def test_a_wiped_database_is_rebuilt_from_the_genesis() -> None:
    world, process = worked()
    del process
    kept = [tables(world.store, shard) for shard in range(SHARDS)]
    done = recover(world, wipe=True)
    assert [each.course for each in done] == [Course.REBUILD] * SHARDS
    assert [tables(world.store, shard) for shard in range(SHARDS)] == kept
    goes_on(world)


def test_an_emptied_journal_rebuilds_nothing() -> None:
    world, process = worked()
    del process
    log = world.cluster.log(world.topics.journal, 0)
    log.delete_below(log.end)
    before = world.store.contents(0)
    for wipe in (False, True):
        with pytest.raises(FooterMissing):
            recover(world, wipe=wipe, drop=True)
    assert world.store.contents(0) == before


def without_a_beginning() -> World:
    world, _ = worked()
    world.cluster.log(world.topics.journal, 0).delete_below(20)
    return world


def diverged_without_a_beginning() -> World:
    world = diverged()
    world.cluster.log(world.topics.journal, 0).delete_below(12)
    return world


def changed_near_its_end() -> World:
    world, _ = worked()
    entries = world.cluster.log(world.topics.journal, 0).entries
    victim = next(each for each in reversed(entries) if each.record is not None and is_entry(each.record))
    assert victim.record is not None
    victim.record = replace(victim.record, value=(victim.record.value or b"")[:-1] + b"\x7f")
    return world


@pytest.mark.parametrize("broken", [without_a_beginning, diverged_without_a_beginning, changed_near_its_end])
def test_rows_that_the_journal_cannot_make_again_are_not_deleted(broken: Callable[[], World]) -> None:
    world = broken()
    before = [world.store.contents(shard) for shard in range(SHARDS)]
    with pytest.raises(JournalCorrupt):
        recover(world, wipe=broken is not diverged_without_a_beginning, drop=True)
    assert [world.store.contents(shard) for shard in range(SHARDS)] == before
    assert world.store.meta().state == "ready", "nothing was changed, so the other shards may run on"


@pytest.mark.parametrize("broken", [without_a_beginning, diverged_without_a_beginning])
def test_a_journal_without_a_beginning_is_refused_before_anybody_is_asked(broken: Callable[[], World]) -> None:
    with pytest.raises(JournalCorrupt, match="from batch 1 on, got one that begins with batch"):
        survey(namespace_of(broken()), wipe=True)


def test_a_recovery_that_is_refused_after_it_has_begun_to_load_stays_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading_module, "PASSAGE_EVENTS", 10)
    world = changed_near_its_end()
    new_database(world)
    with pytest.raises(JournalCorrupt):
        recover(world)
    assert world.store.contents(0).row.seq > 0
    assert world.store.meta().state == "recovering"


def test_an_empty_namespace_is_recovered_to_nothing() -> None:
    world = World(SHARDS)
    recover(world)
    process = Process(world, range(SHARDS))
    process.take_over()
    world.start("s1")
    world.run(process, rounds=40)
    assert world.ended() == {"s1": "completed"}
    world.audit()


# ---------------------------------------------------------------- beside others


@pytest.mark.slow
@pytest.mark.parametrize("point", OF_A_RECOVERY)
@pytest.mark.parametrize("passes", [1, 2, 3])
def test_killed_anywhere_it_goes_on_where_it_stands(point: str, passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading_module, "PASSAGE_EVENTS", 10)
    world, process = worked()
    del process
    lost = world.store
    new_database(world)
    left = [passes]

    def crash(name: str) -> None:
        if name == point:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

    try:
        recover(world, crash_point=crash)
    except Killed:
        if point != "recover.before_ready":
            assert world.store.meta().state == "recovering"
    world.now_ms += 20_000
    recover(world)
    for shard in range(SHARDS):
        assert tables(world.store, shard) == tables(lost, shard)
    goes_on(world)


@pytest.mark.parametrize("failure", [Failure.NOTHING_HAPPENED, Failure.ANSWER_LOST])
@pytest.mark.parametrize("call", ["load", "take_over", "reset"])
def test_a_database_that_goes_away_in_the_middle_is_recovered_by_the_next_call(failure: Failure, call: str) -> None:
    world, process = worked()
    del process
    kept = [tables(world.store, shard) for shard in range(SHARDS)]
    world.store.fail_next(call, failure)
    with pytest.raises(Unavailable):
        recover(world, wipe=True)
    recover(world, wipe=True)
    assert [tables(world.store, shard) for shard in range(SHARDS)] == kept
    goes_on(world)


# ---------------------------------------------------------------- what is told


def test_a_survey_changes_nothing_and_says_what_is_to_be_done() -> None:
    world = diverged()
    before = [world.store.contents(shard) for shard in range(SHARDS)]
    plans = survey(namespace_of(world))
    assert [each.drops for each in plans] == [True, False]
    assert [world.store.contents(shard) for shard in range(SHARDS)] == before
    assert world.store.meta().state == "ready"


def test_every_event_and_every_record_is_told_once() -> None:
    world, process = worked()
    del process
    events = sum(len(world.store.contents(shard).events) for shard in range(SHARDS))
    new_database(world)
    namespace, told = namespace_of(world), list[loading_module.Step]()
    records = len(world.cluster.committed(world.topics.journal))
    Recovery(namespace, loading(namespace, told.append)).run()
    assert sum(step.events for step in told) == events
    assert sum(step.records for step in told) == records
