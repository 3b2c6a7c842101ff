"""Events and footers: golden bytes, and equal to what the general codec writes."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import MessageRejected
from orchestrator.wire.forwarding import forwarded_record
from orchestrator.wire.journal import (
    EVENT,
    FOOTER,
    Footer,
    FooterBatch,
    JournalEvent,
    event_record,
    footer_record,
    is_event,
    is_footer,
    parse_event,
    parse_footer,
)
from orchestrator.wire.quarantine import quarantine_record
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.unit.wire.samples import received, texts

TOPICS = Topics("ns")
EVENT_ = JournalEvent(12, 3, "t-1", "StepCompleted", '{"step":"withdraw"}', ("ns.replies", 3, 200))
TIMER = JournalEvent(12, 3, "t-1", "AttemptTimedOut", "{}", None)


def test_golden_event() -> None:
    assert event_record(TOPICS, 3, EVENT_) == OutgoingRecord(
        topic="ns.journal",
        partition=3,
        key=b"t-1",
        headers=(("ce_type", b"saga.event"),),
        value=EVENT.prefix
        + b'\x02\x18\x06\x06t-1\x1aStepCompleted\x26{"step":"withdraw"}'
        + b"\x02\x14ns.replies\x02\x06\x02\x90\x03",
    )


def test_golden_event_of_a_timer() -> None:
    assert event_record(TOPICS, 3, TIMER).value == (
        EVENT.prefix + b"\x02\x18\x06\x06t-1\x1eAttemptTimedOut\x04{}\x00\x00\x00"
    )


numbers = st.integers(0, 2**62)


@settings(deadline=None)
@given(
    st.builds(
        JournalEvent,
        seq=numbers,
        number=numbers,
        saga_id=texts,
        type=texts,
        data=texts,
        cause=st.none() | st.tuples(texts, st.integers(0, 2**31 - 1), numbers),
    )
)
def test_the_hand_written_bytes_are_those_of_the_schema(event: JournalEvent) -> None:
    topic, partition, offset = event.cause or (None, None, None)
    value = event_record(TOPICS, 3, event).value
    assert value == EVENT.encode(
        {
            "format": 1,
            "seq": event.seq,
            "number": event.number,
            "saga_id": event.saga_id,
            "type": event.type,
            "data": event.data,
            "topic": topic,
            "partition": partition,
            "offset": offset,
        }
    )
    assert parse_event(value) == event


BATCH = FooterBatch(
    seq=12,
    chain=bytes(range(32)),
    body=bytes(32),
    owner="0f8fad5b-d9cb-469f-a165-70867728950e",
    next_requests=4,
    next_replies=5,
    now_ms=6,
    events=7,
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


def test_events_and_footers_are_told_apart_from_everything_else() -> None:
    event, footer = event_record(TOPICS, 3, EVENT_), footer_record(TOPICS, 3, [BATCH], {})
    assert [is_event(event), is_footer(event)] == [True, False]
    assert [is_event(footer), is_footer(footer)] == [False, True]
    assert is_event(received(event))
    assert is_footer(received(footer))


def test_a_foreign_record_that_poses_as_an_event_is_none_once_a_relay_sends_it() -> None:
    posing = received(event_record(TOPICS, 3, EVENT_))
    assert not is_event(forwarded_record(posing, 5))
    assert not is_event(quarantine_record(TOPICS, 3, posing, "undecodable", "x"))
    assert not is_event(replace(posing, headers=(*posing.headers, ("other", b""))))


@pytest.mark.parametrize("value", [None, b"", EVENT.prefix, FOOTER.prefix + b"\x02\x00"])
def test_an_event_that_no_relay_wrote_is_refused(value: bytes | None) -> None:
    with pytest.raises(MessageRejected):
        parse_event(value)


def test_a_format_that_is_not_known_is_refused() -> None:
    later = EVENT.prefix + b"\x04" + (event_record(TOPICS, 3, TIMER).value or b"")[11:]
    with pytest.raises(MessageRejected, match="expected format 1, got 2, in an event"):
        parse_event(later)
    with pytest.raises(MessageRejected, match="expected format 1, got 2, in a footer"):
        parse_footer(FOOTER.prefix + b"\x04\x00\x00")


def test_half_a_cause_is_refused() -> None:
    half = (event_record(TOPICS, 3, TIMER).value or b"")[:-3] + b"\x02\x02t\x00\x00"
    with pytest.raises(MessageRejected, match="expected topic, partition and offset, or none"):
        parse_event(half)


def test_a_footer_without_batches_or_with_half_a_digest_is_refused() -> None:
    with pytest.raises(MessageRejected, match="expected a batch, got none, in a footer"):
        parse_footer(FOOTER.prefix + b"\x02\x00\x00")
    value = footer_record(TOPICS, 3, [BATCH], {}).value or b""
    short = value.replace(b"\x40" + bytes(range(32)), b"\x3e" + bytes(range(31)))
    with pytest.raises(MessageRejected, match="expected digests of 32 bytes, in batch 12 of a footer"):
        parse_footer(short)
