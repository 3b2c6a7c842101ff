"""What every construct is to a type checker; pyright and mypy must agree with each assert_type."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_type

from orchestrator import (
    Record, Saga, SagaDefinition, all_of, any_of, default, length, minutes, not_, one_of, present, saga, text,
)
from shop import (
    AskBureau, BookFlight, Booking, CancelFlight, Channel, Charge, Deposit, FindFlight, NotApproved, Receipt, Refund,
    Reservation, Reserve, Release, Score, Ship, Shipment, TheirOwn, ThinFile, Transfer, Withdraw, money_transfer,
)

assert_type(money_transfer, SagaDefinition[Transfer, Receipt])


@saga
def everything(s: Saga, given: TheirOwn) -> Shipment:
    order = given.order
    assert_type(s.id, str)
    assert_type(s.started_at, datetime)
    assert_type(order.number, str)
    assert_type(order.total * 2 + 1, Decimal)
    assert_type(2 * order.total - order.lines[0].price, Decimal)
    assert_type(round(order.total / 3, 2), Decimal)
    assert_type(order.total >= 10, bool)
    assert_type(order.channel == Channel.WEB, bool)
    assert_type(one_of(order.channel, Channel.WEB, Channel.STORE), bool)
    assert_type(all_of(order.total > 3, not_(order.is_large), any_of(present(order.voucher), length(order.lines) > 2)), bool)
    assert_type(default(order.voucher, "none"), str)
    assert_type(text("{} of {}", order.number, order.total), str)
    assert_type("order-" + order.number, str)
    assert_type(s.started_at + timedelta(days=3), datetime)
    assert_type(s.step("one", Deposit(account="a", amount=order.total), undo=None), Receipt)
    assert_type(s.step("two", Withdraw(account="a", amount=order.total), undo=Refund(account="a", amount=order.total)), Receipt)
    assert_type(s.step("three", BookFlight(flight="f", passenger="p", reference=s.id),
                       undo=lambda booking: CancelFlight(locator=booking.locator), probe=FindFlight(reference=s.id)), Booking)
    assert_type(s.step("four", BookFlight(flight="f", passenger="p", reference=s.id), timeout=minutes(1),
                       undo=lambda booking: CancelFlight(locator=booking.locator), on_unknown="incident"), Booking)
    assert_type(s.query("five", AskBureau(name="n")), Score | ThinFile)
    assert_type(s.step("six", Reserve(order="o", lines=order.lines), undo=Release(order="o")), Reservation)
    s.require(order.total > 0, otherwise=NotApproved(by=text("{}", order.channel)))
    s.label(note=given.note, total=order.total)
    assert_type(s.pivot("charge", Charge(order="o", customer="c", amount=order.total)), None)
    return s.ensure("ship", Ship(order=order.number, warehouse=text("{}", order.total)))


@saga(name="refusing", timeout=minutes(1))
def refusing(s: Saga, transfer: Transfer) -> Receipt:
    s.fail(NotApproved(by=transfer.source))


assert_type(refusing, SagaDefinition[Transfer, Receipt])
assert_type(refusing.name, str)


class Price(Record):
    net: Decimal

    @property
    def gross(self) -> Decimal:
        return round(self.net * Decimal("1.2"), 2)


assert_type(Price(net=Decimal(1)).gross, Decimal)
