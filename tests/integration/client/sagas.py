"""A saga, for clients to start, and the same with an amount of other digits."""

from decimal import Decimal
from typing import Annotated

from orchestrator import Command, Digits, Record, Rejection, Saga, saga


class Order(Record):
    number: str
    amount: Decimal


class Invoice(Record):
    total: Decimal


class Declined(Rejection):
    why: str


class Charge(Command[Invoice, Declined], to="billing"):
    number: str
    amount: Decimal


class Restore(Command[None], to="billing"):
    number: str


@saga
def purchase(s: Saga, order: Order) -> Invoice:
    return s.step("charge", Charge(number=order.number, amount=order.amount), undo=Restore(number=order.number))


@saga
def silent(s: Saga, order: Order) -> None:
    s.step("restore", Restore(number=order.number), undo=None)


class OrderOfCents(Record):
    number: str
    amount: Annotated[Decimal, Digits(18, scale=2)]


OrderOfCents.__name__ = "Order"


@saga(name="purchase")
def purchase_of_cents(s: Saga, order: OrderOfCents) -> Invoice:
    return s.step("charge", Charge(number=order.number, amount=order.amount), undo=Restore(number=order.number))
