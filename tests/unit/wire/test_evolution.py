"""Bodies of another version: read as values of ours, or refused with the reason, never misread."""

from decimal import Decimal

import pytest

from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import RECORD_NAME, Data
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import Codec


def record(*fields: Json, name: str = "bank.Receipt") -> Json:
    return {"type": "record", "name": name, "fields": list(fields)}


ID: Json = {"name": "id", "type": "string"}
UUID: Json = {"type": "string", "logicalType": "uuid"}


def read(reader: Json, writer: Json, data: Data) -> Data:
    return Codec(reader).decode_written_with(Codec(writer).encode(data), writer)


def test_the_same_schema_is_read_as_it_is() -> None:
    assert read(record(ID), record(ID), {"id": "x"}) == {"id": "x"}


def test_a_field_that_went_is_left_out_and_one_that_came_has_its_default() -> None:
    old = record(ID, {"name": "note", "type": "string"})
    new = record(ID, {"name": "fee", "type": ["null", "long"], "default": None})
    assert read(new, old, {"id": "x", "note": "y"}) == {"id": "x", "fee": None}


def test_fields_may_change_places() -> None:
    other: Json = {"name": "n", "type": "long"}
    assert read(record(other, ID), record(ID, other), {"id": "x", "n": 1}) == {"id": "x", "n": 1}


def test_a_reply_that_became_one_of_several_is_named() -> None:
    one, two = record(ID), record(ID, name="bank.Slip")
    assert read([one, two], one, {"id": "x"}) == {RECORD_NAME: "bank.Receipt", "id": "x"}
    assert read(["null", one], one, {"id": "x"}) == {"id": "x"}


def test_one_of_several_that_became_the_only_one_is_not_named() -> None:
    outer = record(
        {"name": "slips", "type": {"type": "map", "values": {"type": "array", "items": record(ID, name="b.S")}}}
    )
    data: Data = {"slips": {"a": [{"id": "x"}]}}
    extended = record(
        {"name": "slips", "type": {"type": "map", "values": {"type": "array", "items": record(ID, name="b.S")}}},
        {"name": "more", "type": {"type": "map", "values": "long"}, "default": {}},
    )
    assert read(extended, outer, data) == {"slips": {"a": [{"id": "x"}]}, "more": {}}


def test_an_int_becomes_a_long_and_symbols_are_added() -> None:
    old = record({"name": "n", "type": "int"}, {"name": "e", "type": {"type": "enum", "name": "b.E", "symbols": ["A"]}})
    new = record(
        {"name": "n", "type": "long"}, {"name": "e", "type": {"type": "enum", "name": "b.E", "symbols": ["B", "A"]}}
    )
    assert read(new, old, {"n": 1, "e": "A"}) == {"n": 1, "e": "A"}


@pytest.mark.parametrize(
    ("reader", "writer", "data", "text"),
    [
        (record(ID, {"name": "n", "type": "long"}), record(ID), {"id": "x"}, "bank.Receipt.n: expected a default"),
        (record(ID, name="bank.Slip"), record(ID), {"id": "x"}, "expected record bank.Slip"),
        (record({"name": "id", "type": "long"}), record(ID), {"id": "x"}, "bank.Receipt.id: expected long"),
        (record({"name": "id", "type": UUID}), record(ID), {"id": "x"}, "bank.Receipt.id: expected uuid"),
        ("string", ["null", "string"], None, "expected string, but it was written as null"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_reason(reader: Json, writer: Json, data: Data, text: str) -> None:
    with pytest.raises(MessageRejected, match=text) as raised:
        read(reader, writer, data)
    assert raised.value.reason == "incompatible_schema"


def test_every_change_of_a_decimal_is_refused() -> None:
    def receipt(precision: int, scale: int) -> Json:
        kind: Json = {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
        return record({"name": "balance", "type": kind})

    for precision, scale in ((18, 4), (19, 2), (38, 9)):
        with pytest.raises(MessageRejected, match=r"was written as decimal\(18, 2\)"):
            read(receipt(precision, scale), receipt(18, 2), {"balance": Decimal("12.34")})


def test_a_writer_that_is_no_schema_is_refused() -> None:
    with pytest.raises(MessageRejected, match="in the schema that wrote bank.Receipt") as raised:
        Codec(record(ID)).decode_written_with(b"", "float")
    assert raised.value.reason == "incompatible_schema"


def test_a_default_that_does_not_fit_its_field_is_refused() -> None:
    new = Codec(record(ID, {"name": "n", "type": {"type": "string", "logicalType": "uuid"}, "default": "x"}))
    old = record(ID)
    with pytest.raises(MessageRejected, match="expected a UUID, got 'x', in bank.Receipt.n"):
        new.decode_written_with(Codec(old).encode({"id": "x"}), old)
