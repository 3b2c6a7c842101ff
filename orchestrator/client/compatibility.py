"""Which changes of messages a deploy refuses: what was written before, and by those not deployed yet, must be read.

Pure: compares blueprints. Messages are compared by their Avro full names, over all sagas of the namespace.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

from orchestrator.blueprint.avro import compatible
from orchestrator.blueprint.model import Blueprint, Fail, Json, Message, Require, Step
from orchestrator.errors import SchemaIncompatible

Role: TypeAlias = Literal["input", "output", "command", "answer"]

ADVICE: Final = (
    "messages changed so that records already written cannot be read: "
    "give the changed class a new name, or a new field a default"
)

_READ_BY_OLD: Final[frozenset[Role]] = frozenset(("output", "answer"))
"""What old readers must be able to read of new writers: a client that waits for an output, and the orchestrator that
reads a younger participant's answer for a saga in flight. Inputs and commands are read by whoever is deployed first."""


def refuse_incompatible(deployed: Iterable[Blueprint], new: Sequence[Blueprint]) -> None:
    """Raise ``SchemaIncompatible``, naming every message of ``new`` that does not go with what is deployed."""
    before: dict[tuple[Role, str], dict[str, Json]] = {}
    for blueprint in deployed:
        for role, name, schema_id in _messages(blueprint):
            before.setdefault((role, name), {})[schema_id] = blueprint.schemas[schema_id]
    problems: dict[str, None] = {}
    for blueprint in new:
        for role, name, schema_id in _messages(blueprint):
            known = before.setdefault((role, name), {})
            if schema_id not in known:
                schema = blueprint.schemas[schema_id]
                faults = [fault for old in known.values() for fault in _faults(role, name, old, schema)]
                problems.update(dict.fromkeys(faults))
                known[schema_id] = schema
    if problems:
        raise SchemaIncompatible("\n  ".join([ADVICE, *problems]))


def _faults(role: Role, name: str, old: Json, new: Json) -> Iterator[str]:
    fault = compatible(new, old)
    if fault is not None:
        yield f"{role} {name}, written as deployed and read as it is now: {fault}"
    elif role in _READ_BY_OLD and (fault := compatible(old, new)) is not None:
        yield f"{role} {name}, written as it is now and read as deployed: {fault}"


def _messages(blueprint: Blueprint) -> Iterator[tuple[Role, str, str]]:
    """Role, full name and schema id of everything that a blueprint sends or takes."""
    yield "input", blueprint.name, blueprint.input
    if blueprint.output is not None:
        yield "output", blueprint.name, blueprint.output
    for node in blueprint.nodes:
        match node:
            case Step():
                for message in node.messages:
                    yield from _of_message(message)
            case Require(otherwise=answer) | Fail(why=answer):
                yield "output", answer.type, answer.schema
            case _:
                pass


def _of_message(message: Message) -> Iterator[tuple[Role, str, str]]:
    yield "command", message.type, message.schema
    if message.reply is not None:
        yield "answer", f"{message.type}.reply", message.reply
    for name, schema_id in message.rejections.items():
        yield "answer", name, schema_id
