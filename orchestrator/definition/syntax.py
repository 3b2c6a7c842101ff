"""The author's source: which construct asked for a value that is not known yet, and constructs that cannot ask.

``is``, ``try`` or ``raise`` call nothing on a value, so no value can refuse them: they are found in the source of each
function that holds or touches a traced value.
"""

import ast
import inspect
import linecache
import types
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from orchestrator.definition.trace import Place

NO_BRANCHES: Final = (
    "this version has no branches: write s.require(condition, rejection) to go on only if, or let a participant decide"
)
NO_LOOPS: Final = "this version has no loops: let a participant repeat it"


class Construct(NamedTuple):
    """A construct of the language that needs a value now, and what to write instead."""

    name: str
    instead: str


UNKNOWN_CONSTRUCT: Final = Construct("this (max, min, bool, index, …)", "compute it in a participant")

_TESTS: Final[dict[type[ast.AST], Construct]] = {
    ast.If: Construct("`if`", NO_BRANCHES),
    ast.IfExp: Construct("`… if … else …`", NO_BRANCHES),
    ast.While: Construct("`while`", NO_LOOPS),
    ast.Assert: Construct("`assert`", "write s.require(condition, rejection)"),
}
_REFUSED: Final[dict[type[ast.AST], str]] = {
    ast.Try: "`try`: a rejected step raises nothing here: the saga is undone by itself",
    ast.TryStar: "`try`: a rejected step raises nothing here: the saga is undone by itself",
    ast.Raise: "`raise` happens while compiling: write s.fail(…)",
    ast.Match: f"`match` is decided while compiling: {NO_BRANCHES}",
    ast.Nonlocal: "`nonlocal` carries a value out of the function that made it: return it",
    ast.Global: "`global` carries a value out of the function that made it: return it",
    ast.Await: "`await`: a saga is compiled, not awaited: call the step directly",
    ast.Yield: "`yield`: a saga is compiled, not driven: call the step directly",
    ast.YieldFrom: "`yield`: a saga is compiled, not driven: call the step directly",
}
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS: Final = {
    "<listcomp>": ast.ListComp,
    "<setcomp>": ast.SetComp,
    "<dictcomp>": ast.DictComp,
    "<genexpr>": ast.GeneratorExp,
    "<lambda>": ast.Lambda,
}


@lru_cache(maxsize=64)
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def _tree(filename: str) -> ast.Module | None:
    """The source of a file; None when there is none, as at Python's prompt."""
    source = "".join(linecache.getlines(filename))
    return _parsed(source) if source else None


# ---------------------------------------------------------------- who asked


def construct_at(frame: types.FrameType) -> Construct:
    """The smallest construct around the running instruction that asks for a truth value."""
    line, column = _position(frame)
    found = [
        (_size(node, line, column), construct)
        for node in _around(frame.f_code.co_filename, line)
        if (construct := _construct(node, line)) is not None
    ]
    return min(found, key=lambda each: each[0])[1] if found else UNKNOWN_CONSTRUCT


def in_match(frame: types.FrameType) -> bool:
    """Whether the running instruction is in the head of a ``match`` or of one of its cases."""
    line = frame.f_lineno
    return any(
        isinstance(node, ast.Match) and (node.lineno == line or any(_covers(case.pattern, line) for case in node.cases))
        for node in _around(frame.f_code.co_filename, line)
    )


def asks_class(frame: types.FrameType) -> bool:
    """Whether the running instruction is in a call of ``isinstance``."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
        for node in _around(frame.f_code.co_filename, frame.f_lineno)
    )


def _position(frame: types.FrameType) -> tuple[int, int]:
    positions = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    return frame.f_lineno, positions[2] or 0


def _around(filename: str, line: int) -> Iterator[ast.expr | ast.stmt]:
    for node in ast.walk(_tree(filename) or ast.Module([], [])):
        if isinstance(node, ast.expr | ast.stmt) and _covers(node, line):
            yield node


def _covers(node: ast.expr | ast.stmt | ast.pattern, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _size(node: ast.expr | ast.stmt, line: int, column: int) -> int:
    """How much source the construct spans; one whose test is elsewhere on the line counts as larger."""
    size = ((node.end_lineno or node.lineno) - node.lineno) * 1000 + (node.end_col_offset or 0) - node.col_offset
    test = getattr(node, "test", None)
    elsewhere = test is not None and not (test.lineno <= line and test.col_offset <= column <= test.end_col_offset)
    return size + 500 * elsewhere


def _construct(node: ast.expr | ast.stmt, line: int) -> Construct | None:
    match node:
        case ast.BoolOp(op=ast.And()):
            return Construct("`and`", "write all_of(a, b)")
        case ast.BoolOp():
            return Construct("`or`", "write any_of(a, b), or default(value, fallback)")
        case ast.UnaryOp(op=ast.Not()):
            return Construct("`not`", "write not_(a)")
        case ast.Compare(ops=[ast.In() | ast.NotIn()]):
            return Construct("`in`", "write one_of(value, …)")
        case ast.Compare(ops=[_, _, *_]):
            return Construct("`a < b < c`", "write all_of(a < b, b < c)")
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.Assert(test=test):
            return _TESTS[type(node)] if _covers(test, line) else None
        case _:
            return None


# ---------------------------------------------------------------- what cannot ask


def refused_in(code: types.CodeType) -> Iterator[tuple[Place, str]]:
    """Every construct in the function of ``code`` that is refused whatever its values are; nested functions apart."""
    for root in _nodes_of(code):
        for node in _own(root):
            text = _refusal(node)
            if text is not None:
                yield Place(code.co_filename, getattr(node, "lineno", code.co_firstlineno)), text


def unread(code: types.CodeType) -> bool:
    """Whether the source of ``code`` cannot be read, so that nothing can be said of it."""
    return _tree(code.co_filename) is None


def _nodes_of(code: types.CodeType) -> list[ast.AST]:
    tree = _tree(code.co_filename)
    kind = _COMPREHENSIONS.get(code.co_name)
    nodes = list(ast.walk(tree)) if tree else []
    if kind is None:
        return [
            node
            for node in nodes
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name == code.co_name
            and code.co_firstlineno in (node.lineno, *(each.lineno for each in node.decorator_list))
        ]
    spots = [(p[0], p[2]) for p in code.co_positions() if p[0] is not None and p[2] is not None and p[3] != 0]
    return [node for node in nodes if isinstance(node, kind) and _is_of(node, code, spots)]


def _is_of(node: ast.expr, code: types.CodeType, spots: list[tuple[int, int]]) -> bool:
    """Whether every instruction of ``code`` stands inside ``node``: two lambdas can share a line."""
    if node.lineno != code.co_firstlineno:
        return False
    first = node.lineno, node.col_offset
    last = node.end_lineno or node.lineno, node.end_col_offset or 0
    return all(first <= spot <= last for spot in spots)


def _own(root: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function's body, without those of functions inside it: they are looked at when they are called."""
    body = root.body if isinstance(root, _FUNCTIONS) else root
    waiting: list[ast.AST] = list(body) if isinstance(body, list) else [body]
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, _FUNCTIONS):
            waiting.extend(ast.iter_child_nodes(node))


def _refusal(node: ast.AST) -> str | None:
    match node:
        case ast.Compare(ops=ops) if any(isinstance(op, ast.In | ast.NotIn) for op in ops):
            return "`in` is decided while compiling: write one_of(value, …)"
        case ast.Compare(left=left, ops=ops) if any(isinstance(op, ast.Is | ast.IsNot) for op in ops):
            shown = ast.unparse(left)
            return f"`{ast.unparse(node)}` is decided while compiling: write present({shown}); for two known values, =="
        case ast.Call(func=ast.Name(id="type" | "id" | "callable"), args=[_], keywords=[]):
            return f"`{ast.unparse(node)}` sees the traced stand-in, not the value: {NO_BRANCHES}"
        case _:
            return _REFUSED.get(type(node))


def defined_at(function: types.FunctionType) -> Place:
    """The line of ``def``, below the decorators."""
    code = function.__code__
    line = next((node.lineno for node in _nodes_of(code) if isinstance(node, ast.stmt)), code.co_firstlineno)
    return Place(inspect.getsourcefile(function) or code.co_filename, line)
