"""Requests: golden records, and what an orchestrator reads of them."""

from decimal import Decimal

import pytest

from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import AvroBody, JsonBody, decode_body
from orchestrator.wire.record import Headers, OutgoingRecord
from orchestrator.wire.request import (
    REQUEST,
    CancelSaga,
    Request,
    RetrySaga,
    StartSaga,
    parse_request,
    request_record,
)
from orchestrator.wire.topics import Topics
from tests.unit.wire.samples import WITHDRAW, incoming, received, replaced

INPUT = AvroBody(codec_for(WITHDRAW).schema_id, codec_for(WITHDRAW).encode({"account": "A", "amount": Decimal(1)}))
START = StartSaga(request_id="r-1", saga_id="transfer-1", saga="money_transfer", input=INPUT)
TOPICS = Topics("ns")


def test_golden_start() -> None:
    assert request_record(TOPICS, 16, START, 1_767_225_600_000) == OutgoingRecord(
        topic="ns.requests",
        partition=10,
        key=b"transfer-1",
        headers=(
            ("ce_specversion", b"1.0"),
            ("ce_id", b"r-1"),
            ("ce_type", b"saga.StartSaga"),
            ("ce_source", b"/ns"),
            ("ce_subject", b"transfer-1"),
            ("ce_time", b"2026-01-01T00:00:00.000Z"),
            ("content-type", b"application/avro"),
            ("ce_dataschema", REQUEST.schema_id.encode()),
        ),
        value=(
            REQUEST.prefix
            + b"\x00\x1cmoney_transfer\x80\x01"
            + INPUT.schema_id.encode()
            + bytes([len(INPUT.value) * 2])
            + INPUT.value
        ),
    )


@pytest.mark.parametrize(
    "request_",
    [START, CancelSaga(request_id="r-2", saga_id="transfer-1"), RetrySaga(request_id="r-3", saga_id="transfer-1")],
)
def test_what_is_asked_is_read_back(request_: Request) -> None:
    assert parse_request(received(request_record(TOPICS, 16, request_, 0))) == request_


def by_hand(kind: bytes) -> Headers:
    return (
        ("ce_id", b"r-1"),
        ("ce_type", kind),
        ("ce_subject", b"transfer-1"),
        ("content-type", b"application/json"),
    )


def test_a_start_can_be_typed_by_hand() -> None:
    text = b'{"saga": "money_transfer", "input": {"account": "A", "amount": 1.5}}'
    request = parse_request(incoming(by_hand(b"saga.StartSaga"), text))
    assert request == StartSaga(
        request_id="r-1", saga_id="transfer-1", saga="money_transfer", input=JsonBody(text, "input")
    )
    assert isinstance(request, StartSaga)
    read = decode_body(request.input, codec_for(WITHDRAW), lambda _: None)
    assert read == {"account": "A", "amount": Decimal("1.50")}
    with pytest.raises(ValueError, match="expected the input of saga transfer-1 in Avro, got JSON"):
        request_record(TOPICS, 16, request, 0)


@pytest.mark.parametrize("value", [None, b"", b"{}"])
def test_a_cancel_typed_by_hand_needs_no_body(value: bytes | None) -> None:
    request = parse_request(incoming(by_hand(b"saga.CancelSaga"), value))
    assert request == CancelSaga(request_id="r-1", saga_id="transfer-1")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "expected a body, got none, in saga.StartSaga"),
        (b"{", 'expected {"saga": …, "input": …} in saga.StartSaga, got Expecting'),
        (b"[]", "got other JSON"),
        (b'{"saga": "x"}', "got other JSON"),
        (b'{"saga": 1, "input": {}}', "got other JSON"),
        (b'{"saga": "x", "input": {}, "more": 1}', "got other JSON"),
    ],
)
def test_a_start_without_saga_or_input_is_refused(value: bytes | None, text: str) -> None:
    with pytest.raises(MessageRejected, match=text) as raised:
        parse_request(incoming(by_hand(b"saga.StartSaga"), value))
    assert raised.value.reason == "undecodable"


HEADERS = request_record(TOPICS, 16, START, 0).headers
VALUE = request_record(TOPICS, 16, START, 0).value


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_subject", "content-type", "ce_dataschema"])
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(MessageRejected, match=f"in the header {name}, got none, in ns.replies/3/42"):
        parse_request(incoming(replaced(HEADERS, name, None), VALUE))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ce_type", b"saga.Unknown", "expected one of saga.StartSaga, saga.CancelSaga, saga.RetrySaga in"),
        ("ce_type", b"saga.CancelSaga", "expected saga.StartSaga as in the body in the header ce_type"),
        ("ce_dataschema", b"abc", "expected a schema that was published, got abc"),
        ("ce_subject", b"a\nb", "none of them a control character in the header ce_subject"),
    ],
)  # fmt: skip
def test_a_malformed_header_is_named(name: str, value: bytes, text: str) -> None:
    with pytest.raises(MessageRejected, match=text):
        parse_request(incoming(replaced(HEADERS, name, value), VALUE))
