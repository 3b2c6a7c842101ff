"""`saga dev`: a real Kafka and a real Postgres on this computer, until Ctrl-C.

Starts servers and nothing else: tables are made by `saga migrate`, topics by `saga deploy`.
"""

import argparse
import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from orchestrator.exit_code import ExitCode
from orchestrator.local.stack import LocalStack, StackOptions
from orchestrator.settings import LOCAL_DIRECTORY

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

SIGNALS = (signal.SIGINT, signal.SIGTERM)
CHECK_SECONDS = 0.5


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga dev` and its arguments."""
    parser = subparsers.add_parser("dev", description="Run a real Kafka and a real Postgres until Ctrl-C.")
    parser.add_argument(
        "--directory", type=Path, default=Path(LOCAL_DIRECTORY), help=f"where their data stays ({LOCAL_DIRECTORY})"
    )
    parser.add_argument("--kafka-port", type=_port, metavar="N", help="Kafka's port (the last one, or a free one)")
    parser.add_argument("--postgres-port", type=_port, metavar="N", help="Postgres' port (the last one, or a free one)")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Start both servers, say where they answer, and run until a signal comes or a server ends."""
    directory: Path = arguments.directory
    options = StackOptions(kafka_port=arguments.kafka_port, postgres_port=arguments.postgres_port)
    for number in SIGNALS:
        signal.signal(number, _give_up)
    with LocalStack(directory, options) as stack:
        asked_to_stop = threading.Event()

        def stop(_number: int, _frame: FrameType | None) -> None:
            asked_to_stop.set()

        for number in SIGNALS:
            signal.signal(number, stop)
        print(_greeting(stack, arguments.directory), flush=True)
        while not asked_to_stop.wait(CHECK_SECONDS):
            stack.require_running()
        print("stopping Kafka and Postgres; their data stays", flush=True)
    return ExitCode.OK


def _give_up(_number: int, _frame: FrameType | None) -> None:
    """Leave at once, while the servers start: their guardians end them, and nothing half done is ever used."""
    os._exit(ExitCode.INTERRUPTED)


def _greeting(stack: LocalStack, directory: Path) -> str:
    if directory == Path(LOCAL_DIRECTORY):
        found = "In another terminal, in this directory, every command finds them:"
    else:
        found = f"In another terminal:\n  export SAGA_KAFKA={stack.kafka} SAGA_DATABASE={stack.database} SAGA_SHARDS=4"
    return (
        f"Kafka     {stack.kafka}\n"
        f"Postgres  {stack.database}\n"
        f"data      {stack.directory}\n\n"
        f"{found}\n"
        "  saga migrate       makes the tables\n"
        "  saga deploy FILE   compiles a saga and makes it known\n"
        "  saga run           runs the orchestrator\n\n"
        "Ctrl-C stops both; their data stays."
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:  # noqa: PLR2004 - TCP's own bound
        message = f"expected a port from 1 to 65535, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)
