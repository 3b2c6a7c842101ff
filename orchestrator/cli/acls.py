"""`saga acls FILE`: the least rights in Kafka of the orchestrator, of each participant, and of who works with them."""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchestrator.blueprint.model import Json
from orchestrator.broker import rights
from orchestrator.broker.rights import Kind, Right
from orchestrator.cli import servers
from orchestrator.cli.compile import source_of
from orchestrator.cli.output import print_json
from orchestrator.client.deployment import participants_of
from orchestrator.definition.loading import compile_file
from orchestrator.errors import ConfigError
from orchestrator.exit_code import ExitCode
from orchestrator.wire.topics import Topics

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

RESOURCE: Final = {
    Kind.TOPIC: "--topic",
    Kind.GROUP: "--group",
    Kind.TRANSACTIONAL_ID: "--transactional-id",
    Kind.CLUSTER: "--cluster",
}
"""How `kafka-acls` names each kind."""


_Work = tuple[str, Sequence[Right]]
"""What a role does, and the rights that takes."""


@dataclass(frozen=True, slots=True)
class _Role:
    name: str
    principal: str
    purpose: str
    rights: Sequence[Right]


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga acls` and its arguments."""
    parser = subparsers.add_parser(
        "acls",
        description="Print the least rights in Kafka with which the sagas of a file run: of the orchestrator, of each "
        "participant, of clients, of `saga deploy` and `saga quarantine`, as commands for `kafka-acls`. Asks and "
        "changes nothing.",
    )
    parser.add_argument(
        "source", metavar="FILE[:NAME]", help="a Python file; all of its sagas, or the one of this name"
    )
    parser.add_argument(
        "--principal",
        metavar="ROLE=TYPE:NAME",
        type=_assignment,
        action="append",
        default=[],
        help="who a role is: orchestrator, client, deploy, operator or a participant's name "
        "(User:NAMESPACE-orchestrator and so on, User:PARTICIPANT)",
    )
    parser.add_argument(
        "--connector",
        metavar="PARTICIPANT",
        action="append",
        default=[],
        help="a participant that is a `saga connector http`, which reads what is deployed, too",
    )
    parser.add_argument(
        "--command-config",
        metavar="FILE",
        default="admin.properties",
        help="how `kafka-acls` connects as an administrator (admin.properties)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for each role")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Compile, and say who must be allowed what.

    Raises ``ConfigError`` for the principal of no role, and for a connector that is no participant of the file.
    """
    file, name = source_of(arguments.source)
    participants = participants_of(compile_file(file, name))
    loaded = servers.load()
    strange = sorted(set(arguments.connector) - set(participants))
    if strange:
        raise ConfigError(
            f"expected a participant in --connector, one of {', '.join(participants)}, got {strange[0]!r}"
        )
    topics = Topics(loaded.namespace)
    theirs = {
        each: _connector(topics, each) if each in arguments.connector else _participant(topics, each)
        for each in participants
    }
    roles = _roles(topics, theirs, dict(arguments.principal))
    if arguments.json:
        print_json([_data(role) for role in roles])
        return ExitCode.OK
    command = ["kafka-acls", "--bootstrap-server", loaded.kafka, "--command-config", arguments.command_config]
    print("\n\n".join("\n".join(_lines(role, command)) for role in roles))
    return ExitCode.OK


def _assignment(text: str) -> tuple[str, str]:
    role, sign, principal = text.partition("=")
    kind, colon, name = principal.partition(":")
    if not (role and sign and kind and colon and name):
        raise argparse.ArgumentTypeError(f"expected ROLE=User:NAME, got {text!r}")
    return role, principal


def _participant(topics: Topics, name: str) -> _Work:
    return f"answers {Topics.commands(name)}", rights.of_participant(topics, name)


def _connector(topics: Topics, name: str) -> _Work:
    return f"answers {Topics.commands(name)} as `saga connector http`", rights.of_connector(topics, name)


def _roles(topics: Topics, theirs: Mapping[str, _Work], principals: Mapping[str, str]) -> list[_Role]:
    """The namespace's own roles, and those of the participants."""
    own: dict[str, _Work] = {
        "orchestrator": ("runs `saga run`", rights.of_orchestrator(topics, theirs)),
        "client": ("starts sagas and waits for them", rights.of_client(topics)),
        "deploy": ("runs `saga deploy FILE --create-topics`", rights.of_deployment(topics, theirs)),
        "operator": ("looks into the quarantine with `saga quarantine`", rights.of_operator(topics)),
    }
    clash = sorted(own.keys() & theirs.keys())
    if clash:
        raise ConfigError(f"expected participants with names of their own, got {clash[0]}: `saga acls` means its role")
    usual = {**{name: f"User:{topics.namespace}-{name}" for name in own}, **{name: f"User:{name}" for name in theirs}}
    strange = sorted(principals.keys() - usual.keys())
    if strange:
        raise ConfigError(f"expected a role in --principal, one of {', '.join(usual)}, got {strange[0]!r}")
    return [
        _Role(name, {**usual, **principals}[name], purpose, found)
        for name, (purpose, found) in {**own, **theirs}.items()
    ]


def _data(role: _Role) -> Json:
    return {
        "role": role.name,
        "principal": role.principal,
        "rights": [
            {
                "kind": right.kind.value,
                "name": right.name,
                "pattern": "PREFIXED" if right.prefixed else "LITERAL",
                "operations": [operation.value for operation in right.operations],
            }
            for right in role.rights
        ],
    }


def _lines(role: _Role, command: Sequence[str]) -> list[str]:
    """One command for all resources of a kind on which the same may be done."""
    alike: dict[tuple[object, ...], list[Right]] = {}
    for right in role.rights:
        alike.setdefault((right.kind, right.prefixed, right.operations), []).append(right)
    lines = [f"# {role.name}, {role.principal}: {role.purpose}"]
    for group in alike.values():
        words = [*command, "--add", "--allow-principal", role.principal]
        for operation in group[0].operations:
            words += ["--operation", operation]
        for right in group:
            words += [RESOURCE[right.kind]] if right.kind is Kind.CLUSTER else [RESOURCE[right.kind], right.name]
        if group[0].prefixed:
            words += ["--resource-pattern-type", "prefixed"]
        lines.append(shlex.join(words))
    return lines
