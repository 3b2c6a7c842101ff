"""`saga connector http CONFIG`: a participant that hands its commands to an HTTP server."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import telemetry
from orchestrator.cli import servers
from orchestrator.cli.options import positive
from orchestrator.errors import ConfigError
from orchestrator.exit_code import ExitCode
from orchestrator_connectors.http import configuration
from orchestrator_connectors.http.assembly import participant_of, unanswered
from orchestrator_connectors.http.contract import deployed
from orchestrator_connectors.http.sender import HttpSender

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

WORKERS = 16
"""Requests under way: each waits for a server, and costs next to nothing while it does."""


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga connector` and its kinds."""
    parser = subparsers.add_parser(
        "connector",
        description="Run a ready-made participant until SIGTERM or Ctrl-C, which finish what is begun.",
    )
    kinds = parser.add_subparsers(title="kinds", metavar="KIND", required=True)
    http = kinds.add_parser(
        "http",
        help="commands become requests, responses become replies",
        description="Send each command of a participant to an HTTP server, as a TOML file says; docs/connectors.md "
        "describes it. Nothing is sent before the file was checked against the deployed sagas.",
    )
    http.add_argument("configuration", type=Path, metavar="CONFIG", help="the TOML file")
    http.add_argument("--check", action="store_true", help="check the file against the deployed sagas, and end")
    http.add_argument("--json", action="store_true", help="log JSON lines, also on a terminal")
    http.add_argument(
        "--workers", type=positive, default=WORKERS, metavar="N", help=f"requests at the same time ({WORKERS})"
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Check the file, then answer commands. Raises ``ConfigError``, ``TopicMismatch``, ``Unavailable``."""
    loaded = servers.load()
    telemetry.configure(json=True if arguments.json else None)
    chosen = configuration.load(arguments.configuration, loaded.secrets)
    with HttpSender(arguments.workers, chosen.response_bytes_max) as sender:
        contracts = deployed(loaded, chosen.participant)
        participant = participant_of(chosen, contracts, sender)
        if arguments.check:
            missing = unanswered(chosen, contracts)
            if missing:
                raise ConfigError(
                    f"expected a [[command]] for each command that deployed sagas send to {chosen.participant}, got "
                    f"none for {', '.join(missing)}, in {arguments.configuration}: they will fail"
                )
            print(f"{arguments.configuration} fits what is deployed: {len(chosen.commands)} commands to {chosen.url}")
        else:
            participant.run(loaded, workers=arguments.workers)
    return ExitCode.OK
