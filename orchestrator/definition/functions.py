"""Functions that compute with values that are not known yet. They never act: what acts is on ``s``.

With known values they compute at once, so that a property of a message serves a saga and a participant alike.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from string import Formatter
from typing import Any, LiteralString, TypeVar, cast
from uuid import UUID

from orchestrator.blueprint.model import Expression, Json
from orchestrator.blueprint.text import text_of
from orchestrator.definition import operators
from orchestrator.definition.bodies import Bodies
from orchestrator.definition.kinds import bare, is_enum, marks, may_be_none, with_article, without_none
from orchestrator.definition.markers import Digits
from orchestrator.definition.meaning import Meaning, anything, constant, refuse
from orchestrator.definition.trace import Trace, current
from orchestrator.definition.traced import Traced, carries, is_traced, meaning_of

T = TypeVar("T")
_IN_TEXTS = (str, int, bool, Decimal, datetime, date, UUID)


def text(template: LiteralString, *values: object) -> str:
    """``text("refund {} of {}", transfer.reference, transfer.amount)``: each ``{}`` is the next value.

    How each kind of value looks is in ``orchestrator.blueprint.text``. A Decimal without ``Digits`` that was not
    rounded has no zeros at the end.
    """
    trace = current()
    if trace is None:
        return template.format(*(_shown(value) for value in values))
    if type(template) is not str:
        return _pose(refuse(trace, "text() takes a literal template, the values after it"))
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        return _pose(refuse(trace, f'text("{template}", …): {error}: a brace is {{{{ or }}}}'))
    places = [piece for piece in pieces if piece[1] is not None]
    if any(piece[1:] != ("", "", None) for piece in places):
        return _pose(refuse(trace, f'text("{template}", …): a place is {{}}, without a name, a number or a format'))
    if len(places) != len(values):
        return _pose(refuse(trace, f'text("{template}", …) has {len(places)} places for {len(values)} values'))
    waiting = iter(values)
    parts: list[Json] = []
    for literal, place, _, _ in pieces:
        parts += [literal] if literal else []
        parts += [] if place is None else [_part(_meaning(next(waiting), trace))]
    tree: Expression = {"op": "text", "parts": parts}
    return _pose(Meaning(tree, str, trace))


def length(items: Sequence[object] | str) -> int:
    """How many elements or characters: ``length(order.lines)``."""
    return _pose(operators.length(_touched(items))) if is_traced(items) else len(items)


def present(value: object | None) -> bool:
    """Whether it is not None."""
    return _pose(operators.present(_touched(value))) if is_traced(value) else value is not None


def default(value: T | None, fallback: T) -> T:
    """The value, or ``fallback`` where it is None."""
    if not is_traced(value):
        return fallback if value is None else value
    of = _touched(value)
    if of.is_anything:
        return cast("T", value)
    kind = of.kind if is_traced(fallback) and may_be_none(meaning_of(fallback).kind) else without_none(of.kind)
    tree = Bodies(of.trace, of.trace.saga).value(fallback, kind, f"default({of}, …)")
    made: Expression = {"op": "default", "of": of.tree, "fallback": tree}
    return cast("T", Traced(Meaning(made, kind, of.trace, exact=of.exact, digits=of.digits)))


def all_of(*conditions: bool) -> bool:
    """Whether all are true: what Python's ``and`` would be."""
    return _connected("all", conditions) if any(map(is_traced, conditions)) else all(conditions)


def any_of(*conditions: bool) -> bool:
    """Whether at least one is true: what Python's ``or`` would be."""
    return _connected("any", conditions) if any(map(is_traced, conditions)) else any(conditions)


def not_(condition: bool) -> bool:  # noqa: FBT001  # it negates it
    """What Python's ``not`` would be."""
    if not is_traced(condition):
        return not condition
    of = operators.condition(_touched(condition), "not_()")
    return _pose(of if of.is_anything else Meaning({"op": "not", "of": of.tree}, bool, of.trace))


def one_of(value: T, *options: T) -> bool:
    """Whether the value is one of the options: what Python's ``in`` would be."""
    trace = current()
    if trace is None or not any(map(is_traced, (value, *options))):
        return value in options
    of = _meaning(value, trace)
    found = [_meaning(option, trace) for option in options]
    compared = [operators.comparison("eq", of, option) for option in found]
    if any(each.is_anything for each in compared):
        return _pose(anything(trace))
    tree: Expression = {"op": "one_of", "of": of.tree, "options": [option.tree for option in found]}
    return _pose(Meaning(tree, bool, trace))


def _connected(op: str, conditions: tuple[object, ...]) -> bool:
    trace = current()
    assert trace is not None, "a traced value exists while compiling only"
    found = [operators.condition(_meaning(each, trace), f"{op}_of()") for each in conditions]
    return _pose(anything(trace) if any(each.is_anything for each in found) else operators.connected(op, found))


def _pose(meaning: Meaning) -> Any:  # noqa: ANN401  # poses as whatever the function returns
    return Traced(meaning)


def _touched(value: object) -> Meaning:
    of = meaning_of(value)
    of.trace.touch()
    return of


def _meaning(value: object, trace: Trace) -> Meaning:
    if is_traced(value):
        return _touched(value)
    if carries(value):
        return refuse(trace, f"an expression cannot hold {with_article(type(value))}: use its fields")
    return constant(value, trace)


def _shown(value: object) -> str:
    return value.name if isinstance(value, Enum) else text_of(value)


def _part(of: Meaning) -> Expression:
    """A value inside a text; what a text cannot hold is reported."""
    if of.is_anything:
        return of.tree
    if may_be_none(of.kind):
        return refuse(of.trace, operators.maybe_none_text(of)).tree
    if not (is_enum(bare(of.kind)) or bare(of.kind) in _IN_TEXTS):
        return refuse(of.trace, f"text(): {of.described()}, which has no text: use its fields").tree
    plain = bare(of.kind) is Decimal and not any(isinstance(mark, Digits) for mark in marks(of.kind))
    return {"op": "trim", "of": of.tree} if plain and of.tree["op"] != "round" else of.tree
