"""Avro schemas derived from annotations: the one place that says which Python types a message can hold.

==============================  =====================================================================
an author writes                Avro
==============================  =====================================================================
bool, int, str, bytes           boolean, long, string, bytes
Decimal                         bytes, logical type decimal(38, 9), or what ``Digits`` says
datetime                        long, logical type timestamp-micros (aware, UTC)
date                            int, logical type date
UUID                            string, logical type uuid
an Enum                         enum; the symbols are the names of its members
list[X], dict[str, X]           array, map
a Record, a frozen dataclass    record ``{namespace}.{Class}``; the nested ones have the same namespace
X | None                        union of null and X
A | B of records                union
==============================  =====================================================================
"""

import dataclasses
import re
import typing
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from inspect import getsourcefile, getsourcelines
from types import MappingProxyType
from typing import Any, Final, cast
from uuid import UUID

from orchestrator.blueprint.avro import canonical_schema
from orchestrator.blueprint.model import Json
from orchestrator.definition.kinds import (
    Kind,
    NoneType,
    bare,
    digits_of,
    fields_of,
    is_enum,
    is_record,
    members,
    name_of,
)
from orchestrator.definition.records import is_redecorated, place_of
from orchestrator.definition.trace import Place
from orchestrator.errors import Problem

AVRO_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Avro specification, "Names": of a field, a symbol, and each part of a full name."""

_SCALARS: Final = MappingProxyType[object, Json](
    {
        bool: "boolean",
        int: "long",
        str: "string",
        bytes: "bytes",
        datetime: {"type": "long", "logicalType": "timestamp-micros"},
        date: {"type": "int", "logicalType": "date"},
        UUID: {"type": "string", "logicalType": "uuid"},
    }
)

_INSTEAD: Final = MappingProxyType[object, str](
    {
        float: "a float is not exact and a blueprint has none: write Decimal",
        complex: "write two Decimal fields",
        dict: "write dict[str, X]",
        list: "write list[X]",
        tuple: "write list[X], or a Record with named fields",
        set: "write list[X]",
        frozenset: "write list[X]",
        timedelta: "write an int of seconds, and say so in its name",
        object: "write the type itself",
        Any: "write the type itself",
    }
)
"""What to write for the types that are tried most."""


class UnsupportedType(TypeError):
    """Annotations that no Avro schema can be made of; carries all of them, with their places."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def avro_schema(kind: Kind, namespace: str) -> Json:
    """The canonical Avro schema of ``kind``, its records and enums named ``{namespace}.{Class}``.

    Raises UnsupportedType with every problem in it. A reply of None has no body and so no schema: do not ask.
    """
    derivation = _Derivation(namespace)
    schema = derivation.of(kind, None, f"{name_of(kind)}")
    if derivation.problems:
        raise UnsupportedType(derivation.problems)
    return canonical_schema(schema)


def fault_of_namespace(name: str) -> str | None:
    """Why ``name`` cannot be a namespace of Avro names, as those of sagas and participants are; None when it can."""
    if all(AVRO_NAME.fullmatch(part) for part in name.split(".")):
        return None
    return "it names Avro records, so each part between dots is made of letters of ASCII, digits and _, no digit first"


def class_place(kind: type) -> Place:
    """Where a class is defined; line 0 of an unknown file when Python does not know."""
    place = place_of(kind)
    if place is not None:
        return place
    try:
        return Place(getsourcefile(kind) or "<unknown>", getsourcelines(kind)[1])
    except (OSError, TypeError):
        return Place("<unknown>", 0)


class _Derivation:
    """One schema in the making: names already defined are referred to."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._defined: dict[str, type] = {}
        self.problems: list[Problem] = []

    def of(self, kind: Kind, owner: type | None, place: str) -> Json:
        """The schema of ``kind``, which stands at ``place`` (``Order.lines``) in the class ``owner``."""
        if len(members(kind)) > 1:
            return self._union(kind, owner, place)
        plain = bare(kind)
        arguments = typing.get_args(plain)
        match typing.get_origin(plain) or plain:
            case scalar if scalar in _SCALARS:
                return _SCALARS[scalar]
            case decimal if decimal is Decimal:
                digits = digits_of(kind)
                return {
                    "type": "bytes",
                    "logicalType": "decimal",
                    "precision": digits.precision,
                    "scale": digits.scale,
                }
            case sequence if sequence is list and len(arguments) == 1:
                return {"type": "array", "items": self.of(arguments[0], owner, f"{place}[]")}
            case mapping if mapping is dict and len(arguments) == 2 and bare(arguments[0]) is str:  # noqa: PLR2004  # key, value
                return {"type": "map", "values": self.of(arguments[1], owner, f"{place}{{}}")}
            case enum if is_enum(enum):
                return self._enum(cast("type[Enum]", enum))
            case record if is_record(record):
                return self._record(cast("type", record))
            case other:
                return self._refuse(owner, f"{place} is {name_of(kind)}, which no message can hold: {_advice(other)}")

    def _refuse(self, owner: type | None, text: str) -> Json:
        place = class_place(owner) if owner else Place("<unknown>", 0)
        self.problems.append(Problem(*place, text))
        return "null"

    def _defines(self, kind: type) -> bool:
        """Whether ``kind`` is met for the first time, and so is defined here."""
        name = kind.__name__
        if not AVRO_NAME.fullmatch(name):
            self._refuse(kind, f"{name} names an Avro record, which has letters of ASCII, digits and _ only: rename it")
        known = self._defined.setdefault(name, kind)
        if known is not kind:
            self._refuse(kind, f"two classes are named {name}, here and in {known.__module__}: rename one")
            return False
        return True

    def _union(self, kind: Kind, owner: type | None, place: str) -> Json:
        found = members(kind)
        others = [member for member in found if member is not NoneType]
        if len(others) > 1 and not all(is_record(bare(member)) for member in others):
            return self._refuse(
                owner, f"{place} is {name_of(kind)}: a union is of records, or of one type and None: write a Record"
            )
        schemas = [self.of(member, owner, place) for member in others]
        return ["null", *schemas] if NoneType in found else cast("Json", schemas)

    def _enum(self, kind: type[Enum]) -> Json:
        if kind.__name__ in self._defined and self._defines(kind):
            return f"{self._namespace}.{kind.__name__}"
        self._defines(kind)
        symbols = [member.name for member in kind]
        if wrong := [symbol for symbol in symbols if not AVRO_NAME.fullmatch(symbol)]:
            return self._refuse(
                kind, f"{kind.__name__}.{wrong[0]} is no Avro symbol: letters of ASCII, digits and _ only"
            )
        return {"type": "enum", "name": f"{self._namespace}.{kind.__name__}", "symbols": cast("Json", symbols)}

    def _record(self, kind: type) -> Json:
        if kind.__name__ in self._defined:
            self._defines(kind)
            return f"{self._namespace}.{kind.__name__}"
        self._defines(kind)
        self._check_class(kind)
        try:
            kinds = fields_of(kind)
        except NameError as error:
            return self._refuse(kind, f"{kind.__name__}: an annotation names what its module does not have: {error}")
        fields = [self._field(kind, field, kinds[field.name]) for field in dataclasses.fields(kind)]
        return {"type": "record", "name": f"{self._namespace}.{kind.__name__}", "fields": cast("Json", fields)}

    def _check_class(self, kind: type) -> None:
        name = kind.__name__
        if "<locals>" in kind.__qualname__:
            self._refuse(kind, f"{name} is defined inside a function: messages are defined at module level")
        if is_redecorated(kind):
            self._refuse(kind, f"{name}: `@dataclass` is superfluous, its base makes it one: remove the decorator")
        elif place_of(kind) is None and not cast("Any", kind).__dataclass_params__.frozen:
            self._refuse(kind, f"{name} can be changed: write @dataclass(frozen=True), or derive from Record")

    def _field(self, kind: type, field: "dataclasses.Field[Any]", hint: Kind) -> dict[str, Json]:
        place = f"{kind.__name__}.{field.name}"
        if not AVRO_NAME.fullmatch(field.name):
            self._refuse(kind, f"{place} is no Avro name: letters of ASCII, digits and _ only")
        if not field.init:
            self._refuse(kind, f"{place} is field(init=False): what is computed is a property, or a field that is sent")
        made: dict[str, Json] = {"name": field.name, "type": self.of(hint, kind, place)}
        if field.default is not dataclasses.MISSING and _is_avro_default(field.default, hint):
            made["default"] = field.default.name if isinstance(field.default, Enum) else cast("Json", field.default)
        return made


def _is_avro_default(value: object, kind: Kind) -> bool:
    """Whether records written before the field was there can be read with ``value`` in its place.

    Avro takes a default of the first branch of a union only; ours with None begin with null.
    """
    if len(members(kind)) > 1:
        return value is None and NoneType in members(kind)
    return isinstance(value, Enum) or type(value) in (bool, int, str)


def _advice(kind: Kind) -> str:
    if isinstance(kind, typing.TypeVar):
        return "write the type itself"
    if isinstance(kind, str | typing.ForwardRef):
        return "write the class itself, without quotes"
    return _INSTEAD.get(kind, "write a Record of what is needed of it")
