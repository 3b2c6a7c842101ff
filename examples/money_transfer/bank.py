"""The bank: each command changes one account, in the same transaction as its answer."""

import os
from decimal import Decimal
from pathlib import Path

import psycopg
from saga import AccountNotFound, Deposit, InsufficientFunds, Receipt, Refund, Withdraw

from orchestrator import Context, Participant, PostgresInbox

DATABASE = os.environ["BANK_DATABASE"]
bank = Participant("bank", inbox=PostgresInbox(DATABASE))


def add(context: Context, account: str, amount: Decimal) -> Receipt:
    row = context.connection.execute(
        "update accounts set balance = balance + %s where id = %s returning balance", (amount, account)
    ).fetchone()
    if row is None:
        raise AccountNotFound(account=account)
    return Receipt(balance=row[0])


@bank.handles(Withdraw)
def withdraw(command: Withdraw, context: Context) -> Receipt:
    receipt = add(context, command.account, -command.amount)
    if receipt.balance < 0:  # the update is taken back
        raise InsufficientFunds(balance=receipt.balance + command.amount)
    return receipt


@bank.handles(Refund)
def refund(command: Refund, context: Context) -> Receipt:
    return add(context, command.account, command.amount)


@bank.handles(Deposit)
def deposit(command: Deposit, context: Context) -> Receipt:
    return add(context, command.account, command.amount)


if __name__ == "__main__":
    with psycopg.connect(DATABASE) as connection:
        connection.execute(Path(__file__).with_name("accounts.sql").read_bytes())
    bank.run()
