"""Bodies typed by hand: JSON, validated against the schema, without a float on the way."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import RECORD_NAME, Data, plain
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import Codec, codec_for, decode_json
from tests.unit.wire.samples import EVERYTHING, EVERYTHING_DATA, WITHDRAW, schemas_with_data

BY_HAND = """
{"flag": true, "count": -3, "text": "grüezi", "raw": "AP8=", "amount": -12.3, "at": "2026-01-02T04:04:05.000006+01:00",
 "day": "1969-12-31", "id": "0F8FAD5B-D9CB-469F-A165-70867728950E", "color": "GREEN",
 "lines": [{"price": 1}, {"price": 2}], "notes": {"a": "b"}, "shape": {"-type": "test.Square", "side": 4}}
"""


def test_json_gives_the_same_data_as_avro() -> None:
    read = codec_for(EVERYTHING).decode_json(BY_HAND.encode())
    assert read == EVERYTHING_DATA
    assert isinstance(read, dict)
    assert str(read["amount"]) == "-12.30"


@settings(max_examples=300)
@given(schemas_with_data)
def test_what_people_are_shown_can_be_typed_back(case: tuple[Json, Data]) -> None:
    schema, data = case
    assert Codec(schema).decode_json(json.dumps(plain(data)).encode()) == data


@pytest.mark.parametrize("text", ["12.34", '"12.34"', "1234e-2", '"1234E-2"', "12.340000", '"0012.34"'])
def test_a_decimal_is_text_or_a_number_and_never_a_float(text: str) -> None:
    read = decode_json(f'{{"account": "A-1", "amount": {text}}}'.encode(), WITHDRAW)
    assert read == {"account": "A-1", "amount": Decimal("12.34")}


def test_more_digits_than_a_float_has_survive() -> None:
    schema: Json = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9}
    assert decode_json(b"12345678901234567890123456789.123456789", schema) == Decimal(
        "12345678901234567890123456789.123456789"
    )


def by_hand(name: str, value: Any) -> bytes:
    return json.dumps({**json.loads(BY_HAND), name: value}).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "expected JSON, got Expecting value"),
        (b"{", "expected JSON, got Expecting property name"),
        (b"\xff", "expected JSON, got 'utf-8' codec"),
        (b'{"a": NaN}', "expected JSON, got NaN, which is no JSON"),
        (b'{"flag": true, "flag": false}', "expected JSON, got the key 'flag' twice"),
        (b"1" * 5000, "expected JSON, got Exceeds the limit"),
        (b"1e" + b"9" * 30, "expected JSON, got a number beyond all bounds"),
        (b"[" * 100_000, "expected JSON, got nested too deep"),
        (b"[]", "expected a record test.Everything, got [], in test.Everything"),
        (b"{}", "expected a value, got none, in test.Everything.flag"),
        (by_hand("extra", 1), "expected a record test.Everything, got the unknown field 'extra', in test.Everything"),
        (by_hand("flag", 1), "expected true or false, got 1, in test.Everything.flag"),
        (by_hand("flag", None), "expected true or false, got nothing, in test.Everything.flag"),
        (by_hand("count", 1.5), "got Decimal('1.5'), in test.Everything.count"),
        (by_hand("count", "1"), "got '1', in test.Everything.count"),
        (by_hand("count", True), "got True, in test.Everything.count"),
        (by_hand("count", 2**63), "got 9223372036854775808, in test.Everything.count"),
        (by_hand("text", "\ud800"), "expected text that UTF-8 can hold"),
        (by_hand("raw", "AP8"), "expected bytes in base64, got 'AP8', in test.Everything.raw"),
        (by_hand("raw", "é"), "expected bytes in base64"),
        (by_hand("amount", 0.001), "got Decimal('0.001'), in test.Everything.amount"),
        (by_hand("amount", "1_0"), "got '1_0', in test.Everything.amount"),
        (by_hand("amount", " 1"), "got ' 1', in test.Everything.amount"),
        (by_hand("amount", "NaN"), "got 'NaN', in test.Everything.amount"),
        (by_hand("amount", 10000), "got Decimal('10000'), in test.Everything.amount"),
        (by_hand("amount", True), "got True, in test.Everything.amount"),
        (
            by_hand("at", "2026-01-02T03:04:05"),
            "expected a time like 2026-01-31T12:00:00.5Z, got '2026-01-02T03:04:05'",
        ),
        (by_hand("at", "2026-02-30T03:04:05Z"), "got '2026-02-30T03:04:05Z', in test.Everything.at"),
        (by_hand("at", "2026-01-02T03:04:05.1234567Z"), "got '2026-01-02T03:04:05.1234567Z', in test.Everything.at"),
        (by_hand("at", "0001-01-01T00:00:00+01:00"), "in test.Everything.at"),
        (by_hand("at", 5), "got 5, in test.Everything.at"),
        (by_hand("day", "20260101"), "expected a date like 2026-01-31, got '20260101'"),
        (by_hand("day", "2026-02-30"), "got '2026-02-30', in test.Everything.day"),
        (by_hand("id", "{0f8fad5b-d9cb-469f-a165-70867728950e}"), "expected a UUID"),
        (by_hand("id", 7), "expected a UUID, got 7, in test.Everything.id"),
        (by_hand("color", "red"), "expected one of RED, GREEN, got 'red', in test.Everything.color"),
        (by_hand("lines", {}), "expected a list, got {}, in test.Everything.lines"),
        (by_hand("lines", [{"price": 1}, 2]), "expected a record test.Line, got 2, in test.Everything.lines[1]"),
        (by_hand("notes", []), "expected a map, got [], in test.Everything.notes"),
        (by_hand("notes", {"\udfff": "x"}), "expected text that UTF-8 can hold"),
        (by_hand("maybe", {"price": "1"}), "got '1', in test.Everything.maybe.price"),
        (by_hand("maybe", 1), "expected nothing or a record test.Line, got 1, in test.Everything.maybe"),
        (by_hand("shape", {"side": 4}), "expected '-type' with one of test.Circle, test.Square, got nothing"),
        (by_hand("shape", {"-type": "Square", "side": 4}), "got 'Square', in test.Everything.shape"),
        (
            by_hand("shape", {"-type": "test.Square", "radius": 4}),
            "got the unknown field 'radius', in test.Everything.shape",
        ),
    ],
)
def test_json_that_does_not_fit_is_refused_by_name(text: bytes, expected: str) -> None:
    with pytest.raises(MessageRejected) as raised:
        decode_json(text, EVERYTHING)
    assert raised.value.reason == "undecodable"
    assert expected in str(raised.value)


def test_a_union_takes_the_one_type_that_fits() -> None:
    schema: Json = [
        "null",
        "string",
        {"type": "long", "logicalType": "timestamp-micros"},
        {"type": "array", "items": "long"},
    ]
    read = [decode_json(text, schema) for text in (b"null", b'"x"', b"[1]")]
    assert read == [None, "x", [1]]
    with pytest.raises(
        MessageRejected, match="expected nothing or text or a time with its time zone or a list, got True"
    ):
        decode_json(b"true", schema)


AMOUNT: Json = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
INNER: Json = {"type": "record", "name": "Inner", "fields": [{"name": "n", "type": "long"}]}


def test_a_field_with_a_default_may_be_left_out() -> None:
    schema: Json = {
        "type": "record",
        "name": "test.Defaults",
        "fields": [
            {"name": "text", "type": "string", "default": "x"},
            {"name": "raw", "type": "bytes", "default": "\u00ff\u0000"},
            {"name": "amount", "type": AMOUNT, "default": "\u0004\u00d2"},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "default": 0},
            {"name": "day", "type": {"type": "int", "logicalType": "date"}, "default": 1},
            {"name": "lines", "type": {"type": "array", "items": "long"}, "default": [1]},
            {"name": "notes", "type": {"type": "map", "values": "long"}, "default": {"a": 1}},
            {"name": "maybe", "type": ["null", "string"], "default": None},
            {"name": "inner", "type": INNER, "default": {"n": 3}},
        ],
    }  # fmt: skip
    assert decode_json(b"{}", schema) == {
        "text": "x",
        "raw": b"\xff\x00",
        "amount": Decimal("12.34"),
        "at": datetime(1970, 1, 1, tzinfo=UTC),
        "day": datetime(1970, 1, 2, tzinfo=UTC).date(),
        "lines": [1],
        "notes": {"a": 1},
        "maybe": None,
        "inner": {"n": 3},
    }


def test_the_name_of_a_record_may_be_given_where_it_says_nothing_new() -> None:
    read = decode_json(f'{{"{RECORD_NAME}": "bank.Withdraw", "account": "A-1", "amount": 1}}'.encode(), WITHDRAW)
    assert read == {"account": "A-1", "amount": Decimal(1)}
    with pytest.raises(MessageRejected, match="expected a record bank.Withdraw, got 'bank.Other'"):
        decode_json(f'{{"{RECORD_NAME}": "bank.Other", "account": "A-1", "amount": 1}}'.encode(), WITHDRAW)


def test_one_member_of_a_document_can_be_the_body() -> None:
    codec = codec_for(WITHDRAW)
    text = b'{"saga": "x", "input": {"account": "A-1", "amount": 1}}'
    assert codec.decode_json(text, "input") == {"account": "A-1", "amount": Decimal(1)}
    with pytest.raises(MessageRejected, match="expected the key 'input', got none, in bank.Withdraw"):
        codec.decode_json(b"{}", "input")
