"""What an author puts into the fields of a message, as expressions that compute just what the fields' schemas take.

Checks every value against its field's kind, as the type checkers do, for authors who run none.
"""

import dataclasses
import typing
from decimal import Decimal
from typing import cast

from orchestrator.blueprint import values
from orchestrator.blueprint.avro import canonical_text, names_records
from orchestrator.blueprint.model import Expression, Json
from orchestrator.definition.conversion import ConversionError, to_data
from orchestrator.definition.kinds import (
    Kind,
    NoneType,
    bare,
    digits_of,
    fields_of,
    is_number,
    is_record,
    may_be_none,
    members,
    with_article,
)
from orchestrator.definition.meaning import TRACED_TEXT, Meaning, float_text, traced_text
from orchestrator.definition.messages import full_name
from orchestrator.definition.schema import UnsupportedType, avro_schema
from orchestrator.definition.trace import Place, Trace
from orchestrator.definition.traced import carries, is_traced, meaning_of

_NOTHING: Expression = {"op": "literal", "value": None}
"""In the place of what was refused."""


class Bodies:
    """The expressions of one namespace: of one participant, or of the saga itself."""

    def __init__(self, trace: Trace, namespace: str) -> None:
        self._trace = trace
        self._namespace = namespace

    def message(self, message: object) -> Expression:
        """The body of a whole message or record: always a ``record`` with every field."""
        kind = type(message)
        place = self._trace.place_of(message)
        made: dict[str, Json] = {}
        for name, hint in self._fields(kind).items():
            made[name] = self.value(getattr(message, name), hint, f"{kind.__name__}.{name}", place)
        return {"op": "record", "type": full_name(kind, self._namespace), "fields": made}

    def value(self, value: object, kind: Kind, place: str, at: Place | None = None) -> Expression:
        """``value`` as the schema of ``kind`` takes it; ``place`` (``Withdraw.amount``) and ``at`` are for problems."""
        if is_traced(value):
            return self._traced(meaning_of(value), kind, place, at)
        if isinstance(value, float):
            return self._refuse(float_text(value), at)
        if not carries(value, depth=9):
            return self._constant(value, kind, place, at)
        if isinstance(value, list):
            return self._list(cast("list[object]", value), kind, place, at)
        if isinstance(value, dict):
            return self._map(cast("dict[str, object]", value), kind, place, at)
        return self._record(value, kind, place, at)

    def _fields(self, kind: type) -> dict[str, Kind]:
        try:
            return fields_of(kind)
        except NameError:  # reported with the schema
            return {}

    def _refuse(self, text: str, at: Place | None) -> Expression:
        self._trace.report(text, at)
        return _NOTHING

    def _constant(self, value: object, kind: Kind, place: str, at: Place | None) -> Expression:
        try:
            data = to_data(value, kind, self._namespace)
            if TRACED_TEXT in values.dumps(data):
                return self._refuse(traced_text(str(value)), at)
            return {"op": "literal", "value": values.to_json(data)}
        except UnsupportedType:  # reported with the schema
            return _NOTHING
        except ConversionError as error:
            if not _fits(type(value), kind):
                return self._refuse(f"{place} is {with_article(kind)}, got {with_article(type(value))}", at)
            return self._refuse(f"{place}: expected {error.expected}, got {error.got}", at)

    def _list(self, value: list[object], kind: Kind, place: str, at: Place | None) -> Expression:
        found = next((bare(member) for member in members(kind) if typing.get_origin(bare(member)) is list), None)
        if found is None:
            return self._refuse(f"{place} is {with_article(kind)}, got a list", at)
        (element,) = typing.get_args(found)
        return {"op": "list", "items": [self.value(item, element, f"{place}[]", at) for item in value]}

    def _map(self, value: dict[str, object], kind: Kind, place: str, at: Place | None) -> Expression:
        found = next((bare(member) for member in members(kind) if typing.get_origin(bare(member)) is dict), None)
        if found is None:
            return self._refuse(f"{place} is {with_article(kind)}, got a dict", at)
        entry = typing.get_args(found)[1]
        for key in value:
            if type(key) is not str or TRACED_TEXT in key:
                return self._refuse(
                    traced_text(key) if type(key) is str else f"{place} has the key {key!r}, no str", at
                )
        entries = {key: self.value(item, entry, f"{place}[{key!r}]", at) for key, item in value.items()}
        return {"op": "map", "entries": cast("dict[str, Json]", entries)}

    def _record(self, value: object, kind: Kind, place: str, at: Place | None) -> Expression:
        found = type(value)
        if not dataclasses.is_dataclass(value) or found not in map(bare, members(kind)):
            return self._refuse(f"{place} is {with_article(kind)}, got {with_article(found)}", at)
        return self._variant(self.message(value), found, kind)

    def _variant(self, tree: Expression, found: Kind, kind: Kind) -> Expression:
        """A record that goes to the place of several kinds of records says which one it is."""
        records = [member for member in members(kind) if is_record(bare(member))]
        if len(records) < 2:  # noqa: PLR2004  # one kind needs no name
            return tree
        return {"op": "variant", "of": tree, "type": full_name(found, self._namespace)}

    # ------------------------------------------------------------ values that are not known yet

    def _traced(self, of: Meaning, kind: Kind, place: str, at: Place | None) -> Expression:
        if of.is_anything:
            return _NOTHING
        if not _fits(of.kind, kind):
            return self._refuse(self._misfit(of, kind, place), at)
        decimal = next((member for member in members(kind) if is_number(member) and bare(member) is not int), None)
        if decimal is not None:
            self._check_digits(of, decimal, place, at)
        source = [bare(member) for member in members(of.kind) if member is not NoneType]
        tree = of.tree
        if len(source) == 1 and is_record(source[0]):
            tree = self._variant(tree, source[0], kind)
        try:
            return tree if self._same_data(of, kind) else self._as(tree, kind)
        except UnsupportedType:  # reported with the schema
            return _NOTHING

    def _misfit(self, of: Meaning, kind: Kind, place: str) -> str:
        if may_be_none(of.kind) and not may_be_none(kind):
            return f"{place} is {with_article(kind)}, but `{of}` may be None: write default({of}, …)"
        hint = ": write round(…)" if (bare(of.kind), bare(kind)) == (Decimal, int) else ""
        return f"{place} is {with_article(kind)}, got {with_article(of.kind)}{hint}"

    def _check_digits(self, of: Meaning, kind: Kind, place: str, at: Place | None) -> None:
        scale = digits_of(kind).scale
        if of.digits is None:
            self._refuse(
                f"{place} has {scale} digits after the point, and the result of * or / may have more: "
                f"write round({of}, n) with n at most {scale}",
                at,
            )
        elif of.digits > scale:
            self._refuse(f"{place} has {scale} digits after the point, but `{of}` may have {of.digits}", at)

    def _same_data(self, of: Meaning, kind: Kind) -> bool:
        """Whether the data are what ``kind`` takes as they are, names of records in unions included."""
        if not of.exact and any(bare(member) is Decimal for member in members(kind)):
            return False
        source = [avro_schema(member, "any") for member in members(of.kind) if member is not NoneType]
        target = [avro_schema(member, "any") for member in members(kind) if member is not NoneType]
        if len(source) > 1 or any(map(names_records, source)):
            return False
        return {canonical_text(schema) for schema in source} <= {canonical_text(schema) for schema in target}

    def _as(self, tree: Expression, kind: Kind) -> Expression:
        return {"op": "as", "of": tree, "type": avro_schema(kind, self._namespace)}


def _fits(source: Kind, target: Kind) -> bool:
    """Whether every value of ``source`` is one of ``target``, digits of decimals apart; an int is a Decimal too."""
    takes = [bare(member) for member in members(target)]
    return all(any(_is_one(bare(member), take) for take in takes) for member in members(source))


def _is_one(source: Kind, target: Kind) -> bool:
    if source is target or (source is int and target is Decimal):
        return True
    if typing.get_origin(source) is None or typing.get_origin(source) is not typing.get_origin(target):
        return False
    pairs = zip(typing.get_args(source), typing.get_args(target), strict=True)
    return all(_same_kind(mine, its) for mine, its in pairs)


def _same_kind(source: Kind, target: Kind) -> bool:
    """Elements are of the same kind: a list of ints is no list of Decimals, to the checkers neither."""
    return _fits(source, target) and _fits(target, source)
