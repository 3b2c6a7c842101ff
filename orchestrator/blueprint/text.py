"""How each value looks inside a text that an expression makes, and as a Kafka key: the same everywhere and always.

A text is itself. An int has its digits, a decimal all of its digits and never an exponent, a bool is ``True`` or
``False``. A time is RFC 3339 in UTC (``2026-01-02T03:04:05Z``, with six digits of a second unless all are zero), a date
``2026-01-02``. A UUID is in small letters with hyphens, an enum is its symbol.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from orchestrator.blueprint.values import Data


def text_of(value: object) -> str:
    """``value`` as text; raises TypeError for None, bytes, records, lists and maps."""
    match value:
        case str():
            return value
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
        case date():
            return value.isoformat()
        case int() | UUID():  # a bool among them
            return str(value)
        case _:
            raise TypeError(f"expected what a text can hold, got {value!r}")


def trimmed(value: Data) -> Data:
    """A decimal without zeros at the end of its fraction; anything else as it is."""
    if not isinstance(value, Decimal):
        return value
    text = format(value, "f")
    return Decimal(text.rstrip("0").rstrip(".")) if "." in text else value
