"""A saga of one deposit, to a bank that a test plays itself: its attempts are given up soon and repeated late."""

from decimal import Decimal

from orchestrator import Command, Record, RetryPolicy, Saga, saga, seconds


class Wish(Record):
    account: str
    amount: Decimal


class Receipt(Record):
    balance: Decimal


class Deposit(Command[Receipt], to="faultbank"):
    account: str
    amount: Decimal


@saga(timeout=seconds(1), retry=RetryPolicy(initial_interval=seconds(100)))
def deposit(s: Saga, wish: Wish) -> Receipt:
    return s.pivot("deposit", Deposit(account=wish.account, amount=wish.amount))
