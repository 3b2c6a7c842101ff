"""Expressions as a person would write them: for the texts of errors, timelines and diagrams; never to be parsed."""

from collections.abc import Callable, Mapping
from typing import cast

from orchestrator.blueprint import values
from orchestrator.blueprint.model import Expression, Json

_BINARY: dict[str, tuple[str, int]] = {
    "eq": ("==", 1),
    "ne": ("!=", 1),
    "lt": ("<", 1),
    "le": ("<=", 1),
    "gt": (">", 1),
    "ge": (">=", 1),
    "add": ("+", 2),
    "subtract": ("-", 2),
    "multiply": ("*", 3),
    "divide": ("/", 3),
    "floor_divide": ("//", 3),
    "modulo": ("%", 3),
}
"""The sign of each operator with two sides, and how strongly it binds."""
_ATOM = 9


def describe(tree: Expression, input_name: str = "input") -> str:
    """``t.amount > 1000`` for a tree, with the saga's input under the name that its author gave it."""
    return _Description(input_name).of(tree)[0]


class _Description:
    def __init__(self, input_name: str) -> None:
        self._input_name = input_name

    def of(self, tree: Expression) -> tuple[str, int]:
        op = str(tree["op"])
        if op in _BINARY:
            return self._binary(tree, *_BINARY[op])
        shown = _SHOWN.get(op)
        return shown(self, tree) if shown else (self._call(op, tree), _ATOM)

    def atom(self, tree: Json) -> str:
        """A part that something is appended to: in parentheses unless it binds at least as strongly."""
        text, binds = self.of(cast("Expression", tree))
        return text if binds == _ATOM else f"({text})"

    def _binary(self, tree: Expression, sign: str, binds: int) -> tuple[str, int]:
        left, left_binds = self.of(cast("Expression", tree["left"]))
        right, right_binds = self.of(cast("Expression", tree["right"]))
        left = left if left_binds >= binds else f"({left})"
        right = right if right_binds > binds else f"({right})"
        return f"{left} {sign} {right}", binds

    def _call(self, name: str, tree: Expression) -> str:
        found = (tree[key] for key in ("of", "fallback", "options") if key in tree)
        arguments = [part for value in found for part in (value if isinstance(value, list) else [value])]
        return f"{name}({', '.join(self.of(cast('Expression', part))[0] for part in arguments)})"

    def input(self, _: Expression) -> tuple[str, int]:
        return self._input_name, _ATOM

    def reply(self, tree: Expression) -> tuple[str, int]:
        return str(tree["step"]), _ATOM

    def saga(self, tree: Expression) -> tuple[str, int]:
        return f"s.{tree['op']}", _ATOM

    def literal(self, tree: Expression) -> tuple[str, int]:
        value = values.plain(values.from_json(tree["value"]))
        return (repr(value) if isinstance(tree["value"], str) else str(value)), _ATOM

    def field(self, tree: Expression) -> tuple[str, int]:
        return f"{self.atom(tree['of'])}.{tree['name']}", _ATOM

    def item(self, tree: Expression) -> tuple[str, int]:
        return f"{self.atom(tree['of'])}[{tree['index']}]", _ATOM

    def inner(self, tree: Expression) -> tuple[str, int]:
        return self.of(cast("Expression", tree["of"]))

    def negate(self, tree: Expression) -> tuple[str, int]:
        return f"-{self.atom(tree['of'])}", _ATOM

    def round(self, tree: Expression) -> tuple[str, int]:
        digits = f", {tree['digits']}" if "digits" in tree else ""
        return f"round({self.inner(tree)[0]}{digits})", _ATOM

    def shift(self, tree: Expression) -> tuple[str, int]:
        seconds = int(cast("int", tree["microseconds"])) / 1_000_000
        return f"{self.atom(tree['of'])} {'-' if seconds < 0 else '+'} {abs(seconds):g} s", 2

    def text(self, tree: Expression) -> tuple[str, int]:
        parts = cast("list[Json]", tree["parts"])
        template = "".join(part if isinstance(part, str) else "{}" for part in parts)
        shown = [self.of(part)[0] for part in parts if isinstance(part, dict)]
        return f"text({', '.join([repr(template), *shown])})", _ATOM

    def record(self, tree: Expression) -> tuple[str, int]:
        fields = cast("Mapping[str, Expression]", tree["fields"])
        name = str(tree["type"]).rpartition(".")[2]
        return f"{name}({', '.join(f'{key}={self.of(value)[0]}' for key, value in fields.items())})", _ATOM

    def items(self, tree: Expression) -> tuple[str, int]:
        return f"[{', '.join(self.of(value)[0] for value in cast('list[Expression]', tree['items']))}]", _ATOM

    def entries(self, tree: Expression) -> tuple[str, int]:
        found = cast("Mapping[str, Expression]", tree["entries"])
        return "{" + ", ".join(f"{key!r}: {self.of(value)[0]}" for key, value in found.items()) + "}", _ATOM


_SHOWN: dict[str, Callable[[_Description, Expression], tuple[str, int]]] = {
    "input": _Description.input,
    "reply": _Description.reply,
    "id": _Description.saga,
    "started_at": _Description.saga,
    "literal": _Description.literal,
    "record": _Description.record,
    "list": _Description.items,
    "map": _Description.entries,
    "field": _Description.field,
    "item": _Description.item,
    "as": _Description.inner,
    "variant": _Description.inner,
    "trim": _Description.inner,
    "negate": _Description.negate,
    "round": _Description.round,
    "shift": _Description.shift,
    "text": _Description.text,
}
"""How each operator is shown; the others (``all``, ``length``, ``default`` …) read as calls."""
