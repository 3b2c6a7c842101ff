from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import Digits, Record, Rejection
from orchestrator.blueprint import values
from orchestrator.blueprint.values import Data
from orchestrator.definition.conversion import ConversionError, from_data, to_data
from orchestrator.definition.schema import UnsupportedType

Money = Annotated[Decimal, Digits(6, scale=2)]


class Color(Enum):
    RED = "r"
    BLUE = "b"


class Cash(Record):
    note: str


class Card(Record):
    number: str
    fee: Money


@dataclass(frozen=True)
class Place:
    x: int
    y: int = 7


class Everything(Record):
    flag: bool
    count: int
    name: str
    raw: bytes
    amount: Decimal
    at: datetime
    day: date
    identity: UUID
    color: Color
    places: list[Place]
    prices: dict[str, Money]
    how: Cash | Card
    maybe: Card | None
    ways: list[Cash | Card | None]


class Tree(Record):
    kids: "list[Tree]"
    leaf: str | None = None


class Closed(Rejection):
    account: str


class Positive(Record):
    amount: int

    def __post_init__(self) -> None:
        if self.amount <= 0:
            raise ValueError("expected an amount above 0")


TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
MONEY = st.decimals(-9999, 9999, places=2)
CARDS = st.builds(Card, number=TEXT, fee=MONEY)
CASH = st.builds(Cash, note=TEXT)
EVERYTHING = st.builds(
    Everything,
    flag=st.booleans(),
    count=st.integers(-(2**63), 2**63 - 1),
    name=TEXT,
    raw=st.binary(max_size=5),
    amount=st.decimals(-(10**20), 10**20, places=9),
    at=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=2))]), min_value=datetime(1900, 1, 1)),  # noqa: DTZ001  # the strategy's way
    day=st.dates(),
    identity=st.uuids(),
    color=st.sampled_from(Color),
    places=st.lists(st.builds(Place, x=st.integers(0, 9), y=st.integers(0, 9)), max_size=3),
    prices=st.dictionaries(TEXT, MONEY, max_size=3),
    how=CASH | CARDS,
    maybe=st.none() | CARDS,
    ways=st.lists(CASH | CARDS | st.none(), max_size=3),
)


@given(EVERYTHING)
def test_an_authors_value_comes_back_as_it_went(value: Everything) -> None:
    data = to_data(value, Everything, "shop")
    assert from_data(data, Everything) == value
    assert from_data(values.loads(values.dumps(data)), Everything) == value


def test_the_data_are_what_the_schema_takes() -> None:
    value = Everything(
        flag=True,
        count=1,
        name="n",
        raw=b"r",
        amount=Decimal(3),
        at=datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))),
        day=date(2026, 1, 2),
        identity=UUID(int=1),
        color=Color.BLUE,
        places=[Place(1, 2)],
        prices={"k": Decimal("-0.0")},
        how=Card(number="4", fee=Decimal("1.5")),
        maybe=Card(number="5", fee=Decimal(0)),
        ways=[None, Cash(note="")],
    )
    assert to_data(value, Everything, "shop") == {
        "flag": True,
        "count": 1,
        "name": "n",
        "raw": b"r",
        "amount": Decimal(3),
        "at": datetime(2026, 1, 2, 1, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "identity": UUID(int=1),
        "color": "BLUE",
        "places": [{"x": 1, "y": 2}],
        "prices": {"k": Decimal(0)},
        "how": {"-type": "shop.Card", "number": "4", "fee": Decimal("1.50")},
        "maybe": {"number": "5", "fee": Decimal(0)},
        "ways": [None, {"-type": "shop.Cash", "note": ""}],
    }
    data: Any = to_data(value, Everything, "shop")
    assert str(data["amount"]) == "3.000000000"
    assert str(data["prices"]["k"]) == "0.00"
    assert data["at"].tzinfo is UTC


def test_records_inside_themselves_and_rejections() -> None:
    tree = Tree(kids=[Tree(kids=[], leaf="x")])
    assert from_data(to_data(tree, Tree, "a"), Tree) == tree
    closed = Closed(account="a")
    assert from_data(to_data(closed, Closed, "a"), Closed) == closed


def test_missing_fields_take_their_defaults() -> None:
    assert from_data({"x": 1}, Place) == Place(1, 7)
    assert from_data({"kids": []}, Tree) == Tree(kids=[])


def test_kinds_that_are_no_records() -> None:
    assert to_data([Decimal(1)], list[Money], "a") == [Decimal("1.00")]
    assert to_data(None, str | None, "a") is None
    assert from_data(None, None) is None
    assert from_data("RED", Color) is Color.RED


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (1, str, "expected a str, got 1 in str"),
        (True, int, "expected an int of at most 64 bits, got True in int"),
        (2**63, int, "expected an int of at most 64 bits"),
        (1.5, Decimal, "expected a Decimal, got 1.5"),
        (
            Decimal("1.001"),
            Money,
            "expected a decimal of at most 6 digits, 2 of them after the point, got Decimal('1.001')",
        ),
        (Decimal(10000), Money, "expected a decimal of at most 6 digits, 2 of them after the point"),
        (Decimal("NaN"), Decimal, "expected a finite decimal, got Decimal('NaN')"),
        (datetime(2026, 1, 2), datetime, "expected a datetime with its time zone"),  # noqa: DTZ001  # what is refused
        (datetime(2026, 1, 2, tzinfo=UTC), date, "expected a date, got datetime"),
        ("\ud800", str, "expected a str without lone surrogates"),
        ("x", UUID, "expected a UUID, got 'x'"),
        ("RED", Color, "expected a Color, got 'RED'"),
        ((1,), list[int], "expected a list[int], got (1,)"),
        ([1, "x"], list[int], "expected an int of at most 64 bits, got 'x' in list[int][1]"),
        ({"k": "x"}, dict[str, int], "expected an int of at most 64 bits, got 'x' in dict[str, int]['k']"),
        ({1: 1}, dict[str, int], "expected a str, got 1"),
        (Cash(note=""), Card, "expected a Card, got Cash(note='')"),
        (Place(1), Cash | Card, "expected Cash | Card, got Place(x=1, y=7)"),
        (Tree(kids=[Tree(kids=[], leaf=cast("str", 3))]), Tree, "expected a str, got 3 in Tree.kids[0].leaf"),
        ("x" * 100, int, "got '" + "x" * 76 + "…"),
    ],
)
def test_values_of_another_kind_are_refused(value: object, kind: Any, text: str) -> None:
    with pytest.raises(ConversionError) as caught:
        to_data(value, kind, "a")
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        ("x", Place, "expected the fields of Place, got 'x' in Place"),
        ({}, Place, "expected a value, got nothing in Place.x"),
        ({"x": 1, "z": 2}, Place, "expected the fields x, y, got a field 'z' in Place"),
        ({"x": "1"}, Place, "expected an int of at most 64 bits, got '1' in Place.x"),
        ("GREEN", Color, "expected a symbol of Color (RED, BLUE), got 'GREEN'"),
        ({"note": ""}, Cash | Card, "expected Cash | Card, named by its '-type', got {'note': ''}"),
        ({"kids": [{"kids": 1}]}, Tree, "expected a list[Tree], got 1 in Tree.kids[0].kids"),
    ],
)
def test_data_of_another_kind_are_refused(data: Data, kind: Any, text: str) -> None:
    with pytest.raises(ConversionError) as caught:
        from_data(data, kind)
    assert str(caught.value).startswith(text)


def test_what_the_authors_own_validation_raises_is_theirs() -> None:
    with pytest.raises(ValueError, match="expected an amount above 0"):
        from_data({"amount": 0}, Positive)


def test_a_kind_that_no_message_can_hold_is_refused_before_any_value() -> None:
    with pytest.raises(UnsupportedType):
        to_data(1.0, float, "a")
    with pytest.raises(UnsupportedType):
        from_data(None, list[float])
