"""The dispatcher: which command runs, and what an error becomes."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from orchestrator import __version__
from orchestrator.cli import main as dispatcher
from orchestrator.cli.main import COMMANDS, main
from orchestrator.errors import (
    ConfigError,
    DatabaseBehind,
    DefinitionError,
    OrchestratorError,
    Problem,
    Unavailable,
)
from orchestrator.exit_code import ExitCode
from orchestrator.settings import DESCRIBED

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

SECONDS = 60


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    parser = subparsers.add_parser("trial")
    parser.add_argument("--directory")
    return parser


def compensated(_arguments: argparse.Namespace) -> int:
    return ExitCode.COMPENSATED


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A command `trial`, whose `run` each test writes."""
    module = ModuleType("orchestrator.cli.trial")
    vars(module)["add_parser"] = add_parser
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(dispatcher, "COMMANDS", {**COMMANDS, "trial": "only here"})
    return module


def raising(error: BaseException) -> object:
    def run(_arguments: argparse.Namespace) -> int:
        raise error

    return run


def test_the_exit_status_of_a_command_is_its_own(command: ModuleType) -> None:
    vars(command)["run"] = compensated
    assert main(["trial"]) == 3


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OrchestratorError("the reason"), 1),
        (DatabaseBehind("the reason"), 1),
        (ConfigError("the reason"), 2),
        (Unavailable("the reason"), 5),
    ],
)
def test_an_error_of_our_tree_is_one_line_and_a_status(
    command: ModuleType, capsys: pytest.CaptureFixture[str], error: OrchestratorError, status: int
) -> None:
    vars(command)["run"] = raising(error)
    assert main(["trial"]) == status
    assert capsys.readouterr() == ("", "saga: the reason\n")


def test_all_problems_of_a_definition_are_told(command: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    problems = [Problem("/somewhere/saga.py", 12, "first"), Problem("/somewhere/saga.py", 14, "second")]
    vars(command)["run"] = raising(DefinitionError("transfer", problems))
    assert main(["trial"]) == ExitCode.REFUSED
    told = "saga: saga transfer: 2 problems\n  saga.py:12  first\n  saga.py:14  second\n"
    assert capsys.readouterr() == ("", told)


def test_ctrl_c_is_no_traceback(command: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    vars(command)["run"] = raising(KeyboardInterrupt())
    assert main(["trial"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_mistake_of_ours_stays_a_traceback(command: ModuleType) -> None:
    vars(command)["run"] = raising(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["trial"])


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["trial", "--wrong"], ["trial", "--dir", "x"]])
def test_a_wrong_call_is_told_how_to_call(
    command: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    vars(command)["run"] = raising(AssertionError("it ran"))
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("usage: saga ")


@pytest.mark.slow
def test_help_names_every_command_and_imports_none() -> None:
    text = "import sys; from orchestrator.cli.main import main; main(['--help'])"
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", text], capture_output=True, text=True, check=True
    )
    for name, purpose in COMMANDS.items():
        assert f"    {name}" in result.stdout
        assert " ".join(purpose.split()) in " ".join(result.stdout.split())
    for name, meaning in DESCRIBED.items():
        assert f"  {name}  " in result.stdout
        assert " ".join(meaning.split()) in " ".join(result.stdout.split())
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "orchestrator.cli.main" in imported
    assert "orchestrator.cli.dev" not in imported


@pytest.mark.parametrize("columns", [70, 80, 200])
def test_help_lists_every_setting_within_the_terminal(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  SAGA_")] == [*DESCRIBED]
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main([name, "--help"])
    assert ending.value.code == ExitCode.OK
    assert capsys.readouterr().out.startswith(f"usage: saga {name} ")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"saga {__version__}\n"


@pytest.mark.slow
def test_a_reader_that_has_enough_is_no_error() -> None:
    text = (
        "import sys; from types import ModuleType; from orchestrator.cli import main as dispatcher\n"
        "module = ModuleType('orchestrator.cli.trial'); sys.modules[module.__name__] = module\n"
        "module.add_parser = lambda subparsers: subparsers.add_parser('trial')\n"
        "module.run = lambda arguments: [print('a line', flush=True) for _ in range(100_000)] and 0\n"
        "dispatcher.COMMANDS = {'trial': ''}\n"
        "sys.exit(dispatcher.main(['trial']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "a line\n"
        process.stdout.close()
        assert (process.wait(SECONDS), process.stderr.read()) == (ExitCode.OK, "")


@pytest.mark.slow
def test_the_script_of_the_package_is_this_dispatcher() -> None:
    script = Path(sys.executable).with_name("saga")
    result = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert result.stdout == f"saga {__version__}\n"
