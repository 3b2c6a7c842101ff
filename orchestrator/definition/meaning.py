"""What a traced value means: the expression that will compute it, and the kind of what comes out.

The rules of the operators work on meanings; ``traced`` dresses a meaning as the value that the author sees.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final, cast
from uuid import UUID

from orchestrator.blueprint import values
from orchestrator.blueprint.description import describe
from orchestrator.blueprint.model import Expression
from orchestrator.definition.kinds import Kind, NoneType, with_article
from orchestrator.definition.trace import Trace

TRACED_TEXT: Final = "<traced "
"""How the repr of a traced value begins; a text with it in it is refused."""


class Anything:
    """The kind of a value after a problem with it was reported: fits everywhere, raises no second problem."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """An expression in the making."""

    tree: Expression
    kind: Kind
    trace: Trace
    exact: bool = True
    """Whether the data are just what the kind's schema takes; a computed decimal may have other digits."""
    digits: int | None = 0
    """Digits after the point that computing has made; None: without bound, as ``*`` and ``/`` make them."""

    def __str__(self) -> str:
        if self.kind is timedelta:
            return str(timedelta(microseconds=cast("int", self.tree["value"])))
        return describe(self.tree, self.trace.input_name)

    @property
    def is_anything(self) -> bool:
        """Whether a problem with it was reported already."""
        return self.kind is Anything

    def described(self) -> str:
        """``` `o.total` is a Decimal ```: for texts of problems."""
        return f"`{self}` is {with_article(self.kind)}"


def anything(trace: Trace) -> Meaning:
    """What stands in the place of a value that was refused."""
    return Meaning({"op": "literal", "value": None}, Anything, trace)


def refuse(trace: Trace, text: str) -> Meaning:
    """Report a problem where the author's code is now, and go on with something that fits everywhere."""
    trace.report(text)
    return anything(trace)


def constant(value: object, trace: Trace) -> Meaning:
    """The meaning of an operand that is known while compiling; what no expression can hold is reported."""
    if isinstance(value, float):
        return refuse(trace, float_text(value))
    if isinstance(value, str) and TRACED_TEXT in value:
        return refuse(trace, traced_text(value))
    if isinstance(value, Enum):
        return Meaning({"op": "literal", "value": value.name}, type(value), trace)
    if type(value) is timedelta:
        return Meaning({"op": "literal", "value": value // timedelta(microseconds=1)}, timedelta, trace)
    if value is not None and type(value) not in (bool, int, str, bytes, Decimal, datetime, date, UUID):
        return refuse(trace, f"an expression cannot hold {value!r}, {with_article(type(value))}")
    try:
        tree: Expression = {"op": "literal", "value": values.to_json(value)}  # type: ignore[arg-type]  # one of the types above
    except ValueError as error:  # not finite, or without time zone
        return refuse(trace, f"an expression cannot hold {value!r}: {error}")
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    digits = max(0, -exponent) if isinstance(exponent, int) else 0
    return Meaning(tree, NoneType if value is None else type(value), trace, exact=False, digits=digits)


def float_text(value: float) -> str:
    """The problem with a float."""
    return f'{value!r} is a float: a blueprint has none, write Decimal("{value!r}")'


def traced_text(value: str) -> str:
    """The problem with a text that holds the repr of a traced value."""
    return f'a traced value was turned into text ({value}): write text("{{}}", …)'
