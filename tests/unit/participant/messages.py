"""Messages for handlers that fit and that do not."""

from orchestrator import Command, Query, Record, Rejection


class Receipt(Record):
    balance: int


class Shipment(Record):
    number: str


class Poor(Rejection):
    balance: int


class Closed(Rejection):
    account: str


class Withdraw(Command[Receipt, Poor | Closed], to="bank"):
    account: str


class Deposit(Command[Receipt], to="bank"):
    account: str


class Forget(Command[None], to="bank"):
    account: str


class Find(Query[Receipt | None], to="bank"):
    account: str
