"""Replies: every header byte by byte, and what the orchestrator reads of them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from orchestrator.blueprint.avro import schema_id
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import AvroBody, Body, body_of, decode_body
from orchestrator.wire.command import CommandTemplate, ReceivedCommand, parse_command
from orchestrator.wire.headers import HeaderReader
from orchestrator.wire.record import Headers, IncomingRecord, OutgoingRecord
from orchestrator.wire.reply import (
    FAILURE,
    PROGRESS,
    Answer,
    ReceivedReply,
    completed,
    decode_failure,
    decode_progress,
    failed,
    parse_reply,
    progress,
    rejected,
    reply_record,
)
from orchestrator.wire.topics import Topics
from tests.unit.wire.samples import SAGA_ID, WITHDRAW, SentCommand, incoming, received, replaced

RECEIPT = codec_for({"type": "record", "name": "bank.Receipt", "fields": [{"name": "balance", "type": "long"}]})
COMMAND_ID = f"{SAGA_ID}/withdraw/0/do"
TIME_MS = 1_767_225_601_000


def command() -> ReceivedCommand:
    template = CommandTemplate(Topics("ns"), 3, "bank.Withdraw", "bank", WITHDRAW)
    sent = SentCommand(body={"account": "A-1", "amount": Decimal(1)}, attempt=2)
    return parse_command(received(template.record(sent, partition=0, seq=1, index=0, time_ms=0)))


def same_headers(outcome: str, reply_type: str) -> Headers:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{COMMAND_ID}/2/{outcome}".encode()),
        ("ce_type", reply_type.encode()),
        ("ce_source", b"/bank"),
        ("ce_subject", SAGA_ID.encode()),
        ("ce_time", b"2026-01-01T00:00:01.000Z"),
        ("ce_commandid", COMMAND_ID.encode()),
        ("ce_attempt", b"2"),
        ("ce_outcome", outcome.encode()),
    )


def body_headers(body_schema: str) -> Headers:
    return (("content-type", b"application/avro"), ("ce_dataschema", body_schema.encode()))


def trace() -> Headers:
    traceparent = command().traceparent
    assert traceparent is not None
    return (("traceparent", traceparent.encode()),)


def test_golden_completed() -> None:
    assert reply_record(command(), completed(RECEIPT, {"balance": 5}), TIME_MS) == OutgoingRecord(
        topic="ns.replies",
        partition=3,
        key=SAGA_ID.encode(),
        headers=same_headers("completed", "bank.Withdraw.reply") + body_headers(RECEIPT.schema_id) + trace(),
        value=RECEIPT.prefix + b"\x0a",
    )


def test_golden_completed_without_body_and_skipped() -> None:
    record = reply_record(command(), completed(skipped=True), TIME_MS)
    assert record.headers == (*same_headers("completed", "bank.Withdraw.reply"), ("ce_skipped", b"true"), *trace())
    assert record.value is None


def test_golden_rejected() -> None:
    record = reply_record(command(), rejected("bank.InsufficientFunds", RECEIPT, {"balance": 5}), TIME_MS)
    assert record.headers == (
        same_headers("rejected", "bank.InsufficientFunds") + body_headers(RECEIPT.schema_id) + trace()
    )
    assert record.value == RECEIPT.prefix + b"\x0a"


def test_golden_failed() -> None:
    answer = failed("TimeoutError", "no answer", retryable=True, retry_after_ms=1500, no_effect=True)
    record = reply_record(command(), answer, TIME_MS)
    how = (("ce_retryable", b"true"), ("ce_retryafterms", b"1500"), ("ce_noeffect", b"true"))
    expected = same_headers("failed", "bank.Withdraw.reply") + body_headers(FAILURE.schema_id) + how + trace()
    assert record.headers == expected
    assert record.value == FAILURE.prefix + b"\x18TimeoutError\x12no answer"


def test_golden_progress() -> None:
    record = reply_record(command(), progress("half"), TIME_MS)
    progressing = same_headers("progress", "bank.Withdraw.reply") + body_headers(schema_id("string")) + trace()
    assert sorted(record.headers) == sorted(
        replaced(progressing, "ce_id", f"{COMMAND_ID}/2/progress/{TIME_MS}".encode())
    )
    assert record.value == PROGRESS.prefix + b"\x08half"


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (PROGRESS.encode("half"), "half"),
        (PROGRESS.encode("x" * 3_000), "x" * 2_000),
        (b"", None),
        (b"rubbish", None),
    ],
)
def test_a_progress_counts_whatever_it_says(value: bytes, detail: str | None) -> None:
    record = replace(reply_record(command(), progress(""), TIME_MS), value=value)
    assert decode_progress(parse_reply(received(record)).headers, value) == detail


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (completed(RECEIPT, {"balance": 5}), {"outcome": "completed", "type": "bank.Withdraw.reply"}),
        (completed(skipped=True), {"outcome": "completed", "type": "bank.Withdraw.reply", "skipped": True}),
        (rejected("bank.Closed", RECEIPT, {"balance": 5}), {"outcome": "rejected", "type": "bank.Closed"}),
        (
            failed("E", "m", retryable=True, retry_after_ms=9),
            {"outcome": "failed", "retryable": True, "retry_after_ms": 9},
        ),
        (failed("E", "m", retryable=False, no_effect=True), {"outcome": "failed", "no_effect": True}),
        (progress("half"), {"outcome": "progress"}),
    ],
)
def test_the_orchestrator_reads_what_was_answered(answer: Answer, expected: dict[str, object]) -> None:
    record = received(reply_record(command(), answer, TIME_MS))
    reply = {
        "type": "bank.Withdraw.reply",
        "skipped": False,
        "retryable": False,
        "retry_after_ms": 0,
        "no_effect": False,
    }
    assert parse_reply(record) == ReceivedReply(
        saga_id=SAGA_ID,
        command_id=COMMAND_ID,
        attempt=2,
        headers=HeaderReader(record),
        **{**reply, **expected},  # type: ignore[arg-type] - by name
    )
    body = body_in(record)
    assert body == (None if answer.value is None else AvroBody(answer.schema_id or "", answer.value))


def body_in(record: IncomingRecord) -> Body | None:
    return body_of(parse_reply(record).headers, record.value)


def test_a_failure_says_what_and_why() -> None:
    record = received(reply_record(command(), failed("E", "m", retryable=False), TIME_MS))
    assert decode_failure(body_in(record)) == ("E", "m")
    assert decode_failure(None) == ("", "")


def test_what_utf_8_cannot_hold_is_escaped_in_what_people_are_told() -> None:
    record = received(reply_record(command(), failed("E\ud800", "m\udcff", retryable=False), TIME_MS))
    assert decode_failure(body_in(record)) == (r"E\ud800", r"m\udcff")
    record = received(reply_record(command(), progress("half\udcff"), TIME_MS))
    assert decode_progress(parse_reply(record).headers, record.value) == r"half\udcff"


def test_a_reply_typed_by_hand_needs_four_headers() -> None:
    by_hand = incoming(
        (
            ("ce_subject", b"t-1"),
            ("ce_commandid", b"t-1/withdraw/0/do"),
            ("ce_attempt", b"1"),
            ("ce_outcome", b"completed"),
            ("content-type", b"application/json"),
        ),
        b'{"balance": 5}',
    )
    assert parse_reply(by_hand).command_id == "t-1/withdraw/0/do"
    assert decode_body(body_in(by_hand), RECEIPT, lambda _: None) == {"balance": 5}


REJECTED = reply_record(command(), rejected("bank.Closed", RECEIPT, {"balance": 5}), TIME_MS).headers


@pytest.mark.parametrize("name", ["ce_subject", "ce_commandid", "ce_attempt", "ce_outcome", "ce_type"])
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(MessageRejected, match=f"in the header {name}, got none, in ns.replies/3/42") as raised:
        parse_reply(incoming(replaced(REJECTED, name, None)))
    assert raised.value.reason == "missing_header"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ce_outcome", b"done", "one of completed, rejected, failed, progress in the header ce_outcome, got 'done'"),
        ("ce_commandid", b"other/withdraw/0/do", f"the id of a command of saga {SAGA_ID} in the header ce_commandid"),
        ("ce_attempt", b"one", "expected the number of the attempt that is answered, a whole number"),
        ("ce_retryable", b"yes", "expected one of true, false in the header ce_retryable, got 'yes'"),
        ("ce_skipped", b"", "in the header ce_skipped, got ''"),
        ("ce_retryafterms", b"-5", "expected milliseconds to wait, a whole number from 0"),
        ("ce_type", b"\x80", "expected text in UTF-8 in the header ce_type"),
    ],
)  # fmt: skip
def test_a_malformed_header_is_named(name: str, value: bytes, text: str) -> None:
    with pytest.raises(MessageRejected, match=text) as raised:
        parse_reply(incoming(replaced(REJECTED, name, value)))
    assert raised.value.reason == "malformed_header"


def test_a_reply_of_the_wrong_type_is_not_read_as_the_right_one() -> None:
    record = received(reply_record(command(), completed(FAILURE, {"type": "a", "message": "b"}), TIME_MS))
    with pytest.raises(MessageRejected, match="expected a schema that was published"):
        decode_body(body_in(record), RECEIPT, lambda _: None)
    with pytest.raises(
        MessageRejected, match="expected record bank.Receipt, but it was written as record saga.Failure"
    ):
        decode_body(body_in(record), RECEIPT, {FAILURE.schema_id: FAILURE.schema}.get)
