"""What each operator means for each kind: the rules that the type checkers have, for authors who run none.

Every function takes meanings and gives one; what makes no sense is reported, and the result then fits everywhere.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final, cast
from uuid import UUID

from orchestrator.blueprint.model import Expression, Json
from orchestrator.definition.kinds import (
    Kind,
    NoneType,
    bare,
    is_enum,
    is_number,
    is_record,
    may_be_none,
    with_article,
    without_none,
)
from orchestrator.definition.meaning import Meaning, anything, refuse

SIGNS: Final = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "floor_divide": "//",
    "modulo": "%",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
}
_ORDERED: Final = (int, Decimal, str, datetime, date)
_COMPARED: Final = (*_ORDERED, bool, bytes, UUID)


def maybe_none_text(meaning: Meaning) -> str:
    """The problem with an optional in the place of a value."""
    return f"`{meaning}` may be None: write default({meaning}, …)"


def arithmetic(op: str, left: Meaning, right: Meaning) -> Meaning:
    """``left + right`` and the like."""
    trace = left.trace
    if left.is_anything or right.is_anything:
        return anything(trace)
    for side in (left, right):
        if may_be_none(side.kind):
            return refuse(trace, maybe_none_text(side))
    a, b = bare(left.kind), bare(right.kind)
    if is_number(a) and is_number(b):
        return _of_numbers(op, left, right)
    if op == "add" and a is b is str:
        return Meaning(_tree(op, left, right, "text"), str, trace)
    if op == "add" and a is timedelta:
        left, right, a, b = right, left, b, a
    if op in ("add", "subtract") and a in (datetime, date) and b is timedelta:
        microseconds = cast("int", right.tree["value"])
        by = microseconds if op == "add" else -microseconds
        return Meaning({"op": "shift", "of": left.tree, "microseconds": by}, a, trace)
    return refuse(trace, _no_result(op, left, right))


def _of_numbers(op: str, left: Meaning, right: Meaning) -> Meaning:
    decimal = op == "divide" or Decimal in (bare(left.kind), bare(right.kind))
    if not decimal:
        return Meaning(_tree(op, left, right, "int"), int, left.trace, exact=False)
    if op in ("multiply", "divide") or left.digits is None or right.digits is None:
        digits = 0 if op == "floor_divide" else None
    else:
        digits = 0 if op == "floor_divide" else max(left.digits, right.digits)
    return Meaning(_tree(op, left, right, "decimal"), Decimal, left.trace, exact=False, digits=digits)


def _tree(op: str, left: Meaning, right: Meaning, kind: str) -> Expression:
    return {"op": op, "type": kind, "left": left.tree, "right": right.tree}


def _no_result(op: str, left: Meaning, right: Meaning) -> str:
    text = f"`{left} {SIGNS[op]} {right}`: "
    if {bare(left.kind), bare(right.kind)} <= {datetime, date} and op == "subtract":
        return text + "a saga holds no durations: compare the two times, or let a participant compute it"
    if timedelta in (bare(left.kind), bare(right.kind)):
        return text + "a duration is only added to a time or taken from it"
    return text + f"{with_article(left.kind)} and {with_article(right.kind)} have no such result"


def comparison(op: str, left: Meaning, right: Meaning) -> Meaning:
    """``left == right`` and the like: a bool."""
    trace = left.trace
    if left.is_anything or right.is_anything:
        return anything(trace)
    problem = _not_comparable(op, left, right)
    if problem:
        return refuse(trace, problem)
    return Meaning({"op": op, "left": left.tree, "right": right.tree}, bool, trace)


def _not_comparable(op: str, left: Meaning, right: Meaning) -> str | None:
    equality = op in ("eq", "ne")
    for side, other in ((left, right), (right, left)):
        if may_be_none(side.kind):
            if not equality:
                return maybe_none_text(side)
            if side.kind is NoneType and not may_be_none(other.kind):
                return f"`{other}` is never None"
    if NoneType in (left.kind, right.kind):
        return None
    a, b = bare(without_none(left.kind)), bare(without_none(right.kind))
    for kind in (a, b):
        if is_record(kind):
            return f"`{SIGNS[op]}` of whole messages is decided while compiling: compare their fields"
        if kind not in (_COMPARED if equality else _ORDERED) and not (equality and is_enum(kind)):
            return f"`{left} {SIGNS[op]} {right}`: {with_article(kind)} cannot be compared so"
    if a is b or (is_number(a) and is_number(b)):
        return None
    member = next((m for m in _enum_members(a) if right.tree.get("value") == m.value), None)
    hint = f": write {a.__name__}.{member.name}" if member else ""
    verdict = f"they are never equal{hint}" if equality else "neither is greater"
    return f"{left.described()} and `{right}` {with_article(right.kind)}: {verdict}"


def _enum_members(kind: Kind) -> list[Enum]:
    return list(kind) if is_enum(kind) else []


def negated(of: Meaning) -> Meaning:
    """``-of``."""
    if of.is_anything:
        return of
    if may_be_none(of.kind):
        return refuse(of.trace, maybe_none_text(of))
    if not is_number(of.kind):
        return refuse(of.trace, f"`-{of}`: {with_article(of.kind)} has no negative")
    return Meaning({"op": "negate", "of": of.tree}, bare(of.kind), of.trace, exact=False, digits=of.digits)


def rounded(of: Meaning, digits: object) -> Meaning:
    """``round(of, digits)``: of a Decimal a Decimal, and an int without ``digits``."""
    if of.is_anything:
        return of
    if may_be_none(of.kind):
        return refuse(of.trace, maybe_none_text(of))
    if not is_number(of.kind):
        return refuse(of.trace, f"`round({of})`: {with_article(of.kind)} cannot be rounded")
    if digits is None:
        return Meaning({"op": "round", "of": of.tree}, int, of.trace, exact=False)
    if type(digits) is not int:
        return refuse(of.trace, f"`round({of}, …)` takes a literal number of digits")
    kind = bare(of.kind)
    tree: Expression = {"op": "round", "of": of.tree, "digits": digits}
    return Meaning(tree, kind, of.trace, exact=False, digits=max(0, digits) if kind is Decimal else 0)


def length(of: Meaning) -> Meaning:
    """The length of a text, a list or a map."""
    if of.is_anything:
        return of
    if may_be_none(of.kind):
        return refuse(of.trace, maybe_none_text(of))
    plain = bare(of.kind)
    if plain is not str and getattr(plain, "__origin__", None) not in (list, dict):
        return refuse(of.trace, f"length({of}): {with_article(of.kind)} has no length")
    return Meaning({"op": "length", "of": of.tree}, int, of.trace, exact=False)


def present(of: Meaning) -> Meaning:
    """Whether it is not None."""
    return Meaning({"op": "present", "of": of.tree}, bool, of.trace)


def condition(of: Meaning, place: str) -> Meaning:
    """``of``, if it is a bool as ``place`` takes one."""
    if of.is_anything or bare(of.kind) is bool:
        return of
    return refuse(of.trace, f"{place} takes conditions, but {of.described()}: compare it with something")


def connected(op: str, conditions: list[Meaning]) -> Meaning:
    """``all`` or ``any`` of the conditions."""
    trees = cast("list[Json]", [each.tree for each in conditions])
    return Meaning({"op": op, "of": trees}, bool, conditions[0].trace)
