"""`saga list`: the sagas in Postgres, the newest first."""

import argparse
from typing import TYPE_CHECKING

from orchestrator.blueprint import values
from orchestrator.blueprint.model import Json
from orchestrator.cli import servers
from orchestrator.cli.options import labels_of, positive, where
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import print_table
from orchestrator.cli.timeline import PENDING
from orchestrator.cli.wording import instant, optional_instant, short, span
from orchestrator.engine.state import Status
from orchestrator.errors import SagaNotFound
from orchestrator.exit_code import ExitCode
from orchestrator.shard.sagas import state_of
from orchestrator.store.reader import LIMIT, ListedSaga, SagaFilter, open_reader

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

HEADINGS = ("saga", "id", "status", "started", "took", "at")


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga list` and its arguments."""
    parser = subparsers.add_parser("list", description="List sagas, the newest first.")
    parser.add_argument("--status", choices=[status.value for status in Status], help="only those in this status")
    parser.add_argument("--saga", metavar="NAME", help="only those of this definition")
    parser.add_argument(
        "--where",
        type=where,
        action="append",
        default=[],
        metavar="LABEL=VALUE",
        help="only those with this label; may be repeated",
    )
    parser.add_argument("--after", metavar="ID", help="the page after this saga, the last one of the page before")
    parser.add_argument("--limit", type=positive, default=LIMIT, metavar="N", help=f"at most so many ({LIMIT})")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Read a page of sagas and print it. Raises ``SagaNotFound`` when the page before it has lost its last saga."""
    chosen = SagaFilter(
        status=arguments.status,
        saga=arguments.saga,
        labels=labels_of(arguments.where),
        after=arguments.after,
        limit=arguments.limit,
    )
    loaded = servers.load()
    with open_reader(loaded.need_database(), loaded.namespace) as reader:
        if chosen.after is not None and reader.get_saga(chosen.after) is None:
            raise SagaNotFound(
                f"expected the last saga of a page behind --after, got {chosen.after!r}, which no saga has: if it was "
                f"trimmed meanwhile (SAGA_RETENTION), take the saga before it"
            )
        found = reader.list_sagas(chosen)
    if arguments.json:
        print_json([_json(each) for each in found])
    elif found:
        print_table(HEADINGS, [_row(each) for each in found])
        if len(found) == chosen.limit:
            servers.note(f"there may be more: add --after {found[-1].saga.row.saga_id}")
    else:
        servers.note("no saga is like that")
    return ExitCode.OK


def _row(listed: ListedSaga) -> tuple[str, ...]:
    now = state_of(listed.saga)
    if now.open_incidents:
        at = f"⚠ incident: {now.open_incidents[0].step or now.open_incidents[0].reason}"
    else:
        at = "" if now.exchange is None else f"… {now.exchange.step}, attempt {now.exchange.attempt}"
    notes = [at, short(dict(now.labels)), "" if listed.published else PENDING]
    return (
        now.saga,
        now.saga_id,
        now.status.value,
        instant(now.started_ms),
        "" if now.ended_ms is None else span(now.ended_ms - now.started_ms),
        "  ".join(filter(None, notes)),
    )


def _json(listed: ListedSaga) -> Json:
    now = state_of(listed.saga)
    return {
        "saga_id": now.saga_id,
        "saga": now.saga,
        "status": now.status.value,
        "blueprint": now.blueprint,
        "shard": listed.shard,
        "published": listed.published,
        "started_at": instant(now.started_ms),
        "ended_at": optional_instant(now.ended_ms),
        "labels": values.plain(dict(now.labels)),
        "step": None if now.exchange is None else now.exchange.step,
        "open_incidents": len(now.open_incidents),
    }
