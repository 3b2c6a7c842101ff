"""`saga start NAME`: starts a saga that is deployed, through Kafka, and waits for its outcome if asked to."""

import argparse
import sys
import time
from typing import TYPE_CHECKING, Final, cast

from orchestrator.cli import servers
from orchestrator.cli.options import duration
from orchestrator.cli.output import print_json
from orchestrator.cli.wording import short
from orchestrator.client.client import Client
from orchestrator.client.contract import PlainRejection
from orchestrator.client.handle import ANSWER_S, Handle
from orchestrator.errors import Compensated, ConfigError, OutcomeTimeout
from orchestrator.exit_code import ExitCode

if TYPE_CHECKING:
    from orchestrator.blueprint.model import Json
    from orchestrator.blueprint.values import Data
    from orchestrator.cli.main import Subparsers

NOTICE_S: Final = 10.0
"""After so long a wait it is said where to see what the saga waits for: it may be an operator."""


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga start` and its arguments."""
    parser = subparsers.add_parser(
        "start",
        description="Start a saga and return once the orchestrator has taken it. The same id, name and input again is "
        "the same saga. Exit status 3: it was compensated (with --wait).",
    )
    parser.add_argument("name", metavar="NAME", help="the saga's name, as it is deployed")
    parser.add_argument("--input", required=True, metavar="JSON", help="its input; from a file: --input - < FILE")
    identity = parser.add_mutually_exclusive_group()
    identity.add_argument("--id", metavar="ID", help="the saga's id (a new one)")
    identity.add_argument("--key", metavar="KEY", help="an idempotency key, from which the id is made")
    parser.add_argument("--wait", action="store_true", help="wait for the outcome and print it")
    parser.add_argument(
        "--timeout",
        type=duration,
        metavar="SECONDS",
        help=f"how long to wait: for the answer ({ANSWER_S:.0f}), or for the outcome with --wait (without limit)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Start the saga, and print its id or its outcome."""
    given = sys.stdin.read() if arguments.input == "-" else arguments.input
    limit = arguments.timeout
    with Client(servers.load_with_kafka()) as client:
        try:
            handle = client.start_named(
                arguments.name,
                given,
                id=arguments.id,
                key=arguments.key,
                timeout=ANSWER_S if limit is None or arguments.wait else limit,
            )
        except ValueError as error:  # an id that cannot be
            raise ConfigError(str(error)) from error
        if arguments.wait:
            return _wait(handle, arguments, limit)
        answer = handle.answered(0)
    if arguments.json:
        print_json({"saga_id": handle.id, "saga": arguments.name, "answer": answer})
    else:
        print(handle.id)
        servers.note(f"{'started' if answer == 'accepted' else 'had been started'}: saga show {handle.id}")
    return ExitCode.OK


def _wait(handle: "Handle[Json]", arguments: argparse.Namespace, limit: float | None) -> int:
    answer = handle.answered(0)
    try:
        output = _outcome(handle, limit)
    except Compensated as error:
        if not arguments.json:
            raise
        rejection = error.rejection.fields if isinstance(error.rejection, PlainRejection) else None
        print_json(
            {
                "saga_id": handle.id,
                "saga": arguments.name,
                "answer": answer,
                "status": "compensated",
                "output": None,
                "reason": error.reason,
                "rejection_type": error.rejection_type,
                "rejection": rejection,
            }
        )
        return ExitCode.COMPENSATED
    if arguments.json:
        print_json(
            {
                "saga_id": handle.id,
                "saga": arguments.name,
                "answer": answer,
                "status": "completed",
                "output": output,
                "reason": "",
                "rejection_type": None,
                "rejection": None,
            }
        )
    else:
        print(f"{handle.id} completed" + ("" if output is None else f": {short(cast('Data', output))}"))
    return ExitCode.OK


def _outcome(handle: "Handle[Json]", limit: float | None) -> "Json":
    """What the saga returned, at most ``limit`` seconds from now; tells meanwhile where to look."""
    look = f"`saga show {handle.id}` tells what it waits for, `saga incidents` what waits for an operator"
    until = float("inf") if limit is None else time.monotonic() + limit
    try:
        if limit is None or limit > NOTICE_S:
            try:
                return handle.outcome(NOTICE_S)
            except OutcomeTimeout:
                servers.note(f"{handle.id} is under way: {look}")
        return handle.outcome(None if limit is None else until - time.monotonic())
    except OutcomeTimeout as error:
        raise OutcomeTimeout(f"saga {handle.id} has not ended within {limit} s and goes on: {look}") from error
