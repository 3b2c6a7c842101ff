"""Bodies: Avro in single-object encoding, or JSON validated against the schema.

Avro's own fingerprint (in the first ten bytes) does not see logical types, so it is only checked; what a body was
written with says ``ce_dataschema``, the id of our canonical schema. Bytes are read and written by our own shapes and
not by fastavro, which reads a negative index as the last symbol, rounds decimals silently, and allocates what five
bytes ask for; fastavro parses schemas, makes their fingerprints, and is what the tests compare with.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from fastavro.schema import SchemaParseException, UnknownType, fingerprint, parse_schema, to_parsing_canonical_form

from orchestrator.blueprint.avro import canonical_schema, compatible, schema_id
from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import Data
from orchestrator.errors import MessageRejected
from orchestrator.wire.composite import Field, ListShape, MapShape, RecordShape, UnionShape
from orchestrator.wire.scalar import (
    BooleanShape,
    BytesShape,
    DateShape,
    DecimalShape,
    EnumShape,
    LongShape,
    NullShape,
    TextShape,
    TimestampShape,
    UuidShape,
)
from orchestrator.wire.shape import Mismatch, Shape, Source
from orchestrator.wire.tree import Tree, parse_json

MARKER: Final = b"\xc3\x01"
"""Avro specification, "Single-object encoding": then 8 bytes of CRC-64-AVRO, little endian, then the body."""
PREFIX_BYTES: Final = 10

DEPTH_MAX: Final = 100
"""Of data whose schema refers to itself. Python bounds nested calls, too, but that depends on who calls."""

CODECS_MAX: Final = 4_096
"""Codecs that ``codec_for`` keeps; beyond, all are compiled anew when they are asked for."""


class Codec:
    """One schema, compiled: from Data to bytes and back.

    Raises ``ValueError`` for a schema that is none, or that uses what the orchestrator's messages cannot
    (floats, ``fixed``, other logical types, unions whose values look alike).
    """

    def __init__(self, schema: Json) -> None:
        try:
            parsed = parse_schema(cast("Any", schema))
            self.schema: Json = canonical_schema(schema)
            self.schema_id: str = schema_id(schema)
            self._shape = _compile(self.schema, {})
            self._is_recursive = _refers_to_itself(self.schema, frozenset())
        except (SchemaParseException, UnknownType, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"expected an Avro schema, got one that fails with {error!r}") from error
        self.name: str = self._shape.name if isinstance(self._shape, RecordShape) else "the body"
        crc = fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO")
        self.prefix: bytes = MARKER + bytes.fromhex(crc)
        """What every body of this schema begins with."""
        self._refused: dict[str, str | None] = {}

    def encode(self, data: Data) -> bytes:
        """``data`` in single-object encoding; raises ``Mismatch``, a ValueError, naming the field that does not fit."""
        out = bytearray(self.prefix)
        try:
            self._shape.write(data, out)
        except Mismatch as mismatch:
            mismatch.path.append(self.name)
            raise
        return bytes(out)

    def decode(self, value: bytes) -> Data:
        """The data of a body that was written with exactly this schema; raises ``MessageRejected``."""
        return self._read(value, tagged=False)

    def decode_written_with(self, value: bytes, writer: Json) -> Data:
        """The data of a body that was written with ``writer``, as a value of this schema.

        Raises ``MessageRejected``: ``incompatible_schema`` says why the two do not go together.
        """
        try:
            written = codec_for(writer)
        except ValueError as error:
            raise MessageRejected("incompatible_schema", f"{error}, in the schema that wrote {self.name}") from error
        if written.schema_id == self.schema_id:
            return self.decode(value)
        if written.schema_id not in self._refused:
            self._refused[written.schema_id] = compatible(self.schema, written.schema)
        refused = self._refused[written.schema_id]
        if refused is not None:
            raise MessageRejected(
                "incompatible_schema", f"{refused}: written with {written.schema_id}, read as {self.schema_id}"
            )
        data = written._read(value, tagged=True)  # noqa: SLF001 - another object of this class
        try:
            return self._shape.resolve(data)
        except Mismatch as mismatch:
            raise self._undecodable(mismatch) from mismatch

    def decode_json(self, text: bytes, member: str | None = None) -> Data:
        """The data of a JSON document, or of one member of it, validated against this schema.

        Decimals as text or numbers, times as RFC 3339, bytes as base64; a record among several in a union names its
        type under ``-type``; fields with a default may be left out. Raises ``MessageRejected``.
        """
        try:
            tree = parse_json(text)
        except ValueError as error:
            raise MessageRejected("undecodable", f"expected JSON, got {error}, in {self.name}") from error
        if member is not None:
            if not isinstance(tree, dict) or member not in tree:
                raise MessageRejected("undecodable", f"expected the key {member!r}, got none, in {self.name}")
            tree = tree[member]
        return self.from_tree(tree)

    def from_tree(self, tree: Tree) -> Data:
        """``decode_json`` of what is parsed already."""
        try:
            data = self._shape.from_json(tree)
        except Mismatch as mismatch:
            raise self._undecodable(mismatch) from mismatch
        except RecursionError:
            raise self._too_deep() from None
        return self._bounded(data)

    def _read(self, value: bytes, *, tagged: bool) -> Data:
        if not value.startswith(self.prefix):
            raise MessageRejected(
                "undecodable",
                f"expected a body that begins with {self.prefix.hex()}, the fingerprint of schema {self.schema_id}, "
                f"got {value[:PREFIX_BYTES].hex() or 'nothing'}, in {self.name}",
            )
        source = Source(value, PREFIX_BYTES, tagged=tagged)
        try:
            data = self._shape.read(source)
        except Mismatch as mismatch:
            raise self._undecodable(mismatch) from mismatch
        except RecursionError:
            raise self._too_deep() from None
        if source.at != len(value):
            raise MessageRejected(
                "undecodable", f"expected {source.at} bytes, got {len(value) - source.at} more, in {self.name}"
            )
        return self._bounded(data)

    def _bounded(self, data: Data) -> Data:
        if self._is_recursive and _deeper(data, DEPTH_MAX):
            raise self._too_deep()
        return data

    def _too_deep(self) -> MessageRejected:
        return MessageRejected("undecodable", f"expected a depth of at most {DEPTH_MAX}, got more, in {self.name}")

    def _undecodable(self, mismatch: Mismatch) -> MessageRejected:
        mismatch.path.append(self.name)
        return MessageRejected("undecodable", str(mismatch))


_codecs: dict[int, tuple[Json, Codec]] = {}
"""By the identity of the schema, which is kept beside it, so that the identity stays its own."""


def codec_for(schema: Json) -> Codec:
    """The codec of ``schema``, compiled once for this object, which must not change; as ``Codec``."""
    found = _codecs.get(id(schema))
    if found is not None and found[0] is schema:
        return found[1]
    if len(_codecs) >= CODECS_MAX:
        _codecs.clear()
    codec = Codec(schema)
    _codecs[id(schema)] = schema, codec
    return codec


def decode_json(text: bytes, schema: Json) -> Data:
    """The data of a JSON document, validated against ``schema``; see ``Codec.decode_json``."""
    return codec_for(schema).decode_json(text)


# ---------------------------------------------------------------- compiling a canonical schema


def _compile(schema: Json, named: dict[str, Shape]) -> Shape:
    match schema:
        case str():
            return named[schema] if schema in named else _simple(schema, None)
        case list():
            return UnionShape([_compile(branch, named) for branch in schema])
        case dict():
            return _compile_object(schema, named)
        case _:
            raise _foreign(schema)


def _compile_object(schema: dict[str, Json], named: dict[str, Shape]) -> Shape:
    match schema:
        case {"type": "record", "name": str(name)}:
            return _record(schema, name, named)
        case {"type": "enum", "name": str(name), "symbols": list(symbols)}:
            named[name] = EnumShape([str(symbol) for symbol in symbols])
            return named[name]
        case {"type": "array", "items": items}:
            return ListShape(_compile(items, named))
        case {"type": "map", "values": values}:
            return MapShape(_compile(values, named))
        case {"type": "bytes", "logicalType": "decimal", "precision": int(precision)}:
            return DecimalShape(precision, _whole(schema.get("scale", 0)))
        case {"type": str(kind)}:
            return _simple(kind, schema.get("logicalType"))
        case _:
            raise _foreign(schema)


def _foreign(schema: Json) -> ValueError:
    return ValueError(f"expected a type of messages, got {schema!r:.200}")


_SIMPLE: Final[Mapping[tuple[str, Json], Shape]] = {
    ("null", None): NullShape(),
    ("boolean", None): BooleanShape(),
    ("int", None): LongShape(-(2**31), 2**31 - 1),
    ("long", None): LongShape(),
    ("string", None): TextShape(),
    ("bytes", None): BytesShape(),
    ("long", "timestamp-micros"): TimestampShape(),
    ("int", "date"): DateShape(),
    ("string", "uuid"): UuidShape(),
}


def _simple(kind: str, logical: Json) -> Shape:
    shape = _SIMPLE.get((kind, logical))
    if shape is None:
        what = kind if logical is None else f"{kind} as {logical}"
        raise ValueError(f"expected a type that messages can hold, got {what}: floats, fixed and other times are none")
    return shape


def _record(schema: Mapping[str, Json], name: str, named: dict[str, Shape]) -> Shape:
    named[name] = record = RecordShape(name)
    fields: list[Field] = []
    for field in cast("list[dict[str, Json]]", schema["fields"]):
        shape = _compile(field["type"], named)
        fields.append(Field(str(field["name"]), shape, has_default="default" in field, default=field.get("default")))
    record.define(fields)
    return record


def _deeper(data: Data, levels: int) -> bool:
    """Whether records, lists and maps are nested in more than ``levels``."""
    match data:
        case dict():
            return levels == 0 or any(_deeper(value, levels - 1) for value in data.values())
        case list():
            return levels == 0 or any(_deeper(value, levels - 1) for value in data)
        case _:
            return False


def _refers_to_itself(schema: Json, within: frozenset[str]) -> bool:
    """Whether a record holds records of its own type, somewhere: only such data has no bounded depth."""
    match schema:
        case str():
            return schema in within
        case list():
            return any(_refers_to_itself(branch, within) for branch in schema)
        case {"type": "record", "name": str(name), "fields": list(fields)}:
            inner = within | {name}
            return any(_refers_to_itself(cast("dict[str, Json]", field)["type"], inner) for field in fields)
        case {"type": "array", "items": part} | {"type": "map", "values": part}:
            return _refers_to_itself(cast("Json", part), within)
        case _:
            return False


def _whole(value: Json) -> int:
    if type(value) is not int:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value
