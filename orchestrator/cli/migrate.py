"""`saga migrate`: makes the tables of a namespace, or upgrades them."""

import argparse
from typing import TYPE_CHECKING

from orchestrator.cli import servers
from orchestrator.cli.output import print_json
from orchestrator.exit_code import ExitCode
from orchestrator.store.migrate import Migrated, migrate

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga migrate` and its arguments."""
    parser = subparsers.add_parser(
        "migrate",
        description="Make the tables of SAGA_NAMESPACE in SAGA_DATABASE, in the schema `saga`, or upgrade them. "
        "Does nothing when they are there already.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Migrate, and say what was done."""
    loaded = servers.load()
    migrated = migrate(loaded.need_database(), loaded.namespace, loaded.shards)
    if arguments.json:
        done = {"before": migrated.before, "after": migrated.after}
        print_json({"namespace": loaded.namespace, "shards": loaded.shards, **done})
    else:
        print(f"namespace {loaded.namespace}, {loaded.shards} shards: {_sentence(migrated)}")
    return ExitCode.OK


def _sentence(migrated: Migrated) -> str:
    if migrated.before is None:
        return f"made the tables (format {migrated.after})"
    if migrated.before < migrated.after:
        return f"upgraded the tables from format {migrated.before} to {migrated.after}"
    return f"the tables are up to date (format {migrated.after})"
