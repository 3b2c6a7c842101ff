"""Avro types with parts: lists, maps, records, unions. Each adds to a ``Mismatch`` in which of its parts it is."""
# ruff: noqa: D102 - write, read, from_json, from_default and resolve are those of Shape, and described there

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, cast

from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import RECORD_NAME, Data
from orchestrator.wire.shape import Mismatch, Shape, Source, long_bytes, shown, utf8, write_block, write_long
from orchestrator.wire.tree import Tree

T = TypeVar("T")
R = TypeVar("R")


class ListShape(Shape):
    """An Avro array."""

    expected = "a list"
    kind: ClassVar[type] = list

    def __init__(self, item: Shape) -> None:
        self._item = item

    def write(self, data: Data, out: bytearray) -> None:
        if type(data) is not list:
            raise Mismatch(self.expected, shown(data))
        if data:
            write_long(len(data), out)
            _collect([], data, lambda item: self._item.write(item, out))
        out.append(0)

    def read(self, source: Source) -> Data:
        items: list[Data] = []
        while count := _block_count(source):
            _collect(items, range(count), lambda _: self._item.read(source))
        return items

    def from_json(self, tree: Tree) -> Data:
        if type(tree) is not list:
            raise Mismatch(self.expected, shown(tree))
        return _collect([], tree, self._item.from_json)

    def from_default(self, default: Json) -> Data:
        if type(default) is not list:
            raise Mismatch(self.expected, shown(default))
        return _collect([], default, self._item.from_default)

    def resolve(self, data: Data) -> Data:
        if type(data) is not list:
            raise Mismatch(self.expected, shown(data))
        return _collect([], data, self._item.resolve)


class MapShape(Shape):
    """An Avro map: any text to values of one type."""

    expected = "a map"
    kind: ClassVar[type] = dict

    def __init__(self, value: Shape) -> None:
        self._value = value

    def write(self, data: Data, out: bytearray) -> None:
        if type(data) is not dict:
            raise Mismatch(self.expected, shown(data))
        if data:
            write_long(len(data), out)
            _collect_map(data, lambda key, value: self._write_entry(key, value, out))
        out.append(0)

    def _write_entry(self, key: str, value: Data, out: bytearray) -> None:
        write_block(utf8(key), out)
        self._value.write(value, out)

    def read(self, source: Source) -> Data:
        entries: dict[str, Data] = {}
        while count := _block_count(source):
            for _ in range(count):
                try:
                    key = source.block().decode()
                except UnicodeDecodeError:
                    raise Mismatch("a key in UTF-8", "other bytes") from None
                if key in entries:
                    raise Mismatch("each key once", f"{shown(key)} twice")
                entries.update(_collect_map({key: source}, lambda _, behind: self._value.read(behind)))
        return entries

    def from_json(self, tree: Tree) -> Data:
        if type(tree) is not dict:
            raise Mismatch(self.expected, shown(tree))
        return _collect_map(tree, self._entry_from_json)

    def _entry_from_json(self, key: str, value: Tree) -> Data:
        utf8(key)  # JSON can escape half of a surrogate pair
        return self._value.from_json(value)

    def from_default(self, default: Json) -> Data:
        if type(default) is not dict:
            raise Mismatch(self.expected, shown(default))
        return _collect_map(default, lambda _, value: self._value.from_default(value))

    def resolve(self, data: Data) -> Data:
        if type(data) is not dict:
            raise Mismatch(self.expected, shown(data))
        return _collect_map(data, lambda _, value: self._value.resolve(value))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record."""

    name: str
    shape: Shape
    has_default: bool = False
    default: Json = None


class RecordShape(Shape):
    """A record; a dict with exactly its fields."""

    kind: ClassVar[type] = dict

    def __init__(self, name: str) -> None:
        self.name = name
        self.expected = f"a record {name}"
        self._fields: tuple[Field, ...] = ()
        self._names: frozenset[str] = frozenset()
        self._writes: tuple[tuple[str, Callable[[Data, bytearray], None]], ...] = ()
        self._reads: tuple[tuple[str, Callable[[Source], Data]], ...] = ()

    def define(self, fields: Iterable[Field]) -> None:
        """Give the record its fields; apart from the constructor, for a field may be of the record's own type."""
        self._fields = tuple(fields)
        self._names = frozenset(field.name for field in self._fields)
        self._writes = tuple((field.name, field.shape.write) for field in self._fields)
        self._reads = tuple((field.name, field.shape.read) for field in self._fields)

    def write(self, data: Data, out: bytearray) -> None:
        if type(data) is not dict:
            raise Mismatch(self.expected, shown(data))
        named = RECORD_NAME in data
        if len(data) != len(self._names) + named or (named and data[RECORD_NAME] != self.name):
            self._refuse_others(data)
        name = ""
        try:
            for name, write in self._writes:
                write(data[name], out)
        except KeyError:
            raise Mismatch(self.expected, f"no field {name!r}") from None
        except Mismatch as mismatch:
            mismatch.path.append(name)
            raise

    def read(self, source: Source) -> Data:
        data: dict[str, Data] = {RECORD_NAME: self.name} if source.tagged else {}
        name = ""
        try:
            for name, read in self._reads:
                data[name] = read(source)
        except Mismatch as mismatch:
            mismatch.path.append(name)
            raise
        return data

    def from_json(self, tree: Tree) -> Data:
        if type(tree) is not dict:
            raise Mismatch(self.expected, shown(tree))
        self._refuse_others(tree)
        return self._take(tree, lambda field, value: field.shape.from_json(value))

    def from_default(self, default: Json) -> Data:
        if type(default) is not dict:
            raise Mismatch(self.expected, shown(default))
        return self._take(default, lambda field, value: field.shape.from_default(value))

    def resolve(self, data: Data) -> Data:
        if type(data) is not dict:
            raise Mismatch(self.expected, shown(data))
        return self._take(data, lambda field, value: field.shape.resolve(value))

    def _refuse_others(self, found: dict[str, Data] | dict[str, Tree]) -> None:
        others = sorted(found.keys() - self._names - {RECORD_NAME})
        if others:
            raise Mismatch(self.expected, f"the unknown field {shown(others[0])}")
        name = found.get(RECORD_NAME, self.name)
        if name != self.name:
            raise Mismatch(self.expected, shown(name))

    def _take(self, found: dict[str, T], act: Callable[[Field, T], Data]) -> dict[str, Data]:
        data: dict[str, Data] = {}
        for field in self._fields:
            try:
                if field.name in found:
                    data[field.name] = act(field, found[field.name])
                elif field.has_default:
                    data[field.name] = field.shape.from_default(field.default)
                else:
                    raise Mismatch("a value", "none")
            except Mismatch as mismatch:
                mismatch.path.append(field.name)
                raise
        return data


class UnionShape(Shape):
    """One of several types; the value itself says which. A record among several records carries its name."""

    kind: ClassVar[type] = object  # of any of its branches: a union is never inside a union

    def __init__(self, branches: Sequence[Shape]) -> None:
        self._branches = tuple(branches)
        numbered = [(long_bytes(number), branch) for number, branch in enumerate(branches)]
        self._records = {
            branch.name: (number, branch) for number, branch in numbered if isinstance(branch, RecordShape)
        }
        self._named = len(self._records) > 1
        self._by_kind: dict[type, tuple[bytes, Shape]] = {}
        self.expected = " or ".join(branch.expected for branch in branches)
        for number, branch in numbered:
            if isinstance(branch, RecordShape) and self._named:
                continue
            if branch.kind in self._by_kind or (branch.kind is dict and self._named):
                raise ValueError(f"expected types that a value can tell apart, got a union of {self.expected}")
            self._by_kind[branch.kind] = (number, branch)

    def write(self, data: Data, out: bytearray) -> None:
        number, branch = self._branch(data)
        out += number
        branch.write(data, out)

    def read(self, source: Source) -> Data:
        number = source.long()
        if not 0 <= number < len(self._branches):
            raise Mismatch(self.expected, f"type number {number}")
        branch = self._branches[number]
        return self._tagged(branch, branch.read(source))

    def from_json(self, tree: Tree) -> Data:
        if type(tree) is dict and self._named:
            return self._from_record(tree)
        mismatches: list[Mismatch] = []
        for branch in self._branches:
            try:
                return branch.from_json(tree)
            except Mismatch as mismatch:
                mismatches.append(mismatch)
        inside = [mismatch for mismatch in mismatches if mismatch.path]
        raise inside[0] if len(inside) == 1 else Mismatch(self.expected, shown(tree))

    def _from_record(self, tree: dict[str, Tree]) -> Data:
        _, branch = self._record(tree.get(RECORD_NAME))
        return self._tagged(branch, branch.from_json(tree))

    def from_default(self, default: Json) -> Data:
        for branch in self._branches:
            try:
                return self._tagged(branch, branch.from_default(default))
            except Mismatch:
                continue
        raise Mismatch(self.expected, shown(default))

    def resolve(self, data: Data) -> Data:
        _, branch = self._branch(data)
        return self._tagged(branch, branch.resolve(data))

    def _branch(self, data: Data) -> tuple[bytes, Shape]:
        """Which one, and its number as it is written."""
        if type(data) is dict and self._named:
            return self._record(data.get(RECORD_NAME))
        found = self._by_kind.get(type(data))
        if found is None:
            raise Mismatch(self.expected, shown(data))
        return found

    def _record(self, name: object) -> tuple[bytes, Shape]:
        found = self._records.get(name) if isinstance(name, str) else None
        if found is None:
            raise Mismatch(f"{RECORD_NAME!r} with one of {', '.join(self._records)}", shown(name))
        return found

    def _tagged(self, branch: Shape, data: Data) -> Data:
        if self._named and isinstance(branch, RecordShape):
            return {RECORD_NAME: branch.name, **cast("dict[str, Data]", data)}
        return data


def _block_count(source: Source) -> int:
    count = source.long()
    if count < 0:  # then the block's size in bytes follows, for readers that skip it
        count = -count
        source.long()
    source.spend(count)
    return count


def _collect(results: list[R], items: Iterable[T], act: Callable[[T], R]) -> list[R]:
    try:
        for item in items:
            results.append(act(item))  # noqa: PERF401 - the mismatch needs to know how many went well
    except Mismatch as mismatch:
        mismatch.path.append(f"[{len(results)}]")
        raise
    return results


def _collect_map(entries: dict[str, T], act: Callable[[str, T], R]) -> dict[str, R]:
    results: dict[str, R] = {}
    for key, value in entries.items():
        try:
            results[key] = act(key, value)
        except Mismatch as mismatch:
            mismatch.path.append(f"[{shown(key)}]")
            raise
    return results
