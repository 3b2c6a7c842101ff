"""Avro types without parts: what they accept, as bytes and as JSON. Strict, for a wrong amount is worse than none."""
# ruff: noqa: D102 - write, read, from_json, from_default and resolve are those of Shape, and described there

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import ClassVar, Final
from uuid import UUID

from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import Data
from orchestrator.wire.shape import (
    LONG_MAX,
    LONG_MIN,
    Mismatch,
    Shape,
    Source,
    long_bytes,
    shown,
    utf8,
    write_block,
    write_long,
)
from orchestrator.wire.tree import Tree

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_SECOND: Final = 1_000_000

_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,9})?")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
"""RFC 3339, to the microsecond."""


class NullShape(Shape):
    """Nothing."""

    expected = "nothing"
    kind: ClassVar[type] = type(None)

    def write(self, data: Data, out: bytearray) -> None:  # noqa: ARG002 - null takes no bytes
        if data is not None:
            raise Mismatch(self.expected, shown(data))

    def read(self, source: Source) -> Data:  # noqa: ARG002 - null takes no bytes
        return None

    def from_json(self, tree: Tree) -> Data:
        if tree is not None:
            raise Mismatch("null", shown(tree))
        return None


class BooleanShape(Shape):
    """True or false, one byte."""

    expected = "true or false"
    kind: ClassVar[type] = bool

    def write(self, data: Data, out: bytearray) -> None:
        if type(data) is not bool:
            raise Mismatch(self.expected, shown(data))
        out.append(data)

    def read(self, source: Source) -> Data:
        value = source.byte()
        if value > 1:
            raise Mismatch(self.expected, f"the byte {value:#04x}")
        return value == 1

    def from_json(self, tree: Tree) -> Data:
        if type(tree) is not bool:
            raise Mismatch(self.expected, shown(tree))
        return tree


class LongShape(Shape):
    """A whole number of 64 bits, or of 32 for Avro's ``int``."""

    kind: ClassVar[type] = int

    def __init__(self, low: int = LONG_MIN, high: int = LONG_MAX) -> None:
        self._low = low
        self._high = high
        self.expected = f"a whole number from {low} to {high}"

    def write(self, data: Data, out: bytearray) -> None:
        write_long(self._checked(data), out)

    def read(self, source: Source) -> Data:
        return self._checked(source.long())

    def from_json(self, tree: Tree) -> Data:
        return self._checked(tree)

    def _checked(self, value: object) -> int:
        if type(value) is not int or not self._low <= value <= self._high:
            raise Mismatch(self.expected, shown(value))
        return value


class TextShape(Shape):
    """Text, as UTF-8."""

    expected = "text"
    kind: ClassVar[type] = str

    def write(self, data: Data, out: bytearray) -> None:
        if type(data) is not str:
            raise Mismatch(self.expected, shown(data))
        write_block(utf8(data), out)

    def read(self, source: Source) -> Data:
        try:
            return source.block().decode()
        except UnicodeDecodeError as error:
            raise Mismatch("text in UTF-8", f"the byte {error.object[error.start]:#04x}") from None

    def from_json(self, tree: Tree) -> Data:
        if type(tree) is not str:
            raise Mismatch(self.expected, shown(tree))
        utf8(tree)  # JSON can escape half of a surrogate pair
        return tree


class BytesShape(Shape):
    """Bytes; in JSON as base64."""

    expected = "bytes"
    kind: ClassVar[type] = bytes

    def write(self, data: Data, out: bytearray) -> None:
        if type(data) is not bytes:
            raise Mismatch(self.expected, shown(data))
        write_block(data, out)

    def read(self, source: Source) -> Data:
        return source.block()

    def from_json(self, tree: Tree) -> Data:
        if type(tree) is str:
            try:
                return b64decode(tree, validate=True)
            except (Base64Error, ValueError):  # ValueError: not ASCII
                pass
        raise Mismatch("bytes in base64", shown(tree))

    def from_default(self, default: Json) -> Data:
        return _default_bytes(default)


class DecimalShape(Shape):
    """A decimal of fixed scale; a value that would have to be rounded is refused, and is never rounded."""

    kind: ClassVar[type] = Decimal

    def __init__(self, precision: int, scale: int) -> None:
        if not 0 <= scale <= precision or precision < 1:
            raise ValueError(
                f"expected a precision from 1 and a scale from 0 to it, got precision {precision}, scale {scale}"
            )
        self._scale = scale
        self._limit = 10**precision
        self._unit = Decimal(1).scaleb(-scale)
        self._context = Context(prec=precision, traps=[Inexact, InvalidOperation])
        self.expected = f"a decimal number of at most {precision} digits, {scale} of them after the point"

    def write(self, data: Data, out: bytearray) -> None:
        if type(data) is not Decimal:
            raise Mismatch(self.expected, shown(data))
        unscaled = self._unscaled(data)
        # As short as Java's BigInteger.toByteArray, so that equal amounts have equal bytes whoever wrote them.
        length = (~unscaled if unscaled < 0 else unscaled).bit_length() // 8 + 1
        write_block(unscaled.to_bytes(length, "big", signed=True), out)

    def read(self, source: Source) -> Data:
        return self._number(source.block())

    def from_json(self, tree: Tree) -> Data:
        if type(tree) is str and _DECIMAL.fullmatch(tree):
            return self._scaled(self._unscaled(Decimal(tree)))
        if type(tree) is int or type(tree) is Decimal:
            return self._scaled(self._unscaled(Decimal(tree)))
        raise Mismatch(self.expected, shown(tree))

    def from_default(self, default: Json) -> Data:
        return self._number(_default_bytes(default))

    def _unscaled(self, value: Decimal) -> int:
        try:
            fitted = value.quantize(self._unit, context=self._context)
            return int(fitted.scaleb(self._scale, self._context))
        except (DecimalException, ValueError):  # ValueError: int(NaN)
            raise Mismatch(self.expected, shown(value)) from None

    def _scaled(self, unscaled: int) -> Decimal:
        return Decimal(unscaled).scaleb(-self._scale, self._context)

    def _number(self, block: bytes) -> Decimal:
        unscaled = int.from_bytes(block, "big", signed=True)
        if not block or not -self._limit < unscaled < self._limit:
            raise Mismatch(self.expected, f"{len(block)} bytes that are none")
        return self._scaled(unscaled)


class TimestampShape(Shape):
    """A moment to the microsecond; written from any time zone, read as UTC."""

    expected = "a time with its time zone"
    kind: ClassVar[type] = datetime

    def write(self, data: Data, out: bytearray) -> None:
        if type(data) is not datetime or data.utcoffset() is None:
            raise Mismatch(self.expected, shown(data))
        since = data - _EPOCH
        write_long((since.days * 86_400 + since.seconds) * _SECOND + since.microseconds, out)

    def read(self, source: Source) -> Data:
        return self._moment(source.long())

    def from_json(self, tree: Tree) -> Data:
        if type(tree) is str and _TIME.fullmatch(tree):
            try:
                return datetime.fromisoformat(tree.upper()).astimezone(UTC)
            except (ValueError, OverflowError):
                pass
        raise Mismatch("a time like 2026-01-31T12:00:00.5Z", shown(tree))

    def from_default(self, default: Json) -> Data:
        if type(default) is not int:
            raise Mismatch("microseconds since 1970", shown(default))
        return self._moment(default)

    @staticmethod
    def _moment(micros: int) -> datetime:
        try:
            return _EPOCH + timedelta(microseconds=micros)
        except OverflowError:
            raise Mismatch("a time from year 1 to 9999", f"{micros} µs since 1970") from None


class DateShape(Shape):
    """A calendar day."""

    expected = "a date"
    kind: ClassVar[type] = date

    def write(self, data: Data, out: bytearray) -> None:
        if type(data) is not date:
            raise Mismatch(self.expected, shown(data))
        write_long(data.toordinal() - _EPOCH_DAY, out)

    def read(self, source: Source) -> Data:
        return self._day(source.long())

    def from_json(self, tree: Tree) -> Data:
        if type(tree) is str and _DATE.fullmatch(tree):
            try:
                return date.fromisoformat(tree)
            except ValueError:
                pass
        raise Mismatch("a date like 2026-01-31", shown(tree))

    def from_default(self, default: Json) -> Data:
        if type(default) is not int:
            raise Mismatch("days since 1970-01-01", shown(default))
        return self._day(default)

    @staticmethod
    def _day(days: int) -> date:
        try:
            return date.fromordinal(days + _EPOCH_DAY)
        except (ValueError, OverflowError):
            raise Mismatch("a date from year 1 to 9999", f"{days} days since 1970-01-01") from None


class UuidShape(Shape):
    """A UUID, as its 36 characters."""

    expected = "a UUID"
    kind: ClassVar[type] = UUID

    def write(self, data: Data, out: bytearray) -> None:
        if type(data) is not UUID:
            raise Mismatch(self.expected, shown(data))
        write_block(str(data).encode(), out)

    def read(self, source: Source) -> Data:
        return self._uuid(source.block().decode(errors="replace"))

    def from_json(self, tree: Tree) -> Data:
        return self._uuid(tree)

    def _uuid(self, text: object) -> UUID:
        if type(text) is str:
            try:
                uuid = UUID(text)
            except ValueError:
                pass
            else:
                if str(uuid) == text.lower():  # UUID() takes braces, a urn, and no hyphens too
                    return uuid
        raise Mismatch(self.expected, shown(text))


class EnumShape(Shape):
    """One of some symbols."""

    kind: ClassVar[type] = str

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = tuple(symbols)
        self._numbers = {symbol: long_bytes(number) for number, symbol in enumerate(symbols)}
        self.expected = f"one of {', '.join(symbols)}"

    def write(self, data: Data, out: bytearray) -> None:
        number = self._numbers.get(data) if type(data) is str else None
        if number is None:
            raise Mismatch(self.expected, shown(data))
        out += number

    def read(self, source: Source) -> Data:
        number = source.long()
        if not 0 <= number < len(self._symbols):
            raise Mismatch(self.expected, f"symbol number {number}")
        return self._symbols[number]

    def from_json(self, tree: Tree) -> Data:
        if type(tree) is not str or tree not in self._numbers:
            raise Mismatch(self.expected, shown(tree))
        return tree

    def resolve(self, data: Data) -> Data:
        return self.from_json(data) if type(data) is str else super().resolve(data)


def _default_bytes(default: Json) -> bytes:
    # Avro specification, "Complex Types": code points 0-255 of a default stand for the bytes 0-255.
    if type(default) is str:
        try:
            return default.encode("latin-1")
        except UnicodeEncodeError:
            pass
    raise Mismatch("bytes as characters up to U+00FF", shown(default))
