"""What deployed sagas send to a participant, and which answers they understand: read from their blueprints."""

from collections.abc import Iterable, Mapping
from contextlib import closing

from orchestrator.blueprint.model import Blueprint, Json, Message, Step
from orchestrator.broker.definitions import DefinitionTopic
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.errors import TopicMismatch
from orchestrator.settings import Settings
from orchestrator.wire.avro import Codec, codec_for
from orchestrator.wire.topics import Topics


class CommandContract:
    """One type of command, with the schemas of everything that may be said about it."""

    def __init__(self, message: Message, schemas: Mapping[str, Json], *, active: bool) -> None:
        """``active``: sagas that start now send it; else only such as may be all over."""
        self.active = active
        self.command_type = message.type
        self.participant = message.participant
        self.command: Codec = codec_for(schemas[message.schema])
        self.reply: Codec | None = None if message.reply is None else codec_for(schemas[message.reply])
        self.rejections: dict[str, Codec] = {
            name: codec_for(schemas[schema]) for name, schema in message.rejections.items()
        }

    def codecs(self) -> list[Codec]:
        """Of everything that is read or written here."""
        return [self.command, *([] if self.reply is None else [self.reply]), *self.rejections.values()]


def deployed(settings: Settings, participant: str) -> dict[str, CommandContract]:
    """What the sagas of the namespace send to ``participant``, by full name.

    Raises ``Unavailable``, ``TopicMismatch`` in a namespace where nothing was deployed yet.
    """
    topics = Topics(settings.namespace)
    with closing(KafkaBroker.of(settings)) as broker:
        broker.check_reachable()
        if not broker.topics([topics.definitions]):
            raise TopicMismatch(
                f"expected the topic {topics.definitions}, found none on {settings.kafka}: "
                f"deploy a saga that sends to {participant} first (saga deploy FILE --create-topics)"
            )
        with closing(DefinitionTopic(broker, topics)) as definitions:
            definitions.refresh()
            blueprints = [known.blueprint for known in definitions.published()]
            return contracts(blueprints, definitions.all_active(), participant)


def contracts(
    published: Iterable[Blueprint], active: Iterable[Blueprint], participant: str
) -> dict[str, CommandContract]:
    """The same of these blueprints; where several know a command, the last says how it is answered.

    Sagas in flight on an older blueprint read that answer, too: a deploy refuses schemas with which they could not.
    """
    found: dict[str, CommandContract] = {}
    for blueprints, is_active in ((published, False), (active, True)):
        for blueprint in blueprints:
            for step in (node for node in blueprint.nodes if isinstance(node, Step)):
                for message in step.messages:
                    if message.participant == participant:
                        found[message.type] = CommandContract(message, blueprint.schemas, active=is_active)
    return found
