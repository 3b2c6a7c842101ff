"""Decimal numbers of the expression language: 38 digits, half even, and the digits a field takes."""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

PRECISION_MAX = 38
"""Digits of every computation, and the most that a field can have: what Avro's users and SQL databases agree on."""
DEFAULT_PRECISION, DEFAULT_SCALE = 38, 9
"""Of a field that is a bare Decimal."""

_EXPONENT_MAX = 999
"""Far beyond every field, and few enough digits to be shown in an error."""

CONTEXT = Context(
    prec=PRECISION_MAX,
    rounding=ROUND_HALF_EVEN,
    Emin=-_EXPONENT_MAX,
    Emax=_EXPONENT_MAX,
    traps=[DivisionByZero, InvalidOperation, Overflow],
)
"""Used explicitly and never changed: the thread's own context is whatever somebody else made of it."""


def rounded(value: Decimal, digits: int) -> Decimal:
    """``value`` with ``digits`` after the point, half even; raises ArithmeticError when that needs over 38 digits."""
    return CONTEXT.quantize(value, Decimal(1).scaleb(-digits))


def fitting(precision: int, scale: int) -> Callable[[Decimal | int], Decimal]:
    """The function that brings a number to exactly ``scale`` digits after the point, without changing its value.

    It raises ArithmeticError for a number with more digits after the point, or more than ``precision`` in all.
    """
    exact = Context(prec=precision, traps=[Inexact, InvalidOperation])
    exponent = Decimal(1).scaleb(-scale)

    def fit(value: Decimal | int) -> Decimal:
        number = exact.quantize(Decimal(value), exponent)
        if number.is_nan():  # quantizing it signals nothing
            raise InvalidOperation
        return number or number.copy_abs()  # Avro has no negative zero

    return fit


def misfit(value: Decimal | int, precision: int, scale: int) -> str:
    """Why ``fitting`` refused ``value``: expected X, got Y."""
    return (
        f"expected a decimal of at most {precision} digits, {scale} of them after the point, got {Decimal(value):f}"
        if Decimal(value).is_finite()
        else f"expected a finite decimal, got {value}"
    )
