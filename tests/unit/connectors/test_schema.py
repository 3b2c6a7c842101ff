"""What of a JSON document a schema knows, and which fields may stand in a path."""

from enum import Enum

import pytest

from orchestrator import Command, Record
from orchestrator.blueprint.model import Json
from orchestrator.definition.schema import avro_schema
from orchestrator.wire.avro import codec_for
from orchestrator_connectors.http.schema import known_part, path_fields, takes_null


class Currency(Enum):
    EUR = "eur"


class Money(Record):
    amount: int
    currency: Currency


class Tree(Record):
    name: str
    children: "list[Tree]"
    best: "Tree | None" = None


class Everything(Command[None], to="bank"):
    first: Money
    second: Money | None
    many: list[Money]
    named: dict[str, Money]
    either: Money | Tree
    currency: Currency
    other: Currency
    flag: bool
    raw: bytes


SCHEMA = codec_for(avro_schema(Everything, "bank")).schema
TREE = codec_for(avro_schema(Tree, "bank")).schema
MONEY: dict[str, Json] = {"amount": 1, "currency": "EUR"}
MORE: dict[str, Json] = {**MONEY, "bonus": 2}
LEAF: dict[str, Json] = {"name": "leaf", "children": []}


@pytest.mark.parametrize(
    ("field", "given", "known"),
    [
        ("first", MORE, MONEY),
        ("second", MORE, MONEY),
        ("second", None, None),
        ("many", [MORE, MONEY], [MONEY, MONEY]),
        ("named", {"a": MORE, "bonus": MORE}, {"a": MONEY, "bonus": MONEY}),
        ("either", {"-type": "bank.Money", **MORE}, {"-type": "bank.Money", **MORE}),
        ("first", "no record", "no record"),
        ("many", {"no": "list"}, {"no": "list"}),
        ("flag", True, True),
    ],
)
def test_a_record_keeps_the_fields_it_has(field: str, given: Json, known: Json) -> None:
    assert known_part({field: given, "unknown": 1}, SCHEMA) == {field: known}  # type: ignore[arg-type]  # Json is a Tree


def test_a_record_within_itself_is_known_at_every_depth() -> None:
    given: dict[str, Json] = {"name": "root", "x": 1, "children": [{**LEAF, "x": 1}], "best": {**LEAF, "x": 1}}
    assert known_part(given, TREE) == {"name": "root", "children": [LEAF], "best": LEAF}  # type: ignore[arg-type]  # Json is a Tree


def test_what_is_one_text_may_stand_in_a_path() -> None:
    texts, others = path_fields(SCHEMA)
    assert texts == ["currency", "other", "flag"]
    assert list(others) == ["first", "second", "many", "named", "either", "raw"]


def test_which_schemas_take_nothing() -> None:
    schemas: list[Json] = ["null", ["null", "string"], "string", ["string", "long"]]
    assert [takes_null(schema) for schema in schemas] == [True, True, False, False]
