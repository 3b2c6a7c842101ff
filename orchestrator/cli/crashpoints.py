"""`saga crashpoints`: the places where tests kill a process, between any two effects that a crash could tear apart."""

import argparse
from typing import TYPE_CHECKING, Final

from orchestrator.cli.output import print_columns, print_json
from orchestrator.crashpoints import OF_A_RECOVERY, OF_A_RUN
from orchestrator.exit_code import ExitCode

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

POINTS: Final = {"run": OF_A_RUN, "recover": OF_A_RECOVERY}
"""By the command that reaches them; those of a run are in part reached by a recovery, too."""


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga crashpoints` and its argument."""
    parser = subparsers.add_parser(
        "crashpoints",
        description="List the crash points: places between any two effects that a crash could tear apart. A test that "
        "starts `saga run` or `saga recover` with SAGA_TEST_CRASH_AT=NAME:PASSES in the environment has it killed "
        "with SIGKILL when it reaches NAME for that time, counted from 1.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """List them, in the order in which they are reached."""
    if arguments.json:
        print_json([{"name": name, "command": command} for command, names in POINTS.items() for name in names])
    else:
        print_columns(
            ("name", "reached by"), [(name, f"saga {command}") for command, names in POINTS.items() for name in names]
        )
    return ExitCode.OK
