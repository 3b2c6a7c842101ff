"""Deploying: blueprints into the definitions topic, their schemas before them, and the topics if they are asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.blueprint import canonical
from orchestrator.blueprint.model import Blueprint, Json, Step
from orchestrator.broker.definitions import DefinitionTopic
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.port import Broker, TopicSpec
from orchestrator.broker.schemas import SchemaTopic
from orchestrator.broker.topology import check_topology, command_topic, namespace_topics, parking_topic
from orchestrator.client.compatibility import refuse_incompatible
from orchestrator.errors import TopicMismatch
from orchestrator.settings import Settings
from orchestrator.wire.avro import Codec
from orchestrator.wire.definitions import Activated, Published, activate_record, publish_record
from orchestrator.wire.reply import FAILURE
from orchestrator.wire.topics import Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """One saga of a deploy."""

    name: str
    hash: str
    before: str | None
    """The hash that was active before; None: the saga is new, the same as ``hash``: nothing changed."""

    @property
    def changed(self) -> bool:
        """Whether new sagas start with another blueprint than before."""
        return self.before != self.hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What a deploy did."""

    sagas: tuple[Deployed, ...]
    created_topics: tuple[str, ...]
    published_schemas: tuple[str, ...]
    """Ids of those that were new in the namespace."""


def deploy(blueprints: Sequence[Blueprint], settings: Settings, *, create_topics: bool) -> Deployment:
    """Make ``blueprints`` the active ones of their names; does nothing twice, so it may be repeated at will.

    With ``create_topics`` the topics that are missing are made: the namespace's with ``settings.shards`` partitions, a
    participant's with as many, and one for what it may park. Raises ``TopicMismatch`` that names every topic that is
    missing or not as it must be, ``SchemaIncompatible`` for messages that do not go with what is deployed,
    ``ConfigError`` and ``Unavailable``; then no blueprint of this deploy is active, but for a server that went away in
    the middle: deploy again.
    """
    names = [blueprint.name for blueprint in blueprints]
    if len(set(names)) != len(names):
        raise ValueError(f"expected each saga once in a deploy, got {', '.join(sorted(names))}")
    topics = Topics(settings.namespace)
    broker = KafkaBroker.of(settings)
    try:
        broker.check_reachable()
        created = _topics(broker, topics, settings, blueprints, create=create_topics)
        return _publish(broker, topics, blueprints, created)
    finally:
        broker.close()


def participants_of(blueprints: Iterable[Blueprint]) -> list[str]:
    """Who is sent commands by these sagas, by name."""
    return sorted(
        {
            message.participant
            for blueprint in blueprints
            for node in blueprint.nodes
            if isinstance(node, Step)
            for message in node.messages
        }
    )


def _topics(
    broker: Broker, topics: Topics, settings: Settings, blueprints: Sequence[Blueprint], *, create: bool
) -> tuple[str, ...]:
    """Check the topics, and make those that are missing; returns what was made."""
    own = namespace_topics(topics, settings.shards)
    participants = participants_of(blueprints)
    theirs = [command_topic(participant, settings.shards) for participant in participants]
    if create:  # whether a participant parks is known to it alone
        theirs += [parking_topic(participant) for participant in participants]
    found = broker.topics([spec.name for spec in (*own, *theirs)])
    # A participant's partitions are its own affair.
    expected: list[TopicSpec] = [*own, *(spec for spec in theirs if spec.name not in found)]
    missing = [spec for spec in expected if spec.name not in found]
    if create:
        expected = [spec for spec in expected if spec.name in found]
    faults = check_topology(expected, found)
    if faults:
        raise TopicMismatch(
            "\n  ".join([f"the topics of namespace {topics.namespace} are not as they must be", *faults])
        )
    if missing:
        broker.create(missing)
    return tuple(spec.name for spec in missing)


def _publish(broker: Broker, topics: Topics, blueprints: Sequence[Blueprint], created: tuple[str, ...]) -> Deployment:
    definitions, schemas = DefinitionTopic(broker, topics), SchemaTopic(broker, topics)
    try:
        definitions.refresh()
        active = {blueprint.name: blueprint for blueprint in definitions.all_active()}
        refuse_incompatible(active.values(), blueprints)
        published = schemas.publish(_codecs(blueprints))
        unknown = [blueprint for blueprint in blueprints if not definitions.is_published(blueprint.hash)]
        broker.publish(
            [
                publish_record(topics, Published(blueprint.name, blueprint.hash, canonical.dumps(blueprint)))
                for blueprint in unknown
            ]
        )
        before = {name: blueprint.hash for name, blueprint in active.items()}
        sagas = tuple(
            Deployed(name=blueprint.name, hash=blueprint.hash, before=before.get(blueprint.name))
            for blueprint in blueprints
        )
        # One call for all: they become active together, or after a failure in the middle by deploying again.
        broker.publish([activate_record(topics, Activated(saga.name, saga.hash)) for saga in sagas if saga.changed])
        return Deployment(sagas=sagas, created_topics=created, published_schemas=tuple(published))
    finally:
        definitions.close()
        schemas.close()


def _codecs(blueprints: Iterable[Blueprint]) -> list[Codec]:
    found: dict[str, Json] = {key: schema for each in blueprints for key, schema in each.schemas.items()}
    return [FAILURE, *(Codec(schema) for schema in found.values())]
