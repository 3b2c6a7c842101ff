"""`saga compile`: a saga's blueprint, which everything else derives from, on standard output."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.blueprint import canonical
from orchestrator.cli.exit_code import ExitCode
from orchestrator.definition.loading import compile_file
from orchestrator.errors import ConfigError

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
    """Print the blueprint. Raises DefinitionError for a wrong definition, ConfigError for a file without the saga."""
    file, name = source_of(arguments.source)
    blueprints = compile_file(file, name)
    if len(blueprints) > 1:
        names = ", ".join(blueprint.name for blueprint in blueprints)
        raise ConfigError(
            f"expected one saga in {file}, got {len(blueprints)} ({names}): write {file}:{blueprints[0].name}"
        )
    text = canonical.dumps(blueprints[0])
    print(json.dumps(json.loads(text), ensure_ascii=False, indent=2) if sys.stdout.isatty() else text)
    return ExitCode.OK


def source_of(text: str) -> tuple[str, str | None]:
    """`FILE` and `NAME` of `FILE[:NAME]`; a file whose own name has a colon is taken as it is."""
    file, colon, name = text.rpartition(":")
    return (file, name or None) if colon and not Path(text).exists() else (text, None)
