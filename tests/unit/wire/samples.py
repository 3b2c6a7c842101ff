"""Schemas, records and Hypothesis strategies that several tests of the wire use."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import cast
from uuid import UUID

from hypothesis import strategies as st

from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import RECORD_NAME, Data
from orchestrator.wire.journal import JournalEntry, parse_entry
from orchestrator.wire.outbox import encode_record, join_frames
from orchestrator.wire.record import Headers, IncomingRecord, OutgoingRecord


def entry_of(value: bytes | None) -> JournalEntry:
    """The entry of one saga in a journal record's value."""
    entry = parse_entry(value)
    assert isinstance(entry, JournalEntry)
    return entry


SAGA_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"

WITHDRAW: Json = {
    "type": "record",
    "name": "bank.Withdraw",
    "fields": [
        {"name": "account", "type": "string"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}},
    ],
}

EVERYTHING: Json = {
    "type": "record",
    "name": "test.Everything",
    "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "count", "type": "long"},
        {"name": "text", "type": "string"},
        {"name": "raw", "type": "bytes"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "color", "type": {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN"]}},
        {"name": "lines", "type": {"type": "array", "items": {
            "type": "record", "name": "Line", "fields": [{"name": "price", "type": "long"}]}}},
        {"name": "notes", "type": {"type": "map", "values": "string"}},
        {"name": "maybe", "type": ["null", "Line"], "default": None},
        {"name": "shape", "type": [
            {"type": "record", "name": "Circle", "fields": [{"name": "radius", "type": "long"}]},
            {"type": "record", "name": "Square", "fields": [{"name": "side", "type": "long"}]}]},
    ],
}  # fmt: skip

EVERYTHING_DATA: dict[str, Data] = {
    "flag": True,
    "count": -3,
    "text": "grüezi",
    "raw": b"\x00\xff",
    "amount": Decimal("-12.30"),
    "at": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    "day": date(1969, 12, 31),
    "id": UUID("0f8fad5b-d9cb-469f-a165-70867728950e"),
    "color": "GREEN",
    "lines": [{"price": 1}, {"price": 2}],
    "notes": {"a": "b"},
    "maybe": None,
    "shape": {RECORD_NAME: "test.Square", "side": 4},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCommand:
    """What the engine gives of a command."""

    saga_id: str = SAGA_ID
    command_id: str = f"{SAGA_ID}/withdraw/0/do"
    body: Data
    key: str = "A-1"
    step: str = "withdraw"
    attempt: int = 1
    undoes: str | None = None
    expires_ms: int | None = 1_767_225_630_000


def received(record: OutgoingRecord, offset: int = 7) -> IncomingRecord:
    """What a consumer is handed of a record that was produced."""
    return IncomingRecord(
        record.topic, record.partition, offset, 1_767_225_600_000, record.key, record.headers, record.value
    )


def incoming(headers: Headers, value: bytes | None = None, key: bytes | None = None) -> IncomingRecord:
    """A record that somebody wrote by hand."""
    return IncomingRecord("ns.replies", 3, 42, 1_767_225_600_000, key, headers, value)


def replaced(headers: Headers, name: str, value: bytes | None) -> Headers:
    """``headers`` with another value of ``name``; None: without it."""
    others = tuple(header for header in headers if header[0] != name)
    return others if value is None else (*others, (name, value))


# ---------------------------------------------------------------- random schemas, and data that fit them

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


class Maker:
    """Schemas of everything that messages can hold, and values that fit them, from one seed.

    Not a Hypothesis strategy of its own: strategies made while drawing cost a hundred times as much.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._count = 0

    def schema(self, depth: int = 3) -> Json:
        """Anything, a union included."""
        if depth == 0 or self._random.random() < 0.6:
            return self._one(depth)
        if self._random.random() < 0.5:
            return ["null", self._one(depth)]
        records = [self._record(depth - 1) for _ in range(self._random.randint(2, 3))]
        return ["null", *records] if self._random.random() < 0.5 else [*records]

    def _one(self, depth: int) -> Json:
        match self._random.randint(0, 5 if depth else 2):
            case 0:
                return self._random.choice(_LEAVES)
            case 1:
                precision = self._random.randint(1, 38)
                scale = self._random.randint(0, precision)
                return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
            case 2:
                symbols: list[Json] = [f"S{number}" for number in range(self._random.randint(1, 5))]
                return {"type": "enum", "name": self._name("Enum"), "symbols": symbols}
            case 3:
                return {"type": "array", "items": self.schema(depth - 1)}
            case 4:
                return {"type": "map", "values": self.schema(depth - 1)}
            case _:
                return self._record(depth - 1)

    def _record(self, depth: int) -> Json:
        count = self._random.randint(0, 4)
        fields: list[Json] = [{"name": f"f{number}", "type": self.schema(depth)} for number in range(count)]
        return {"type": "record", "name": self._name("Record"), "fields": fields}

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"test.{kind}{self._count}"

    def data(self, schema: Json) -> Data:
        """A value of ``schema``."""
        random = self._random
        match schema:
            case list():
                branch = random.choice(schema)
                data = self.data(branch)
                several = sum(isinstance(other, dict) and other["type"] == "record" for other in schema) > 1
                if several and isinstance(data, dict) and isinstance(branch, dict):
                    return {RECORD_NAME: cast("str", branch["name"]), **data}
                return data
            case {"type": "record", "fields": list(fields)}:
                return {str(field["name"]): self.data(field["type"]) for field in cast("list[dict[str, Json]]", fields)}
            case {"type": "enum", "symbols": list(symbols)}:
                return str(random.choice(symbols))
            case {"type": "array", "items": items}:
                return [self.data(cast("Json", items)) for _ in range(random.randint(0, 3))]
            case {"type": "map", "values": values}:
                return {self._text(): self.data(cast("Json", values)) for _ in range(random.randint(0, 3))}
            case {"logicalType": "decimal", "precision": int(precision), "scale": int(scale)}:
                limit = 10 ** random.randint(0, precision) - 1
                return Decimal(f"{random.randint(-limit, limit)}E-{scale}")
            case _:
                return self._leaf(schema["logicalType"] if isinstance(schema, dict) else schema)

    def _leaf(self, kind: Json) -> Data:
        random = self._random
        bits = random.randint(0, 63)
        match kind:
            case "null":
                return None
            case "boolean":
                return random.random() < 0.5
            case "int":
                return random.randint(-(2 ** (bits // 2)), 2 ** (bits // 2) - 1)
            case "long":
                return random.randint(-(2**bits), 2**bits - 1)
            case "string":
                return self._text()
            case "bytes":
                return random.randbytes(random.randint(0, 100))
            case "timestamp-micros":
                return datetime(1, 1, 1, tzinfo=UTC) + timedelta(microseconds=random.randrange(_TIMES))
            case "date":
                return date.fromordinal(random.randint(1, date.max.toordinal()))
            case "uuid":
                return UUID(bytes=random.randbytes(16))
            case _:
                raise AssertionError(kind)

    def _text(self) -> str:
        return "".join(self._random.choices("aé€😀\n\0 $-", k=self._random.randint(0, 20)))


_LEAVES: list[Json] = [
    "boolean",
    "int",
    "long",
    "string",
    "bytes",
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "int", "logicalType": "date"},
    {"type": "string", "logicalType": "uuid"},
]
_TIMES = date.max.toordinal() * 86_400 * 1_000_000


def _case(seed: int) -> tuple[Json, Data]:
    maker = Maker(seed)
    schema = maker.schema()
    return schema, maker.data(schema)


def outbox_row(*records: OutgoingRecord) -> bytes:
    """The row of a batch of these records."""
    return join_frames([encode_record(record) for record in records])


schemas_with_data = st.integers(0, 2**64).map(_case)

outgoing_records = st.builds(
    OutgoingRecord,
    topic=st.sampled_from(["ns.journal", "bank.commands"]),
    partition=st.integers(0, 2**31 - 1),
    key=st.none() | st.binary(max_size=20),
    headers=st.lists(st.tuples(texts, st.binary(max_size=20)), max_size=4).map(tuple),
    value=st.none() | st.binary(max_size=200),
)
