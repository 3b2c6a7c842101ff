from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from orchestrator.blueprint import values
from orchestrator.blueprint.description import describe
from orchestrator.blueprint.expression import EvaluationError, Scope, compile_expression, steps_used
from orchestrator.blueprint.model import Expression, Json
from orchestrator.blueprint.values import Data

INPUT: Expression = {"op": "input"}
LONG_MAX = 2**63 - 1
MONEY: Json = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}


@dataclass
class Tree:
    """An operand that is no literal."""

    tree: Expression


def lit(value: Data) -> Expression:
    return {"op": "literal", "value": values.to_json(value)}


def field(name: str, of: Expression = INPUT) -> Expression:
    return {"op": "field", "of": of, "name": name}


def two(op: str, left: Data | Tree, right: Data | Tree, kind: str | None = None) -> Expression:
    sides = [side.tree if isinstance(side, Tree) else lit(side) for side in (left, right)]
    made: Expression = {"op": op, "left": sides[0], "right": sides[1]}
    if kind is not None:
        made["type"] = kind
    return made


def one(op: str, of: Data, **more: Json) -> Expression:
    return {"op": op, "of": lit(of), **more}


SCOPE = Scope(
    input={"amount": Decimal("1.50"), "lines": ["a", "b"], "nothing": None, "nested": {"x": 1}},
    replies={"reserve": {"warehouse": "north"}},
    id="t-1",
    started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)

VALUES: list[tuple[Expression, Data]] = [
    (field("amount"), Decimal("1.50")),
    (field("x", field("nested")), 1),
    (field("warehouse", {"op": "reply", "step": "reserve"}), "north"),
    ({"op": "id"}, "t-1"),
    ({"op": "started_at"}, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ({"op": "item", "of": field("lines"), "index": -1}, "b"),
    (
        {"op": "record", "type": "bank.W", "fields": {"a": field("amount"), "b": lit(None)}},
        {"a": Decimal("1.50"), "b": None},
    ),
    ({"op": "list", "items": [lit(1), lit("x")]}, [1, "x"]),
    ({"op": "map", "entries": {"k": lit(1)}}, {"k": 1}),
    ({"op": "variant", "of": field("nested"), "type": "bank.N"}, {"x": 1, "-type": "bank.N"}),
    (one("variant", None, type="bank.N"), None),
    (two("add", 2, 3, "int"), 5),
    (two("subtract", 2, 3, "int"), -1),
    (two("multiply", 2, 3, "int"), 6),
    (two("floor_divide", -7, 2, "int"), -4),
    (two("modulo", -7, 2, "int"), 1),
    (two("add", Decimal("0.1"), 2, "decimal"), Decimal("2.1")),
    (two("divide", 1, 3, "decimal"), Decimal("0.33333333333333333333333333333333333333")),
    (two("divide", 2, 3, "decimal"), Decimal("0.66666666666666666666666666666666666667")),
    (two("floor_divide", Decimal(-7), 2, "decimal"), Decimal(-3)),
    (two("modulo", Decimal(-7), 2, "decimal"), Decimal(-1)),
    (two("add", "a", "b", "text"), "ab"),
    (one("negate", 2), -2),
    (one("negate", Decimal("0.0")), Decimal("0.0")),
    (one("round", Decimal("2.345"), digits=2), Decimal("2.34")),
    (one("round", Decimal("2.355"), digits=2), Decimal("2.36")),
    (one("round", Decimal("2.5")), 2),
    (one("round", 25, digits=-1), 20),
    (one("shift", datetime(2026, 1, 2, tzinfo=UTC), microseconds=1_000_000), datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC)),
    (one("shift", date(2026, 1, 2), microseconds=-86_400_000_000), date(2026, 1, 1)),
    (two("eq", Decimal("1.0"), 1), True),
    (two("ne", "a", None), True),
    (two("lt", 1, Decimal("1.1")), True),
    (two("le", date(2026, 1, 2), date(2026, 1, 2)), True),
    (two("gt", "b", "a"), True),
    (two("ge", 1, 2), False),
    ({"op": "all", "of": [lit(True), lit(False)]}, False),
    ({"op": "any", "of": [lit(False), lit(True)]}, True),
    (one("not", True), False),
    ({"op": "one_of", "of": lit("a"), "options": [lit("b"), lit("a")]}, True),
    ({"op": "one_of", "of": lit("a"), "options": []}, False),
    ({"op": "present", "of": field("nothing")}, False),
    ({"op": "default", "of": field("nothing"), "fallback": lit("x")}, "x"),
    ({"op": "default", "of": field("amount"), "fallback": lit("x")}, Decimal("1.50")),
    ({"op": "length", "of": field("lines")}, 2),
    (one("trim", Decimal("100.500")), Decimal("100.5")),
    (one("trim", Decimal("0.000")), Decimal(0)),
    (one("as", 3, type=MONEY), Decimal("3.00")),
    (one("as", None, type=["null", MONEY]), None),
    (one("as", [Decimal(1)], type={"type": "array", "items": MONEY}), [Decimal("1.00")]),
    (one("as", {"k": 1}, type={"type": "map", "values": MONEY}), {"k": Decimal("1.00")}),
]


@pytest.mark.parametrize(("tree", "value"), VALUES)
def test_each_operator_computes_its_value(tree: Expression, value: Data) -> None:
    computed = compile_expression(tree)(SCOPE)
    assert values.dumps(computed) == values.dumps(value)


def test_a_text_has_every_kind_of_value_in_its_one_form() -> None:
    parts: list[Json] = ["a{"]
    for value in (
        "x",
        -3,
        True,
        Decimal("1.500"),
        Decimal("1E+2"),
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        date(2026, 1, 2),
        UUID(int=10),
    ):
        parts += [lit(value), ";"]
    assert compile_expression({"op": "text", "parts": parts})(SCOPE) == (
        "a{x;-3;True;1.500;100;2026-01-02T03:04:05Z;2026-01-02T03:04:05.000006Z;2026-01-02;"
        "00000000-0000-0000-0000-00000000000a;"
    )


def test_records_of_unions_get_the_name_of_where_they_go() -> None:
    union: Json = [
        {"type": "record", "name": "bank.Card", "fields": [{"name": "fee", "type": MONEY}]},
        {"type": "record", "name": "bank.Cash", "fields": [{"name": "note", "type": "string"}]},
    ]
    tree: Expression = {"op": "as", "of": field("how"), "type": {"type": "array", "items": union}}
    scope = Scope(
        {"how": [{"-type": "shop.Card", "fee": 1}, {"-type": "shop.Cash", "note": ""}]}, {}, "", SCOPE.started_at
    )
    assert compile_expression(tree)(scope) == [
        {"-type": "bank.Card", "fee": Decimal("1.00")},
        {"-type": "bank.Cash", "note": ""},
    ]


def test_a_record_inside_itself_is_converted_all_the_way_down() -> None:
    tree_type: Json = {
        "type": "record",
        "name": "a.Tree",
        "fields": [{"name": "n", "type": MONEY}, {"name": "kids", "type": {"type": "array", "items": "a.Tree"}}],
    }
    data: Data = {"n": 1, "kids": [{"n": 2, "kids": []}]}
    assert compile_expression(one("as", data, type=tree_type))(SCOPE) == {
        "n": Decimal("1.00"),
        "kids": [{"n": Decimal("2.00"), "kids": []}],
    }


FAILURES: list[tuple[Expression, str]] = [
    (two("divide", 1, 0, "decimal"), "1 / 0: division by zero"),
    (two("floor_divide", 1, 0, "int"), "1 // 0: division by zero"),
    (two("divide", 0, 0, "decimal"), "0 / 0: "),
    (two("add", LONG_MAX, 1, "int"), f"{LONG_MAX} + 1: the result {LONG_MAX + 1} has more than 64 bits"),
    (two("multiply", Decimal("1E+990"), Decimal("1E+20"), "decimal"), "the result is out of range"),
    (
        {"op": "add", "type": "int", "left": field("nothing"), "right": lit(1)},
        "input.nothing + 1: expected a value, got None",
    ),
    ({"op": "lt", "left": lit(1), "right": field("nothing")}, "1 < input.nothing: expected a value, got None"),
    (field("x", field("nothing")), "input.nothing.x: expected a record, got None"),
    ({"op": "item", "of": field("lines"), "index": 2}, "input.lines[2]: expected an element there, got a list of 2"),
    ({"op": "item", "of": field("nothing"), "index": 0}, "input.nothing[0]: expected a list, got None"),
    ({"op": "reply", "step": "gone"}, "expected a reply of step 'gone', but it has none"),
    (
        one("as", Decimal("1.234"), type=MONEY),
        "1.234: expected a decimal of at most 6 digits, 2 of them after the point, got 1.234",
    ),
    (one("as", 12345, type=MONEY), "expected a decimal of at most 6 digits"),
    (one("as", "x", type=MONEY), "expected a number, got 'x'"),
    (one("round", Decimal("1E+37"), digits=2), "no result for"),
    ({"op": "all", "of": [lit(True), lit(1)]}, "all(True, 1): expected conditions, got 1"),
    ({"op": "text", "parts": [field("nothing")]}, "text('{}', input.nothing): expected what a text can hold, got None"),
    ({"op": "length", "of": field("nothing")}, "length(input.nothing): expected a value, got None"),
]


@pytest.mark.parametrize(("tree", "text"), FAILURES)
def test_what_has_no_value_says_why(tree: Expression, text: str) -> None:
    evaluate = compile_expression(tree)
    with pytest.raises(EvaluationError) as caught:
        evaluate(SCOPE)
    assert text in str(caught.value)


def test_conditions_after_the_decision_are_not_evaluated() -> None:
    fails = two("eq", 1, Tree(two("divide", 1, 0, "decimal")))
    assert compile_expression({"op": "all", "of": [lit(False), fails]})(SCOPE) is False
    assert compile_expression({"op": "any", "of": [lit(True), fails]})(SCOPE) is True


def test_an_operator_of_a_later_version_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an operator of this version .* got 'future'"):
        compile_expression({"op": "future"})


def test_the_steps_that_an_expression_reads() -> None:
    tree: Expression = {
        "op": "record",
        "type": "a.B",
        "fields": {
            "x": field("a", {"op": "reply", "step": "one"}),
            "y": {"op": "text", "parts": ["reply", {"op": "reply", "step": "two"}]},
        },
    }
    assert steps_used(tree) == {"one", "two"}
    assert steps_used(lit({"op": "reply", "step": "three"})) == frozenset()


DESCRIBED: list[tuple[Expression, str]] = [
    (two("multiply", Tree(two("add", 1, 2, "int")), 3, "int"), "(1 + 2) * 3"),
    (two("subtract", 1, Tree(two("subtract", 3, 4, "int")), "int"), "1 - (3 - 4)"),
    (two("lt", Tree(two("add", 1, 2, "int")), 2), "1 + 2 < 2"),
    ({"op": "negate", "of": two("add", 1, 2, "int")}, "-(1 + 2)"),
    ({"op": "round", "of": field("amount"), "digits": 2}, "round(t.amount, 2)"),
    ({"op": "shift", "of": {"op": "started_at"}, "microseconds": -60_000_000}, "s.started_at - 60 s"),
    ({"op": "default", "of": field("x"), "fallback": lit("none")}, "default(t.x, 'none')"),
    ({"op": "record", "type": "bank.W", "fields": {"a": lit(1)}}, "W(a=1)"),
    ({"op": "as", "of": field("x"), "type": "string"}, "t.x"),
    ({"op": "list", "items": [lit(1), {"op": "id"}]}, "[1, s.id]"),
    ({"op": "map", "entries": {"k": lit(1)}}, "{'k': 1}"),
]


@pytest.mark.parametrize(("tree", "text"), DESCRIBED)
def test_an_expression_is_shown_as_its_author_would_write_it(tree: Expression, text: str) -> None:
    assert describe(tree, "t") == text
