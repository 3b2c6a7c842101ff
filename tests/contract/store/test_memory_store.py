"""What only the store in memory can: failures on demand."""

import threading

import pytest

from orchestrator.errors import Unavailable
from orchestrator.store.memory import Failure, MemoryStore
from orchestrator.store.port import GENESIS, ShardRow
from tests.contract.store.batches import batch_after, row_after, saga

EMPTY = ShardRow(0, 0, GENESIS, 0, 0, 0)


def test_lost_answer_is_a_commit_that_a_repetition_finds() -> None:
    store = MemoryStore()
    store.fail_next("append", Failure.ANSWER_LOST)
    batch = batch_after(EMPTY, sagas=[saga()])
    shard = store.shard(0)
    with pytest.raises(Unavailable, match="answer was lost"):
        shard.append(batch)
    with pytest.raises(Unavailable):
        shard.snapshot()
    store.shard(0).append(batch)
    assert store.contents(0).row == row_after(batch)


def test_failed_call_changes_nothing() -> None:
    store = MemoryStore()
    store.fail_next("take_over", Failure.NOTHING_HAPPENED)
    shard = store.shard(0)
    with pytest.raises(Unavailable):
        shard.take_over(batch_after)
    assert store.contents(0).row == EMPTY
    assert store.shard(0).take_over(batch_after) == EMPTY


def test_failures_queue_up_for_the_calls_they_name() -> None:
    store = MemoryStore()
    store.fail_next("append", Failure.ANSWER_LOST)
    store.fail_next("append", Failure.NOTHING_HAPPENED)
    first = batch_after(EMPTY)
    assert store.shard(0).next_due() is None
    with pytest.raises(Unavailable):
        store.shard(0).append(first)
    with pytest.raises(Unavailable):
        store.shard(0).append(batch_after(row_after(first)))
    store.shard(0).append(first)
    assert store.contents(0).row == row_after(first)


def test_hanging_call_ends_when_its_connection_is_terminated() -> None:
    store = MemoryStore()
    store.fail_next("append", Failure.HANGS)
    shard = store.shard(0)
    errors: list[Unavailable] = []

    def append() -> None:
        with pytest.raises(Unavailable) as caught:
            shard.append(batch_after(EMPTY))
        errors.append(caught.value)

    thread = threading.Thread(target=append)
    thread.start()
    assert store.hanging.wait(10)
    assert store.shard(0).snapshot().row == EMPTY
    shard.terminate()
    thread.join(10)
    assert len(errors) == 1
    assert store.contents(0).row == EMPTY


def test_database_that_is_down_answers_nobody_and_loses_its_connections() -> None:
    store = MemoryStore()
    shard = store.shard(0)
    store.down = True
    with pytest.raises(Unavailable):
        store.meta()
    with pytest.raises(Unavailable):
        store.shard(0)
    with pytest.raises(Unavailable):
        shard.snapshot()
    store.down = False
    with pytest.raises(Unavailable):
        shard.snapshot()
    assert store.shard(0).snapshot().row == EMPTY


def test_copy_is_another_database() -> None:
    store = MemoryStore()
    first = batch_after(EMPTY, sagas=[saga()])
    store.shard(0).append(first)
    backup = store.copy()
    store.shard(0).append(batch_after(row_after(first)))
    assert backup.contents(0).row == row_after(first)
    backup.shard(0).append(batch_after(row_after(first), "elsewhere"))
    assert store.contents(0).row != backup.contents(0).row
