"""The accounts of the demo's bank, the transfers between them, and whether not a cent is missing afterwards."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

import psycopg

from examples.money_transfer.saga import Transfer

ACCOUNTS: Final = 100
BALANCE: Final = Decimal(10_000)
"""What each account begins with."""
AMOUNT_MAX_CENTS: Final = 50_00
TRANSFERS_MAX: Final = 10_000
"""Up to here no account runs dry: 100 withdrawals each on average, of 25 each on average."""
CLOSED_EVERY: Final = 10
"""Every tenth transfer goes to a closed account: it is withdrawn, cannot be deposited, and is refunded."""
SHORT_EVERY: Final = 40
"""Of every forty one asks for more than all accounts have together: it cannot be withdrawn."""
SEED: Final = 29_02_2024
TABLE: Final = Path(__file__).parents[1] / "examples" / "money_transfer" / "accounts.sql"


@dataclass(frozen=True, slots=True)
class Order:
    """One transfer to be made."""

    transfer: Transfer
    possible: bool
    """Whether it must complete; else it must be compensated."""


def plan(count: int) -> list[Order]:
    """The same ``count`` transfers in every run: most can be done, 10 % go to closed accounts, some lack funds."""
    dice = random.Random(SEED)  # noqa: S311 - the same transfers in every run, no secrets
    return [_order(number, dice) for number in range(1, count + 1)]


def _order(number: int, dice: random.Random) -> Order:
    source, target = (f"account-{place:03}" for place in dice.sample(range(ACCOUNTS), 2))
    amount = Decimal(dice.randint(1, AMOUNT_MAX_CENTS)) / 100
    if number % CLOSED_EVERY == 0:
        return Order(Transfer(source=source, target=f"closed-{number:04}", amount=amount), possible=False)
    if number % SHORT_EVERY == 1:
        return Order(Transfer(source=source, target=target, amount=ACCOUNTS * BALANCE + amount), possible=False)
    return Order(Transfer(source=source, target=target, amount=amount), possible=True)


def open_accounts(database: str) -> None:
    """Make the bank's table, as the bank itself does, and ``ACCOUNTS`` accounts in it."""
    with psycopg.connect(database) as connection:
        connection.execute(TABLE.read_bytes())
        connection.cursor().executemany(
            "insert into accounts values (%s, %s)", [(f"account-{place:03}", BALANCE) for place in range(ACCOUNTS)]
        )


def balances(database: str) -> dict[str, Decimal]:
    """What is in each account."""
    with psycopg.connect(database) as connection:
        return dict(connection.execute("select id, balance from accounts order by id").fetchall())


def wrong_money(before: Mapping[str, Decimal], after: Mapping[str, Decimal], done: Iterable[Transfer]) -> list[str]:
    """What is wrong with the money, given the transfers that completed; empty: not a cent is missing."""
    expected = dict(before)
    for transfer in done:
        expected[transfer.source] -= transfer.amount
        expected[transfer.target] = expected.get(transfer.target, Decimal(0)) + transfer.amount
    found: list[str] = []
    if sum(before.values()) != sum(after.values()):
        found.append(f"{sum(before.values()):,.2f} before, {sum(after.values()):,.2f} after")
    found += [f"{account} is below zero: {balance:,.2f}" for account, balance in after.items() if balance < 0]
    for account in sorted(expected.keys() | after.keys()):
        want, got = expected.get(account, Decimal(0)), after.get(account, Decimal(0))
        if want != got:
            found.append(f"{account} holds {got:,.2f}, its transfers make it {want:,.2f}")
    return found


def wrong_ends(orders: Mapping[str, Order], outcomes: Mapping[str, str]) -> list[str]:
    """Transfers that ended, and not as they must: ``outcomes`` says completed or compensated of each id."""
    return [
        f"transfer {name} to {order.transfer.target} was {outcomes[name]}"
        for name, order in orders.items()
        if name in outcomes and outcomes[name] != ("completed" if order.possible else "compensated")
    ]
