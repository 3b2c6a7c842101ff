"""The messages of a bank, and of a younger version of it. Their participant is named anew for each test."""

from dataclasses import dataclass
from decimal import Decimal

from orchestrator.definition.messages import Command, Query, Record, Rejection


class Receipt(Record):
    balance: Decimal
    note: str = ""


class AccountNotFound(Rejection):
    account: str


class InsufficientFunds(Rejection):
    balance: Decimal


class Withdraw(Command[Receipt, AccountNotFound | InsufficientFunds], to="bank"):
    account: str
    amount: Decimal


class Refund(Command[None], to="bank"):
    account: str
    amount: Decimal


class FindReceipt(Query[Receipt | None], to="bank"):
    account: str


class Statement(Command[bytes], to="bank"):
    size: int


MESSAGES = (Withdraw, Refund, FindReceipt, Statement)


@dataclass(frozen=True)
class Younger:
    """What `Withdraw` of a younger saga has more: readers of today pass over it."""

    account: str
    amount: Decimal
    reference: str
