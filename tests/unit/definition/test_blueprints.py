"""What right definitions are compiled to."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from orchestrator import (
    AnySaga,
    Record,
    RetryPolicy,
    Saga,
    all_of,
    any_of,
    default,
    length,
    minutes,
    not_,
    one_of,
    present,
    saga,
    seconds,
    text,
)
from orchestrator.blueprint import values
from orchestrator.blueprint.expression import Scope, compile_expression
from orchestrator.blueprint.model import Blueprint, Fail, Label, Require, Retry, Step
from orchestrator.definition.conversion import from_data, to_data
from orchestrator.definition.schema import avro_schema
from tests.unit.definition.shop import (
    Address,
    Balance,
    Card,
    Cash,
    Channel,
    Find,
    Line,
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

ORDER = Order(
    number="o-1",
    customer=UUID(int=7),
    channel=Channel.WEB,
    lines=[Line(sku="a", price=Decimal("2.50"), quantity=2), Line(sku="b", price=Decimal(1), quantity=1)],
    total=Decimal("6.00"),
    weight=Decimal("1.25"),
    count=3,
    ordered=datetime(2026, 1, 2, 3, tzinfo=UTC),
    day=date(2026, 1, 2),
    address=Address("High Street"),
    how=Cash(till=3),
    extras={"wrap": "blue"},
)


class Weighed(Record):
    weight: Decimal
    how: Card | Cash
    money: Money
    maybe: Money | None
    extras: dict[str, str]


STARTED = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


def evaluated(tree: Any, name: str, **replies: Any) -> Any:
    scope = Scope(to_data(ORDER, Order, name), replies, "id-1", STARTED)
    return compile_expression(tree)(scope)


def labels_of(definition: AnySaga) -> dict[str, Any]:
    (label,) = definition.compile().nodes
    assert isinstance(label, Label)
    return {name: evaluated(tree, definition.name) for name, tree in label.attributes.items()}


def steps_of(blueprint: Blueprint) -> list[Step]:
    return [node for node in blueprint.nodes if isinstance(node, Step)]


def test_steps_carry_everything_that_was_said_of_them() -> None:
    @saga(
        name="paying",
        retry=RetryPolicy(initial_interval=seconds(2), backoff_coefficient=1.5, maximum_attempts=4),
        timeout=minutes(1),
        undo_retry=RetryPolicy(maximum_attempts=7),
    )
    def pay(s: Saga, order: Order) -> Receipt:
        s.step(
            "pay",
            Pay(account=order.number, amount=order.total),
            undo=lambda paid: PayBack(account="a", amount=paid.balance),
            probe=Find(account="a"),
        )
        s.step("tell", Send(text="hi"), undo=None, on_unknown="incident", timeout=seconds(0.5), retry=RetryPolicy())
        s.query("ask", Balance(account="b"))
        receipt = s.pivot("done", PayBack(account="c", amount=order.total))
        s.ensure("sent", Send(text="bye"))
        return receipt

    blueprint = pay.compile()
    paid, tell, ask, done, sent = steps_of(blueprint)
    default_retry = Retry(initial_ms=2000, coefficient="1.5", maximum_ms=100_000, attempts_max=4)
    assert [each.kind for each in blueprint.nodes if isinstance(each, Step)] == [
        "step",
        "step",
        "query",
        "pivot",
        "ensure",
    ]
    assert (paid.retry, paid.timeout_ms, paid.undo_uses_reply, paid.on_unknown) == (default_retry, 60_000, True, "undo")
    assert tell.retry == Retry(initial_ms=1000, coefficient="2", maximum_ms=100_000, attempts_max=0)
    assert (tell.timeout_ms, tell.on_unknown, tell.undo, tell.probe) == (500, "incident", None, None)
    assert blueprint.undo_retry.attempts_max == 7
    assert (ask.command.type, done.command.type, sent.command.reply) == ("bank.Balance", "bank.PayBack", None)
    assert paid.undo is not None
    assert evaluated(paid.undo.body, "paying", pay={"balance": Decimal("1.00")}) == {
        "account": "a",
        "amount": Decimal("1.00"),
    }
    assert paid.probe is not None
    assert paid.probe.type == "bank.Find"
    assert list(paid.command.rejections) == ["bank.NoMoney"]
    assert blueprint.result == {"op": "reply", "step": "done"}
    assert {each.at.rpartition(":")[0] for each in blueprint.nodes} == {"test_blueprints.py"}


def test_the_blueprint_has_every_schema_that_it_names() -> None:
    @saga
    def ordering(s: Saga, order: Order) -> Receipt | None:
        s.require(order.gift, otherwise=Refused(why=""))
        return s.step("reserve", Reserve(order=order.customer), undo=Release(order=order.customer))

    blueprint = ordering.compile()
    (reserve,) = steps_of(blueprint)
    requirement = blueprint.nodes[0]
    assert isinstance(requirement, Require)
    assert reserve.undo is not None
    named = {blueprint.input, blueprint.output, reserve.command.schema, reserve.command.reply, reserve.undo.schema}
    assert named | {requirement.otherwise.schema} == blueprint.schemas.keys()
    assert blueprint.schemas[blueprint.input] == avro_schema(Order, "ordering")
    assert blueprint.output is not None
    assert blueprint.schemas[blueprint.output] == avro_schema(Receipt | None, "ordering")
    assert requirement.otherwise.type == "ordering.Refused"


def test_a_key_is_text_on_the_wire() -> None:
    @saga
    def keyed(s: Saga, order: Order) -> None:
        s.step("reserve", Reserve(order=order.customer), undo=Release(order=order.customer))
        s.step("send", Send(text=""), undo=None)

    reserve, send = steps_of(keyed.compile())
    assert evaluated(reserve.command.key, "keyed") == str(UUID(int=7))
    assert send.command.key is None


def test_expressions_compute_what_python_would() -> None:
    @saga
    def labels(s: Saga, o: Order) -> None:
        s.label(
            sum=o.lines[0].price * 2 + o.lines[-1].price,
            product=o.weight * 3 - 1,
            third=round(o.total / 3, 2),
            per=o.count // 2,
            rest=-o.count % 5,
            ratio=o.count / 2 == Decimal("1.5"),
            whole=round(o.weight),
            reflected=10 - o.count,
            large=o.is_large,
            over=o.over(5),
            street=o.address.label,
            shouted=o.address.shouted,
            country=o.address.COUNTRY,
            end=o.address.end(),
            next=o.ordered + timedelta(days=1),
            before=o.day - timedelta(days=2),
            sooner=timedelta(hours=1) + o.ordered,
            late=s.started_at > o.ordered,
            identity="order-" + s.id,
            web=o.channel == Channel.WEB,
            never=o.voucher == "x",
            none=o.voucher == None,  # noqa: E711  # `is` is decided while compiling
        )

    assert labels_of(labels) == {
        "sum": Decimal("6.00"),
        "product": Decimal("2.75"),
        "third": Decimal("2.00"),
        "per": 1,
        "rest": 2,
        "ratio": True,
        "whole": 1,
        "reflected": 7,
        "large": False,
        "over": True,
        "street": "High Street!",
        "shouted": "High Street!!",
        "country": "NO",
        "end": "end",
        "next": datetime(2026, 1, 3, 3, tzinfo=UTC),
        "before": date(2025, 12, 31),
        "sooner": datetime(2026, 1, 2, 4, tzinfo=UTC),
        "late": True,
        "identity": "order-id-1",
        "web": True,
        "never": False,
        "none": True,
    }


def test_functions_compute_what_their_names_say() -> None:
    @saga
    def labels(s: Saga, o: Order) -> None:
        s.label(
            words=text("{} of {{{}}} for {} at {}", o.count, o.total, o.channel, s.started_at),
            decimals=text("{} {} {} {}", o.weight, o.total, round(o.weight, 1), o.weight * 2),
            lines=length(o.lines),
            letters=length(o.number),
            given=present(o.voucher),
            voucher=default(o.voucher, o.number),
            discount=default(o.discount, Decimal(1)) + 1,
            all=all_of(o.count > 1, o.count < 9),
            any=any_of(o.count > 9, o.gift),
            no=not_(o.gift),
            one=one_of(o.channel, Channel.STORE, Channel.WEB),
            number=one_of(o.count, 1, 3),
        )

    assert labels_of(labels) == {
        "words": "3 of {6.00} for WEB at 2026-05-06T07:08:09Z",
        "decimals": "1.25 6.00 1.2 2.5",
        "lines": 2,
        "letters": 3,
        "given": False,
        "voucher": "o-1",
        "discount": Decimal("2.00"),
        "all": True,
        "any": False,
        "no": True,
        "one": True,
        "number": True,
    }


def test_fields_get_just_what_their_schemas_take() -> None:
    @saga
    def weighing(s: Saga, o: Order) -> Weighed:
        s.step("all", Weigh(weight=o.total, how=o.how, lines=o.lines, channel=o.channel), undo=None)
        s.step(
            "some",
            Weigh(
                weight=o.weight,
                how=Card(number=o.number),
                lines=[o.lines[0], Line(sku="c", price=round(o.weight, 2), quantity=o.count)],
            ),
            undo=None,
        )
        s.step("known", Weigh(weight=Decimal(1), how=Cash(till=1), lines=[], channel=Channel.STORE), undo=None)
        return Weighed(
            weight=o.lines[0].price, how=o.how, money=o.total, maybe=o.discount, extras={"a": o.number, "b": "c"}
        )

    blueprint = weighing.compile()
    everything, some, known = (evaluated(each.command.body, "weighing") for each in steps_of(blueprint))
    lines: Any = [
        {"sku": "a", "price": Decimal("2.50"), "quantity": 2},
        {"sku": "b", "price": Decimal("1.00"), "quantity": 1},
    ]
    assert values.dumps(everything) == values.dumps(
        {"weight": Decimal("6.000000000"), "how": {"-type": "scales.Cash", "till": 3}, "lines": lines, "channel": "WEB"}
    )
    assert values.dumps(some) == values.dumps(
        {
            "weight": Decimal("1.250000000"),
            "how": {"-type": "scales.Card", "number": "o-1"},
            "lines": [lines[0], {"sku": "c", "price": Decimal("1.25"), "quantity": 3}],
            "channel": None,
        }
    )
    assert values.dumps(known) == values.dumps(
        {"weight": Decimal("1.000000000"), "how": {"-type": "scales.Cash", "till": 1}, "lines": [], "channel": "STORE"}
    )
    result = evaluated(blueprint.result, "weighing")
    assert values.dumps(result) == values.dumps(
        {
            "weight": Decimal("2.500000000"),
            "how": {"-type": "weighing.Cash", "till": 3},
            "money": Decimal("6.00"),
            "maybe": None,
            "extras": {"a": "o-1", "b": "c"},
        }
    )
    assert from_data(result, Weighed) == Weighed(
        weight=Decimal("2.5"), how=Cash(till=3), money=Decimal(6), maybe=None, extras={"a": "o-1", "b": "c"}
    )


def test_a_saga_may_end_with_a_rejection_or_without_a_result() -> None:
    @saga
    def failing(s: Saga, o: Order) -> Receipt:
        s.fail(Refused(why=o.number))

    @saga
    def silent(s: Saga, o: Order) -> None:
        s.step("send", Send(text=""), undo=None)

    blueprint = failing.compile()
    (fail,) = blueprint.nodes
    assert isinstance(fail, Fail)
    assert evaluated(fail.why.body, "failing") == {"why": "o-1"}
    assert blueprint.result is None
    assert blueprint.output is not None
    assert (silent.compile().output, silent.compile().result) == (None, None)


def test_a_definition_tells_its_name_and_kinds() -> None:
    @saga(name="other")
    def named(s: Saga, order: Order) -> Receipt:
        """What it does."""
        return s.pivot("p", PayBack(account="", amount=order.total))

    assert (named.name, named.input_type, named.output_type, named.__doc__) == (
        "other",
        Order,
        Receipt,
        "What it does.",
    )
    assert repr(named) == "<saga other>"


def test_helpers_of_the_author_compute_too() -> None:
    def line_text(line: Line) -> str:
        return text("{} x {}", line.quantity, line.sku)

    @saga
    def labels(s: Saga, o: Order) -> None:
        lines = {f"line{index}": line_text(o.lines[index]) for index in range(2)}
        s.label(**lines)

    assert labels_of(labels) == {"line0": "2 x a", "line1": "1 x b"}


def test_the_same_definition_gives_the_same_blueprint_every_time() -> None:
    @saga
    def again(s: Saga, o: Order) -> None:
        s.label(a=o.number, b=o.total)

    assert again.compile() == again.compile()
