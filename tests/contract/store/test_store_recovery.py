"""What every store promises a recovery: passages loaded whole, a shard that is reset, one recovery at a time."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import BatchRefused, DatabaseNotReady, OwnershipLost, Unavailable
from orchestrator.store.port import GENESIS, OutboxRow, Passage, SagaRow, ShardRow, ShardStore, Store
from tests.contract.store.batches import START_MS, batch_after, chain_of, event, incident, row_after, saga, stored
from tests.contract.store.databases import Handle
from tests.waiting import until

EMPTY = ShardRow(1, 0, GENESIS, 0, 0, 0)


@pytest.fixture
def recovering(handle: Handle) -> Generator[ShardStore]:
    """Shard 1 of a database that is being recovered."""
    handle.store.set_state("recovering")
    with closing(handle.store.shard(1, "recovering")) as shard:
        yield shard


def passage_after(row: ShardRow, text: str = "journal", **changes: Any) -> Passage:
    """Five batches as the journal has them."""
    fields: dict[str, Any] = {
        "shard": row.shard,
        "previous": row.chain,
        "seq": row.seq + 5,
        "chain": chain_of(row.chain, text),
        "owner": "owner of " + text,
        "next_requests": row.next_requests + 7,
        "next_replies": row.next_replies + 9,
        "now_ms": START_MS + 100,
        "records": b"none",
    }
    return Passage(**fields | changes)


def row_of(passage: Passage) -> ShardRow:
    offsets = passage.next_requests, passage.next_replies
    return ShardRow(passage.shard, passage.seq, passage.chain, *offsets, passage.now_ms)


def test_a_passage_is_loaded_whole(handle: Handle, recovering: ShardStore) -> None:
    events = [(1, event("s1", 1)), (1, event("s1", 2)), (4, event("s2", 1, topic=None, partition=None, offset=None))]
    loaded = passage_after(
        EMPTY,
        events=events,
        sagas=[(1, saga("s1", version=2)), (4, saga("s2"))],
        incidents=[(1, incident("s1"))],
    )
    recovering.load(loaded)
    found = handle.contents(1)
    assert found.row == row_of(loaded)
    assert found.events == tuple(row for _, row in events)
    assert [row.saga_id for row in found.sagas] == ["s1", "s2"]
    assert found.incidents == (incident("s1"),)
    assert found.outbox == (OutboxRow(5, loaded.chain, loaded.owner, 7, 9, START_MS + 100, b"none"),)


def test_each_row_is_of_the_batch_that_it_brings(handle: Handle, recovering: ShardStore) -> None:
    recovering.load(passage_after(EMPTY, events=[(2, event("s1", 1))], sagas=[(3, saga("s1"))]))
    assert handle.seqs(1) == {"events": {2}, "sagas": {3}}


def test_the_next_passage_replaces_sagas_and_the_row_of_the_outbox(handle: Handle, recovering: ShardStore) -> None:
    first = passage_after(EMPTY, events=[(1, event("s1", 1))], sagas=[(1, saga("s1"))], incidents=[(1, incident())])
    recovering.load(first)
    closed = incident(closed_ms=START_MS + 1)
    changed = saga("s1", version=2)
    second = passage_after(row_of(first), events=[(8, event("s1", 2))], sagas=[(8, changed)], incidents=[(8, closed)])
    recovering.load(second)
    found = handle.contents(1)
    assert (found.row, found.sagas, found.incidents) == (row_of(second), (changed,), (closed,))
    assert [row.seq for row in found.outbox] == [10]


def test_a_repeated_passage_is_loaded_once(handle: Handle, recovering: ShardStore) -> None:
    loaded = passage_after(EMPTY, events=[(1, event())], sagas=[(1, saga())])
    recovering.load(loaded)
    recovering.load(loaded)
    assert len(handle.contents(1).events) == 1


def test_a_passage_for_another_history_changes_nothing(handle: Handle, recovering: ShardStore) -> None:
    recovering.load(passage_after(EMPTY))
    before = handle.contents(1)
    with pytest.raises(OwnershipLost):
        recovering.load(passage_after(EMPTY, "another"))
    assert handle.contents(1) == before


def test_a_passage_that_breaks_a_rule_is_refused_whole(handle: Handle, recovering: ShardStore) -> None:
    with pytest.raises(BatchRefused, match="events_number_from_one"):
        recovering.load(passage_after(EMPTY, events=[(1, event(number=0))]))
    assert handle.contents(1).row == EMPTY


def test_nothing_is_loaded_into_a_database_that_is_ready(handle: Handle) -> None:
    with closing(handle.store.shard(1, "recovering")) as shard:
        with pytest.raises(OwnershipLost, match="ready"):
            shard.load(passage_after(EMPTY))
        with pytest.raises(OwnershipLost):
            shard.reset(GENESIS)
        with pytest.raises(DatabaseNotReady, match="expected a database that is recovering"):
            shard.take_over(batch_after)
    assert handle.contents(1).row == EMPTY


def test_a_recovery_takes_over_and_appends_where_others_cannot(handle: Handle, recovering: ShardStore) -> None:
    with closing(handle.store.shard(1)) as other, pytest.raises(DatabaseNotReady):
        other.take_over(batch_after)
    owner = batch_after(EMPTY, "recovery")
    recovering.take_over(lambda _: owner)
    recovering.append(batch_after(row_after(owner)))
    assert handle.contents(1).row.seq == 2


def test_a_shard_is_reset_to_its_genesis(handle: Handle, recovering: ShardStore) -> None:
    loaded = passage_after(EMPTY, events=[(1, event())], sagas=[(1, saga())], incidents=[(1, incident())])
    with closing(handle.store.shard(2, "recovering")) as other:
        other.load(replace(loaded, shard=2))
    recovering.load(loaded)
    with pytest.raises(OwnershipLost):
        recovering.reset(chain_of(GENESIS, "another"))
    assert handle.contents(1).row == row_of(loaded)
    recovering.reset(loaded.chain)
    recovering.reset(loaded.chain)  # its answer was lost
    found = handle.contents(1)
    assert (found.row, found.outbox, found.sagas, found.events, found.incidents) == (EMPTY, (), (), (), ())
    assert len(handle.contents(2).events) == 1


def test_one_recovery_at_a_time(handle: Handle) -> None:
    with ExitStack() as stack:
        stack.enter_context(handle.store.recovering())
        with pytest.raises(Unavailable, match="another one that runs"):
            stack.enter_context(handle.store.recovering())
    until(lambda: begins(handle.store))  # as soon as the server knows that the first one is gone


def begins(store: Store) -> bool:
    try:
        with store.recovering():
            return True
    except Unavailable:
        return False


def test_tables_are_read_at_one_moment_in_the_order_of_their_keys(handle: Handle, recovering: ShardStore) -> None:
    ids = ["b", "a", "Z", "ä", "a-1", "a_1", "10", "9"]  # no locale: by their bytes
    recovering.load(
        passage_after(
            EMPTY,
            events=[(2, event(saga_id, number)) for saga_id in ids for number in (2, 1)],
            sagas=[(3, saga(saga_id, labels='{"b":1,"a":2}')) for saga_id in ids],
            incidents=[(3, incident("b", 1))],
        )
    )
    with handle.store.tables(1) as tables:
        before = tables.snapshot()
        recovering.take_over(batch_after)
        assert tables.snapshot() == before
        assert [row.seq for row in tables.outbox(0, 10)] == [5]
        events, sagas = list(tables.events()), list(tables.sagas())
        assert [each.row.saga_id for _, each in sagas] == sorted(ids)
        assert [(row.saga_id, row.number) for _, row in events] == [(each, n) for each in sorted(ids) for n in (1, 2)]
        assert {seq for seq, _ in events} == {2}
        assert {(seq, each.row.labels) for seq, each in sagas} == {(3, '{"a":2,"b":1}')}
        assert list(tables.incidents()) == [(3, incident("b", 1))]
    with handle.store.tables(1) as tables:
        assert tables.snapshot().row.seq == before.row.seq + 1


def ended(saga_id: str, ended_ms: int) -> SagaRow:
    return saga(saga_id, status="completed", version=2, ended_ms=ended_ms)


def test_a_passage_deletes_what_its_batches_trimmed(handle: Handle, recovering: ShardStore) -> None:
    first = passage_after(
        EMPTY,
        events=[(1, event(saga_id, number)) for saga_id in ("s1", "s2") for number in (1, 2)],
        sagas=[(1, ended("s1", START_MS)), (1, ended("s2", START_MS))],
        incidents=[(1, incident("s1", closed_ms=START_MS + 1))],
    )
    recovering.load(first)
    second = passage_after(row_of(first), events=[(8, event("s3"))], sagas=[(8, saga("s3"))], trimmed=["s1", "gone"])
    recovering.load(second)
    recovering.load(second)  # its answer was lost
    found = handle.contents(1)
    assert ([row.saga_id for row in found.sagas], found.incidents) == (["s2", "s3"], ())
    assert [(row.saga_id, row.number) for row in found.events] == [("s2", 1), ("s2", 2), ("s3", 1)]
    with pytest.raises(OwnershipLost):
        recovering.load(passage_after(row_of(first), "another", trimmed=["s2"]))
    assert handle.contents(1) == found


def test_a_batch_trims_sagas_and_a_zombie_trims_nothing(
    handle: Handle, open_shard: Callable[[int], ShardStore]
) -> None:
    shard, other = open_shard(1), open_shard(2)
    rows = [ended("s1", START_MS + 2), ended("s2", START_MS + 1), ended("s3", START_MS + 3), saga("s4")]
    events = [event(row.saga_id, number) for row in rows for number in range(1, row.version + 1)]
    incidents = [incident("s1", closed_ms=START_MS + 1), incident("s3")]
    filled = batch_after(EMPTY, sagas=rows, events=events, incidents=incidents)
    shard.append(filled)
    other.append(replace(filled, shard=2))
    assert shard.closed(START_MS + 9, 9) == [("s2", 2), ("s1", 2)]  # s3 waits for an operator, s4 runs
    assert shard.closed(START_MS + 9, 1) == [("s2", 2)]
    assert shard.closed(START_MS + 2, 9) == [("s2", 2)]
    before = handle.contents(1)
    with pytest.raises(OwnershipLost):
        shard.append(batch_after(replace(row_after(filled), chain=bytes(range(32))), "zombie", trimmed=["s1"]))
    assert handle.contents(1) == before
    trimming = batch_after(row_after(filled), "trimming", trimmed=["s1", "s2"])
    shard.append(trimming)
    shard.append(trimming)  # its answer was lost
    found = handle.contents(1)
    assert found.row == row_after(trimming)
    assert [row.saga_id for row in found.sagas] == ["s3", "s4"]
    assert {row.saga_id for row in found.events} == {"s3", "s4"}
    assert found.incidents == (incident("s3"),)
    assert [row.records for row in found.outbox] == [filled.records, trimming.records]
    assert len(handle.contents(2).sagas) == 4
    again = batch_after(row_after(trimming), "again", events=[event("s1")], sagas=[saga("s1")])
    shard.append(again)
    assert shard.sagas(["s1", "s2"]) == {"s1": stored(saga("s1"))}
