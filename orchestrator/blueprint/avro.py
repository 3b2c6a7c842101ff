"""Avro schemas as data: our canonical form, the id made of it, and which schema can read what another wrote.

Avro's own parsing canonical form drops logical types, so decimal(18,2) and decimal(38,9) have one fingerprint, and
12.34 read with the wrong one is 0.000001234. Ours keeps them. No bytes are read or written here.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import cast

from orchestrator.blueprint.model import Json

_NAMED = ("record", "enum", "fixed")
_KEPT = ("logicalType", "precision", "scale", "size", "symbols")
_PROMOTED: dict[str, tuple[str, ...]] = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
}
"""Avro specification, schema resolution: what is written as the key can be read as any of these."""


def canonical_schema(schema: Json) -> Json:
    """``schema`` with full names, without docs, aliases and order, each name defined where it stands first.

    Raises ValueError for what is no Avro schema.
    """
    return _canonical(schema, "", set())


def canonical_text(schema: Json) -> str:
    """The canonical form as text, keys sorted, no white space: what ``schema_id`` is the digest of."""
    return json.dumps(canonical_schema(schema), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def schema_id(schema: Json) -> str:
    """The ``ce_dataschema`` of ``schema``: sha256 of its canonical text, in hex."""
    return hashlib.sha256(canonical_text(schema).encode()).hexdigest()


def _canonical(schema: Json, namespace: str, defined: set[str]) -> Json:
    match schema:
        case str():
            return schema if schema in _PRIMITIVE else _full_name(schema, namespace)
        case list():
            return [_canonical(branch, namespace, defined) for branch in schema]
        case {"type": dict() | list() as wrapped}:
            return _canonical(cast("Json", wrapped), namespace, defined)
        case {"type": str(kind)}:
            return _canonical_object(schema, kind, namespace, defined)
        case _:
            raise ValueError(f"expected an Avro schema, got {json.dumps(schema)[:200]}")


_PRIMITIVE = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")


def _canonical_object(schema: dict[str, Json], kind: str, namespace: str, defined: set[str]) -> Json:
    made: dict[str, Json] = {"type": kind}
    if kind in _NAMED:
        given = schema.get("namespace", namespace)
        name = _full_name(str(schema["name"]), str(given))
        if name in defined:
            raise ValueError(f"expected each name to be defined once, got {name} twice")
        defined.add(name)
        made["name"] = name
        namespace = name.rpartition(".")[0]
    elif kind not in _PRIMITIVE and kind not in ("array", "map"):
        return _full_name(kind, namespace)
    made.update({key: schema[key] for key in _KEPT if key in schema})
    if kind == "record":
        made["fields"] = [_canonical_field(field, namespace, defined) for field in _list(schema, "fields")]
    for inner in ("items", "values"):
        if inner in schema:
            made[inner] = _canonical(schema[inner], namespace, defined)
    return kind if len(made) == 1 else made


def _canonical_field(field: Json, namespace: str, defined: set[str]) -> Json:
    if not isinstance(field, dict) or not isinstance(field.get("name"), str) or "type" not in field:
        raise ValueError(f"expected a field with name and type, got {json.dumps(field)[:200]}")
    made: dict[str, Json] = {"name": field["name"], "type": _canonical(field["type"], namespace, defined)}
    if "default" in field:
        made["default"] = field["default"]
    return made


def _list(schema: dict[str, Json], key: str) -> list[Json]:
    match schema.get(key):
        case list() as found:
            return found
        case _:
            raise ValueError(f"expected {key!r} to be a list in {json.dumps(schema)[:200]}")


def _full_name(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


# ---------------------------------------------------------------- which schema reads what another wrote


def compatible(reader: Json, writer: Json) -> str | None:
    """Why data written with ``writer`` cannot be read with ``reader``; None when all of it can.

    Avro's rules of resolution, and one more: a changed logical type, precision or scale is incompatible.
    """
    read, written = canonical_schema(reader), canonical_schema(writer)
    return _Comparison(definitions(read), definitions(written)).why_not(read, written, _place_of(read))


def names_records(schema: Json) -> bool:
    """Whether data of a canonical ``schema`` hold records that carry their full name: those in unions of several."""
    if isinstance(schema, list) and len([branch for branch in schema if branch != "null"]) > 1:
        return True
    return any(map(names_records, _inner(schema)))


def definitions(schema: Json) -> dict[str, Json]:
    """The named types of a canonical ``schema``, records and enums, wherever in it they are defined."""
    found: dict[str, Json] = {}

    def visit(part: Json) -> None:
        for inner in _inner(part):
            visit(inner)
        if isinstance(part, dict) and "name" in part:
            found[str(part["name"])] = part

    visit(schema)
    return found


def _inner(schema: Json) -> Iterator[Json]:
    """The schemas right inside a canonical one."""
    match schema:
        case list():
            yield from schema
        case {"fields": list() as fields}:
            yield from (cast("dict[str, Json]", field)["type"] for field in fields)
        case {"items": inner} | {"values": inner}:
            yield cast("Json", inner)
        case _:
            return


def _place_of(schema: Json) -> str:
    return str(schema["name"]) if isinstance(schema, dict) and "name" in schema else "the value"


def _kind(schema: Json) -> str:
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)


def _shown(schema: Json) -> str:
    """A type as a person names it: ``decimal(18, 2)``, ``long``, ``bank.Receipt``."""
    match schema:
        case list():
            return " or ".join(map(_shown, schema))
        case {"logicalType": "decimal"}:
            return f"decimal({schema.get('precision')}, {schema.get('scale', 0)})"
        case {"logicalType": logical}:
            return str(logical)
        case {"name": name, "type": kind}:
            return f"{kind} {name}"
        case {"type": "array", "items": items}:
            return f"list of {_shown(cast('Json', items))}"
        case {"type": "map", "values": items}:
            return f"map of {_shown(cast('Json', items))}"
        case _:
            return _kind(schema)


def _logical(schema: Json) -> tuple[Json, ...]:
    if not isinstance(schema, dict) or "logicalType" not in schema:
        return ()
    scale = schema.get("scale", 0) if schema["logicalType"] == "decimal" else None
    return schema["logicalType"], schema.get("precision"), scale


class _Comparison:
    """One reader against one writer; remembers pairs of names, so that recursive records end."""

    def __init__(self, read: dict[str, Json], written: dict[str, Json]) -> None:
        self._read, self._written = read, written
        self._pairs: set[tuple[str, str]] = set()

    def why_not(self, reader: Json, writer: Json, place: str) -> str | None:
        reader, writer = _resolved(reader, self._read), _resolved(writer, self._written)
        if isinstance(writer, list):
            reasons = (self.why_not(reader, branch, place) for branch in writer)
            return next((reason for reason in reasons if reason), None)
        if isinstance(reader, list):
            if any(self.why_not(branch, writer, place) is None for branch in reader):
                return None
            near = [branch for branch in reader if _place_of(_resolved(branch, self._read)) == _place_of(writer)]
            why = self.why_not(near[0], writer, place) if len(near) == 1 and _is_named(writer) else None
            return why or self._differ(reader, writer, place)
        return self._why_not_one(reader, writer, place)

    def _why_not_one(self, reader: Json, writer: Json, place: str) -> str | None:
        kind, written = _kind(reader), _kind(writer)
        if _logical(reader) != _logical(writer):
            return self._differ(reader, writer, place)
        if kind != written:
            promoted = kind in _PROMOTED.get(written, ()) and not _logical(reader)
            return None if promoted else self._differ(reader, writer, place)
        if not isinstance(reader, dict) or not isinstance(writer, dict):
            return None
        compare = _COMPARED.get(kind)
        return compare(self, reader, writer, place) if compare else None

    def record(self, reader: dict[str, Json], writer: dict[str, Json], place: str) -> str | None:
        pair = str(reader["name"]), str(writer["name"])
        if pair[0] != pair[1]:
            return self._differ(reader, writer, place)
        if pair in self._pairs:
            return None
        self._pairs.add(pair)
        written = {str(field["name"]): field for field in _fields(writer)}
        for field in _fields(reader):
            name = str(field["name"])
            if name in written:
                why = self.why_not(field["type"], written[name]["type"], f"{place}.{name}")
                if why:
                    self._pairs.discard(pair)  # false under the assumption made: another union branch may ask again
                    return why
            elif "default" not in field:
                self._pairs.discard(pair)
                return f"{place}.{name}: expected a default, since records were written without this field"
        return None

    def enum(self, reader: dict[str, Json], writer: dict[str, Json], place: str) -> str | None:
        if reader["name"] != writer["name"]:
            return self._differ(reader, writer, place)
        lost = [symbol for symbol in _list(writer, "symbols") if symbol not in _list(reader, "symbols")]
        return f"{place}: expected the symbol {lost[0]}, which was written, to stay" if lost else None

    def fixed(self, reader: dict[str, Json], writer: dict[str, Json], place: str) -> str | None:
        same = (reader["name"], reader.get("size")) == (writer["name"], writer.get("size"))
        return None if same else self._differ(reader, writer, place)

    def array(self, reader: dict[str, Json], writer: dict[str, Json], place: str) -> str | None:
        return self.why_not(reader["items"], writer["items"], f"{place}[]")

    def map(self, reader: dict[str, Json], writer: dict[str, Json], place: str) -> str | None:
        return self.why_not(reader["values"], writer["values"], f"{place}{{}}")

    @staticmethod
    def _differ(reader: Json, writer: Json, place: str) -> str:
        return f"{place}: expected {_shown(reader)}, but it was written as {_shown(writer)}"


_COMPARED: dict[str, Callable[[_Comparison, dict[str, Json], dict[str, Json], str], str | None]] = {
    "record": _Comparison.record,
    "enum": _Comparison.enum,
    "fixed": _Comparison.fixed,
    "array": _Comparison.array,
    "map": _Comparison.map,
}


def _is_named(schema: Json) -> bool:
    return isinstance(schema, dict) and "name" in schema


def _fields(record: dict[str, Json]) -> list[dict[str, Json]]:
    return cast("list[dict[str, Json]]", record["fields"])


def _resolved(schema: Json, definitions: dict[str, Json]) -> Json:
    return definitions.get(schema, schema) if isinstance(schema, str) else schema
