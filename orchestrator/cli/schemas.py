"""`saga schemas FILE[:NAME]`: the Avro schemas of every message of a saga, for participants in other languages."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.blueprint.model import Blueprint, Fail, Json, Message, Require, Step
from orchestrator.cli.compile import source_of
from orchestrator.cli.output import print_columns, print_json
from orchestrator.definition.loading import compile_file
from orchestrator.errors import ConfigError
from orchestrator.exit_code import ExitCode

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

HEADINGS = ("message", "what", "schema id (ce_dataschema)")


@dataclass(frozen=True, slots=True)
class _Listed:
    """One schema as a reader of a list wants it."""

    name: str
    """The full name of the record; of a union of replies, the command's with ``.reply``."""
    role: str
    schema_id: str
    schema: Json


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga schemas` and its arguments."""
    parser = subparsers.add_parser(
        "schemas",
        description="List the Avro schemas of a saga's messages, or write each into a file NAME.avsc.",
    )
    parser.add_argument(
        "source", metavar="FILE[:NAME]", help="a Python file; all of its sagas, or the one of this name"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the files into this folder, which is made")
    parser.add_argument("--json", action="store_true", help="print one JSON array, with the schemas")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Compile the file; list its schemas, or write them. Raises ``ConfigError`` when a folder cannot be written."""
    file, name = source_of(arguments.source)
    listed = _listed(compile_file(file, name))
    if arguments.out is not None:
        _write(arguments.out, listed)
    if arguments.json:
        print_json(
            [
                {"name": each.name, "role": each.role, "schema_id": each.schema_id, "schema": each.schema}
                for each in listed
            ]
        )
    elif arguments.out is None:
        print_columns(HEADINGS, [(each.name, each.role, each.schema_id) for each in listed])
    else:
        for path in (_path(arguments.out, each) for each in listed):
            print(path)
    return ExitCode.OK


def _write(folder: Path, listed: Sequence[_Listed]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in listed:
            _path(folder, each).write_text(
                json.dumps(each.schema, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
            )
    except OSError as error:
        raise ConfigError(f"expected to write into the folder {folder}, got {error}: choose another --out") from error


def _path(folder: Path, listed: _Listed) -> Path:
    return folder / f"{listed.name}.avsc"


def _listed(blueprints: Sequence[Blueprint]) -> list[_Listed]:
    """Each schema once, by name; a message that two sagas know is the same in both, or ``ConfigError``."""
    found: dict[str, _Listed] = {}
    for blueprint in blueprints:
        for role, name, schema_id in _messages(blueprint):
            each = _Listed(name, role, schema_id, blueprint.schemas[schema_id])
            before = found.setdefault(name, each)
            if before.schema_id != schema_id:
                raise ConfigError(
                    f"expected one schema of {name} in the sagas of a file, got two ({before.schema_id[:12]} and "
                    f"{schema_id[:12]}): write the schemas of each saga into a folder of its own (FILE:NAME)"
                )
    return sorted(found.values(), key=lambda each: each.name)


def _messages(blueprint: Blueprint) -> Iterator[tuple[str, str, str]]:
    """What each message is, its name, its schema id."""
    schemas = blueprint.schemas
    yield f"input of {blueprint.name}", _name(schemas, blueprint.input, f"{blueprint.name}.input"), blueprint.input
    if blueprint.output is not None:
        fallback = f"{blueprint.name}.output"
        yield f"output of {blueprint.name}", _name(schemas, blueprint.output, fallback), blueprint.output
    for node in blueprint.nodes:
        match node:
            case Step():
                for message in node.messages:
                    yield from _of_message(schemas, message)
            case Require(otherwise=answer) | Fail(why=answer):
                yield "rejection", answer.type, answer.schema
            case _:
                pass


def _of_message(schemas: Mapping[str, Json], message: Message) -> Iterator[tuple[str, str, str]]:
    yield f"to {message.participant}", message.type, message.schema
    if message.reply is not None:
        yield f"reply to {message.type}", _name(schemas, message.reply, f"{message.type}.reply"), message.reply
    for name, schema_id in message.rejections.items():
        yield f"rejection of {message.type}", name, schema_id


def _name(schemas: Mapping[str, Json], schema_id: str, fallback: str) -> str:
    schema = schemas[schema_id]
    name = schema.get("name") if isinstance(schema, dict) else None
    return name if isinstance(name, str) else fallback
