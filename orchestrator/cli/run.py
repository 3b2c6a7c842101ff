"""`saga run`: one orchestrator process, until SIGTERM or Ctrl-C; a second Ctrl-C ends it at once."""

import argparse
import os
import signal
from contextlib import closing
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from orchestrator import telemetry
from orchestrator.cli import servers
from orchestrator.cli.exit_code import ExitCode
from orchestrator.crashpoints import kill_at, nowhere
from orchestrator.service import build
from orchestrator.tuning import tuned

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga run` and its arguments."""
    parser = subparsers.add_parser(
        "run",
        description="Run the orchestrator. Any number of processes may run; they share the shards. SIGTERM and Ctrl-C "
        "finish what is begun, a second Ctrl-C ends at once: nothing is lost either way.",
    )
    parser.add_argument("--json", action="store_true", help="log JSON lines, also on a terminal")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Check the servers, and own shards until a signal comes."""
    loaded = servers.load()
    telemetry.configure(json=True if arguments.json else None)
    crash_point = nowhere if loaded.crash_at is None else kill_at(*loaded.crash_at)
    with closing(build(loaded, crash_point, migrate_empty=loaded.local)) as service:
        service.check()  # Ctrl-C ends it here: there is nothing to drain yet
        stop_on_signals(service)
        with tuned():
            service.run()
    return ExitCode.OK


class Stoppable(Protocol):
    """What drains when it is told to."""

    def stop(self) -> None:
        """Finish what is begun, and leave."""
        ...


def stop_on_signals(service: Stoppable) -> None:
    """SIGTERM and the first SIGINT stop ``service``; a second SIGINT ends the process without waiting for it."""
    interrupted = False

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal interrupted
        if number == signal.SIGINT:
            if interrupted:
                os._exit(ExitCode.INTERRUPTED)
            interrupted = True
        service.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
