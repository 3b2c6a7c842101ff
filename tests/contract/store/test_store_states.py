"""A saga's state in its row, and the events behind it."""

from collections.abc import Callable

from orchestrator.store.port import GENESIS, ShardRow, ShardStore
from tests.contract.store.batches import batch_after, event, row_after, saga, stored
from tests.contract.store.databases import Handle

EMPTY = ShardRow(1, 0, GENESIS, 0, 0, 0)


def test_a_state_that_is_not_written_again_stays_and_what_it_lacks_comes_with_it(
    handle: Handle, open_shard: Callable[[int], ShardStore]
) -> None:
    shard = open_shard(1)
    events = [event("a", number, data=f"[{number}]") for number in (1, 2, 3, 4)]
    third = r'{"input":"\u0000","version":3}'
    batches = [
        ([saga("a", version=2, state=None)], events[:2]),
        ([saga("a", version=3, state=third)], events[2:3]),
        ([saga("a", version=4, state=None)], events[3:]),
    ]
    seen = [
        stored(saga("a", version=2, state=None), *events[:2]),
        stored(saga("a", version=3, state=third)),
        stored(saga("a", version=4, state=third), events[3]),
    ]
    before = EMPTY
    for number, (batch, expected) in enumerate(zip(batches, seen, strict=True)):
        sagas, added = batch
        made = batch_after(before, str(number), events=added, sagas=sagas)
        shard.append(made)
        before = row_after(made)
        assert shard.sagas(["a"]) == {"a": expected}
        assert handle.contents(1).sagas == (expected.row,)
