"""`saga run`: the orchestrator in one process or several, until SIGTERM or Ctrl-C; a second Ctrl-C ends it at once."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from orchestrator import telemetry
from orchestrator.cli import servers
from orchestrator.cli.options import positive
from orchestrator.crashpoints import kill_at, nowhere
from orchestrator.exit_code import ExitCode
from orchestrator.operations import child, endpoint
from orchestrator.operations.figures import Figures
from orchestrator.operations.supervisor import Supervisor
from orchestrator.service import Service, build
from orchestrator.settings import Settings
from orchestrator.tuning import tuned

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga run` and its arguments."""
    parser = subparsers.add_parser(
        "run",
        description="Run the orchestrator. Any number of processes may run; they share the shards. SIGTERM and Ctrl-C "
        "finish what is begun, a second Ctrl-C ends at once: nothing is lost either way. With --processes, SIGUSR1 "
        "restarts one process after the other.",
    )
    parser.add_argument("--json", action="store_true", help="log JSON lines, also on a terminal")
    parser.add_argument(
        "--processes", type=positive, metavar="N", help="run N processes, and start again whichever of them ends"
    )
    parser.add_argument(
        "--metrics-port",
        type=_port,
        metavar="PORT",
        help="answer /metrics, /healthz and /readyz at this port of 127.0.0.1; 0: a free one (SAGA_METRICS_PORT)",
    )
    # One of the N: how the supervisor starts it, and nobody else.
    parser.add_argument("--supervised", type=positive, help=argparse.SUPPRESS)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Check the servers, and own shards until a signal comes."""
    loaded = servers.load()
    telemetry.configure(json=True if arguments.json else None, process=arguments.supervised)
    port = loaded.metrics_port if arguments.metrics_port is None else arguments.metrics_port
    if arguments.supervised is not None:
        return _run_supervised(loaded, arguments.supervised)
    if arguments.processes is not None:
        return _run_several(loaded, arguments, port)
    figures = Figures()
    with _service(loaded, figures) as service, endpoint.serving(port, lambda: [figures.report(service.status())]):
        _run_service(service)
    return ExitCode.OK


def _run_several(loaded: Settings, arguments: argparse.Namespace, port: int | None) -> int:
    supervisor = Supervisor(partial(_command, as_json=arguments.json), arguments.processes)

    def roll(_number: int, _frame: FrameType | None) -> None:
        supervisor.roll()

    signal.signal(signal.SIGUSR1, roll)  # first: unheard, it would end this process
    with _service(loaded, Figures()) as service:
        service.check()  # once, and told here: children that cannot start would be started again and again
    with endpoint.serving(port, supervisor.reports):
        stop_on_signals(supervisor, supervisor.kill)
        supervisor.run()
    return ExitCode.OK


def _command(number: int, *, as_json: bool) -> list[str]:
    # -P: a module of the working directory is no part of the program, as with the command `saga`.
    command = [sys.executable, "-P", "-m", "orchestrator.cli.main", "run", "--supervised", str(number)]
    return [*command, "--json"] if as_json else command


def _run_supervised(loaded: Settings, number: int) -> int:
    figures = Figures(number)
    with (
        _service(loaded, figures) as service,
        child.reporting(lambda: figures.report(service.status()), orphaned=service.stop),
    ):
        _run_service(service)
    return ExitCode.OK


@contextmanager
def _service(loaded: Settings, figures: Figures) -> Generator[Service]:
    crash_point = nowhere if loaded.crash_at is None else kill_at(*loaded.crash_at)
    with closing(build(loaded, crash_point, migrate_empty=loaded.local, meter=figures)) as service:
        yield service


def _run_service(service: Service) -> None:
    service.check()  # Ctrl-C ends it here: there is nothing to drain yet
    stop_on_signals(service)
    with tuned():
        service.run()


class Stoppable(Protocol):
    """What drains when it is told to."""

    def stop(self) -> None:
        """Finish what is begun, and leave."""
        ...


def stop_on_signals(service: Stoppable, before_exit: Callable[[], None] = lambda: None) -> None:
    """SIGTERM and the first SIGINT stop ``service``; a second SIGINT ends the process without waiting for it."""
    interrupted = False

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal interrupted
        if number == signal.SIGINT:
            if interrupted:
                before_exit()
                os._exit(ExitCode.INTERRUPTED)
            interrupted = True
        service.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:  # noqa: PLR2004 - TCP's own bound
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)
