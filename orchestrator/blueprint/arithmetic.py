"""The operators that compute, as Python does: integers of 64 bits, decimals of 38 digits, texts."""

import operator
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal, Overflow
from typing import Any, Final, TypeAlias, cast

from orchestrator.blueprint.decimals import CONTEXT, rounded
from orchestrator.blueprint.description import describe
from orchestrator.blueprint.evaluation import Evaluate, EvaluationError, Scope
from orchestrator.blueprint.model import Expression
from orchestrator.blueprint.values import Data

LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1
"""Avro's long."""

Unary: TypeAlias = Callable[[Any], object]
Binary: TypeAlias = Callable[[Any, Any], object]
"""Raise ArithmeticError or TypeError for operands without a result."""


def _whole(compute: Callable[[int, int], int]) -> Binary:
    def checked(left: int, right: int) -> int:
        return _long(compute(left, right))

    return checked


def _long(result: int) -> int:
    if not LONG_MIN <= result <= LONG_MAX:
        raise OverflowError(f"the result {result} has more than 64 bits")
    return result


BINARY: Final[Mapping[str, Mapping[str, Binary]]] = {
    "int": {
        "add": _whole(int.__add__),
        "subtract": _whole(int.__sub__),
        "multiply": _whole(int.__mul__),
        "floor_divide": _whole(int.__floordiv__),
        "modulo": _whole(int.__mod__),
    },
    "decimal": {
        "add": CONTEXT.add,
        "subtract": CONTEXT.subtract,
        "multiply": CONTEXT.multiply,
        "divide": CONTEXT.divide,
        "floor_divide": CONTEXT.divide_int,
        "modulo": CONTEXT.remainder,
    },
    "text": {"add": str.__add__},
}
"""Type of the operation -> operator -> function. A decimal operation takes ints as well."""

COMPARISONS: Final[Mapping[str, Binary]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def negative(value: Decimal | int) -> Decimal | int:
    """The negated number; a decimal is never negative zero."""
    return CONTEXT.minus(value) if isinstance(value, Decimal) else _long(-value)


def rounding(digits: int | None) -> Unary:
    """Half even to ``digits`` after the point; without ``digits`` to an int; an int stays an int."""

    def round_to(value: Decimal | int) -> Decimal | int:
        if digits is None:
            return _long(int(rounded(value, 0)) if isinstance(value, Decimal) else value)
        return rounded(value, digits) if isinstance(value, Decimal) else round(value, digits)

    return round_to


def moving(microseconds: int) -> Unary:
    """The function that moves a time, or a date by its whole days."""
    by = timedelta(microseconds=microseconds)

    def move(moment: date) -> date:
        return moment + by

    return move


def unary(tree: Expression, compute: Unary, of: Evaluate) -> Evaluate:
    """``compute`` of one operand; what it raises becomes an EvaluationError that names ``tree``."""

    def evaluate(scope: Scope) -> Data:
        value = of(scope)
        try:
            return cast("Data", compute(value))
        except (ArithmeticError, TypeError) as error:
            raise _failed(tree, error, value) from error

    return evaluate


def binary(tree: Expression, compute: Binary, left: Evaluate, right: Evaluate) -> Evaluate:
    """``compute`` of two operands; what it raises becomes an EvaluationError that names ``tree``."""

    def evaluate(scope: Scope) -> Data:
        a, b = left(scope), right(scope)
        try:
            return cast("Data", compute(a, b))
        except (ArithmeticError, TypeError) as error:
            raise _failed(tree, error, a, b) from error

    return evaluate


def _failed(tree: Expression, error: Exception, *operands: Data) -> EvaluationError:
    match error:
        case _ if None in operands:
            why = "expected a value, got None"
        case ZeroDivisionError():
            why = "division by zero"
        case OverflowError():
            why = str(error)
        case Overflow():
            why = "the result is out of range"
        case _:
            why = f"no result for {' and '.join(map(str, operands))}"
    return EvaluationError(f"{describe(tree)}: {why}")
