"""`saga retry ID`: asks that what waits, in an incident or for its next attempt, be tried again at once."""

import argparse
from typing import TYPE_CHECKING

from orchestrator.cli.operation import add_arguments, run_operation

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga retry` and its arguments."""
    parser = subparsers.add_parser(
        "retry",
        description="Try again what waits in a saga's open incident (`saga incidents`), once its cause is mended; or "
        "send at once what waits for its next attempt (`saga show`). Either way attempts count anew. What was never "
        "answered keeps its command id, so that nothing happens twice.",
    )
    add_arguments(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Ask, and return once it is decided."""
    return run_operation(
        arguments,
        lambda client, saga_id, timeout: client.retry(saga_id, timeout=timeout),
        {"accepted": "tries again", "already": "tries again already"},
    )
