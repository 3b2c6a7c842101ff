"""What `saga cancel` and `saga retry` share: one saga's id, a request through Kafka, and the answer to it."""

import argparse
from collections.abc import Callable

from orchestrator.cli import servers
from orchestrator.cli.options import duration
from orchestrator.cli.output import print_json
from orchestrator.client.client import Client
from orchestrator.client.handle import ANSWER_S, Answered
from orchestrator.exit_code import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The saga's id, and how long to wait."""
    parser.add_argument("id", metavar="ID", help="the saga's id")
    parser.add_argument(
        "--timeout",
        type=duration,
        default=ANSWER_S,
        metavar="SECONDS",
        help=f"how long to wait for the answer ({ANSWER_S:.0f})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run_operation(
    arguments: argparse.Namespace, ask: Callable[[Client, str, float], Answered], said: dict[Answered, str]
) -> int:
    """Ask, and say what was answered in the words of ``said``."""
    with Client(servers.load_with_kafka()) as client:
        answer = ask(client, arguments.id, arguments.timeout)
    if arguments.json:
        print_json({"saga_id": arguments.id, "answer": answer})
    else:
        print(f"{arguments.id} {said[answer]}")
        servers.note(f"see what becomes of it: saga show {arguments.id}")
    return ExitCode.OK
