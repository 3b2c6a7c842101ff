"""The cache of states: what it writes of a saga, and when; whatever it has kept, the rows are the same."""

import pytest

from orchestrator.engine import events as e
from orchestrator.engine.evolve import evolve
from orchestrator.engine.state import SagaState, dumps
from orchestrator.errors import JournalCorrupt
from orchestrator.shard.sagas import TAIL_MIN, Sagas, state_of
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import EventRow, ShardStore, StoredSaga
from tests.contract.store.batches import batch_after

STARTED = e.SagaStarted(saga_id="s1", saga="transfer", blueprint="f" * 64, input={}, request_id="r", at_ms=1)


def changed(sagas: Sagas, store: ShardStore, event: e.Event) -> SagaState:
    """One batch with one event of one saga."""
    sagas.load(["s1"])
    before = sagas.get("s1")
    now = evolve(before, event)
    kind, data = e.encode(event)
    sagas.put(now, len(data))
    rows, incidents = sagas.rows()
    row = EventRow("s1", now.version, kind, data, None, None, None)
    store.append(batch_after(store.snapshot().row, events=[row], sagas=rows, incidents=incidents))
    sagas.keep()
    return now


def labels(number: int, size: int) -> e.Event:
    return e.LabelsSet(attributes={f"n{number % 3}": "x" * size}, at_ms=number)


def history(cache: int, size: int, count: int) -> tuple[MemoryStore, list[int]]:
    """A saga of ``count`` events of this size, and as of which of them its state is written after each."""
    store = MemoryStore(shards=1)
    shard = store.shard(0)
    sagas = Sagas(shard, cache)
    written: list[int] = []
    for number in range(count):
        now = changed(sagas, shard, labels(number, size) if number else STARTED)
        stored = store.stored(0)["s1"]
        assert state_of(stored) == now
        written.append(stored.row.written)
    return store, written


def test_a_short_saga_is_its_events() -> None:
    store, written = history(cache=10, size=100, count=TAIL_MIN // 200)
    assert set(written) == {0}
    assert store.stored(0)["s1"].row.state is None


@pytest.mark.parametrize(("size", "count"), [(200, 200), (20_000, 30)])
def test_a_state_is_written_when_the_events_since_weigh_as_much(size: int, count: int) -> None:
    store, written = history(cache=10, size=size, count=count)
    times = sorted(set(written) - {0})
    assert len(times) >= 2
    data = [event.data for event in store.contents(0).events]
    for last, time in zip([0, *times], times, strict=False):
        state = None
        for number in range(last):
            state = evolve(state, e.decode("SagaStarted" if number == 0 else "LabelsSet", data[number]))
        weight = max(TAIL_MIN, 0 if state is None else len(dumps(state)))
        assert sum(map(len, data[last:time])) >= weight > sum(map(len, data[last : time - 1]))


@pytest.mark.parametrize(("size", "count"), [(200, 100), (20_000, 30)])
def test_what_is_kept_makes_no_difference_to_what_is_written(size: int, count: int) -> None:
    kept, cold = history(cache=10, size=size, count=count), history(cache=0, size=size, count=count)
    assert kept[1] == cold[1]
    assert kept[0].contents(0) == cold[0].contents(0)


def test_a_batch_that_is_not_in_the_database_leaves_nothing() -> None:
    store = MemoryStore(shards=1)
    shard = store.shard(0)
    sagas = Sagas(shard, 10)
    changed(sagas, shard, STARTED)
    sagas.load(["s1"])
    event = labels(1, TAIL_MIN)
    sagas.put(evolve(sagas.get("s1"), event), len(e.encode(event)[1]))
    assert sagas.rows()[0][0].written == 2
    sagas.forget()
    changed(sagas, shard, labels(2, 10))
    assert store.stored(0)["s1"].row.written == 0


@pytest.mark.parametrize(("left", "got"), [(0, "none"), (2, "LabelsSet")])
def test_a_saga_whose_first_events_were_deleted_is_told_with_the_cure(left: int, got: str) -> None:
    store, _ = history(cache=10, size=100, count=3)
    stored = store.stored(0)["s1"]
    broken = StoredSaga(stored.row, stored.tail[len(stored.tail) - left :])
    with pytest.raises(JournalCorrupt, match=f"saga s1: .* got {got}: .*`saga recover --wipe --yes`"):
        state_of(broken)
