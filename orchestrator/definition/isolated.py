"""The inside of a compiling process: imports one file, compiles its sagas, writes down what came of it.

Only ``loading`` starts it; nothing else may import this module.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from orchestrator.blueprint import canonical
from orchestrator.definition import syntax
from orchestrator.definition.decorator import AnySaga
from orchestrator.errors import DefinitionError

_REDECORATED = (
    "cannot inherit non-frozen dataclass from a frozen one",
    "Cannot overwrite attribute __setattr__ in class",
)
"""What Python says when ``@dataclass`` stands on a command, or ``@dataclass(frozen=True)`` on any message."""


def main(file: str, result: str) -> None:
    """Write to ``result``: ``{"error": text | null, "sagas": […]}``."""
    Path(result).write_text(json.dumps(_compiled(Path(file))), encoding="utf-8")


def _compiled(file: Path) -> dict[str, Any]:
    try:
        module = _imported(file)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the author's file may raise anything; it is told, not lost
        return {"error": _explained(error, file), "sagas": []}
    found = {id(each): (name, each) for name, each in reversed(vars(module).items()) if isinstance(each, AnySaga)}
    sagas = [(name, each) for name, each in reversed(found.values())]
    own = [(name, each) for name, each in sagas if each.__module__ == module.__name__]
    return {"error": None, "sagas": [_saga(name, each) for name, each in own or sagas]}


def _imported(file: Path) -> ModuleType:
    """Import the file under its own name with its folder on the path, as ``python file`` would find its neighbours."""
    sys.path.insert(0, str(file.parent))
    name = file.stem
    if name in sys.modules or name in sys.stdlib_module_names or not name.isidentifier():
        name = f"saga_file_{len(sys.modules)}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, "a file that ends in .py has a loader"
    assert spec.loader is not None, "a file that ends in .py has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _saga(variable: str, definition: AnySaga) -> dict[str, Any]:
    place = syntax.defined_at(definition.function)
    made: dict[str, Any] = {
        "name": definition.name,
        "variable": variable,
        "file": place.file,
        "line": place.line,
        "blueprint": None,
        "problems": [],
    }
    try:
        made["blueprint"] = canonical.to_json(definition.compile())
    except DefinitionError as error:
        made["problems"] = [[problem.file, problem.line, problem.text] for problem in error.problems]
    return made


def _explained(error: BaseException, file: Path) -> str:
    """What went wrong, at the author's own line: the innermost one of the file or its folder."""
    where = file.name
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{Path(error.filename).name}:{error.lineno}"
    traceback = error.__traceback__
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if Path(name).is_relative_to(file.parent):
            where = f"{Path(name).name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    if isinstance(error, TypeError) and text.startswith(_REDECORATED):
        text += " (`@dataclass` on a message is superfluous, its base makes it one: remove the decorator)"
    return f"expected {file.name} to be imported, but {where} raised {type(error).__name__}: {text}"
