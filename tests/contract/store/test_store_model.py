"""Whatever batches are thrown at them, Postgres and the store in memory do the same."""

from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import BatchRefused, OwnershipLost
from orchestrator.store.memory import Contents
from orchestrator.store.migrate import migrate
from orchestrator.store.port import GENESIS, Batch, EventRow, IncidentRow, SagaRow, ShardRow, ShardStore
from tests.contract.store.batches import batch_after, row_after
from tests.contract.store.databases import NAMESPACE, InMemory, InPostgres

EXAMPLES = 60
BATCHES_MAX = 5

ids = st.sampled_from(["a", "b", "é", "c\0", "d\ud800"]) | st.text(max_size=3)
small = st.integers(-1, 3)
maybe_small = st.none() | small
numbers = small | st.sampled_from([2**31 - 1, 2**31, 2**63 - 1, 2**63])
texts = st.text(max_size=8)
jsons = st.sampled_from(
    ["{}", "[]", '{"a": 1,"a":2}', '"\\u0000"', '{"k":"\\u0000"}', '{"k":"\\ud800"}', "{", "NaN", "1e400"]
)
labels = st.sampled_from(
    ["{}", '{"b":1, "a":"x"}', '{"k":"\\u0000"}', '{"k":"\\ud83d\\ude00"}', "[]", "7", "", '{"k":']
)
statuses = st.sampled_from(["running", "compensating", "completed", "compensated", "waiting"])
causes = st.sampled_from([("t", 0, 5), ("t", 2**31, 5), (None, None, None), ("t", None, 5)])
events = causes.flatmap(lambda cause: st.builds(EventRow, ids, numbers, texts, jsons, *map(st.just, cause)))
sagas = st.builds(
    SagaRow, ids, texts, texts, statuses, numbers, jsons, maybe_small, labels, small, maybe_small
)  # fmt: skip
incidents = st.builds(IncidentRow, ids, numbers, st.none() | texts, texts, texts, small, maybe_small)
contents = st.fixed_dictionaries(
    {},
    optional={
        "events": st.lists(events, max_size=2),
        "sagas": st.lists(sagas, max_size=2),
        "incidents": st.lists(incidents, max_size=1),
        "records": st.binary(max_size=300),
        "next_replies": numbers,
        "now_ms": numbers,
    },
)
histories = st.lists(st.tuples(contents, st.sampled_from([False, False, False, True])), max_size=BATCHES_MAX)


def outcome_of(shard: ShardStore, batch: Batch) -> str:
    try:
        shard.append(batch)
    except (BatchRefused, OwnershipLost) as error:
        return type(error).__name__
    return "appended"


def read(shard: ShardStore, found: Contents) -> object:
    """Everything that the port shows of a shard."""
    sagas = shard.sagas([saga.saga_id for saga in found.sagas])
    return shard.snapshot(), shard.outbox(1, 2), sagas, shard.due(2, 9), shard.next_due()


@pytest.mark.integration
def test_both_stores_take_and_refuse_the_same(database: str) -> None:
    migrate(database, NAMESPACE, shards=1)
    real_handle = InPostgres(database)

    @settings(max_examples=EXAMPLES)
    @given(history=histories)
    def same(history: list[tuple[dict[str, object], bool]]) -> None:
        real_handle.empty()
        fake_handle = InMemory(shards=1)
        fake, row = fake_handle.store.shard(0), ShardRow(0, 0, GENESIS, 0, 0, 0)
        with closing(real_handle.store.shard(0)) as real:
            for index, (fields, stale) in enumerate(history):
                previous = replace(row, chain=b"?" * 32) if stale else row
                batch = batch_after(previous, str(index), **fields)
                outcomes = {outcome_of(real, batch), outcome_of(fake, batch)}
                # Of a batch that is stale and malformed, Postgres names what it notices first.
                assert len(outcomes) == 1 or (stale and "appended" not in outcomes), (outcomes, batch)
                if outcomes == {"appended"}:
                    row = row_after(batch)
            found = real_handle.contents(0)
            assert fake_handle.contents(0) == found
            assert read(fake, found) == read(real, found)

    same()
