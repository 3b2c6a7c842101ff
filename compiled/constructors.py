"""Dataclasses with a written ``__init__``, which mypyc compiles; the one that ``dataclass`` makes stays interpreted.

Works on the text of a module, for the copy that is compiled; the sources stay as they are.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_DECORATORS: Final = ("dataclass", "frozen")


@dataclass(frozen=True, slots=True)
class _Edit:
    """Lines ``first`` to ``last``, the latter excluded, become ``lines``."""

    first: int
    last: int
    lines: list[str]


def with_constructors(source: str) -> str:
    """The module with an ``__init__`` in each of its dataclasses; raises ``ValueError`` for a field it cannot write.

    A class stays immutable to the type checkers alone, as those of ``blueprint.frozen`` are, and keeps its hash.
    """
    tree = ast.parse(source)
    edits = [edit for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for edit in _edits(node)]
    lines = source.split("\n")
    for edit in sorted(edits, key=lambda edit: edit.first, reverse=True):
        lines[edit.first : edit.last] = edit.lines
    if edits:
        first = next(node.lineno for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
        lines.insert(first - 1, "import dataclasses as _dataclasses")
    return "\n".join(lines)


def _edits(node: ast.ClassDef) -> Iterator[_Edit]:
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        if ast.unparse(decorator if call is None else call.func) not in _DECORATORS:
            continue
        options = {} if call is None else {str(each.arg): ast.unparse(each.value) for each in call.keywords}
        kept = ["init=False", *(f"{name}={options[name]}" for name in ("eq", "kw_only", "order") if name in options)]
        if "frozen" in options:
            kept.append("unsafe_hash=True")
        assert decorator.end_lineno is not None
        yield _Edit(decorator.lineno - 1, decorator.end_lineno, [f"@_dataclasses.dataclass({', '.join(kept)})"])
        fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and not _is_class_variable(each)]
        if fields:
            assert node.end_lineno is not None
            yield _Edit(node.end_lineno, node.end_lineno, _constructor(node, fields, by_name="kw_only" in options))


def _is_class_variable(field: ast.AnnAssign) -> bool:
    return ast.unparse(field.annotation).startswith("ClassVar")


def _constructor(node: ast.ClassDef, fields: list[ast.AnnAssign], *, by_name: bool) -> list[str]:
    parameters, body = ["self", *(["*"] if by_name else [])], list[str]()
    for field in fields:
        name, kind, default = ast.unparse(field.target), ast.unparse(field.annotation), _default(node, field)
        if default is None:
            parameters.append(f"{name}: {kind}")
        elif default.endswith("()") and default != "()":  # made anew for each object
            parameters.append(f"{name}: {kind} | None = None")
            body.append(f"self.{name} = {default} if {name} is None else {name}")
            continue
        else:
            parameters.append(f"{name}: {kind} = {default}")
        body.append(f"self.{name} = {name}")
    if any(isinstance(each, ast.FunctionDef) and each.name == "__post_init__" for each in node.body):
        body.append("self.__post_init__()")
    return ["", f"    def __init__({', '.join(parameters)}) -> None:", *(f"        {line}" for line in body)]


def _default(node: ast.ClassDef, field: ast.AnnAssign) -> str | None:
    """The text of the field's default, a call without arguments for a factory; None when it has none."""
    match field.value:
        case None:
            return None
        case ast.Call(func=ast.Name(id="field"), args=[], keywords=keywords):
            given = {str(each.arg): ast.unparse(each.value) for each in keywords}
            if not given.keys() <= {"default", "default_factory", "compare", "repr"}:
                raise ValueError(
                    f"expected default, default_factory, compare and repr, got {', '.join(given)}, in the field "
                    f"{ast.unparse(field.target)} of {node.name}: write its __init__ by hand"
                )
            return f"{given['default_factory']}()" if "default_factory" in given else given.get("default")
        case value:
            return ast.unparse(value)
