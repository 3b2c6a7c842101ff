"""Entries and footers: golden bytes, and equal to what the general codec writes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.blueprint.values import Data
from orchestrator.errors import MessageRejected
from orchestrator.wire.forwarding import forwarded_record
from orchestrator.wire.journal import (
    ENTRY,
    FOOTER,
    Footer,
    FooterBatch,
    JournalEntry,
    SagasTrimmed,
    entry_record,
    footer_record,
    is_entry,
    is_footer,
    parse_entry,
    parse_footer,
    trimmed_record,
)
from orchestrator.wire.quarantine import quarantine_record
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.unit.wire.samples import received, texts

TOPICS = Topics("ns")
COMPLETED = ("StepCompleted", '{"step":"withdraw"}')
REPLY = JournalEntry(12, "t-1", 3, (COMPLETED, ("SagaCompleted", "{}")), ("ns.replies", 3, 200))
TIMER = JournalEntry(12, "t-1", 3, (("AttemptTimedOut", "{}"),), None)


def test_golden_entry() -> None:
    assert entry_record(TOPICS, 3, REPLY) == OutgoingRecord(
        topic="ns.journal",
        partition=3,
        key=b"t-1",
        headers=(("ce_type", b"saga.entry"),),
        value=ENTRY.prefix
        + b'\x02\x18\x06t-1\x06\x04\x1aStepCompleted\x26{"step":"withdraw"}\x1aSagaCompleted\x04{}\x00'
        + b"\x02\x14ns.replies\x02\x06\x02\x90\x03",
    )


def test_golden_entry_of_a_timer() -> None:
    assert entry_record(TOPICS, 3, TIMER).value == (
        ENTRY.prefix + b"\x02\x18\x06t-1\x06\x02\x1eAttemptTimedOut\x04{}\x00\x00\x00\x00"
    )


TRIMMED = SagasTrimmed(12, ("t-1", 'ü"2'))


def test_golden_entry_of_trimmed_sagas() -> None:
    record = trimmed_record(TOPICS, 3, TRIMMED)
    data = '{"saga_ids":["t-1","ü\\"2"]}'.encode()
    assert record == OutgoingRecord(
        topic="ns.journal",
        partition=3,
        key=None,
        headers=(("ce_type", b"saga.entry"),),
        value=ENTRY.prefix + b"\x04\x18\x00\x00\x02\x18SagasTrimmed\x38" + data + b"\x00\x00\x00\x00",
    )
    assert is_entry(record)
    assert parse_entry(record.value) == TRIMMED


@pytest.mark.parametrize(
    "changes",
    [
        {"saga_id": "t-1"},
        {"number": 1},
        {"events": [{"type": "SagaStarted", "data": '{"saga_ids":["t-1"]}'}]},
        {"events": [{"type": "SagasTrimmed", "data": '{"saga_ids":["t-1"]}'}] * 2},
        {"topic": "ns.replies", "partition": 1, "offset": 2},
        *({"events": [{"type": "SagasTrimmed", "data": text}]} for text in ("{", "[]", "{}", '{"saga_ids":[]}')),
        {"events": [{"type": "SagasTrimmed", "data": '{"saga_ids":[7]}'}]},
    ],
)
def test_an_entry_of_the_shard_that_says_anything_else_is_refused(changes: dict[str, Data]) -> None:
    value: dict[str, Data] = {
        "format": 2,
        "seq": 12,
        "saga_id": "",
        "number": 0,
        "events": [{"type": "SagasTrimmed", "data": '{"saga_ids":["t-1"]}'}],
        "topic": None,
        "partition": None,
        "offset": None,
    }
    assert parse_entry(ENTRY.encode(value)) == SagasTrimmed(12, ("t-1",))
    with pytest.raises(MessageRejected, match="expected SagasTrimmed with ids, and nothing else"):
        parse_entry(ENTRY.encode(value | changes))


numbers = st.integers(0, 2**62)


@given(
    st.builds(
        JournalEntry,
        seq=numbers,
        saga_id=texts,
        number=numbers,
        events=st.lists(st.tuples(texts, texts), min_size=1, max_size=5).map(tuple),
        cause=st.none() | st.tuples(texts, st.integers(0, 2**31 - 1), numbers),
    )
)
def test_the_hand_written_bytes_are_those_of_the_schema(entry: JournalEntry) -> None:
    topic, partition, offset = entry.cause or (None, None, None)
    value = entry_record(TOPICS, 3, entry).value
    assert value == ENTRY.encode(
        {
            "format": 1,
            "seq": entry.seq,
            "saga_id": entry.saga_id,
            "number": entry.number,
            "events": [{"type": kind, "data": data} for kind, data in entry.events],
            "topic": topic,
            "partition": partition,
            "offset": offset,
        }
    )
    assert parse_entry(value) == entry


BATCH = FooterBatch(
    seq=12,
    chain=bytes(range(32)),
    body=bytes(32),
    owner="0f8fad5b-d9cb-469f-a165-70867728950e",
    next_requests=4,
    next_replies=5,
    now_ms=6,
    entries=7,
)


def test_golden_footer() -> None:
    record = footer_record(TOPICS, 3, [BATCH], {"ns.replies": "b", "ns.requests": "a"})
    assert record == OutgoingRecord(
        topic="ns.journal",
        partition=3,
        key=b"footer",
        headers=(("ce_type", b"saga.footer"),),
        value=FOOTER.prefix
        + b"\x02\x02"
        + (
            b"\x18\x40"
            + bytes(range(32))
            + b"\x40"
            + bytes(32)
            + b"\x480f8fad5b-d9cb-469f-a165-70867728950e\x08\x0a\x0c\x0e"
        )
        + b"\x00\x04\x14ns.replies\x02b\x16ns.requests\x02a\x00",
    )
    assert parse_footer(record.value) == Footer((BATCH,), {"ns.replies": "b", "ns.requests": "a"})


def test_equal_footers_have_equal_bytes() -> None:
    one = footer_record(TOPICS, 3, [BATCH], {"a": "1", "b": "2"})
    assert one == footer_record(TOPICS, 3, [BATCH], {"b": "2", "a": "1"})


def test_entries_and_footers_are_told_apart_from_everything_else() -> None:
    entry, footer = entry_record(TOPICS, 3, REPLY), footer_record(TOPICS, 3, [BATCH], {})
    assert [is_entry(entry), is_footer(entry)] == [True, False]
    assert [is_entry(footer), is_footer(footer)] == [False, True]
    assert is_entry(received(entry))
    assert is_footer(received(footer))


def test_a_foreign_record_that_poses_as_an_entry_is_none_once_a_relay_sends_it() -> None:
    posing = received(entry_record(TOPICS, 3, REPLY))
    assert not is_entry(forwarded_record(posing, 5))
    assert not is_entry(quarantine_record(TOPICS, 3, posing, "undecodable", "x"))
    assert not is_entry(replace(posing, headers=(*posing.headers, ("other", b""))))


@pytest.mark.parametrize("value", [None, b"", ENTRY.prefix, FOOTER.prefix + b"\x02\x00"])
def test_an_entry_that_no_relay_wrote_is_refused(value: bytes | None) -> None:
    with pytest.raises(MessageRejected):
        parse_entry(value)


def test_a_format_that_is_not_known_is_refused() -> None:
    later = ENTRY.prefix + b"\x06" + (entry_record(TOPICS, 3, TIMER).value or b"")[11:]
    with pytest.raises(MessageRejected, match="expected format 1 or 2, got 3, in an entry"):
        parse_entry(later)
    with pytest.raises(MessageRejected, match="expected format 1, got 2, in a footer"):
        parse_footer(FOOTER.prefix + b"\x04\x00\x00")


def test_half_a_cause_is_refused() -> None:
    half = (entry_record(TOPICS, 3, TIMER).value or b"")[:-3] + b"\x02\x02t\x00\x00"
    with pytest.raises(MessageRejected, match="expected topic, partition and offset, or none"):
        parse_entry(half)


def test_an_entry_without_events_is_refused() -> None:
    empty = ENTRY.prefix + b"\x02\x18\x06t-1\x06\x00\x00\x00\x00"
    with pytest.raises(MessageRejected, match="expected an event, got none, in an entry"):
        parse_entry(empty)


def test_a_footer_without_batches_or_with_half_a_digest_is_refused() -> None:
    with pytest.raises(MessageRejected, match="expected a batch, got none, in a footer"):
        parse_footer(FOOTER.prefix + b"\x02\x00\x00")
    value = footer_record(TOPICS, 3, [BATCH], {}).value or b""
    short = value.replace(b"\x40" + bytes(range(32)), b"\x3e" + bytes(range(31)))
    with pytest.raises(MessageRejected, match="expected digests of 32 bytes, in batch 12 of a footer"):
        parse_footer(short)


def test_an_entry_that_another_writer_made_is_read_too() -> None:
    """Avro allows blocks that say their size in bytes; ours do not."""
    entry = JournalEntry(3, "s", 1, (("A", "{}"), ("B", "{}")), None)
    value = entry_record(TOPICS, 0, entry).value or b""
    plain = b"\x04" + b"\x02A\x04{}" + b"\x02B\x04{}"
    assert plain in value
    sized = b"\x03" + b"\x14" + plain[1:]  # minus two items, of ten bytes
    assert parse_entry(value.replace(plain, sized)) == entry
