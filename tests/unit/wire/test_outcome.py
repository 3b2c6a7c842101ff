"""Outcomes: golden records, and what a client reads of them."""

import pytest

from orchestrator.blueprint.values import RECORD_NAME, Data
from orchestrator.errors import MessageRejected
from orchestrator.wire.body import AvroBody
from orchestrator.wire.outcome import (
    OUTCOME,
    Outcome,
    RequestAnswered,
    SagaEnded,
    outcome_record,
    parse_outcome,
)
from orchestrator.wire.record import Headers, OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.unit.wire.samples import incoming, received

TOPICS = Topics("ns")
ANSWERED = RequestAnswered(request_id="r-1", saga_id="t-1", result="conflict", text="other input")
COMPLETED = SagaEnded(
    saga_id="t-1",
    saga="money_transfer",
    status="completed",
    output=AvroBody("ab", b"\x01\x02"),
    rejection_type=None,
    rejection=None,
    reason="",
    started_ms=1,
    ended_ms=2,
)
COMPENSATED = SagaEnded(
    saga_id="t-1",
    saga="money_transfer",
    status="compensated",
    output=None,
    rejection_type="bank.Closed",
    rejection=AvroBody("cd", b""),
    reason="deposit: rejected",
    started_ms=1,
    ended_ms=2,
)


def headers(event_id: bytes, kind: bytes) -> Headers:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id),
        ("ce_type", kind),
        ("ce_source", b"/ns/3"),
        ("ce_subject", b"t-1"),
        ("ce_time", b"2026-01-01T00:00:00.000Z"),
        ("content-type", b"application/avro"),
        ("ce_dataschema", OUTCOME.schema_id.encode()),
    )


def test_golden_answer() -> None:
    assert outcome_record(TOPICS, 3, ANSWERED, 1_767_225_600_000) == OutgoingRecord(
        topic="ns.outcomes",
        partition=3,
        key=b"t-1",
        headers=headers(b"r-1/answer", b"saga.RequestAnswered"),
        value=OUTCOME.prefix + b"\x00\x06r-1\x04\x16other input",
    )


def test_golden_end() -> None:
    assert outcome_record(TOPICS, 3, COMPENSATED, 1_767_225_600_000) == OutgoingRecord(
        topic="ns.outcomes",
        partition=3,
        key=b"t-1",
        headers=headers(b"t-1/end", b"saga.SagaEnded"),
        value=(
            OUTCOME.prefix
            + b"\x02\x1cmoney_transfer\x02\x00\x00\x02\x16bank.Closed\x02\x04cd\x02\x00\x22deposit: rejected\x02\x04"
        ),
    )


@pytest.mark.parametrize("outcome", [ANSWERED, COMPLETED, COMPENSATED])
def test_what_is_told_is_read_back(outcome: Outcome) -> None:
    record = received(outcome_record(TOPICS, 3, outcome, 0))
    assert parse_outcome(record) == outcome


def test_a_body_without_its_schema_is_refused() -> None:
    data: Data = {
        RECORD_NAME: "saga.SagaEnded", "saga": "x", "status": "completed", "output_schema": None, "output": b"x",
        "rejection_type": None, "rejection_schema": None, "rejection": None, "reason": "",
        "started_ms": 1, "ended_ms": 2,
    }  # fmt: skip
    with pytest.raises(MessageRejected, match="expected output and output_schema, got one of them, in saga.SagaEnded"):
        parse_outcome(incoming(headers(b"x", b"saga.SagaEnded"), OUTCOME.encode(data)))
