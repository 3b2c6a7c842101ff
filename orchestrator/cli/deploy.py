"""`saga deploy FILE[:NAME]`: compiles sagas and makes them the ones that new sagas start with."""

import argparse
from typing import TYPE_CHECKING

from orchestrator.cli import servers
from orchestrator.cli.compile import source_of
from orchestrator.cli.output import print_json
from orchestrator.client.deployment import Deployed, Deployment, deploy
from orchestrator.definition.loading import compile_file
from orchestrator.exit_code import ExitCode

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

HASH_SHOWN = 12
"""Characters of a blueprint's hash that a person needs to tell it from others."""


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga deploy` and its arguments."""
    parser = subparsers.add_parser(
        "deploy",
        description="Compile the sagas of a file and make them the ones that new sagas start with. Sagas in flight "
        "stay on what they started with. Nothing happens when nothing has changed.",
    )
    parser.add_argument(
        "source", metavar="FILE[:NAME]", help="a Python file; all of its sagas, or the one of this name"
    )
    parser.add_argument(
        "--create-topics",
        action=argparse.BooleanOptionalAction,
        help="create the topics that are missing: the namespace's, and the participants' command topics "
        "(the default against `saga dev` alone)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Compile, check against what is deployed, publish."""
    file, name = source_of(arguments.source)
    blueprints = compile_file(file, name)
    loaded = servers.load_with_kafka()
    create = loaded.local if arguments.create_topics is None else arguments.create_topics
    done = deploy(blueprints, loaded, create_topics=create)
    if arguments.json:
        print_json(
            {
                "sagas": [
                    {"name": saga.name, "hash": saga.hash, "before": saga.before, "changed": saga.changed}
                    for saga in done.sagas
                ],
                "created_topics": list(done.created_topics),
                "published_schemas": list(done.published_schemas),
            }
        )
    else:
        print("\n".join(_lines(done)))
    return ExitCode.OK


def _lines(done: Deployment) -> list[str]:
    lines = [f"created topic {topic}" for topic in done.created_topics]
    return [*lines, *(f"{saga.name} {saga.hash[:HASH_SHOWN]} {_change(saga)}" for saga in done.sagas)]


def _change(saga: Deployed) -> str:
    if saga.before is None:
        return "is deployed, for the first time"
    return f"replaces {saga.before[:HASH_SHOWN]}" if saga.changed else "was deployed before, nothing changed"
