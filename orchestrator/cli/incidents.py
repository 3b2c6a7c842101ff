"""`saga incidents`: what waits for an operator, the oldest first, and what to do about it."""

import argparse
from typing import TYPE_CHECKING

from orchestrator.blueprint.model import Json
from orchestrator.cli import servers
from orchestrator.cli.options import positive
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import print_table
from orchestrator.cli.timeline import PENDING
from orchestrator.cli.wording import instant
from orchestrator.exit_code import ExitCode
from orchestrator.store.reader import LIMIT, ListedIncident, open_reader

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

HEADINGS = ("saga", "id", "step", "reason", "since", "what happened, and what to do")


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga incidents` and its arguments."""
    parser = subparsers.add_parser("incidents", description="List open incidents, the oldest first.")
    parser.add_argument("--limit", type=positive, default=LIMIT, metavar="N", help=f"at most so many ({LIMIT})")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Read the open incidents and print them."""
    loaded = servers.load()
    with open_reader(loaded.need_database(), loaded.namespace) as reader:
        found = reader.open_incidents(arguments.limit)
    if arguments.json:
        print_json([_json(each) for each in found])
    elif found:
        print_table(HEADINGS, [_row(each) for each in found])
        servers.note("`saga show ID` tells the whole story; `saga retry ID` tries again, once the cause is mended")
    else:
        servers.note("no incident is open")
    return ExitCode.OK


def _row(listed: ListedIncident) -> tuple[str, ...]:
    incident = listed.incident
    text = incident.text if listed.published else f"{incident.text}  {PENDING}"
    return (listed.saga, incident.saga_id, incident.step or "", incident.reason, instant(incident.opened_ms), text)


def _json(listed: ListedIncident) -> Json:
    incident = listed.incident
    return {
        "saga_id": incident.saga_id,
        "saga": listed.saga,
        "number": incident.number,
        "step": incident.step,
        "reason": incident.reason,
        "text": incident.text,
        "opened_at": instant(incident.opened_ms),
        "shard": listed.shard,
        "published": listed.published,
    }
