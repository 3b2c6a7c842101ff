"""A saga whose bank speaks HTTP."""

from datetime import date
from decimal import Decimal

from orchestrator import Command, Query, Record, Rejection, Saga, saga


class Receipt(Record):
    balance: Decimal
    note: str = ""


class InsufficientFunds(Rejection):
    balance: Decimal


class Closed(Rejection):
    pass


class Withdraw(Command[Receipt, InsufficientFunds | Closed], to="bank"):
    account: str
    amount: Decimal
    day: date
    memo: str | None = None


class Refund(Command[None], to="bank"):
    account: str
    amount: Decimal


class FindReceipt(Query[Receipt | None], to="bank"):
    account: str


class Payment(Record):
    account: str
    amount: Decimal
    day: date


@saga
def payment(s: Saga, given: Payment) -> Receipt:
    return s.step(
        "withdraw",
        Withdraw(account=given.account, amount=given.amount, day=given.day),
        undo=lambda receipt: Refund(account=given.account, amount=receipt.balance),
        probe=FindReceipt(account=given.account),
    )
