"""Sagas that differ in one message each."""

from decimal import Decimal
from typing import Annotated

from orchestrator import Command, Digits, Record, Rejection, Saga, saga

Cents = Annotated[Decimal, Digits(18, scale=2)]
Mils = Annotated[Decimal, Digits(18, scale=4)]


def named(name: str, kind: type) -> None:
    kind.__name__ = name


class Order(Record):
    amount: Cents


class OrderOfMils(Record):
    amount: Mils


class OrderWithNote(Record):
    amount: Cents
    note: str = ""


class OrderWithDuty(Record):
    amount: Cents
    duty: str


class Receipt(Record):
    total: Cents


class ReceiptWithNote(Record):
    total: Cents
    note: str = ""


class ReceiptWithDuty(Record):
    total: Cents
    duty: str


class Declined(Rejection):
    why: str


class Charge(Command[Receipt, Declined], to="billing"):
    amount: Cents


class ChargeOfMils(Command[Receipt, Declined], to="billing"):
    amount: Mils


class ChargeWithNote(Command[ReceiptWithNote, Declined], to="billing"):
    amount: Cents


for _name, _kind in (
    ("Order", OrderOfMils),
    ("Order", OrderWithNote),
    ("Order", OrderWithDuty),
    ("Receipt", ReceiptWithNote),
    ("Receipt", ReceiptWithDuty),
    ("Charge", ChargeOfMils),
    ("Charge", ChargeWithNote),
):
    named(_name, _kind)


@saga
def purchase(s: Saga, order: Order) -> Receipt:
    return s.pivot("charge", Charge(amount=order.amount))


@saga(name="purchase")
def purchase_of_mils(s: Saga, order: OrderOfMils) -> Receipt:
    s.label(amount=order.amount)
    return s.pivot("charge", Charge(amount=Decimal(1)))


@saga(name="purchase")
def purchase_with_note(s: Saga, order: OrderWithNote) -> Receipt:
    return s.pivot("charge", Charge(amount=order.amount))


@saga(name="purchase")
def purchase_with_duty(s: Saga, order: OrderWithDuty) -> Receipt:
    return s.pivot("charge", Charge(amount=order.amount))


@saga(name="purchase")
def purchase_charging_mils(s: Saga, order: Order) -> Receipt:
    s.label(amount=order.amount)
    return s.pivot("charge", ChargeOfMils(amount=Decimal(1)))


@saga(name="purchase")
def purchase_with_noted_answer(s: Saga, order: Order) -> ReceiptWithNote:
    return s.pivot("charge", ChargeWithNote(amount=order.amount))


@saga
def refill(s: Saga, order: Order) -> None:
    s.label(amount=order.amount)
    s.pivot("charge", ChargeOfMils(amount=Decimal(1)))
