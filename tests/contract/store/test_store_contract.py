"""What every store promises, the real one and the one in memory."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import BatchRefused, ConfigError, DatabaseNotReady, OwnershipLost, Unavailable
from orchestrator.store.port import (
    FORMAT,
    GENESIS,
    Batch,
    Definition,
    Meta,
    OutboxHead,
    OutboxRow,
    ShardRow,
    ShardStore,
    Snapshot,
)
from tests.contract.store.batches import START_MS, batch_after, event, incident, row_after, saga, stored
from tests.contract.store.databases import NAMESPACE, SHARDS, Handle

OpenShard = Callable[[int], ShardStore]

EMPTY = ShardRow(1, 0, GENESIS, 0, 0, 0)
ALL_BYTES = bytes(range(256))


# ---------------------------------------------------------------- a new database


def test_new_database_says_what_it_is(handle: Handle) -> None:
    assert handle.store.meta() == Meta(NAMESPACE, SHARDS, "ready", FORMAT)


def test_every_shard_begins_at_genesis(open_shard: OpenShard) -> None:
    snapshots = [open_shard(shard).snapshot() for shard in range(SHARDS)]
    assert snapshots == [Snapshot(replace(EMPTY, shard=shard), (), "ready") for shard in range(SHARDS)]


def test_shard_that_the_database_does_not_have_is_a_wrong_setting(open_shard: OpenShard) -> None:
    with pytest.raises(ConfigError, match="shard"):
        open_shard(SHARDS).snapshot()


# ---------------------------------------------------------------- taking over


def test_take_over_appends_the_owner_batch_to_the_row_it_read(open_shard: OpenShard) -> None:
    shard = open_shard(1)
    first, seen = batch_after(EMPTY, "first owner"), list[ShardRow]()

    def owner_batch(row: ShardRow) -> Batch:
        seen.append(row)
        return batch_after(row, "first owner")

    assert shard.take_over(owner_batch) == EMPTY
    assert seen == [EMPTY]
    assert shard.snapshot() == Snapshot(row_after(first), (OutboxHead(1, first.chain),), "ready")


def test_take_over_changes_nothing_when_its_batch_cannot_be_made(open_shard: OpenShard) -> None:
    shard = open_shard(1)

    def owner_batch(row: ShardRow) -> Batch:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shard.take_over(owner_batch)
    assert shard.snapshot() == Snapshot(EMPTY, (), "ready")
    assert shard.take_over(batch_after) == EMPTY


def test_take_over_waits_for_the_end_of_a_recovery(handle: Handle, open_shard: OpenShard) -> None:
    shard = open_shard(1)
    handle.set_state("recovering")
    with pytest.raises(DatabaseNotReady, match="recover"):
        shard.take_over(batch_after)
    assert shard.snapshot() == Snapshot(EMPTY, (), "recovering")
    handle.set_state("ready")
    assert shard.take_over(batch_after) == EMPTY


def test_take_over_with_a_refused_batch_changes_nothing(open_shard: OpenShard) -> None:
    shard = open_shard(1)
    with pytest.raises(BatchRefused):
        shard.take_over(lambda row: batch_after(row, events=[event(number=0)]))
    assert shard.snapshot() == Snapshot(EMPTY, (), "ready")


def test_former_owner_cannot_append_after_a_take_over(handle: Handle, open_shard: OpenShard) -> None:
    former, owner = open_shard(1), open_shard(1)
    owned = batch_after(EMPTY, "former owner")
    former.take_over(lambda _: owned)
    owner.take_over(batch_after)
    before = handle.contents(1)
    with pytest.raises(OwnershipLost, match="expected"):
        former.append(batch_after(row_after(owned), "too late", events=[event()], sagas=[saga()]))
    assert handle.contents(1) == before


# ---------------------------------------------------------------- appending


def test_append_stores_the_whole_batch(handle: Handle, open_shard: OpenShard) -> None:
    batch = batch_after(
        EMPTY,
        records=ALL_BYTES * 4096,
        next_requests=2**40,
        next_replies=2**41,
        events=[
            event("a", 1),
            event("a", 2, topic=None, partition=None, offset=None),
            event("b", 1, type="SagaStarted", data='{"input":null}', offset=2**62),
        ],
        sagas=[
            saga("a", version=2, due_ms=START_MS + 5, labels='{"customer":"c1"}'),
            saga("b", status="completed", ended_ms=START_MS + 1),
        ],
        incidents=[incident("a"), incident("a", 2, step=None, closed_ms=START_MS)],
    )
    open_shard(1).append(batch)
    contents = handle.contents(1)
    assert contents.row == row_after(batch)
    assert contents.outbox == (OutboxRow(1, batch.chain, batch.owner, 2**40, 2**41, batch.now_ms, ALL_BYTES * 4096),)
    assert contents.events == tuple(batch.events)
    assert contents.sagas == tuple(batch.sagas)
    assert contents.incidents == tuple(batch.incidents)


def test_batch_without_effects_moves_the_offsets(open_shard: OpenShard) -> None:
    shard = open_shard(1)
    batch = batch_after(EMPTY, next_replies=7, records=b"")
    shard.append(batch)
    assert shard.snapshot() == Snapshot(row_after(batch), (OutboxHead(1, batch.chain),), "ready")


def test_sagas_and_incidents_are_replaced_and_events_added(handle: Handle, open_shard: OpenShard) -> None:
    shard = open_shard(1)
    first = batch_after(EMPTY, "1", events=[event("a", 1)], sagas=[saga("a", due_ms=5)], incidents=[incident("a")])
    second = batch_after(
        row_after(first),
        "2",
        events=[event("a", 2)],
        sagas=[
            saga(
                "a",
                saga="other",
                blueprint="e" * 64,
                status="compensated",
                version=2,
                state="[]",
                started_ms=1,
                ended_ms=2,
            )
        ],
        incidents=[incident("a", step=None, reason="r", text="t", opened_ms=3, closed_ms=4)],
    )
    shard.append(first)
    shard.append(second)
    contents = handle.contents(1)
    assert contents.events == (*first.events, *second.events)
    assert contents.sagas == tuple(second.sagas)
    assert contents.incidents == tuple(second.incidents)


def test_texts_survive_byte_for_byte(handle: Handle, open_shard: OpenShard) -> None:
    shard = open_shard(1)
    text = '{"b":1,"a":[1.50,1E2,"\\u0000","\\ud800","é\u2028\U0001f600"],"a":2,  "n":123456789012345678901234567890}'
    shard.append(batch_after(EMPTY, events=[event(data=text)], sagas=[saga(state=text)]))
    assert handle.contents(1).events[0].data == text
    assert shard.sagas(["s1"])["s1"].row.state == text


def test_labels_come_back_as_canonical_text(open_shard: OpenShard) -> None:
    shard = open_shard(1)
    canonical = '{"a":{"$decimal":"1.50"},"customer":"Zoë","zz":[true,null,7]}'
    shard.append(batch_after(EMPTY, sagas=[saga("a", labels=canonical), saga("b", labels='{"b": 1,  "a": 2}')]))
    found = shard.sagas(["a", "b"])
    assert found["a"].row.labels == canonical
    assert found["b"].row.labels == '{"a":2,"b":1}'


def test_append_after_another_batch_loses_the_ownership(handle: Handle, open_shard: OpenShard) -> None:
    shard = open_shard(1)
    mine, other = batch_after(EMPTY, "mine", events=[event()]), batch_after(EMPTY, "other")
    shard.append(other)
    before = handle.contents(1)
    with pytest.raises(OwnershipLost):
        shard.append(mine)
    assert handle.contents(1) == before
    shard.append(batch_after(row_after(other), "goes on"))


def test_repeated_append_is_one_append(handle: Handle, open_shard: OpenShard) -> None:
    shard = open_shard(1)
    batch = batch_after(EMPTY, events=[event()], sagas=[saga()], incidents=[incident()])
    shard.append(batch)
    before = handle.contents(1)
    shard.append(batch)
    handle.set_state("recovering")
    shard.append(batch)
    assert handle.contents(1) == before


def test_repeated_append_after_a_later_batch_loses_the_ownership(open_shard: OpenShard) -> None:
    shard = open_shard(1)
    batch = batch_after(EMPTY)
    shard.append(batch)
    shard.append(batch_after(row_after(batch), "later"))
    with pytest.raises(OwnershipLost):
        shard.append(batch)


def test_nobody_appends_during_a_recovery(handle: Handle, open_shard: OpenShard) -> None:
    shard = open_shard(1)
    handle.set_state("recovering")
    with pytest.raises(OwnershipLost, match="recovering"):
        shard.append(batch_after(EMPTY, events=[event()]))
    assert handle.contents(1).row == EMPTY
    assert handle.contents(1).events == ()


REFUSED: dict[str, list[dict[str, Any]]] = {
    "shards_chain_is_sha256": [{"chain": b"short"}],
    "shards_start_at_genesis": [{"chain": GENESIS}],
    "shards_offsets_are_not_negative": [{"next_requests": -1}, {"next_replies": -1}],
    "shards_time_is_not_negative": [{"now_ms": -1}],
    "events_have_each_number_once": [{"events": [event("old", 1)]}, {"events": [event("a", 1), event("a", 1)]}],
    "events_number_from_one": [{"events": [event(number=0)]}],
    "events_cause_is_whole_or_none": [{"events": [event(offset=None)]}, {"events": [event(topic=None)]}],
    "sagas_status_is_known": [{"sagas": [saga(status="asleep")]}],
    "sagas_end_when_status_says_so": [{"sagas": [saga(ended_ms=1)]}, {"sagas": [saga(status="completed")]}],
    "sagas_ended_have_no_timer": [{"sagas": [saga(status="compensated", ended_ms=1, due_ms=2)]}],
    "sagas_version_counts_from_one": [{"sagas": [saga(version=0)]}],
    "sagas_labels_are_an_object": [{"sagas": [saga(labels="[]")]}],
    "incidents_number_from_one": [{"incidents": [incident(number=0)]}],
    "incidents_close_after_they_open": [{"incidents": [incident(opened_ms=2, closed_ms=1)]}],
    "out of range": [{"events": [event(number=2**31)]}, {"sagas": [saga(version=2**31)]}],
    # What has no name: numbers of more than 64 bits, text that is no UTF-8 or has a NUL, what is no JSON, rows twice.
    "": [
        {"events": [event(offset=2**63)]},
        {"events": [event("a\0b")]},
        {"events": [event("a\udc80b")]},
        {"events": [event(data="{")]},
        {"events": [event(data="")]},
        {"events": [event(data="NaN")]},
        {"events": [event(data='"\udc80"')]},
        {"sagas": [saga("a"), saga("a")]},
        {"sagas": [saga(state="nonsense")]},
        {"sagas": [saga(labels="{")]},
        {"sagas": [saga(labels='{"a":"\\u0000"}')]},
        {"sagas": [saga(labels='{"a":"\\ud800"}')]},
        {"incidents": [incident(), incident()]},
        {"incidents": [incident(text="nul \0")]},
    ],
}


def test_batch_that_breaks_a_rule_is_refused_whole_and_by_name(handle: Handle, open_shard: OpenShard) -> None:
    shard = open_shard(1)
    first = batch_after(EMPTY, "1", events=[event("old", 1)], sagas=[saga("old")])
    shard.append(first)
    before = handle.contents(1)
    for rule, mistakes in REFUSED.items():
        for mistake in mistakes:
            with pytest.raises(BatchRefused, match=rule or None):
                shard.append(batch_after(row_after(first), **mistake))
            assert handle.contents(1) == before, mistake
    shard.append(batch_after(row_after(first), "goes on"))


def test_refusal_does_not_tell_what_is_in_the_batch(open_shard: OpenShard) -> None:
    with pytest.raises(BatchRefused) as caught:
        open_shard(1).append(batch_after(EMPTY, sagas=[saga(status="asleep", state='{"account":"DE89"}')]))
    assert "DE89" not in str(caught.value)


# ---------------------------------------------------------------- reading


def test_outbox_is_read_in_order_above_a_seq_and_up_to_a_limit(open_shard: OpenShard) -> None:
    shard = open_shard(1)
    batches = [batch_after(EMPTY, "1")]
    for text in ("2", "3", "4"):
        batches.append(batch_after(row_after(batches[-1]), text))
    for batch in batches:
        shard.append(batch)
    assert [row.seq for row in shard.outbox(0, 10)] == [1, 2, 3, 4]
    assert [row.seq for row in shard.outbox(1, 2)] == [2, 3]
    assert shard.outbox(4, 10) == []
    last = batches[3]
    rest = (last.owner, last.next_requests, last.next_replies, last.now_ms, last.records)
    assert shard.outbox(3, 1) == [OutboxRow(4, last.chain, *rest)]


def test_trimmed_outbox_keeps_the_row_at_the_footer(open_shard: OpenShard) -> None:
    shard, other = open_shard(1), open_shard(2)
    first = batch_after(EMPTY, "1")
    second = batch_after(row_after(first), "2")
    shard.append(first)
    shard.append(second)
    other.append(batch_after(replace(EMPTY, shard=2)))
    shard.trim_outbox(2)
    shard.trim_outbox(2)
    assert shard.snapshot().outbox == (OutboxHead(2, second.chain),)
    assert len(other.snapshot().outbox) == 1


def test_sagas_are_those_of_the_shard_that_exist(open_shard: OpenShard) -> None:
    open_shard(1).append(batch_after(EMPTY, sagas=[saga("a"), saga("b")]))
    open_shard(2).append(batch_after(replace(EMPTY, shard=2), sagas=[saga("c"), saga("b", state="[2]")]))
    assert open_shard(1).sagas(["a", "c", "b", "b"]) == {"a": stored(saga("a")), "b": stored(saga("b"))}
    assert open_shard(2).sagas(["b"]) == {"b": stored(saga("b", state="[2]"))}
    assert open_shard(1).sagas([]) == {}


def test_due_sagas_come_earliest_first(open_shard: OpenShard) -> None:
    shard = open_shard(1)
    due = {"late": 30, "early": 10, "same": 20, "also": 20, "never": None}
    batch = batch_after(EMPTY, sagas=[saga(saga_id, due_ms=due_ms) for saga_id, due_ms in due.items()])
    assert shard.next_due() is None
    shard.append(batch)
    assert shard.next_due() == 10
    assert shard.due(9, 10) == []
    assert shard.due(20, 10) == ["early", "also", "same"]
    assert shard.due(99, 2) == ["early", "also"]
    assert open_shard(2).due(99, 10) == []
    shard.append(batch_after(row_after(batch), "2", sagas=[saga("early", status="completed", ended_ms=11)]))
    assert shard.next_due() == 20


def test_open_incidents_are_counted_by_shard(handle: Handle, open_shard: OpenShard) -> None:
    assert handle.store.open_incidents() == {}
    first = batch_after(
        EMPTY, "1", sagas=[saga("a"), saga("b")], incidents=[incident("a"), incident("a", 2), incident("b")]
    )
    shard = open_shard(1)
    shard.append(first)
    assert handle.store.open_incidents() == {1: 3}
    closed = [incident("a", closed_ms=incident().opened_ms), incident("b", closed_ms=incident().opened_ms)]
    shard.append(batch_after(row_after(first), "2", sagas=[saga("a"), saga("b")], incidents=closed))
    assert handle.store.open_incidents() == {1: 1}


def test_definitions_are_kept_by_name_and_hash_with_one_active(handle: Handle) -> None:
    store = handle.store
    first, second = Definition("t", "1", "{}", active=True), Definition("t", "2", '{"b":1, "a":2}', active=False)
    other = Definition("other", "9", "[]", active=True)
    store.save_definitions([first, second, other])
    store.save_definitions([first, second, other])
    assert store.definitions() == [other, first, second]
    store.save_definitions([replace(first, active=False), replace(second, active=True)])
    assert store.definitions() == [other, replace(first, active=False), replace(second, active=True)]
    store.save_definitions([Definition("t", "3", "null", active=True)])
    assert [(d.name, d.hash) for d in store.definitions() if d.active] == [("other", "9"), ("t", "3")]


# ---------------------------------------------------------------- connections and crash points


def test_terminated_connection_is_gone_and_a_new_one_works(open_shard: OpenShard) -> None:
    shard = open_shard(1)
    shard.append(batch_after(EMPTY))
    shard.terminate()
    for _ in range(2):
        with pytest.raises(Unavailable):
            shard.snapshot()
    shard.close()
    shard.close()
    shard.terminate()
    with pytest.raises(Unavailable):
        shard.next_due()
    assert open_shard(1).snapshot().row.seq == 1


def test_crash_points_stand_on_both_sides_of_the_commit(handle: Handle, open_shard: OpenShard) -> None:
    passed: list[tuple[str, int]] = []
    handle.set_crash_point(lambda name: passed.append((name, handle.contents(1).row.seq)))
    shard = open_shard(1)
    owned = batch_after(EMPTY)
    shard.take_over(lambda _: owned)
    shard.append(batch_after(row_after(owned)))
    assert passed == [("take_over.before_commit", 0), ("append.before_commit", 1), ("append.after_commit", 2)]
