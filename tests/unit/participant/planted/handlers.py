"""What participants are to type checkers: both agree with each assert_type and report exactly the lines marked `# T`."""

import psycopg
from typing import assert_type

from orchestrator import Context, Handles, Participant, PostgresInbox
from tests.unit.participant.messages import Closed, Deposit, Find, Forget, Poor, Receipt, Shipment, Withdraw

bank = Participant("bank")
assert_type(bank, Participant[None])
assert_type(bank.handles(Withdraw), Handles[Withdraw, None])


@bank.handles(Withdraw)
def may_raise(command: Withdraw, context: Context[None]) -> Receipt:
    assert_type(context.connection, None)
    raise Poor(balance=1)


assert_type(may_raise(Withdraw(account="a"), Context(None, "id")), Receipt | Poor | Closed)


@bank.handles(Withdraw)
def may_return(command: Withdraw, context: Context[None]) -> Receipt | Closed:
    return Closed(account=command.account)


@bank.handles(Find)
def find(query: Find, context: Context[None]) -> Receipt | None:
    return None


@bank.handles(Forget)
def forget(command: Forget, context: Context[None]) -> None:
    assert_type(command.account, str)


stored = Participant("bank", inbox=PostgresInbox("dsn"))
assert_type(stored, Participant[psycopg.Connection])


@stored.handles(Deposit)
def deposit(command: Deposit, context: Context) -> Receipt:
    assert_type(context.connection, psycopg.Connection)
    return Receipt(balance=1)


@bank.handles(Withdraw)  # T
def wrong_reply(command: Withdraw, context: Context[None]) -> Shipment:
    raise NotImplementedError


@bank.handles(Withdraw)  # T
def wrong_command(command: Deposit, context: Context[None]) -> Receipt:
    raise NotImplementedError


@bank.handles(Deposit)  # T
def undeclared(command: Deposit, context: Context[None]) -> Receipt | Poor:
    raise NotImplementedError


@bank.handles(Withdraw)
async def waiting(command: Withdraw, context: Context[None]) -> Receipt | Closed:
    return Receipt(balance=1)


async def ask() -> None:
    assert_type(await waiting(Withdraw(account="a"), Context(None, "id")), Receipt | Poor | Closed)


@bank.handles(Forget)
async def forget_later(command: Forget, context: Context[None]) -> None:
    context.progress("soon")


@bank.handles(Withdraw)  # T
async def wrong_reply_later(command: Withdraw, context: Context[None]) -> Shipment:
    raise NotImplementedError


@stored.handles(Withdraw)  # T
async def with_the_inboxs_connection(command: Withdraw, context: Context) -> Receipt:
    raise NotImplementedError


@stored.handles(Withdraw)  # T
def without_inbox(command: Withdraw, context: Context[None]) -> Receipt:
    raise NotImplementedError


@bank.handles(Withdraw)  # T
def with_inbox(command: Withdraw, context: Context) -> Receipt:
    raise NotImplementedError
