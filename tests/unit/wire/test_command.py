"""Commands: every header byte by byte, and what a participant reads of them."""

from decimal import Decimal
from hashlib import sha256

import pytest

from orchestrator.blueprint.avro import schema_id
from orchestrator.blueprint.values import Data
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import AvroBody, decode_body
from orchestrator.wire.command import CommandTemplate, ReceivedCommand, command_body, parse_command
from orchestrator.wire.record import Headers, IncomingRecord, OutgoingRecord
from orchestrator.wire.shape import Mismatch
from orchestrator.wire.topics import Topics
from tests.unit.wire.samples import SAGA_ID, WITHDRAW, SentCommand, incoming, received, replaced

TEMPLATE = CommandTemplate(Topics("ns"), 3, "bank.Withdraw", "bank", WITHDRAW)
BODY: Data = {"account": "A-1", "amount": Decimal("12.34")}


def sent(command: SentCommand) -> OutgoingRecord:
    return TEMPLATE.record(command, partition=5, seq=12, index=4, time_ms=1_767_225_600_123)


def test_golden_command() -> None:
    assert sent(SentCommand(body=BODY)) == OutgoingRecord(
        topic="bank.commands",
        partition=5,
        key=b"A-1",
        headers=(
            ("ce_specversion", b"1.0"),
            ("ce_type", b"bank.Withdraw"),
            ("ce_source", b"/ns/3"),
            ("content-type", b"application/avro"),
            ("ce_dataschema", schema_id(WITHDRAW).encode()),
            ("ce_replyto", b"ns.replies"),
            ("ce_replypartition", b"3"),
            ("ce_id", b"0f8fad5b-d9cb-469f-a165-70867728950e/withdraw/0/do"),
            ("ce_subject", b"0f8fad5b-d9cb-469f-a165-70867728950e"),
            ("ce_time", b"2026-01-01T00:00:00.123Z"),
            ("ce_sagastep", b"withdraw"),
            ("ce_attempt", b"1"),
            ("ce_sequence", b"3:12:4"),
            ("traceparent", TRACEPARENT),
            ("ce_expires", b"2026-01-01T00:00:30.000Z"),
        ),
        value=codec_for(WITHDRAW).encode(BODY),
    )
    assert schema_id(WITHDRAW) == WITHDRAW_ID


WITHDRAW_ID = "860c132755b789a874086d85a9a0bb5639044f86de50b25281d612c8220624f0"
TRACEPARENT = b"00-c812e1edb64417d6090dcfbaf16c21cd-835426f3cc78bee2-01"


def test_trace_and_span_come_from_ids_alone() -> None:
    trace = sha256(SAGA_ID.encode()).digest()[:16].hex()
    first = sha256(f"{SAGA_ID}/withdraw/0/do\n1".encode()).digest()[:8].hex()
    second = sha256(f"{SAGA_ID}/withdraw/0/do\n2".encode()).digest()[:8].hex()
    headers = [dict(sent(SentCommand(body=BODY, attempt=attempt)).headers) for attempt in (1, 2)]
    assert [header["traceparent"].decode() for header in headers] == [
        f"00-{trace}-{first}-01",
        f"00-{trace}-{second}-01",
    ]


def test_an_undo_names_what_it_undoes_and_may_never_expire() -> None:
    undo = SentCommand(
        body=BODY, command_id=f"{SAGA_ID}/withdraw/0/undo", undoes=f"{SAGA_ID}/withdraw/0/do", expires_ms=None
    )
    headers = dict(sent(undo).headers)
    assert headers["ce_undoes"] == f"{SAGA_ID}/withdraw/0/do".encode()
    assert "ce_expires" not in headers


def test_an_expiry_beyond_all_time_is_the_last_moment_there_is() -> None:
    assert dict(sent(SentCommand(body=BODY, expires_ms=2**62)).headers)["ce_expires"] == b"9999-12-31T23:59:59.999Z"


def test_a_body_that_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(Mismatch, match=r"got Decimal\('0.001'\), in bank.Withdraw.amount"):
        sent(SentCommand(body={"account": "A-1", "amount": Decimal("0.001")}))


def test_a_participant_reads_what_was_sent() -> None:
    record = received(sent(SentCommand(body=BODY)))
    assert parse_command(record) == ReceivedCommand(
        command_id=f"{SAGA_ID}/withdraw/0/do",
        type="bank.Withdraw",
        role="do",
        namespace="ns",
        saga_id=SAGA_ID,
        attempt=1,
        reply_to="ns.replies",
        reply_partition=3,
        expires_ms=1_767_225_630_000,
        undoes=None,
        traceparent=TRACEPARENT.decode(),
    )
    body = command_body(record)
    assert isinstance(body, AvroBody)
    assert body.schema_id == WITHDRAW_ID
    assert decode_body(body, codec_for(WITHDRAW), lambda _: None) == BODY


def received_with(name: str, value: bytes | None) -> IncomingRecord:
    undo = SentCommand(body=BODY, command_id=f"{SAGA_ID}/withdraw/0/undo", undoes=f"{SAGA_ID}/withdraw/0/do")
    return incoming(replaced(sent(undo).headers, name, value))


REQUIRED = [
    "ce_id", "ce_subject", "ce_type", "ce_source", "ce_undoes", "ce_attempt", "ce_replyto", "ce_replypartition",
]  # fmt: skip
UNREAD = ["ce_specversion", "ce_time", "ce_sagastep", "ce_sequence"]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(
        MessageRejected, match=f"expected .* in the header {name}, got none, in ns.replies/3/42"
    ) as raised:
        parse_command(received_with(name, None))
    assert raised.value.reason == "missing_header"


@pytest.mark.parametrize("name", [*UNREAD, "ce_expires", "traceparent", "content-type"])
def test_headers_that_nothing_hangs_on_may_be_missing(name: str) -> None:
    assert parse_command(received_with(name, None)).role == "undo"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ce_id", b"", "expected 1 to 4096 characters, none of them a control character in the header ce_id, got ''"),
        ("ce_id", b"\xff", r"expected text in UTF-8 in the header ce_id, got b'\\xff'"),
        ("ce_id", b"x" * 5000, "expected 1 to 4096 characters"),
        ("ce_subject", b"a\x00b", "none of them a control character in the header ce_subject"),
        (
            "ce_id",
            b"other/withdraw/0/do",
            f"expected {SAGA_ID}/…/do, …/undo or …/probe in the header ce_id, got other/",
        ),
        ("ce_id", f"{SAGA_ID}/withdraw/0/redo".encode(), "in the header ce_id, got .*/redo"),
        ("ce_source", b"ns/3", "expected /{namespace}/{shard} in the header ce_source, got ns/3"),
        ("ce_attempt", b"-1", "a whole number from 0 to .* in the header ce_attempt, got '-1'"),
        ("ce_attempt", b"1.0", "in the header ce_attempt, got '1.0'"),
        ("ce_attempt", "١".encode(), "in the header ce_attempt"),
        ("ce_attempt", b"9" * 19, "in the header ce_attempt"),
        ("ce_replypartition", b"2147483648", "a whole number from 0 to 2147483647 in the header ce_replypartition"),
        ("ce_expires", b"2026-01-01 00:00:00", "a time like 2026-01-31T12:00:00.000Z in the header ce_expires"),
        ("ce_expires", b"2026-13-01T00:00:00Z", "in the header ce_expires, got '2026-13-01T00:00:00Z'"),
        ("ce_expires", b"1969-12-31T00:00:00Z", "in the header ce_expires"),
    ],
)
def test_a_malformed_header_is_named(name: str, value: bytes, text: str) -> None:
    with pytest.raises(MessageRejected, match=text) as raised:
        parse_command(received_with(name, value))
    assert raised.value.reason == "malformed_header"


@pytest.mark.parametrize("value", [b"", b"\xff", b"soon", b"x" * 5000, b"a\x00b"])
@pytest.mark.parametrize("name", UNREAD)
def test_a_malformed_header_that_nobody_reads_rejects_no_command(name: str, value: bytes) -> None:
    assert parse_command(received_with(name, value)) == parse_command(received_with(name, None))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (TRACEPARENT, True),
        (TRACEPARENT.replace(b"00-", b"01-", 1) + b"-later", True),
        (b"", False),
        (b"\xff", False),
        (TRACEPARENT[:-1], False),
        (TRACEPARENT.upper(), False),
        (TRACEPARENT + b"\n", False),
        (TRACEPARENT + b"-" + b"x" * 5000, False),
    ],
)
def test_a_malformed_trace_is_none_and_rejects_no_command(value: bytes, read: bool) -> None:  # noqa: FBT001 - a case
    assert parse_command(received_with("traceparent", value)).traceparent == (value.decode() if read else None)


def test_two_traces_that_differ_are_none() -> None:
    headers: Headers = sent(SentCommand(body=BODY)).headers
    other = TRACEPARENT.replace(b"00-c8", b"00-d8")
    assert parse_command(incoming((*headers, ("traceparent", other)))).traceparent is None


@pytest.mark.parametrize(
    "time", ["2026-01-01T00:00:30Z", "2026-01-01t01:00:30.000+01:00", "2026-01-01T00:00:30.000000999z"]
)
def test_a_time_of_any_notation_is_read(time: str) -> None:
    assert parse_command(received_with("ce_expires", time.encode())).expires_ms == 1_767_225_630_000


def test_a_header_that_stands_twice_must_not_contradict_itself() -> None:
    headers: Headers = sent(SentCommand(body=BODY)).headers
    assert parse_command(incoming((*headers, ("ce_attempt", b"1")))).attempt == 1
    assert parse_command(incoming((*headers, ("x-other", b"1"), ("x-other", b"2")))).attempt == 1
    with pytest.raises(MessageRejected, match="expected one value in the header ce_attempt, got several that differ"):
        parse_command(incoming((*headers, ("ce_attempt", b"2"))))


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ((), "expected application/avro or application/json in the header content-type, got none"),
        ((("content-type", b"text/xml"),), "in the header content-type, got text/xml"),
        ((("content-type", b"application/avro"),), "expected the id of the schema that wrote the body in the header"),
    ],
)  # fmt: skip
def test_a_body_whose_headers_do_not_tell_what_it_is_is_refused(headers: Headers, text: str) -> None:
    with pytest.raises(MessageRejected, match=text):
        command_body(incoming(headers, b"x"))


def test_a_record_without_value_has_no_body() -> None:
    assert command_body(incoming((), None)) is None
    assert command_body(incoming((), b"")) is None
    with pytest.raises(MessageRejected, match="expected a body, got none, in bank.Withdraw"):
        decode_body(None, codec_for(WITHDRAW), lambda _: None)


def test_json_with_parameters_is_json() -> None:
    body = command_body(
        incoming((("content-type", b"Application/JSON; charset=utf-8"),), b'{"account": "A", "amount": 1}')
    )
    assert decode_body(body, codec_for(WITHDRAW), lambda _: None) == {"account": "A", "amount": Decimal(1)}


def test_a_body_of_an_unknown_schema_says_so() -> None:
    with pytest.raises(
        MessageRejected, match="expected a schema that was published, got abc, in bank.Withdraw"
    ) as raised:
        decode_body(AvroBody("abc", b"x"), codec_for(WITHDRAW), lambda _: None)
    assert raised.value.reason == "unknown_schema"
