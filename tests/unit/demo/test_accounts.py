from decimal import Decimal

import pytest

from demo import accounts
from examples.money_transfer.saga import Transfer


def transfer(amount: str) -> Transfer:
    return Transfer(source="a", target="b", amount=Decimal(amount))


BEFORE = {"a": Decimal(100), "b": Decimal(0)}


def test_money_that_went_where_it_should_is_right() -> None:
    after = {"a": Decimal("87.66"), "b": Decimal("12.34")}

    assert accounts.wrong_money(BEFORE, after, [transfer("12.34")]) == []


def test_a_cent_that_is_missing_is_found() -> None:
    after = {"a": Decimal("87.66"), "b": Decimal("12.33")}

    assert accounts.wrong_money(BEFORE, after, [transfer("12.34")]) == [
        "100.00 before, 99.99 after",
        "b holds 12.33, its transfers make it 12.34",
    ]


def test_money_in_the_wrong_account_is_found_though_the_sum_is_right() -> None:
    assert accounts.wrong_money(BEFORE, BEFORE, [transfer("12.34")]) == [
        "a holds 100.00, its transfers make it 87.66",
        "b holds 0.00, its transfers make it 12.34",
    ]


def test_an_account_below_zero_is_found() -> None:
    after = {"a": Decimal(-1), "b": Decimal(101)}

    assert accounts.wrong_money(BEFORE, after, [transfer("101")]) == ["a is below zero: -1.00"]


def test_a_refund_that_was_not_made_is_found() -> None:
    after = {"a": Decimal(90), "b": Decimal(0)}

    assert accounts.wrong_money(BEFORE, after, []) == [
        "100.00 before, 90.00 after",
        "a holds 90.00, its transfers make it 100.00",
    ]


@pytest.mark.parametrize("count", [200, 1_000, accounts.TRANSFERS_MAX])
def test_one_in_ten_goes_to_a_closed_account_some_lack_funds_and_no_account_runs_dry(count: int) -> None:
    orders = accounts.plan(count)

    closed = [order for order in orders if order.transfer.target.startswith("closed")]
    short = [order for order in orders if order.transfer.amount > accounts.ACCOUNTS * accounts.BALANCE]
    assert len(closed) == count // 10
    assert len(short) == count // 40
    assert not any(order.possible for order in (*closed, *short))
    assert sum(order.possible for order in orders) == count - len(closed) - len(short)
    spent: dict[str, Decimal] = {}
    for order in orders:
        if order.transfer.amount <= accounts.AMOUNT_MAX_CENTS:
            source = order.transfer.source
            spent[source] = spent.get(source, Decimal(0)) + order.transfer.amount
    assert max(spent.values()) <= accounts.BALANCE


def test_the_transfers_are_the_same_in_every_run() -> None:
    assert accounts.plan(50) == accounts.plan(50)
    assert accounts.plan(60)[:50] == accounts.plan(50)


def test_a_transfer_that_ended_as_it_must_not_is_found() -> None:
    orders = {
        "one": accounts.Order(transfer("1"), possible=True),
        "two": accounts.Order(transfer("2"), possible=False),
        "three": accounts.Order(transfer("3"), possible=True),
    }

    assert accounts.wrong_ends(orders, {"one": "completed", "two": "compensated"}) == []
    assert accounts.wrong_ends(orders, {"one": "compensated", "two": "completed"}) == [
        "transfer one to b was compensated",
        "transfer two to b was completed",
    ]
