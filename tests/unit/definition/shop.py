"""Messages that the tests of definitions use."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Annotated, ClassVar
from uuid import UUID

import pytest

from orchestrator import AnySaga, Command, DefinitionError, Digits, Key, Query, Record, Rejection

Money = Annotated[Decimal, Digits(18, scale=2)]


class Channel(Enum):
    WEB = "web"
    STORE = "store"


class Line(Record):
    sku: str
    price: Money
    quantity: int


class Card(Record):
    number: str


class Cash(Record):
    till: int


@dataclass(frozen=True)
class Address:
    """The team's own, no Record of ours."""

    street: str
    zip: str | None = None

    COUNTRY: ClassVar[str] = "NO"

    @property
    def label(self) -> str:
        return self.street + "!"

    @cached_property
    def shouted(self) -> str:
        return self.street + "!!"

    @staticmethod
    def end() -> str:
        return "end"


class Order(Record):
    number: str
    customer: UUID
    channel: Channel
    lines: list[Line]
    total: Money
    weight: Decimal
    count: int
    ordered: datetime
    day: date
    address: Address
    how: Card | Cash
    extras: dict[str, str]
    gift: bool = False
    voucher: str | None = None
    discount: Money | None = None

    @property
    def is_large(self) -> bool:
        return self.total > 1_000

    def over(self, limit: int) -> bool:
        return self.total > limit


class Receipt(Record):
    balance: Money


class NoMoney(Rejection):
    balance: Money


class Refused(Rejection):
    why: str


class Pay(Command[Receipt, NoMoney], to="bank"):
    account: str
    amount: Money


class PayBack(Command[Receipt], to="bank"):
    account: str
    amount: Money


class Find(Query[Receipt | None], to="bank"):
    account: str


class Balance(Query[Receipt], to="bank"):
    account: str


class Send(Command[None], to="mail"):
    text: str


class Weigh(Command[None], to="scales"):
    weight: Decimal
    how: Card | Cash
    lines: list[Line]
    channel: Channel | None = None


class Reserve(Command[Receipt | None], to="stock"):
    order: Key[UUID]


class Release(Command[None], to="stock"):
    order: Key[UUID]


class Looked(Query[Receipt | None], to="stock"):
    order: Key[UUID]


def texts(definition: AnySaga) -> list[str]:
    """Every problem of a definition, in order."""
    with pytest.raises(DefinitionError) as caught:
        definition.compile()
    return [problem.text for problem in caught.value.problems]
