"""Constructs that mypyc compiles without a word to something else than Python runs; other unfit ones it refuses."""

import ast
from collections.abc import Iterator


def hazards(source: str) -> list[str]:
    """What stands in a module that must not be compiled, each with its line; empty for most.

    Two handlers of one function that give exceptions of different types one name: the name has the type of the first,
    so that mypyc raises ``TypeError`` where the second begins.
    """
    functions = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [text for function in functions for text in _names_of_two_types(function)]


def _names_of_two_types(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    types: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and node.name is not None and node.type is not None:
            caught = ast.unparse(node.type)
            if types.setdefault(node.name, caught) != caught:
                yield (
                    f"line {node.lineno}: expected another name than {node.name} for {caught}, which in "
                    f"{function.name} is {types[node.name]} already"
                )
