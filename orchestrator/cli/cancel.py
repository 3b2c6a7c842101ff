"""`saga cancel ID`: asks that a saga be undone."""

import argparse
from typing import TYPE_CHECKING

from orchestrator.cli.operation import add_arguments, run_operation

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga cancel` and its arguments."""
    parser = subparsers.add_parser(
        "cancel",
        description="Undo a saga: what it has done is undone in reverse order. Refused once its pivot is done; during "
        "the pivot it takes effect if that is rejected.",
    )
    add_arguments(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Ask, and return once it is decided; it need not be done then."""
    return run_operation(
        arguments,
        lambda client, saga_id, timeout: client.cancel(saga_id, timeout=timeout),
        {
            "accepted": "will be undone, unless its pivot turns out to be done",
            "already": "is being undone, or is undone, already",
        },
    )
