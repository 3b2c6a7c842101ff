"""The list of compiled modules, and what is done to each of them before it is compiled: held without a compiler."""

import ast
import dataclasses
import importlib
import inspect
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from compiled.constructors import with_constructors
from compiled.hazards import hazards
from compiled.modules import GROUPS, compiled_modules, source_of
from orchestrator.engine.state import SagaState

ROOT = Path(__file__).parents[3]
INSTALLED = Path(sys.modules["orchestrator"].__file__ or "").parents[1]
MODULES = compiled_modules(INSTALLED)


def rewritten(name: str) -> ModuleType:
    """The module out of its rewritten source; its texts of types are looked up in the real one, by its name.

    Of a frozen class only a compiled constructor can set the fields: here, none is frozen.
    """
    importlib.import_module(name)
    made = ModuleType(name)
    source = with_constructors(source_of(INSTALLED, name).read_text()).replace("frozen=True", "unsafe_hash=True")
    exec(compile(source, name, "exec"), made.__dict__)
    return made


def dataclasses_of(name: str) -> dict[str, type]:
    """As Python makes them; of an installed module they may be compiled."""
    made = ModuleType(name)
    importlib.import_module(name)
    exec(compile(source_of(INSTALLED, name).read_text(), name, "exec"), made.__dict__)
    return {
        key: kind
        for key, kind in vars(made).items()
        if isinstance(kind, type) and kind.__module__ == name and "__dataclass_fields__" in kind.__dict__
    }


def test_a_name_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got none for orchestrator\.engine\.\*: mend the list"):
        compiled_modules(tmp_path)


def test_a_package_is_compiled_whole() -> None:
    engine = INSTALLED / "orchestrator" / "engine"
    assert {f"orchestrator.engine.{path.stem}" for path in engine.glob("*.py")} - {
        "orchestrator.engine.__init__"
    } <= set(MODULES)


def test_no_module_stands_in_two_groups() -> None:
    names = [name for names in GROUPS.values() for name in names]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_compiled_to_something_else(name: str) -> None:
    assert hazards(source_of(INSTALLED, name).read_text()) == []


def test_one_name_for_exceptions_of_two_types_is_found() -> None:
    planted = (
        "def f():\n    try:\n        g()\n    except A as why:\n        h(why)\n    except B as why:\n        h(why)\n"
    )
    assert hazards(planted) == ["line 6: expected another name than why for B, which in f is A already"]
    assert hazards(planted.replace("B as why", "B as other")) == []


@pytest.mark.parametrize("name", MODULES)
def test_no_line_moves(name: str) -> None:
    source = source_of(INSTALLED, name).read_text()
    before, after = (_functions(text) for text in (source, with_constructors(source)))
    assert before.items() <= after.items()


def _functions(source: str) -> dict[tuple[str, int], int | None]:
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return {(node.name, node.lineno): node.end_lineno for node in found}


@pytest.mark.parametrize("name", MODULES)
def test_a_written_constructor_takes_what_the_dataclass_takes(name: str) -> None:
    made = rewritten(name)
    for key, plain in dataclasses_of(name).items():
        kind = vars(made)[key]
        assert _parameters(kind) == _parameters(plain), key
        assert [_described(field) for field in dataclasses.fields(kind)] == [
            _described(field) for field in dataclasses.fields(plain)
        ], key
        assert (_promises(kind).eq, _promises(kind).order) == (_promises(plain).eq, _promises(plain).order), key


def _parameters(kind: type) -> list[tuple[str, object, bool]]:
    return [(each.name, each.kind, each.default is each.empty) for each in inspect.signature(kind).parameters.values()]


def _described(field: "dataclasses.Field[object]") -> tuple[object, ...]:
    return field.name, field.compare, field.hash, field.init, field.kw_only, field.repr


def _promises(kind: type) -> Any:
    return vars(kind)["__dataclass_params__"]


def test_the_tools_are_pinned_to_the_same_versions_for_building_and_for_developing() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
    assert set(hook["requires"]) <= set(project["project"]["optional-dependencies"]["dev"])
    assert all("==" in requirement for requirement in hook["requires"])


def test_the_types_of_fields_can_be_read_at_run_time() -> None:
    """Also those of a compiled class, which tests make objects from."""
    assert {field.name for field in dataclasses.fields(SagaState)} == set(inspect.get_annotations(SagaState))
