"""What every Avro type does with its values, and the primitives of Avro's binary form. Knows no framing."""

import reprlib
from abc import ABC, abstractmethod
from typing import ClassVar, Final, cast

from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import Data
from orchestrator.wire.tree import Tree

LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1

ITEMS_MIN: Final = 4_096
"""A body may always hold so many items of arrays and maps; beyond, at most one for each of its bytes.

Items of records without fields take no bytes, so that five bytes could ask for all memory there is.
"""

_VARINT_BITS_MAX: Final = 63
_SHORT_BLOCK: Final = 64
"""Bytes; the length of less is one byte."""

_SHORT: Final = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def shown(value: object) -> str:
    """``value`` for an error text, cut so that nobody's log is filled by a foreign message."""
    return "nothing" if value is None else _SHORT.repr(value)


class Mismatch(ValueError):
    """A value that is not what its schema says; the text names what was expected, what was found, and where."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got
        self.path: list[str] = []
        """Where, from the inside out: field names, and ``[…]`` for an element of a list or map."""

    def __str__(self) -> str:
        path = "".join(part if part.startswith("[") else f".{part}" for part in reversed(self.path)).removeprefix(".")
        return f"expected {self.expected}, got {self.got}" + (f", in {path}" if path else "")


def utf8(text: str) -> bytes:
    """The bytes of ``text``; half of a surrogate pair has none."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Mismatch("text that UTF-8 can hold", ascii(text[:60])) from None


class Source:
    """Bytes being read, from ``at`` on; whatever is asked beyond their end is a ``Mismatch``."""

    __slots__ = ("at", "data", "items_left", "tagged")

    def __init__(self, data: bytes, at: int, *, tagged: bool = False) -> None:
        self.data = data
        self.at = at
        self.items_left = max(len(data), ITEMS_MIN)
        self.tagged = tagged
        """Whether every record, not only one in a union of several, carries its name under ``-type``."""

    def long(self) -> int:
        """A zig-zag varint of at most 64 bits."""
        data, at = self.data, self.at
        value = shift = 0
        try:
            byte = data[at]
            if byte <= 0x7F:  # noqa: PLR2004 - most are lengths, of one byte
                self.at = at + 1
                return (byte >> 1) ^ -(byte & 1)
            while byte > 0x7F:  # noqa: PLR2004 - the bit that says: more follows
                value |= (byte & 0x7F) << shift
                shift += 7
                at += 1
                byte = data[at]
        except IndexError:
            raise Mismatch("a number", "the end of the body") from None
        value |= byte << shift
        if shift > _VARINT_BITS_MAX or value >> 64:
            raise Mismatch("a number of 64 bits", "a longer one")
        self.at = at + 1
        return (value >> 1) ^ -(value & 1)

    def byte(self) -> int:
        """The next byte."""
        if self.at >= len(self.data):
            raise Mismatch("a byte", "the end of the body")
        self.at += 1
        return self.data[self.at - 1]

    def block(self) -> bytes:
        """As many bytes as the number before them says."""
        length = self.long()
        start = self.at
        end = start + length
        if length < 0 or end > len(self.data):
            raise Mismatch(f"{length} bytes", f"{len(self.data) - start} until the end of the body")
        self.at = end
        return self.data[start:end]

    def spend(self, items: int) -> None:
        """Refuse more items of lists and maps than the body can hold in earnest."""
        self.items_left -= items
        if self.items_left < 0:
            raise Mismatch(f"at most {max(len(self.data), ITEMS_MIN)} items", "more")


def write_long(value: int, out: bytearray) -> None:
    """Append a zig-zag varint; ``value`` fits 64 bits."""
    value = (value << 1) ^ (value >> 63)
    while value > 0x7F:  # noqa: PLR2004 - the largest value of one byte
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)


def long_bytes(value: int) -> bytes:
    """What ``write_long`` appends."""
    out = bytearray()
    write_long(value, out)
    return bytes(out)


def write_block(block: bytes, out: bytearray) -> None:
    """Append ``block`` behind its length."""
    length = len(block)
    if length < _SHORT_BLOCK:
        out.append(length << 1)
    else:
        write_long(length, out)
    out += block


class Shape(ABC):
    """One type of a schema, compiled. Every method raises ``Mismatch``, and nothing else."""

    expected: str
    """What it takes, for error texts."""
    kind: ClassVar[type]
    """The exact class of its values."""

    @abstractmethod
    def write(self, data: Data, out: bytearray) -> None:
        """Append ``data`` in Avro's binary form."""

    @abstractmethod
    def read(self, source: Source) -> Data:
        """Read one value, and leave ``source`` behind it."""

    @abstractmethod
    def from_json(self, tree: Tree) -> Data:
        """The value that a person wrote as JSON."""

    def from_default(self, default: Json) -> Data:
        """The value of a field's default, in the form the Avro specification gives to defaults."""
        return self.from_json(cast("Tree", default))

    def resolve(self, data: Data) -> Data:
        """``data`` as it was read (tagged) with an older, compatible schema, as a value of this one."""
        if type(data) is not self.kind:
            raise Mismatch(self.expected, shown(data))
        return data
