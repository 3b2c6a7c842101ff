"""Values without fields of their own, and lists and maps: checked, and brought to the one form that Data have.

They look the same on both sides, as an author's values and as Data; so there is one function for both directions.
"""

import typing
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from orchestrator.blueprint.arithmetic import LONG_MAX, LONG_MIN
from orchestrator.blueprint.decimals import fitting, misfit
from orchestrator.definition.kinds import Kind, NoneType, bare, digits_of, with_article

Convert: TypeAlias = Callable[[Any], Any]


class ConversionError(ValueError):
    """A value that its kind cannot hold: expected X, got Y, in Z."""

    def __init__(self, expected: str, got: str, place: str = "") -> None:
        self.expected, self.got, self.place = expected, got, place
        super().__init__(f"expected {expected}, got {got}" + (f" in {place}" if place else ""))

    def inside(self, place: str) -> "ConversionError":
        """The same, seen from the record, list or map around it."""
        rest = self.place if not self.place or self.place.startswith("[") else f".{self.place}"
        return ConversionError(self.expected, self.got, place + rest)


def mismatch(expected: str, value: object) -> ConversionError:
    """``value`` is not what was expected."""
    text = repr(value)
    return ConversionError(expected, text if len(text) <= 80 else f"{text[:77]}…")  # noqa: PLR2004  # fits a line


# ---------------------------------------------------------------- leaves, the same both ways


def exactly(kind: type) -> Convert:
    """The check that a value is of this very class: a subclass has another schema."""

    def check(value: object) -> object:
        if type(value) is not kind:
            raise mismatch(with_article(kind), value)
        return value

    return check


def _integer(value: object) -> int:
    if type(value) is not int or not LONG_MIN <= value <= LONG_MAX:
        raise mismatch("an int of at most 64 bits", value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise mismatch("a str", value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise mismatch("a str without lone surrogates", value) from error
    return str(value)


def _instant(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise mismatch("a datetime", value)
    if value.tzinfo is None:
        raise mismatch("a datetime with its time zone", value)
    return value.astimezone(UTC)


def _none(value: object) -> None:
    if value is not None:
        raise mismatch("None", value)


def _decimal(kind: Kind) -> Convert:
    digits = digits_of(kind)
    fit = fitting(digits.precision, digits.scale)

    def convert(value: object) -> Decimal:
        if not isinstance(value, Decimal) and type(value) is not int:
            raise mismatch("a Decimal", value)
        try:
            return fit(value)
        except ArithmeticError as error:
            expected = misfit(value, digits.precision, digits.scale).removeprefix("expected ").partition(", got")[0]
            raise mismatch(expected, value) from error

    return convert


_LEAVES: Final = MappingProxyType[object, Convert](
    {
        bool: exactly(bool),
        int: _integer,
        str: _text,
        bytes: exactly(bytes),
        datetime: _instant,
        date: exactly(date),
        UUID: exactly(UUID),
        NoneType: _none,
    }
)


def leaf(kind: Kind) -> Convert | None:
    """The check of a kind without parts; None for any other kind."""
    plain = bare(kind)
    return _decimal(kind) if plain is Decimal else _LEAVES.get(plain)


# ---------------------------------------------------------------- containers, the same both ways


def _list(kind: Kind, convert: Convert) -> Convert:
    def convert_all(value: object) -> list[object]:
        if not isinstance(value, list):
            raise mismatch(with_article(kind), value)
        return [_within(f"[{index}]", convert, item) for index, item in enumerate(cast("list[object]", value))]

    return convert_all


def _map(kind: Kind, convert: Convert) -> Convert:
    def convert_all(value: object) -> dict[str, object]:
        if not isinstance(value, dict):
            raise mismatch(with_article(kind), value)
        entries = cast("dict[object, object]", value)
        return {_text(key): _within(f"[{key!r}]", convert, item) for key, item in entries.items()}

    return convert_all


def _within(place: str, convert: Convert, value: object) -> object:
    try:
        return convert(value)
    except ConversionError as error:
        raise error.inside(place) from error


def container(kind: Kind, inner: Callable[[Kind], Convert]) -> Convert | None:
    """The check of a list or map, whose parts ``inner`` converts; None for any other kind."""
    origin, arguments = typing.get_origin(bare(kind)), typing.get_args(bare(kind))
    if origin is list:
        return _list(kind, inner(arguments[0]))
    return _map(kind, inner(arguments[1])) if origin is dict else None
