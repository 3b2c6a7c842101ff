"""Messages and sagas without a mistake, which the planted mistakes use."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated

from orchestrator import (
    AnySaga,
    Command,
    Digits,
    Key,
    Query,
    Record,
    Rejection,
    RetryPolicy,
    Saga,
    days,
    default,
    hours,
    minutes,
    saga,
    seconds,
    text,
)

Money = Annotated[Decimal, Digits(18, scale=2)]


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


class Deposit(Command[Receipt, AccountNotFound], to="bank"):
    account: str
    amount: Decimal


class Refund(Command[Receipt], to="bank"):
    account: str
    amount: Decimal


@saga(timeout=minutes(1))
def money_transfer(s: Saga, transfer: Transfer) -> Receipt:
    s.step(
        "withdraw",
        Withdraw(account=transfer.source, amount=transfer.amount),
        undo=Refund(account=transfer.source, amount=transfer.amount),
    )
    return s.pivot("deposit", Deposit(account=transfer.target, amount=transfer.amount))


class Traveller(Record):
    name: str
    email: str


class Trip(Record):
    traveller: Traveller
    flight: str
    hotel: str
    nights: int


class Booking(Record):
    locator: str
    price: Decimal


class Itinerary(Record):
    flight: str
    hotel: str
    total: Decimal


class FlightFull(Rejection):
    flight: str


class BookFlight(Command[Booking, FlightFull], to="airline"):
    flight: str
    passenger: str
    reference: str


class CancelFlight(Command[None], to="airline"):
    locator: str


class FindFlight(Query[Booking | None], to="airline"):
    reference: str


class BookHotel(Command[Booking], to="hotels"):
    hotel: str
    guest: str
    nights: int
    reference: str


class CancelHotel(Command[None], to="hotels"):
    reference: str


class ChargeTrip(Command[None], to="payments"):
    reference: str
    amount: Money


class SendItinerary(Command[None], to="mail"):
    email: str
    subject: str
    itinerary: Itinerary


@saga(retry=RetryPolicy(maximum_attempts=5), timeout=seconds(20))
def trip_booking(s: Saga, trip: Trip) -> Itinerary:
    flight = s.step(
        "book_flight",
        BookFlight(flight=trip.flight, passenger=trip.traveller.name, reference=s.id),
        undo=lambda booking: CancelFlight(locator=booking.locator),
        probe=FindFlight(reference=s.id),
    )
    hotel = s.step(
        "book_hotel",
        BookHotel(hotel=trip.hotel, guest=trip.traveller.name, nights=trip.nights, reference=s.id),
        undo=CancelHotel(reference=s.id),
    )
    itinerary = Itinerary(
        flight=flight.locator, hotel=hotel.locator, total=round(flight.price + hotel.price * trip.nights, 2)
    )
    s.pivot("charge", ChargeTrip(reference=s.id, amount=itinerary.total))
    s.ensure(
        "send_itinerary",
        SendItinerary(
            email=trip.traveller.email,
            itinerary=itinerary,
            subject=text("Your trip {}, {} nights", flight.locator, trip.nights),
        ),
        retry=RetryPolicy(maximum_interval=hours(1)),
    )
    return itinerary


class Channel(Enum):
    WEB = "web"
    STORE = "store"


class Line(Record):
    sku: str
    price: Decimal
    quantity: int


class Order(Record):
    number: str
    customer: str
    channel: Channel
    lines: list[Line]
    total: Money
    voucher: str | None = None

    @property
    def is_large(self) -> bool:
        return self.total > 1_000


class Reservation(Record):
    warehouse: str


class Shipment(Record):
    tracking: str


class OutOfStock(Rejection):
    sku: str


class CardDeclined(Rejection):
    reason: str


class NotApproved(Rejection):
    by: str


class Reserve(Command[Reservation, OutOfStock], to="stock"):
    order: Key[str]
    lines: list[Line]


class Release(Command[None], to="stock"):
    order: Key[str]


class Charge(Command[None, CardDeclined], to="payments"):
    order: str
    customer: str
    amount: Decimal


class Ship(Command[Shipment], to="shipping"):
    order: str
    warehouse: str


class Remind(Command[None], to="mail"):
    role: str
    about: str


@saga(name="order_fulfilment", undo_retry=RetryPolicy(maximum_attempts=3, maximum_interval=days(1)))
def fulfil(s: Saga, order: Order) -> Shipment:
    s.label(customer=order.customer, channel=order.channel, total=order.total, late=s.started_at + timedelta(days=3))
    s.require(order.total > 0, otherwise=NotApproved(by=default(order.voucher, "nobody")))
    reservation = s.step(
        "reserve", Reserve(order=order.number, lines=order.lines), undo=Release(order=order.number)
    )
    s.pivot("charge", Charge(order=order.number, customer=order.customer, amount=order.total))
    return s.ensure("ship", Ship(order=order.number, warehouse=reservation.warehouse))


class Applicant(Record):
    name: str


class Score(Record):
    points: int


class ThinFile(Record):
    reason: str


class AskBureau(Query[Score | ThinFile], to="bureau"):
    name: str


class AskUnderwriter(Query[Score], to="people"):
    name: str
    reason: str


@dataclass(frozen=True)
class TheirOwn:
    """A frozen dataclass of the team's own is as good an input as a Record."""

    order: Order
    note: str | None


SAGAS: list[AnySaga] = [money_transfer, trip_booking, fulfil]
