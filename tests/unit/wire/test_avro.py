"""Bodies in Avro: equal to what fastavro writes and reads, and stricter."""

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from io import BytesIO
from typing import Any, cast
from uuid import UUID

import fastavro
import pytest
from hypothesis import given, settings

from orchestrator.blueprint.avro import schema_id
from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import RECORD_NAME, Data
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import DEPTH_MAX, PREFIX_BYTES, Codec, codec_for
from orchestrator.wire.shape import LONG_MAX, LONG_MIN, Mismatch
from tests.unit.wire.samples import EVERYTHING, EVERYTHING_DATA, WITHDRAW, schemas_with_data


def fastavro_reads(schema: Json, body: bytes) -> Any:
    source = BytesIO(body)
    data = fastavro.schemaless_reader(source, fastavro.parse_schema(cast("Any", schema)), None)
    assert source.tell() == len(body)
    return data


def fastavro_writes(schema: Json, data: Data) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(cast("Any", schema)), data)
    return out.getvalue()


def unnamed(data: Data) -> Data:
    """Without the names of records, as fastavro reads."""
    match data:
        case dict():
            return {key: unnamed(value) for key, value in data.items() if key != RECORD_NAME}
        case list():
            return [unnamed(value) for value in data]
        case _:
            return data


# ---------------------------------------------------------------- the framing


def test_a_body_begins_with_marker_and_little_endian_fingerprint() -> None:
    # Avro specification: the CRC-64-AVRO of "int" is 0x7275d51a3f395c8f.
    assert codec_for("int").encode(1) == bytes.fromhex("c301 8f5c393f1ad57572 02")


def test_golden_body() -> None:
    body = codec_for(WITHDRAW).encode({"account": "A-1", "amount": Decimal("12.34")})
    assert body == bytes.fromhex("c301" + WITHDRAW_CRC + "06" + b"A-1".hex() + "0404d2")


WITHDRAW_CRC = "ed185f08a3f81cdb"


def test_golden_body_of_every_type() -> None:
    body = codec_for(EVERYTHING).encode(EVERYTHING_DATA)
    assert (
        body[PREFIX_BYTES:].hex()
        == (
            "01"  # true
            "05"  # -3 in zig-zag
            "0e6772c3bc657a69"  # 7 bytes of UTF-8
            "0400ff"
            "04fb32"  # -1230 in two bytes
            "8ccde7e4ded7a306"  # microseconds
            "01"  # the day before 1970-01-01
            "4830663866616435622d643963622d343639662d613136352d373038363737323839353065"
            "02"  # GREEN
            "04020400"  # two lines and the end
            "0202610262" + "00"  # one note and the end
            "00"  # null
            "0208"  # the second of the union, 4
        )
    )


def test_a_body_with_another_fingerprint_is_refused() -> None:
    body = codec_for(WITHDRAW).encode({"account": "A-1", "amount": Decimal(1)})
    with pytest.raises(
        MessageRejected, match=r"expected a body that begins with c301.*got c301.*in test.Everything"
    ) as raised:
        codec_for(EVERYTHING).decode(body)
    assert raised.value.reason == "undecodable"


@pytest.mark.parametrize("body", [b"", b"\xc3", b"{}", b"\x00" * 20])
def test_what_is_no_single_object_encoding_is_refused(body: bytes) -> None:
    with pytest.raises(MessageRejected, match="expected a body that begins with"):
        codec_for(WITHDRAW).decode(body)


def test_bytes_after_the_body_are_refused() -> None:
    body = codec_for("long").encode(5)
    with pytest.raises(MessageRejected, match="expected 11 bytes, got 2 more"):
        codec_for("long").decode(body + b"\x00\x00")


# ---------------------------------------------------------------- equal to fastavro


@settings(max_examples=400)
@given(schemas_with_data)
def test_what_is_written_is_read_back(case: tuple[Json, Data]) -> None:
    schema, data = case
    codec = Codec(schema)
    body = codec.encode(data)
    assert codec.decode(body) == data
    assert fastavro_reads(schema, body[PREFIX_BYTES:]) == unnamed(data)
    assert codec.decode(codec.prefix + fastavro_writes(schema, data)) == data


def test_a_decimal_is_as_short_as_javas() -> None:
    codec = codec_for({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 0})
    shortest = {0: "00", 1: "01", 127: "7f", 128: "0080", -1: "ff", -128: "80", -129: "ff7f", 32767: "7fff"}
    for number, expected in shortest.items():
        assert codec.encode(Decimal(number))[PREFIX_BYTES + 1 :].hex() == expected


def test_a_list_in_several_blocks_with_sizes_is_read() -> None:
    codec = codec_for({"type": "array", "items": "long"})
    assert codec.decode(codec.prefix + bytes.fromhex("02020304040600")) == [1, 2, 3]


# ---------------------------------------------------------------- strict when writing


def with_(name: str, value: Any) -> dict[str, Data]:
    return {**EVERYTHING_DATA, name: value}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (with_("flag", 1), "expected true or false, got 1, in test.Everything.flag"),
        (with_("count", True), f"a whole number from {LONG_MIN} to {LONG_MAX}, got True, in test.Everything.count"),
        (with_("count", LONG_MAX + 1), "got 9223372036854775808, in test.Everything.count"),
        (with_("count", LONG_MIN - 1), "got -9223372036854775809, in test.Everything.count"),
        (with_("count", 1.0), "got 1.0, in test.Everything.count"),
        (with_("count", None), "got nothing, in test.Everything.count"),
        (with_("text", b"x"), "expected text, got b'x', in test.Everything.text"),
        (with_("text", "\ud800"), "expected text that UTF-8 can hold, got '\\ud800', in test.Everything.text"),
        (with_("raw", "x"), "expected bytes, got 'x', in test.Everything.raw"),
        (with_("amount", 1), "expected a decimal number of at most 6 digits, 2 of them after the point, got 1, in"),
        (with_("amount", Decimal("0.001")), "got Decimal('0.001'), in test.Everything.amount"),
        (with_("amount", Decimal(10000)), "got Decimal('10000'), in test.Everything.amount"),
        (with_("amount", Decimal("1E+999999")), "got Decimal('1E+999999'), in test.Everything.amount"),
        (with_("amount", Decimal("NaN")), "got Decimal('NaN'), in test.Everything.amount"),
        (with_("amount", Decimal("Infinity")), "got Decimal('Infinity'), in test.Everything.amount"),
        (with_("at", datetime(2026, 1, 1)), "expected a time with its time zone, got datetime"),  # noqa: DTZ001 - the point
        (with_("at", 5), "expected a time with its time zone, got 5, in test.Everything.at"),
        (with_("day", datetime(2026, 1, 1, tzinfo=UTC)), "expected a date, got datetime"),
        (with_("id", "0f8fad5b-d9cb-469f-a165-70867728950e"), "expected a UUID, got '0f8fad5b"),
        (with_("color", "BLUE"), "expected one of RED, GREEN, got 'BLUE', in test.Everything.color"),
        (with_("lines", ({"price": 1},)), "expected a list, got"),
        (with_("lines", [{"price": 1}, {"price": "2"}]), "got '2', in test.Everything.lines[1].price"),
        (with_("lines", [{"price": 1}, {}]), "got no field 'price', in test.Everything.lines[1]"),
        (with_("lines", [{"price": 1, "x": 1}]), "got the unknown field 'x', in test.Everything.lines[0]"),
        (with_("notes", {"a": 1}), "expected text, got 1, in test.Everything.notes['a']"),
        (with_("notes", {"\ud800": "x"}), "expected text that UTF-8 can hold"),
        (with_("maybe", []), "expected nothing or a record test.Line, got []"),
        (with_("shape", {"side": 1}), "expected '-type' with one of test.Circle, test.Square, got nothing, in"),
        (with_("shape", {RECORD_NAME: "test.Line", "price": 1}), "got 'test.Line', in test.Everything.shape"),
        (with_("shape", {RECORD_NAME: "test.Square", "side": "1"}), "got '1', in test.Everything.shape.side"),
        ([], "expected a record test.Everything, got [], in test.Everything"),
    ],
)  # fmt: skip
def test_data_that_does_not_fit_is_refused_by_name(data: Data, text: str) -> None:
    with pytest.raises(Mismatch) as raised:
        codec_for(EVERYTHING).encode(data)
    assert isinstance(raised.value, ValueError)
    assert text in str(raised.value)
    assert " test.Everything" in str(raised.value)


def test_amounts_of_any_notation_are_the_same_bytes() -> None:
    codec = codec_for({"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2})
    assert len({codec.encode(Decimal(text)) for text in ("100", "1E2", "100.0", "100.00", "100.000000000")}) == 1


def test_an_amount_is_never_rounded_by_the_threads_own_decimal_context() -> None:
    codec = codec_for({"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9})
    amount = Decimal("12345678901234567890123456789.123456789")
    assert len(amount.as_tuple().digits) == 38  # more than the 28 of Python's default context
    assert codec.decode(codec.encode(amount)) == amount


def test_a_time_of_any_zone_is_read_as_utc() -> None:
    codec = codec_for({"type": "long", "logicalType": "timestamp-micros"})
    east = datetime(2026, 1, 1, 1, 0, 0, 7, tzinfo=timezone(timedelta(hours=2)))
    read = codec.decode(codec.encode(east))
    assert read == east
    assert cast("datetime", read).tzinfo is UTC


def test_the_name_of_a_record_may_stand_where_it_says_nothing_new() -> None:
    plain: dict[str, Data] = {"account": "A-1", "amount": Decimal(1)}
    codec = codec_for(WITHDRAW)
    assert codec.encode({RECORD_NAME: "bank.Withdraw", **plain}) == codec.encode(plain)
    with pytest.raises(Mismatch, match="expected a record bank.Withdraw, got 'bank.Deposit'"):
        codec.encode({RECORD_NAME: "bank.Deposit", **plain})


# ---------------------------------------------------------------- strict when reading


@pytest.mark.parametrize(
    ("schema", "body", "text"),
    [
        ("boolean", "02", "expected true or false, got the byte 0x02"),
        ("boolean", "", "expected a byte, got the end of the body"),
        ("long", "", "expected a number, got the end of the body"),
        ("long", "80", "expected a number, got the end of the body"),
        ("long", "ffffffffffffffffff02", "expected a number of 64 bits, got a longer one"),
        ("long", "ff" * 20 + "01", "expected a number of 64 bits, got a longer one"),
        ("int", "8080808010", "expected a whole number from -2147483648 to 2147483647, got 2147483648"),
        ("string", "0461", "expected 2 bytes, got 1 until the end of the body"),
        ("string", "01", "expected -1 bytes"),
        ("string", "02ff", "expected text in UTF-8, got the byte 0xff"),
        ("bytes", "feffffffffffffffff01", "bytes, got 0 until the end of the body"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "01", "expected one of A, B, got symbol number -1"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "04", "expected one of A, B, got symbol number 2"),
        (["null", "string"], "01", "expected nothing or text, got type number -1"),
        (["null", "string"], "04", "expected nothing or text, got type number 2"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, "00", "got 0 bytes that are none"),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
            "042710",
            "got 2 bytes that are none",
        ),
        (
            {"type": "long", "logicalType": "timestamp-micros"},
            "ffffffffffffffffff01",
            "expected a time from year 1 to 9999",
        ),
        ({"type": "int", "logicalType": "date"}, "feffffff0f", "expected a date from year 1 to 9999"),
        ({"type": "string", "logicalType": "uuid"}, "0278", "expected a UUID, got 'x'"),
        ({"type": "array", "items": "long"}, "0402", "expected a number, got the end of the body, in the body[1]"),
        ({"type": "map", "values": "long"}, "0402610202610200", "expected each key once, got 'a' twice"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(schema: Json, body: str, text: str) -> None:
    codec = Codec(schema)
    with pytest.raises(MessageRejected) as raised:
        codec.decode(codec.prefix + bytes.fromhex(body))
    assert raised.value.reason == "undecodable"
    assert text in str(raised.value)


def test_a_mismatch_inside_a_body_is_named_by_its_path() -> None:
    schema: Json = {"type": "array", "items": WITHDRAW}
    codec = Codec(schema)
    with pytest.raises(MessageRejected, match=r"in the body\[0\]\.amount$"):
        codec.decode(codec.prefix + bytes.fromhex("02" + "0241" + "00" + "00"))


def test_a_few_bytes_cannot_ask_for_all_memory() -> None:
    empty: Json = {"type": "record", "name": "test.Empty", "fields": []}
    codec = Codec({"type": "array", "items": empty})
    assert codec.decode(codec.encode([{}, {}])) == [{}, {}]
    with pytest.raises(MessageRejected, match="expected at most 4096 items, got more"):
        codec.decode(codec.prefix + bytes.fromhex("feffffffffffffff7f"))
    nested = Codec({"type": "array", "items": {"type": "array", "items": empty}})
    with pytest.raises(MessageRejected, match="expected at most 4096 items, got more"):
        nested.decode(nested.prefix + bytes.fromhex("c001" + "fe1f00" * 96))


def test_a_body_nested_too_deep_is_refused() -> None:
    tree: Json = {"type": "record", "name": "test.Tree", "fields": [{"name": "next", "type": ["null", "test.Tree"]}]}
    codec = Codec(tree)
    assert codec.decode(codec.encode({"next": {"next": None}})) == {"next": {"next": None}}
    with pytest.raises(MessageRejected, match="expected a depth of at most 100, got more, in test.Tree"):
        codec.decode(codec.prefix + b"\x02" * 5000 + b"\x00")


# ---------------------------------------------------------------- schemas


@pytest.mark.parametrize(
    "schema",
    [
        None,
        7,
        "money",
        "float",
        {"type": "double"},
        {"type": "record", "fields": []},
        {"type": "record", "name": "a.B"},
        {"type": "record", "name": "a.B", "fields": [{"name": "x", "type": "a.Missing"}]},
        {"type": "record", "name": "a.B", "fields": "x"},
        {"type": "enum", "name": "a.E", "symbols": "AB"},
        {"type": "enum", "name": "a.E"},
        {"type": "array"},
        {"type": "map"},
        {"type": "fixed", "name": "a.F", "size": 4},
        {"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3},
        {"type": "bytes", "logicalType": "decimal", "precision": 0, "scale": 0},
        {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": "2"},
        {"type": "bytes", "logicalType": "decimal", "precision": "4"},
        {"type": "long", "logicalType": "timestamp-millis"},
        {"type": "int", "logicalType": "time-millis"},
        ["string", {"type": "enum", "name": "a.E", "symbols": ["A"]}],
        ["int", "long"],
        [{"type": "map", "values": "long"}, {"type": "record", "name": "a.B", "fields": []}],
    ],
)
def test_a_schema_that_messages_cannot_have_is_refused(schema: Json) -> None:
    with pytest.raises(ValueError, match="expected"):
        Codec(schema)


def test_a_codec_is_compiled_once_for_a_schema_and_knows_its_id() -> None:
    assert codec_for(WITHDRAW) is codec_for(WITHDRAW)
    assert codec_for(WITHDRAW).schema_id == schema_id(WITHDRAW)
    assert codec_for(WITHDRAW).name == "bank.Withdraw"


def test_avros_own_fingerprint_does_not_see_a_scale_but_our_id_does() -> None:
    two, four = decimal_of(2), decimal_of(4)
    assert two.prefix == four.prefix
    assert two.schema_id != four.schema_id


def decimal_of(scale: int) -> Codec:
    return Codec(
        {
            "type": "record",
            "name": "bank.Receipt",
            "fields": [
                {
                    "name": "balance",
                    "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": scale},
                }
            ],
        }
    )


def test_scale_2_written_and_scale_4_deployed_is_refused_not_misread() -> None:
    written, deployed = decimal_of(2), decimal_of(4)
    body = written.encode({"balance": Decimal("12.34")})
    with pytest.raises(
        MessageRejected,
        match=r"bank.Receipt.balance: expected decimal\(18, 4\), but it was written as decimal\(18, 2\)",
    ) as raised:
        deployed.decode_written_with(body, written.schema)
    assert raised.value.reason == "incompatible_schema"


def test_values_are_exactly_of_the_types_of_data() -> None:
    decoded = cast("dict[str, Data]", codec_for(EVERYTHING).decode(codec_for(EVERYTHING).encode(EVERYTHING_DATA)))
    assert {name: type(value) for name, value in decoded.items()} == {
        "flag": bool, "count": int, "text": str, "raw": bytes, "amount": Decimal, "at": datetime, "day": date,
        "id": UUID, "color": str,
        "lines": list, "notes": dict, "maybe": type(None), "shape": dict,
    }  # fmt: skip
    assert str(decoded["amount"]) == "-12.30"
    assert math.isclose(cast("datetime", decoded["at"]).timestamp(), 1767323045.000006)


LIST: dict[str, Any] = {
    "type": "record",
    "name": "bank.Item",
    "fields": [{"name": "n", "type": "long"}, {"name": "next", "type": ["null", "bank.Item"], "default": None}],
}


def linked(length: int) -> Data:
    data: Data = None
    for number in range(length):
        data = {"n": number, "next": data}
    return data


def test_a_type_may_refer_to_itself_down_to_a_bound_that_everybody_keeps() -> None:
    newer = Codec({**LIST, "fields": [*LIST["fields"], {"name": "note", "type": "string", "default": ""}]})
    codec = Codec(LIST)
    assert codec.decode(codec.encode(linked(DEPTH_MAX))) == linked(DEPTH_MAX)
    newer.decode_written_with(codec.encode(linked(DEPTH_MAX)), LIST)
    too_deep = codec.encode(linked(DEPTH_MAX + 1))
    text = json.dumps(linked(DEPTH_MAX + 1)).encode()
    for read in (
        lambda: codec.decode(too_deep),
        lambda: newer.decode_written_with(too_deep, LIST),
        lambda: codec.decode_json(text),
    ):
        with pytest.raises(MessageRejected, match=f"expected a depth of at most {DEPTH_MAX}, got more, in bank.Item"):
            read()
