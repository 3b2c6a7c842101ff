"""Between an author's values and Data: what a participant and a client do with everything they send and get.

Both directions check: expected X, got Y, in Z. The plan for a kind is made once and kept.
"""

import dataclasses
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, cast

from orchestrator.blueprint.values import RECORD_NAME, Data
from orchestrator.definition.kinds import Kind, NoneType, bare, fields_of, is_enum, is_record, members, name_of
from orchestrator.definition.leaves import ConversionError, Convert, container, exactly, leaf, mismatch
from orchestrator.definition.messages import Answers, answers_of, full_name
from orchestrator.definition.schema import avro_schema

__all__ = ["Answers", "ConversionError", "answers_of", "from_data", "full_name", "to_data"]


def to_data(value: object, kind: Kind, namespace: str) -> Data:
    """``value``, an author's, as the Data that ``avro_schema(kind, namespace)`` takes.

    Decimals come out with exactly their field's digits after the point, times in UTC. Raises ConversionError for a
    value that is not of ``kind``, UnsupportedType for a kind that no message can hold.
    """
    return cast("Data", _converted(value, _writer(kind, namespace), kind))


def from_data(data: Data, kind: Kind) -> Any:  # noqa: ANN401  # of ``kind``, which only the caller knows
    """The author's value that ``to_data`` gave ``data`` for; messages are made by their own constructors.

    A field that is missing takes its default. Raises ConversionError for data that are not of ``kind``, and whatever
    the ``__post_init__`` of the author's class raises.
    """
    return _converted(data, _reader(kind), kind)


def _converted(value: object, convert: Convert, kind: Kind) -> object:
    try:
        return convert(value)
    except ConversionError as error:
        raise error.inside(name_of(kind)) from error


# ---------------------------------------------------------------- to data


@cache
def _writer(kind: Kind, namespace: str) -> Convert:
    if bare(kind) is not NoneType:
        avro_schema(kind, namespace)  # says all that is wrong with the kind, once
    return _write(kind, namespace, {})


def _write(kind: Kind, namespace: str, records: dict[type, Convert]) -> Convert:
    def inner(part: Kind) -> Convert:
        return _write(part, namespace, records)

    if len(members(kind)) > 1:
        return _write_union(kind, namespace, inner)
    plain = bare(kind)
    if is_enum(plain):
        is_member = exactly(plain)
        return lambda value: cast("Enum", is_member(value)).name
    if is_record(plain):
        return _write_record(plain, inner, records)
    convert = leaf(kind) or container(kind, inner)
    assert convert, f"{name_of(kind)} has a schema, but no conversion"
    return convert


def _write_record(kind: type, inner: Callable[[Kind], Convert], records: dict[type, Convert]) -> Convert:
    if kind in records:
        return records[kind]  # a record inside itself
    plan: dict[str, Convert] = {}
    check = exactly(kind)

    def write(value: object) -> dict[str, object]:
        check(value)
        made: dict[str, object] = {}
        for name, convert in plan.items():
            try:
                made[name] = convert(getattr(value, name))
            except ConversionError as error:
                raise error.inside(name) from error
        return made

    records[kind] = write
    plan.update((name, inner(hint)) for name, hint in fields_of(kind).items())
    return write


def _write_union(kind: Kind, namespace: str, inner: Callable[[Kind], Convert]) -> Convert:
    others = [member for member in members(kind) if member is not NoneType]
    converts = {bare(member): inner(member) for member in others}
    optional, only = len(others) < len(members(kind)), inner(others[0])

    def write(value: object) -> object:
        if value is None and optional:
            return None
        if len(others) == 1:
            return only(value)
        convert = converts.get(type(value))
        if convert is None:
            raise mismatch(name_of(kind), value)
        return {RECORD_NAME: f"{namespace}.{type(value).__name__}", **convert(value)}

    return write


# ---------------------------------------------------------------- from data


@cache
def _reader(kind: Kind) -> Convert:
    if bare(kind) is not NoneType:
        avro_schema(kind, "check")
    return _read(kind, {})


def _read(kind: Kind, records: dict[type, Convert]) -> Convert:
    def inner(part: Kind) -> Convert:
        return _read(part, records)

    if len(members(kind)) > 1:
        return _read_union(kind, inner)
    plain = bare(kind)
    if is_enum(plain):
        return _read_enum(cast("type[Enum]", plain))
    if is_record(plain):
        return _read_record(plain, inner, records)
    convert = leaf(kind) or container(kind, inner)
    assert convert, f"{name_of(kind)} has a schema, but no conversion"
    return convert


def _read_enum(kind: type[Enum]) -> Convert:
    symbols = {member.name: member for member in kind}

    def read(data: object) -> Enum:
        member = symbols.get(data) if isinstance(data, str) else None
        if member is None:
            raise mismatch(f"a symbol of {kind.__name__} ({', '.join(symbols)})", data)
        return member

    return read


def _read_record(kind: type, inner: Callable[[Kind], Convert], records: dict[type, Convert]) -> Convert:
    if kind in records:
        return records[kind]
    plan: dict[str, Convert] = {}
    optional = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    }

    def read(data: object) -> object:
        if not isinstance(data, dict):
            raise mismatch(f"the fields of {kind.__name__}", data)
        given = cast("dict[str, object]", data)
        if unknown := given.keys() - plan.keys() - {RECORD_NAME}:
            raise ConversionError(f"the fields {', '.join(plan) or 'none'}", f"a field {min(unknown)!r}")
        return kind(**_fields(given))

    def _fields(given: Mapping[str, object]) -> dict[str, object]:
        made: dict[str, object] = {}
        for name, convert in plan.items():
            if name in given:
                try:
                    made[name] = convert(given[name])
                except ConversionError as error:
                    raise error.inside(name) from error
            elif name not in optional:
                raise ConversionError("a value", "nothing", name)
        return made

    records[kind] = read
    plan.update((name, inner(hint)) for name, hint in fields_of(kind).items())
    return read


def _read_union(kind: Kind, inner: Callable[[Kind], Convert]) -> Convert:
    others = [member for member in members(kind) if member is not NoneType]
    converts = {bare(member).__name__: inner(member) for member in others}
    optional, only = len(others) < len(members(kind)), inner(others[0])

    def read(data: Data) -> object:
        if data is None and optional:
            return None
        if len(others) == 1:
            return only(data)
        name = data.get(RECORD_NAME) if isinstance(data, dict) else None
        convert = converts.get(str(name).rpartition(".")[2])
        if convert is None:
            raise mismatch(f"{name_of(kind)}, named by its {RECORD_NAME!r}", data)
        return convert(data)

    return read
