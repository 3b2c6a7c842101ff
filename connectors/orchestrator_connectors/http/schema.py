"""Questions to canonical Avro schemas: what may stand in a path, what of a JSON document they know."""

from collections.abc import Mapping
from typing import cast

from orchestrator.blueprint.avro import definitions
from orchestrator.blueprint.model import Json
from orchestrator.wire.tree import Tree


def path_fields(schema: Json) -> tuple[list[str], dict[str, str]]:
    """The fields of a record whose values are one text each, and the others with what they are."""
    named = definitions(schema)
    texts: list[str] = []
    others: dict[str, str] = {}
    for name, kind in _fields(schema).items():
        match named.get(kind, kind) if isinstance(kind, str) else kind:
            case "string" | "int" | "long" | "boolean" | {"type": "enum"} | {"type": str(), "logicalType": str()}:
                texts.append(name)
            case list():
                others[name] = "one of several types"
            case {"type": str(what)} | str(what):
                others[name] = what
            case _:
                raise AssertionError(kind)
    return texts, others


def takes_null(schema: Json) -> bool:
    """Whether nothing is a value of it."""
    return schema == "null" or (isinstance(schema, list) and "null" in schema)


def known_part(tree: Tree, schema: Json) -> Tree:
    """``tree`` without what no record of ``schema`` has a field for: servers say more than was asked.

    In the place of one of several records nothing is left out, for only its name tells which it is.
    """
    return _known(tree, schema, definitions(schema))


def _known(tree: Tree, schema: Json, named: Mapping[str, Json]) -> Tree:
    match named.get(schema, schema) if isinstance(schema, str) else schema:
        case ["null", only] | [only, "null"]:
            return None if tree is None else _known(tree, only, named)
        case {"type": "record"} as record if isinstance(tree, dict):
            fields = _fields(cast("Json", record))
            return {key: _known(value, fields[key], named) for key, value in tree.items() if key in fields}
        case {"type": "array", "items": items} if isinstance(tree, list):
            return [_known(item, cast("Json", items), named) for item in tree]
        case {"type": "map", "values": values} if isinstance(tree, dict):
            return {key: _known(value, cast("Json", values), named) for key, value in tree.items()}
        case _:
            return tree


def _fields(schema: Json) -> Mapping[str, Json]:
    assert isinstance(schema, dict), "a message is a record"
    return {str(field["name"]): field["type"] for field in cast("list[dict[str, Json]]", schema["fields"])}
