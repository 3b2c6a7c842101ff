"""What deployed sagas send to a participant that has no handler for it: told at its start, before a saga meets it."""

from collections.abc import Collection, Mapping
from contextlib import closing

from orchestrator.blueprint.model import Step
from orchestrator.broker.definitions import DefinitionTopic
from orchestrator.broker.port import Broker
from orchestrator.broker.rights import READ
from orchestrator.errors import OrchestratorError
from orchestrator.telemetry import logger
from orchestrator.wire.topics import Topics

_log = logger("participant")


def warn_of_unhandled(broker: Broker, topics: Topics, participant: str, handled: Collection[str]) -> None:
    """Log each command that a saga deployed in this namespace sends to ``participant``, and that is not ``handled``.

    Where that cannot be read, nothing is said: it needs a right that a participant can do without.
    """
    try:
        sent = _sent(broker, topics, participant)
    except OrchestratorError as why:
        _log.info("what is deployed cannot be read", participant=participant, why=str(why))
        return
    for command, sagas in sorted(sent.items()):
        if command not in handled:
            _log.warning(
                "a deployed saga sends a command that has no handler: it will fail",
                participant=participant,
                command=command,
                sagas=sorted(sagas),
            )


def _sent(broker: Broker, topics: Topics, participant: str) -> Mapping[str, Collection[str]]:
    """By command, the names of the sagas that send it."""
    found = broker.topics([topics.definitions]).get(topics.definitions)
    if found is None or (found.operations is not None and READ not in found.operations):
        return {}
    sent: dict[str, set[str]] = {}
    with closing(DefinitionTopic(broker, topics)) as definitions:
        definitions.refresh()
        for blueprint in definitions.all_active():
            for step in (node for node in blueprint.nodes if isinstance(node, Step)):
                for message in step.messages:
                    if message.participant == participant:
                        sent.setdefault(message.type, set()).add(blueprint.name)
    return sent
