"""Definitions that break the rules of a sequential saga. What is said of each stands in refused.txt, whole.

No type checker runs over this file: the compiler is for authors who run none. After a change, print anew and read the
difference: `python -m tests.unit.definition.planted.refused > tests/unit/definition/planted/refused.txt`.
"""

import contextlib
import functools
import os
import random
import secrets
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from orchestrator import (
    AnySaga,
    Command,
    DefinitionError,
    Key,
    Record,
    RetryPolicy,
    Saga,
    all_of,
    default,
    length,
    not_,
    one_of,
    saga,
    seconds,
    text,
)
from tests.unit.definition.shop import (
    Balance,
    Card,
    Cash,
    Find,
    Line,
    Looked,
    Money,
    Order,
    Pay,
    PayBack,
    Receipt,
    Refused,
    Release,
    Reserve,
    Send,
    Weigh,
)

# ---------------------------------------------------------------- values and operators


class Measured(Record):
    weight: Decimal
    price: Money


@saga
def products_and_quotients_not_rounded(s: Saga, o: Order) -> Measured:
    s.step("times", Pay(account="a", amount=o.total * 2), undo=None)
    s.step("by", Pay(account="a", amount=o.total / 3 + 1), undo=None)
    s.step("fine", Pay(account="a", amount=round(o.total * 2, 2) + 1), undo=None)
    s.step("shown", Pay(account=text("{}", o.total / 3), amount=-o.total), undo=None)
    s.require(o.total / 3 > 1, otherwise=Refused(why=""))
    return Measured(weight=round(o.weight * 3, 9), price=round(o.weight, 4))


@saga
def decimals_with_too_many_digits(s: Saga, o: Order) -> None:
    s.step("a", Pay(account="a", amount=Decimal("1.001")), undo=None)
    s.step("b", Pay(account="a", amount=o.total + Decimal("0.001")), undo=None)


@saga
def any_input(s: Saga, o: Any) -> None:
    pass


@saga
def floats_everywhere(s: Saga, o: Order) -> None:
    x: Any = o
    amount: Any = 1.5
    s.step("a", Pay(account="a", amount=amount), undo=None)
    s.require(x.total > 0.5, otherwise=Refused(why=""))
    s.label(rate=x.total + 0.25)


@saga
def operators_without_result(s: Saga, o: Order) -> None:
    x: Any = o
    s.label(a=x.number + 1)
    s.label(a=x.ordered - s.started_at)
    s.label(a=x.count + timedelta(days=1))
    s.label(a=x.voucher + "x")
    s.label(a=-x.number)
    s.label(a=round(x.number))
    s.label(a=round(x.total, x.count))
    s.label(a=x.number > 3)
    s.label(a=x.number == 3)
    s.label(a=x.gift > False)
    s.label(a=x.voucher < "x")
    s.label(a=x.number == None)
    s.label(a=x.address == x.address)
    s.label(a=x.lines == x.lines)
    s.label(a=x.count + [1])
    s.label(a=x.total + Decimal("NaN"))
    s.label(a=x.ordered > datetime(2026, 1, 2))
    s.label(a=x.count**2)


@saga
def fields_that_are_not_there(s: Saga, o: Order) -> None:
    x: Any = o
    s.label(a=x.voucher.x)
    s.label(a=x.how.number)
    s.label(a=x.extras["k"])
    s.label(a=x.lines[x.count].sku)
    s.label(a=x.number[0])
    s.label(a=x.channel.value)
    x.lines.append(x.lines[0])
    s.label(a=x.number())
    del x.number


@saga
def functions_of_the_wrong_kind(s: Saga, o: Order) -> None:
    x: Any = o
    s.label(a=length(x.voucher))
    s.label(a=all_of(x.gift, x.count))
    s.label(a=not_(x.number))
    s.label(a=one_of(x.channel, "WEB"))
    s.label(a=default(x.voucher, 3))
    s.label(a=text("{} {}", x.number))
    s.label(a=text("{name}", x.number))
    s.label(a=text("{", x.number))
    s.label(a=text("{}", x.lines))
    s.label(a=text("{}", x.voucher))
    s.label(a=text("{}", Card(number=x.number)))
    s.label(a=[x.number])
    s.label(a=x.address)


@saga
def fields_of_another_kind(s: Saga, o: Order) -> None:
    x: Any = o
    s.step("a", Weigh(weight=x.number, how=x.address, lines=x.number, channel="WEB"), undo=None)
    s.step(
        "b",
        Weigh(weight=x.voucher, how=Line(sku="", price=o.total, quantity=1), lines=[x.number], channel=None),
        undo=None,
    )
    s.step("c", Weigh(weight=None, how=None, lines=["a", x.number], channel=x.channel), undo=None)
    s.step("d", Weigh(weight=o.weight, how=x.how, lines=(1,), channel=[x.channel]), undo=None)
    s.step("e", Weigh(weight=o.weight, how=Cash(till=o.weight), lines={"k": x.number}), undo=None)


class Tags(Command[None], to="mail"):
    tags: list[str]
    by: dict[str, str]


@saga
def texts_of_traced_values(s: Saga, o: Order) -> None:
    card = str(Card(number=o.number))
    s.step("a", Tags(tags=["x", card], by={}), undo=None)
    s.step("b", Tags(tags=[], by={card: o.number}), undo=None)
    s.step("c", Tags(tags=[], by={card: "x"}), undo=None)
    s.step(card, Tags(tags=[], by={}), undo=None)
    s.label(**{card: 1})
    s.label(a=card)
    s.label(a=callable(o.number))


# ---------------------------------------------------------------- steps


@saga
def names(s: Saga, o: Order) -> None:
    s.step("", Send(text=""), undo=None)
    s.step("a/b", Send(text=""), undo=None)
    s.step("twice", Send(text=""), undo=None)
    s.query("twice", Balance(account=""))
    s.step(f"{o.number}", Send(text=""), undo=None)
    s.step(o.number, Send(text=""), undo=None)
    s.step(repr(o), Send(text=""), undo=None)


@saga
def what_is_no_message(s: Saga, o: Order) -> None:
    x: Any = o
    kind: Any = Send
    s.step("known", x, undo=None)
    s.step("class", kind, undo=None)
    s.step("text", "pay", undo=None)
    s.pivot("query", Balance(account=""))
    s.query("command", Send(text=""))


@saga
def the_pivot_and_what_follows(s: Saga, o: Order) -> None:
    s.ensure("early", Send(text=""))
    s.pivot("pivot", Send(text=""))
    s.step("late", Send(text=""), undo=None)
    s.pivot("again", Send(text=""))
    s.ensure("refusable", Pay(account="", amount=o.total))
    s.require(o.gift, otherwise=Refused(why=""))
    s.query("ask", Balance(account=""))
    s.fail(Refused(why=""))


@saga
def undo_of_the_wrong_kind(s: Saga, o: Order) -> None:
    x: Any = o
    kind: Any = PayBack
    s.step("a", Pay(account="", amount=o.total), undo=x)
    s.step("b", Pay(account="", amount=o.total), undo=kind)
    s.step("c", Pay(account="", amount=o.total), undo="PayBack")
    s.step("d", Pay(account="", amount=o.total), undo=lambda: PayBack(account="", amount=o.total))
    s.step("e", Pay(account="", amount=o.total), undo=lambda paid: paid.balance)
    s.step("f", Pay(account="", amount=o.total), undo=lambda paid: s.pivot("g", PayBack(account="", amount=o.total)))
    s.step("h", Pay(account="", amount=o.total), undo=lambda paid: s.fail(Refused(why="")))
    s.step("i", Pay(account="", amount=o.total), undo=Send(text=""))
    s.step("j", Reserve(order=o.customer), undo=Release(order=UUID(int=1)))
    s.step("k", Reserve(order=o.customer), undo=lambda kept: Release(order=x.number))


@saga
def what_becomes_of_the_unknown(s: Saga, o: Order) -> None:
    x: Any = o
    s.step("a", Pay(account="", amount=o.total), undo=lambda paid: PayBack(account="", amount=paid.balance))
    s.step(
        "b",
        Pay(account="", amount=o.total),
        undo=lambda paid: PayBack(account="", amount=paid.balance),
        on_unknown="undo",
    )
    s.step("c", Pay(account="", amount=o.total), undo=lambda paid: PayBack(account="", amount=o.total))
    s.step("d", Pay(account="", amount=o.total), undo=None, probe=Balance(account=""))
    s.step("e", Pay(account="", amount=o.total), undo=None, probe=Send(text=""))
    s.step("f", Send(text=""), undo=None, probe=Find(account=""))
    s.step("g", Reserve(order=o.customer), undo=Release(order=o.customer), probe=Looked(order=o.customer))
    s.step("h", Pay(account="", amount=o.total), undo=None, on_unknown=x.number)
    s.step("i", Pay(account="", amount=o.total), undo=None, probe=x)


@saga
def budgets(s: Saga, o: Order) -> None:
    x: Any = o
    s.step("a", Send(text=""), undo=None, timeout=x.ordered)
    s.step("b", Send(text=""), undo=None, timeout=seconds(0))
    s.step("c", Send(text=""), undo=None, retry=3)
    s.step("d", Send(text=""), undo=None, retry=RetryPolicy(maximum_attempts=-1))


@saga
def calls_that_python_refuses(s: Saga, o: Order) -> None:
    x: Any = s
    x.step("a", Send(text=""))
    x.pivot("b", Send(text=""), undo=None)
    x.when(o.gift, lambda: None)
    x.parallel()
    x.require(o.gift)
    x.require(o.total, Refused(why=""))
    x.require(3, Refused(why=""))
    x.require(o.gift, o.number)
    x.label(3)
    x.fail("no")


@saga
def messages_that_python_refuses(s: Saga, o: Order) -> None:
    pay: Any = Pay
    s.step("a", pay("a", 1), undo=None)
    s.step("b", pay(account="a"), undo=None)
    s.step("c", pay(account="a", amont=o.total), undo=None)
    s.step("d", pay(), undo=None)


# ---------------------------------------------------------------- the function itself


@saga
def no_types(s, o):
    pass


@saga
def no_record(s: Saga, o: str) -> None:
    pass


@saga
async def not_awaited(s: Saga, o: Order) -> None:
    pass


@saga
def not_driven(s: Saga, o: Order) -> Generator[int]:
    yield 1


@saga
def three_parameters(s: Saga, o: Order, more: int) -> None:
    pass


@saga(name="my-saga", timeout=seconds(-1))
def hyphen(s: Saga, o: Order) -> None:
    pass


@saga(retry=3, undo_retry=None, timeout=30)
def wrong_options(s: Saga, o: Order) -> None:
    s.step("told", Send(text=""), undo=None)


@saga
def returns_something(s: Saga, o: Order) -> None:
    return o.number


@saga
def returns_nothing(s: Saga, o: Order) -> Receipt:
    s.step("a", Send(text=""), undo=None)


@saga
def returns_another(s: Saga, o: Order) -> Receipt:
    return Card(number=o.number)


class Floaty(Record):
    rate: float
    tags: set[str]


class Rated(Command[Floaty], to="my-bank"):
    rate: float


class TwoKeys(Command[None], to="bank"):
    a: Key[str]
    b: Key[str]


class DecimalKey(Command[None], to="bank"):
    a: Key[Decimal]


class Unanswered(Command, to="bank"):
    a: str


@dataclass
class Changeable:
    x: int


class Changing(Command[None], to="bank"):
    inner: Changeable


@dataclass
class Decorated(Record):
    x: int


def scoped() -> type[Any]:
    class Inside(Command[None], to="bank"):
        x: int

    return Inside


def namesake() -> type[Any]:
    class Send(Command[None], to="mail"):  # as that of the shop
        text: str

    Send.__qualname__ = "Send"
    return Send


@saga
def messages_that_cannot_be_sent(s: Saga, o: Floaty) -> Decorated:
    rated: Any = Rated(rate=Decimal(1))
    s.step("a", rated, undo=None)
    s.step("b", TwoKeys(a="", b=""), undo=None)
    s.step("c", DecimalKey(a=Decimal(1)), undo=None)
    s.step("d", Unanswered(a=""), undo=None)
    s.step("e", Changing(inner=Changeable(1)), undo=None)
    s.step("f", scoped()(x=1), undo=None)
    s.step("g", Send(text=""), undo=None)
    s.step("h", namesake()(text=""), undo=None)
    s.fail(Refused(why=""))


# ---------------------------------------------------------------- what is another in every run


class Tagged(Command[None], to="mail"):
    id: UUID = field(default_factory=uuid4)


@saga
def clocks_and_chance(s: Saga, o: Order) -> None:
    s.label(a=time.time_ns())
    s.label(a=datetime.now().isoformat())
    s.label(a=time.strftime("%Y"))
    s.label(a=random.randint(1, 6))
    s.label(a=secrets.token_hex())
    s.label(a=os.getenv("HOME"))
    s.label(a=os.getpid())
    s.label(a=Path(__file__).read_text(encoding="utf-8"))
    s.step("a", Tagged(), undo=None)


# ---------------------------------------------------------------- problems do not hide each other


@saga
def five_of_different_kinds(s: Saga, o: Order) -> None:
    if o.total > 10:
        s.label(big=True)
    s.step("a", Send(text=f"order {o.number}"), undo=None)
    s.step("a", Send(text=o.voucher), undo=None)
    for line in o.lines:
        s.step("b", Pay(account=line.sku, amount=line.price * line.quantity), undo=None)
    s.ensure("c", Send(text=str(o.total)))


@saga
def after_an_exception(s: Saga, o: Order) -> None:
    s.step("a", Send(text=""), undo=None)
    s.step("a", Send(text=""), undo=None)
    {}["nowhere"]


@saga
def swallowed(s: Saga, o: Order) -> None:
    with contextlib.suppress(BaseException):
        s.fail(Refused(why=o.number))
    s.step("a", Send(text=""), undo=None)


OTHERS: list[Any] = []


@saga
def lends(s: Saga, o: Order) -> None:
    OTHERS.append(o)
    s.step("a", Send(text=str(o.number)), undo=None)


@saga
def borrows(s: Saga, o: Order) -> None:
    s.step("a", Send(text=OTHERS[0].number), undo=None)


SAGAS = {name: value for name, value in list(vars().items()) if isinstance(value, AnySaga)}


@functools.cache
def report() -> str:
    """What is said of every definition, in the order of the file."""
    said: list[str] = []
    for definition in SAGAS.values():
        try:
            definition.compile()
        except DefinitionError as error:
            said.append(str(error))
        else:
            said.append(f"saga {definition.name}: accepted")
    return "\n\n".join(said) + "\n"


if __name__ == "__main__":
    print(report(), end="")
