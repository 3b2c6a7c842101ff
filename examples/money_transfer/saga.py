"""Take money from one account and put it into another; if it cannot be put there, give it back."""

from decimal import Decimal

from orchestrator import Command, Record, Rejection, Saga, saga, seconds


class Transfer(Record):
    source: str
    target: str
    amount: Decimal


class Receipt(Record):
    balance: Decimal


class AccountNotFound(Rejection):
    account: str


class InsufficientFunds(Rejection):
    balance: Decimal


class Withdraw(Command[Receipt, AccountNotFound | InsufficientFunds], to="bank"):
    account: str
    amount: Decimal


class Refund(Command[Receipt], to="bank"):
    account: str
    amount: Decimal


class Deposit(Command[Receipt, AccountNotFound], to="bank"):
    account: str
    amount: Decimal


@saga(timeout=seconds(10))
def money_transfer(s: Saga, transfer: Transfer) -> Receipt:
    s.step(
        "withdraw",
        Withdraw(account=transfer.source, amount=transfer.amount),
        undo=Refund(account=transfer.source, amount=transfer.amount),
    )
    return s.pivot("deposit", Deposit(account=transfer.target, amount=transfer.amount))
