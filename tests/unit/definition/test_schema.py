import dataclasses
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Optional
from uuid import UUID

import pytest

from orchestrator import Command, Digits, Key, Record
from orchestrator.blueprint.model import Json
from orchestrator.definition.schema import UnsupportedType, avro_schema, fault_of_namespace

Money = Annotated[Decimal, Digits(18, scale=2)]


class Color(Enum):
    RED = "r"
    BLUE = "b"
    AZURE = "b"  # noqa: PIE796  # an alias: one symbol


class Cash(Record):
    note: str


class Card(Record):
    number: str


@dataclass(frozen=True)
class TheirOwn:
    x: int
    y: str = "none"


class Everything(Record):
    flag: bool
    count: int
    name: str
    raw: bytes
    amount: Decimal
    price: Money
    at: datetime
    day: date
    identity: UUID
    color: Color
    colors: list[Color]
    prices: dict[str, Money]
    own: TheirOwn
    how: Cash | Card
    maybe: str | None
    again: Optional[Cash] = None  # noqa: UP045  # the old way of writing it
    limit: int = 3
    shade: Color = Color.RED
    money: Money = Decimal(1)


class Tree(Record):
    kids: "list[Tree]"


def decimal(precision: int, scale: int) -> Json:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def test_each_python_type_has_its_avro_type() -> None:
    cash: Json = {"type": "record", "name": "shop.Cash", "fields": [{"name": "note", "type": "string"}]}
    card: Json = {"type": "record", "name": "shop.Card", "fields": [{"name": "number", "type": "string"}]}
    own: Json = [{"name": "x", "type": "long"}, {"name": "y", "type": "string", "default": "none"}]
    expected: dict[str, Json] = {
        "flag": "boolean",
        "count": "long",
        "name": "string",
        "raw": "bytes",
        "amount": decimal(38, 9),
        "price": decimal(18, 2),
        "at": {"type": "long", "logicalType": "timestamp-micros"},
        "day": {"type": "int", "logicalType": "date"},
        "identity": {"type": "string", "logicalType": "uuid"},
        "color": {"type": "enum", "name": "shop.Color", "symbols": ["RED", "BLUE"]},
        "colors": {"type": "array", "items": "shop.Color"},
        "prices": {"type": "map", "values": decimal(18, 2)},
        "own": {"type": "record", "name": "shop.TheirOwn", "fields": own},
        "how": [cash, card],
        "maybe": ["null", "string"],
        "again": ["null", "shop.Cash"],
        "limit": "long",
        "shade": "shop.Color",
        "money": decimal(18, 2),
    }
    schema = avro_schema(Everything, "shop")
    assert isinstance(schema, dict)
    assert schema["name"] == "shop.Everything"
    fields: Any = schema["fields"]
    assert {field["name"]: field["type"] for field in fields} == expected
    assert [field["name"] for field in fields] == list(expected)
    defaults = {field["name"]: field["default"] for field in fields if "default" in field}
    assert defaults == {"again": None, "limit": 3, "shade": "RED"}


def test_a_record_may_hold_itself() -> None:
    kids: Json = {"type": "array", "items": "a.Tree"}
    assert avro_schema(Tree, "a") == {"type": "record", "name": "a.Tree", "fields": [{"name": "kids", "type": kids}]}


def test_a_key_is_a_plain_field() -> None:
    assert avro_schema(Release, "stock") == {
        "type": "record",
        "name": "stock.Release",
        "fields": [{"name": "order", "type": "string"}],
    }


class Release(Command[None], to="stock"):
    order: Key[str]


def test_a_kind_need_not_be_a_record() -> None:
    assert avro_schema(str, "a") == "string"
    assert avro_schema(list[Money], "a") == {"type": "array", "items": decimal(18, 2)}
    assert avro_schema(Cash | None, "a") == ["null", avro_schema(Cash, "a")]


class Wrong(Record):
    a: float
    b: list  # type: ignore[type-arg]  # what is refused
    c: int | str
    d: timedelta
    e: dict[int, str]
    f: tuple[str, ...]
    g: Any
    h: set[str]
    i: object


@dataclass
class Changeable:
    x: int


class Holder(Record):
    inner: Changeable


class Ärger(Record):  # noqa: PLC2401  # what is refused
    größe: int  # noqa: PLC2401


class Lost(Record):
    x: "Nowhere"  # type: ignore[name-defined] # noqa: F821  # what is refused


class Computed(Record):
    x: int = dataclasses.field(init=False, default=1)


class Odd(Enum):
    WÖRD = 1  # noqa: PLC2401  # what is refused


class WithOdd(Record):
    odd: Odd


def texts_of(kind: Any) -> list[str]:
    with pytest.raises(UnsupportedType) as caught:
        avro_schema(kind, "a")
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [problem.text for problem in caught.value.problems]


def test_every_field_that_no_message_can_hold_is_named_with_what_to_write() -> None:
    assert texts_of(Wrong) == [
        "Wrong.a is float, which no message can hold: a float is not exact and a blueprint has none: write Decimal",
        "Wrong.b is list, which no message can hold: write list[X]",
        "Wrong.c is int | str: a union is of records, or of one type and None: write a Record",
        "Wrong.d is timedelta, which no message can hold: write an int of seconds, and say so in its name",
        "Wrong.e is dict[int, str], which no message can hold: write dict[str, X]",
        "Wrong.f is tuple[str, Ellipsis], which no message can hold: write list[X], or a Record with named fields",
        "Wrong.g is Any, which no message can hold: write the type itself",
        "Wrong.h is set[str], which no message can hold: write list[X]",
        "Wrong.i is object, which no message can hold: write the type itself",
    ]
    with pytest.raises(UnsupportedType) as caught:
        avro_schema(Wrong, "a")
    places = {(problem.file, problem.line) for problem in caught.value.problems}
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(source, 1) if text.startswith("class Wrong"))
    assert places == {(__file__, line)}


def test_classes_that_no_message_can_be_are_refused() -> None:
    def local() -> type:
        class Local(Record):
            x: int

        return Local

    redecorated = dataclass(type("Twice", (Record,), {"__annotations__": {"x": int}}))
    assert texts_of(Holder) == ["Changeable can be changed: write @dataclass(frozen=True), or derive from Record"]
    assert texts_of(local()) == ["Local is defined inside a function: messages are defined at module level"]
    assert texts_of(redecorated) == ["Twice: `@dataclass` is superfluous, its base makes it one: remove the decorator"]
    assert texts_of(Ärger) == [
        "Ärger names an Avro record, which has letters of ASCII, digits and _ only: rename it",
        "Ärger.größe is no Avro name: letters of ASCII, digits and _ only",
    ]
    assert texts_of(Lost) == ["Lost: an annotation names what its module does not have: name 'Nowhere' is not defined"]
    assert texts_of(Computed) == [
        "Computed.x is field(init=False): what is computed is a property, or a field that is sent"
    ]
    assert texts_of(WithOdd) == ["Odd.WÖRD is no Avro symbol: letters of ASCII, digits and _ only"]


def test_two_classes_of_one_name_are_refused() -> None:
    other = type("Cash", (Record,), {"__annotations__": {"x": int}})
    both = type("Both", (Record,), {"__annotations__": {"a": Cash, "b": other}})
    assert texts_of(both) == [f"two classes are named Cash, here and in {__name__}: rename one"]


@pytest.mark.parametrize("name", ["bank", "my.bank_2", "_x"])
def test_names_that_avro_takes(name: str) -> None:
    assert fault_of_namespace(name) is None


@pytest.mark.parametrize("name", ["my-bank", "2bank", "bank.", "bänk", ""])
def test_names_that_avro_refuses(name: str) -> None:
    assert fault_of_namespace(name) is not None
