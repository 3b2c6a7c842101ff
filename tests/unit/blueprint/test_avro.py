import hashlib

import pytest

from orchestrator.blueprint.avro import canonical_schema, canonical_text, compatible, names_records, schema_id
from orchestrator.blueprint.model import Json


def record(name: str, **fields: Json) -> dict[str, Json]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}


def decimal(precision: int, scale: int) -> dict[str, Json]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


WRITTEN: Json = {
    "namespace": "bank",
    "doc": "what came of it",
    "name": "Receipt",
    "type": "record",
    "fields": [
        {
            "name": "balance",
            "doc": "of the account",
            "type": {"scale": 2, "precision": 18, "type": "bytes", "logicalType": "decimal"},
        },
        {
            "name": "lines",
            "type": {"type": "array", "items": {"type": "record", "name": "Line", "aliases": ["L"], "fields": []}},
        },
        {"name": "last", "type": ["null", "Line"], "default": None},
        {"name": "color", "type": {"type": "enum", "name": "other.Color", "symbols": ["RED"]}},
        {"name": "note", "type": {"type": "string"}, "order": "ignore"},
    ],
}


def test_canonical_form_keeps_logical_types_and_names_everything_in_full() -> None:
    assert canonical_text(WRITTEN) == (
        '{"fields":[{"name":"balance","type":{"logicalType":"decimal","precision":18,"scale":2,"type":"bytes"}},'
        '{"name":"lines","type":{"items":{"fields":[],"name":"bank.Line","type":"record"},"type":"array"}},'
        '{"default":null,"name":"last","type":["null","bank.Line"]},'
        '{"name":"color","type":{"name":"other.Color","symbols":["RED"],"type":"enum"}},'
        '{"name":"note","type":"string"}],"name":"bank.Receipt","type":"record"}'
    )
    assert canonical_schema(canonical_schema(WRITTEN)) == canonical_schema(WRITTEN)


def test_schema_id_is_the_digest_of_the_canonical_text() -> None:
    assert schema_id(WRITTEN) == hashlib.sha256(canonical_text(WRITTEN).encode()).hexdigest()
    assert schema_id(record("a.B", x=decimal(18, 2))) != schema_id(record("a.B", x=decimal(38, 9)))


@pytest.mark.parametrize(
    "schema",
    [3, {"fields": []}, {"type": "record", "name": "A"}, [record("A"), record("A")], record("A", x={"type": 3})],
)
def test_what_is_no_schema_is_refused(schema: Json) -> None:
    with pytest.raises(ValueError, match="expected"):
        canonical_schema(schema)


COMPATIBLE: list[tuple[Json, Json]] = [
    (WRITTEN, WRITTEN),
    ("long", "int"),
    (record("a.B"), record("a.B", x="long")),
    (["null", "long"], "long"),
    (["null", "string", "long"], ["null", "string"]),
    ({"type": "enum", "name": "a.E", "symbols": ["A", "B"]}, {"type": "enum", "name": "a.E", "symbols": ["B"]}),
    ({"type": "map", "values": ["null", "string"]}, {"type": "map", "values": "string"}),
    (
        {"type": "record", "name": "a.B", "fields": [{"name": "x", "type": ["null", "long"], "default": None}]},
        record("a.B"),
    ),
    (record("a.T", kids={"type": "array", "items": "a.T"}), record("a.T", kids={"type": "array", "items": "a.T"})),
    ({"type": "fixed", "name": "a.F", "size": 2}, {"type": "fixed", "name": "a.F", "size": 2}),
]


@pytest.mark.parametrize(("reader", "writer"), COMPATIBLE)
def test_compatible_schemas_read_what_was_written(reader: Json, writer: Json) -> None:
    assert compatible(reader, writer) is None


INCOMPATIBLE: list[tuple[Json, Json, str]] = [
    (
        record("a.B", x=decimal(38, 4)),
        record("a.B", x=decimal(38, 2)),
        "a.B.x: expected decimal(38, 4), but it was written as decimal(38, 2)",
    ),
    (
        record("a.B", x=decimal(38, 2)),
        record("a.B", x=decimal(18, 2)),
        "a.B.x: expected decimal(38, 2), but it was written as decimal(18, 2)",
    ),
    (
        record("a.B", x={"type": "long", "logicalType": "timestamp-micros"}),
        record("a.B", x="long"),
        "a.B.x: expected timestamp-micros, but it was written as long",
    ),
    (record("a.B", x="int"), record("a.B", x="long"), "a.B.x: expected int, but it was written as long"),
    (
        record("a.B", x="string"),
        record("a.C", x="string"),
        "a.B: expected record a.B, but it was written as record a.C",
    ),
    (
        record("a.B", x="string"),
        record("a.B"),
        "a.B.x: expected a default, since records were written without this field",
    ),
    (record("a.B", x="long"), record("a.B", x=["null", "long"]), "a.B.x: expected long, but it was written as null"),
    (
        {"type": "enum", "name": "a.E", "symbols": ["A"]},
        {"type": "enum", "name": "a.E", "symbols": ["A", "B"]},
        "a.E: expected the symbol B, which was written, to stay",
    ),
    (
        record("a.B", x={"type": "array", "items": decimal(9, 2)}),
        record("a.B", x={"type": "array", "items": decimal(9, 3)}),
        "a.B.x[]: expected decimal(9, 2), but it was written as decimal(9, 3)",
    ),
    (
        record("a.B", x={"type": "map", "values": "string"}),
        record("a.B", x={"type": "array", "items": "string"}),
        "a.B.x: expected map of string, but it was written as list of string",
    ),
    (
        ["null", record("a.B", x=decimal(9, 2))],
        ["null", record("a.B", x=decimal(9, 3))],
        "the value.x: expected decimal(9, 2), but it was written as decimal(9, 3)",
    ),
    (["null", "string"], "long", "the value: expected null or string, but it was written as long"),
    (
        {"type": "fixed", "name": "a.F", "size": 2},
        {"type": "fixed", "name": "a.F", "size": 3},
        "a.F: expected fixed a.F, but it was written as fixed a.F",
    ),
]


@pytest.mark.parametrize(("reader", "writer", "why"), INCOMPATIBLE)
def test_incompatible_schemas_say_where_and_why(reader: Json, writer: Json, why: str) -> None:
    assert compatible(reader, writer) == why


def test_only_unions_of_several_make_data_name_their_records() -> None:
    assert names_records(record("a.B", x=[record("a.C"), record("a.D")]))
    assert names_records({"type": "array", "items": ["null", record("a.C"), record("a.D")]})
    assert not names_records(record("a.B", x=["null", record("a.C")], y={"type": "map", "values": "long"}))
