"""The operator ``as``: data of one Avro type brought to another that holds the same value.

Decimals get exactly the digits of their field, ints become decimals where those are expected, and records of a union
get the full name of the type they go to. Nothing else changes.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias, cast

from orchestrator.blueprint.decimals import fitting, misfit
from orchestrator.blueprint.evaluation import EvaluationError
from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import RECORD_NAME, Data

Adapt: TypeAlias = Callable[[Data], Data]


def adaptation(schema: Json) -> Adapt:
    """The function that brings data to the canonical ``schema``; it raises EvaluationError for what does not fit."""
    return _Adaptation().of(schema) or _same


def _same(data: Data) -> Data:
    return data


class _Adaptation:
    """One schema; None stands for a part that takes the data as they are."""

    def __init__(self) -> None:
        self._records: dict[str, Adapt] = {}

    def of(self, schema: Json) -> Adapt | None:
        match schema:
            case list():
                return self._union(schema)
            case {"logicalType": "decimal"}:
                return _decimal(cast("int", schema["precision"]), cast("int", schema.get("scale", 0)))
            case {"type": "array", "items": items}:
                return _each_item(self.of(cast("Json", items)))
            case {"type": "map", "values": items}:
                return _each_value(self.of(cast("Json", items)))
            case {"type": "record", "name": str(name)}:
                return self._record(name, schema)
            case str(name) if name in self._records:
                return self._inside_itself(name)
            case _:
                return None

    def _record(self, name: str, schema: dict[str, Json]) -> Adapt | None:
        self._records[name] = _same  # a record inside itself asks when data come, not now
        fields = cast("list[dict[str, Json]]", schema["fields"])
        adapts = {str(field["name"]): self.of(field["type"]) or _same for field in fields}
        if all(adapt is _same for adapt in adapts.values()):
            return None

        def record(data: Data) -> Data:
            found = cast("dict[str, Data]", data)
            return {key: adapt(found[key]) for key, adapt in adapts.items()}

        self._records[name] = record
        return record

    def _inside_itself(self, name: str) -> Adapt:
        def adapt(data: Data) -> Data:
            return self._records[name](data)

        return adapt

    def _union(self, branches: list[Json]) -> Adapt | None:
        others = [branch for branch in branches if branch != "null"]
        if len(others) == 1:
            one = self.of(others[0])
            return None if one is None else lambda data: None if data is None else one(data)
        by_name = {_name(branch).rpartition(".")[2]: (_name(branch), self.of(branch) or _same) for branch in others}

        def one_of(data: Data) -> Data:
            if data is None:
                return None
            found = cast("dict[str, Data]", data)
            name, adapt = by_name[str(found[RECORD_NAME]).rpartition(".")[2]]
            return {**cast("dict[str, Data]", adapt(found)), RECORD_NAME: name}

        return one_of


def _name(branch: Json) -> str:
    return str(branch["name"]) if isinstance(branch, dict) else str(branch)


def _decimal(precision: int, scale: int) -> Adapt:
    fit = fitting(precision, scale)

    def decimal(data: Data) -> Data:
        if not isinstance(data, Decimal | int):
            raise EvaluationError(f"expected a number, got {data!r}")
        try:
            return fit(data)
        except ArithmeticError as error:
            raise EvaluationError(misfit(data, precision, scale)) from error

    return decimal


def _each_item(adapt: Adapt | None) -> Adapt | None:
    return None if adapt is None else lambda data: [adapt(item) for item in cast("list[Data]", data)]


def _each_value(adapt: Adapt | None) -> Adapt | None:
    if adapt is None:
        return None
    return lambda data: {key: adapt(item) for key, item in cast("dict[str, Data]", data).items()}
