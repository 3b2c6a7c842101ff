"""Dataclasses with a written ``__init__``, which mypyc compiles; the one that ``dataclass`` makes stays interpreted.

Works on the text of a module, for the copy that is compiled; the sources stay as they are. No line moves, so that a
traceback out of the compiled module names the line of the source.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_DECORATORS: Final = ("dataclass", "dataclasses.dataclass", "frozen")
"""``frozen`` is that of ``orchestrator.blueprint.frozen``."""
_KEPT: Final = ("eq", "frozen", "kw_only", "match_args", "order", "repr", "unsafe_hash")
"""Parameters of a dataclass that stay; a compiled class has slots anyway."""
_UNDERSTOOD: Final = ("default", "default_factory", "init", "kw_only", "compare", "hash", "metadata", "repr")
"""Parameters of ``field``."""
_IMPORTS: Final = "import dataclasses as _dataclasses, typing as _typing; "


@dataclass(frozen=True, slots=True)
class _Edit:
    """What stands from one place to another, ``(line, byte)`` from 0, becomes ``text``."""

    first: tuple[int, int]
    last: tuple[int, int]
    text: str


@dataclass(frozen=True, slots=True)
class _Field:
    """A field as the constructor has to know it."""

    name: str
    kind: str
    value: str | None
    """The text of its default; None: it has none."""
    fresh: bool
    """Its default is made anew for each object."""
    given: bool
    """The constructor takes it."""
    by_name: bool


def with_constructors(source: str) -> str:
    """The module with an ``__init__`` in each of its dataclasses, on as many lines.

    Annotations of fields become texts: mypyc keeps those at run time, where it forgets others. Raises ``ValueError``
    for a class whose constructor cannot be written from what stands in this module, and says what to do.
    """
    tree = ast.parse(source)
    fields: dict[str, list[_Field]] = {}
    edits = [edit for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for edit in _edits(node, fields)]
    if not edits:
        return source
    edits.append(_imports(tree))
    lines = [line.encode() for line in source.split("\n")]
    lines.append(b"")
    for edit in sorted(edits, key=lambda edit: edit.first, reverse=True):
        (first, begin), (last, end) = edit.first, edit.last
        made = lines[first][:begin] + edit.text.encode() + lines[last][end:]
        lines[first : last + 1] = [made, *[b""] * (last - first)]
    return b"\n".join(lines).decode().rstrip("\n") + "\n"


def _imports(tree: ast.Module) -> _Edit:
    first = next(
        node
        for node in tree.body
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__")
    )
    place = first.lineno - 1, first.col_offset
    return _Edit(place, place, _IMPORTS)


def _edits(node: ast.ClassDef, known: dict[str, list[_Field]]) -> Iterator[_Edit]:
    found = [each for each in node.decorator_list if _name(each) in _DECORATORS]
    if not found:
        return
    (decorator,) = found
    if any(ast.unparse(base).startswith("Generic[") for base in node.bases):
        raise ValueError(
            f"expected no generic dataclass, got {node.name}, which mypyc makes a class of that cannot be imported: "
            f"move it into a module that is not compiled"
        )
    options = _options(node, decorator)
    kept = ["init=False", *(f"{name}={options[name]}" for name in _KEPT if name in options)]
    yield _Edit(*_span(decorator), f"_dataclasses.dataclass({', '.join(kept)})")
    own = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    for each in own:
        yield _Edit(*_span(each.annotation), _lasting(each.annotation))
    by_name = options.get("kw_only") == "True"
    fields = {each.name: each for base in node.bases for each in known.get(ast.unparse(base), ())}
    fields |= {
        (made := _field(node, each, by_name=by_name)).name: made
        for each in own
        if not _is_class_variable(each.annotation)
    }
    known[node.name] = list(fields.values())
    if "init" in options:
        return
    body = _constructor(node, list(fields.values()), frozen=options.get("frozen") == "True")
    if body:
        assert node.end_lineno is not None
        place = node.end_lineno, 0  # the line behind the class, which the formatter leaves empty
        yield _Edit(place, place, " " * (node.col_offset + 4) + body)


def _name(decorator: ast.expr) -> str:
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)


def _options(node: ast.ClassDef, decorator: ast.expr) -> dict[str, str]:
    given = (
        {str(each.arg): ast.unparse(each.value) for each in decorator.keywords}
        if isinstance(decorator, ast.Call)
        else {}
    )
    if unknown := given.keys() - {*_KEPT, "init", "slots"}:
        raise ValueError(f"expected the parameters {', '.join(_KEPT)} of {node.name}, got {', '.join(sorted(unknown))}")
    return given


def _span(node: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno - 1, node.col_offset), (node.end_lineno - 1, node.end_col_offset)


def _text(annotation: ast.expr) -> str:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return ast.unparse(annotation)


def _lasting(annotation: ast.expr) -> str:
    """As a text that mypyc keeps: not a union by itself, and not a class variable whose type is a plain class."""
    text, parsed = _text(annotation), ast.parse(_text(annotation), mode="eval").body
    if _is_class_variable(annotation):
        return repr(f"{ast.unparse(parsed.value)}[_typing.Any]" if isinstance(parsed, ast.Subscript) else text)
    return repr(f"_typing.Union[{text}]" if isinstance(parsed, ast.BinOp) else text)


def _is_class_variable(annotation: ast.expr) -> bool:
    return _text(annotation).removeprefix("typing.").startswith("ClassVar")


def _field(node: ast.ClassDef, field: ast.AnnAssign, *, by_name: bool) -> _Field:
    name, kind = ast.unparse(field.target), _text(field.annotation)
    if kind.startswith(("InitVar", "dataclasses.InitVar", "KW_ONLY", "dataclasses.KW_ONLY")):
        raise ValueError(f"expected a field, got {name}: {kind}, in {node.name}: write its __init__ by hand")
    if not (isinstance(field.value, ast.Call) and ast.unparse(field.value.func) in ("field", "dataclasses.field")):
        value = None if field.value is None else ast.unparse(field.value)
        return _Field(name, kind, value, fresh=False, given=True, by_name=by_name)
    options = {str(each.arg): ast.unparse(each.value) for each in field.value.keywords}
    if unknown := options.keys() - set(_UNDERSTOOD):
        raise ValueError(f"expected {', '.join(_UNDERSTOOD)}, got {', '.join(unknown)}, in {node.name}.{name}")
    made = options.get("default_factory")
    if made is not None and "None" in kind:
        raise ValueError(
            f"expected a field that is never None where its default is made by a factory, got {node.name}.{name}: "
            f"write its __init__ by hand"
        )
    return _Field(
        name,
        kind,
        options.get("default") if made is None else f"({made})()",
        fresh=made is not None,
        given=options.get("init") != "False",
        by_name=options.get("kw_only", str(by_name)) == "True",
    )


def _constructor(node: ast.ClassDef, fields: Sequence[_Field], *, frozen: bool) -> str | None:
    """On one line, which stands behind the class where nothing else does."""
    parts = [_assignment(field) for field in fields if field.given or field.value is not None]
    if any(isinstance(each, ast.FunctionDef) and each.name == "__post_init__" for each in node.body):
        parts.append("self.__post_init__()")
    if not parts:
        return None
    by_name = [_parameter(field) for field in fields if field.given and field.by_name]
    parameters = [_parameter(field) for field in fields if field.given and not field.by_name]
    parameters = ["self", *parameters, *(["*", *by_name] if by_name else [])]
    note = "  # type: ignore[misc]" if frozen else ""  # that a constructor may set what nobody else may
    return f"def __init__({', '.join(parameters)}) -> None: {'; '.join(parts)}{note}"


def _parameter(field: _Field) -> str:
    if field.value is None:
        return f"{field.name}: {field.kind}"
    return f"{field.name}: {field.kind} | None = None" if field.fresh else f"{field.name}: {field.kind} = {field.value}"


def _assignment(field: _Field) -> str:
    if not field.given:
        return f"self.{field.name} = {field.value}"
    given = f"{field.value} if {field.name} is None else {field.name}" if field.fresh else field.name
    return f"self.{field.name} = {given}"
