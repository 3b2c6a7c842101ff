"""`saga compile`: a saga's blueprint, which everything else derives from, on standard output."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.blueprint import canonical
from orchestrator.blueprint.model import Blueprint
from orchestrator.definition.loading import compile_file
from orchestrator.errors import ConfigError
from orchestrator.exit_code import ExitCode

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga compile` and its argument."""
    parser = subparsers.add_parser(
        "compile",
        description="Compile a saga and print its blueprint: canonical JSON, one line; indented on a terminal.",
    )
    parser.add_argument("source", metavar="FILE[:NAME]", help="a Python file, and which of its sagas if it has several")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the blueprint. Raises what ``compile_one`` raises."""
    text = canonical.dumps(compile_one(arguments.source))
    print(json.dumps(json.loads(text), ensure_ascii=False, indent=2) if sys.stdout.isatty() else text)
    return ExitCode.OK


def compile_one(source: str) -> Blueprint:
    """The one saga that `FILE[:NAME]` is about.

    Raises DefinitionError for a wrong definition, ConfigError for a file without the saga, or with several.
    """
    file, name = source_of(source)
    blueprints = compile_file(file, name)
    if len(blueprints) > 1:
        names = ", ".join(blueprint.name for blueprint in blueprints)
        raise ConfigError(
            f"expected one saga in {file}, got {len(blueprints)} ({names}): write {file}:{blueprints[0].name}"
        )
    return blueprints[0]


def source_of(text: str) -> tuple[str, str | None]:
    """`FILE` and `NAME` of `FILE[:NAME]`; a file whose own name has a colon is taken as it is."""
    file, colon, name = text.rpartition(":")
    return (file, name or None) if colon and not Path(text).exists() else (text, None)
