"""A file is compiled in processes of its own: whatever it does when imported, blueprints or one error come out."""

import argparse
import json
from pathlib import Path

import pytest

from examples.money_transfer.saga import money_transfer
from orchestrator.blueprint import canonical
from orchestrator.cli import compile as command
from orchestrator.definition import loading
from orchestrator.definition.loading import compile_file
from orchestrator.errors import ConfigError, DefinitionError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
TRANSFER = ROOT / "examples" / "money_transfer" / "saga.py"
PLANTED = ROOT / "tests" / "typing" / "planted"

TWO = """
from orchestrator import Record, Saga, saga
import neighbour

print("imported")

class Input(Record):
    x: int

@saga(name="first.saga")
def one(s: Saga, i: Input) -> None:
    s.label(x=i.x)

@saga
def two(s: Saga, i: Input) -> None:
    s.label(y=neighbour.twice(i.x))

alias = two
"""
NEIGHBOUR = """
from orchestrator import saga

def twice(x):
    return x * 2

@saga
def not_of_that_file(s, i):
    pass
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    (tmp_path / "neighbour.py").write_text(NEIGHBOUR)
    (tmp_path / "random.py").write_text(TWO)  # also the name of a module of Python
    return tmp_path / "random.py"


def test_the_sagas_of_a_file_are_compiled_in_its_order(two: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert [blueprint.name for blueprint in compile_file(two)] == ["first.saga", "two"]
    assert [blueprint.name for blueprint in compile_file(two, "first.saga")] == ["first.saga"]
    assert [blueprint.name for blueprint in compile_file(str(two), "two")] == ["two"]
    out, err = capfd.readouterr()
    assert (out, err) == ("", "imported\n" * 3)


def test_a_file_gives_the_blueprint_that_its_definition_compiles_to() -> None:
    assert compile_file(TRANSFER) == [money_transfer.compile()]


def test_the_order_of_a_set_is_refused_with_its_line() -> None:
    with pytest.raises(DefinitionError) as caught:
        compile_file(PLANTED / "unordered.py")
    (problem,) = caught.value.problems
    assert problem.text == "the order of a set, or a hash, decides what is here: write a list, or sorted(…)"
    assert (problem.file, problem.line) == (str(PLANTED / "unordered.py"), 9)


def test_the_problems_of_every_saga_of_a_file_come_together(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(TWO.replace("import neighbour", "").replace("neighbour.twice(i.x)", "i.z").replace("i.x)", "i.y)"))
    with pytest.raises(DefinitionError) as caught:
        compile_file(file)
    assert str(caught.value) == (
        "saga first.saga, two: 2 problems\n"
        "  wrong.py:12  Input has no field 'y'; it has x\n"
        "  wrong.py:16  Input has no field 'z'; it has x"
    )


AGAIN = """
from dataclasses import dataclass
from orchestrator import Command

@dataclass
class Again(Command[None], to="bank"):
    x: int
"""
SAME_NAME = """
from orchestrator import Record, Saga, saga

class Input(Record):
    x: int

@saga(name="a")
def b(s: Saga, i: Input) -> None: ...

@saga
def a(s: Saga, i: Input) -> None: ...
"""
BROKEN = {
    "raises": (
        "import os\ndef f():\n    return 1 / 0\nf()\n",
        "raises.py:3 raised ZeroDivisionError: division by zero",
    ),
    "syntax": ("x = 1\ndef f(:\n", "syntax.py:2 raised SyntaxError: invalid syntax"),
    "imports": ("import nowhere_to_be_found\n", "imports.py:1 raised ModuleNotFoundError: No module named"),
    "exits": ("import sys\nsys.exit(3)\n", "exits.py:2 raised SystemExit: 3"),
    "dies": ("import os\nprint('last words', flush=True)\nos._exit(3)\n", "ended Python with status 3: last words"),
    "empty": ("x = 1\n", "expected a saga in empty.py, got none: decorate a function with @saga"),
    "address": (
        "from orchestrator import Command\nclass NoAddress(Command[None]):\n    x: int\n",
        "address.py:2 raised TypeError: Command.__init_subclass__() missing 1 required keyword-only argument: 'to'",
    ),
    "again": (AGAIN, "(`@dataclass` on a message is superfluous, its base makes it one: remove the decorator)"),
    "same_name": (SAME_NAME, "expected each saga of same_name.py to have its own name, got a twice"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_imported_says_why_and_where(tmp_path: Path, name: str) -> None:
    source, text = BROKEN[name]
    file = tmp_path / f"{name}.py"
    file.write_text(source)
    with pytest.raises(ConfigError) as caught:
        compile_file(file)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_never_ends_to_be_imported_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "IMPORT_SECONDS_MAX", 0.5)
    file = tmp_path / "endless.py"
    file.write_text("import threading\nthreading.Event().wait()\n")
    with pytest.raises(
        ConfigError, match=r'within 0\.5 s, but it still runs: put what it does under if __name__ == "__main'
    ):
        compile_file(file)


@pytest.mark.parametrize(
    ("path", "name", "text"),
    [
        ("nowhere.py", None, "expected a Python file with a saga, got 'nowhere.py', where there is none"),
        (str(ROOT / "pyproject.toml"), None, "expected a Python file, whose name ends in .py"),
        (str(TRANSFER), "transfer", "expected a saga transfer in saga.py, got money_transfer"),
    ],
)
def test_a_saga_that_is_not_there_is_refused(path: str, name: str | None, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_file(path, name)
    assert str(caught.value).startswith(text)


# ---------------------------------------------------------------- saga compile


def run(source: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return command.run(parser.parse_args(["compile", source]))


@pytest.mark.parametrize("source", [str(TRANSFER), f"{TRANSFER}:money_transfer", f"{TRANSFER}:"])
def test_compile_prints_the_canonical_blueprint(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(source) == 0
    assert canonical.loads(capsys.readouterr().out) == money_transfer.compile()


def test_compile_indents_for_a_person(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert run(str(TRANSFER)) == 0
    out = capsys.readouterr().out
    assert out.startswith('{\n  "format": 1,\n')
    assert json.loads(out) == canonical.to_json(money_transfer.compile())


def test_compile_of_several_names_them(two: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected one saga in .*, got 2 \(first.saga, two\): write .*:first.saga"):
        run(str(two))
