"""Annotations taken apart. A *kind* is the type of a field, a reply or an input as its author wrote it.

Only reads types: no schema and no value is made here.
"""

import dataclasses
import types
import typing
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, TypeAlias, cast

from orchestrator.definition.markers import DEFAULT_DIGITS, Digits, KeyMark

Kind: TypeAlias = Any
"""A class, ``list[…]``, ``dict[str, …]``, a union, None, or ``Annotated`` of one of them."""

NoneType = type(None)


def bare(kind: Kind) -> Kind:
    """``kind`` without ``Annotated``."""
    while typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    return NoneType if kind is None else kind


def marks(kind: Kind) -> tuple[object, ...]:
    """What ``Annotated`` says of ``kind``."""
    return cast("tuple[object, ...]", getattr(kind, "__metadata__", ()))


def is_key(kind: Kind) -> bool:
    """Whether a field of ``kind`` is marked ``Key``."""
    return any(isinstance(mark, KeyMark) for mark in marks(kind))


def digits_of(kind: Kind) -> Digits:
    """The digits of a Decimal of ``kind``."""
    return next((mark for mark in marks(kind) if isinstance(mark, Digits)), DEFAULT_DIGITS)


def members(kind: Kind) -> tuple[Kind, ...]:
    """The kinds of a union, each with its marks; of any other kind itself alone."""
    plain = bare(kind)
    if typing.get_origin(plain) in (typing.Union, types.UnionType):
        found = (inner for member in typing.get_args(plain) for inner in members(member))
        return tuple(dict.fromkeys(NoneType if member is None else member for member in found))
    return (kind if kind is not None else NoneType,)


def without_none(kind: Kind) -> Kind:
    """``kind`` for a value that is not None; NoneType stays."""
    found = members(kind)
    rest = [member for member in found if member is not NoneType]
    if len(rest) == len(found) or not rest:
        return kind if rest else NoneType
    return rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]  # noqa: UP007  # made of values


def may_be_none(kind: Kind) -> bool:
    """Whether None is one of the values of ``kind``."""
    return NoneType in members(kind)


def is_record(kind: Kind) -> bool:
    """Whether ``kind`` is a dataclass: a message, or one of the author's own."""
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def is_enum(kind: Kind) -> bool:
    """Whether ``kind`` is an Enum."""
    return isinstance(kind, type) and issubclass(kind, Enum)


def is_number(kind: Kind) -> bool:
    """Whether ``kind`` is int or Decimal; a bool is none."""
    return bare(kind) in (int, Decimal)


@cache
def fields_of(kind: Kind) -> dict[str, Kind]:
    """The fields of a dataclass with their kinds, marks included, in order; empty for anything else.

    Raises NameError for an annotation that names what its module does not have.
    """
    if not is_record(kind):
        return {}
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def name_of(kind: Kind) -> str:
    """``kind`` as an author would write it."""
    if len(members(kind)) > 1:
        return " | ".join(map(name_of, members(kind)))
    plain = bare(kind)
    if plain is NoneType:
        return "None"
    arguments = typing.get_args(plain)
    name = getattr(typing.get_origin(plain) or plain, "__name__", str(plain))
    return f"{name}[{', '.join(map(name_of, arguments))}]" if arguments else name


def with_article(kind: Kind) -> str:
    """``a Decimal``, ``an int``: for sentences."""
    name = name_of(kind)
    if name == "None":
        return name
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"
