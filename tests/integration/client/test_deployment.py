"""A deploy on a real Kafka: schemas, blueprints, activation, topics; nothing by halves and nothing twice."""

from collections.abc import Generator
from dataclasses import replace

import pytest

from orchestrator import AnySaga, Client
from orchestrator.blueprint import canonical
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.port import TopicSpec
from orchestrator.broker.topology import command_topic, namespace_topics, parking_topic
from orchestrator.client.deployment import Deployed, Deployment, deploy, participants_of
from orchestrator.definition import messages as definition
from orchestrator.errors import MessageRejected, SchemaIncompatible, TopicMismatch, UnknownDefinition
from orchestrator.settings import Settings
from orchestrator.wire.definitions import Activated, DefinitionRecord, Published, activate_record, parse_definition
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.reply import FAILURE
from orchestrator.wire.topics import Topics
from tests.integration.client.sagas import Charge, Restore, purchase, purchase_of_cents, silent


@pytest.fixture
def settings(kafka: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for message in (Charge, Restore):
        monkeypatch.setitem(definition._participants, message, f"{namespace}_billing")
    return Settings(kafka=kafka, namespace=namespace, shards=3)


@pytest.fixture
def broker(settings: Settings) -> Generator[KafkaBroker]:
    broker = KafkaBroker(settings.kafka, Topics(settings.namespace))
    yield broker
    broker.close()


def definitions(broker: KafkaBroker) -> list[DefinitionRecord]:
    follower = broker.follower(broker.names.definitions)
    found = [parse_definition(record) for record in follower.catch_up()]
    follower.close()
    return found


def schema_ids(broker: KafkaBroker) -> list[str]:
    follower = broker.follower(broker.names.schemas)
    found = [(record.key or b"").decode() for record in follower.catch_up()]
    follower.close()
    return found


def deployed(settings: Settings, *sagas: AnySaga, create_topics: bool = True) -> Deployment:
    return deploy([saga.compile() for saga in sagas], settings, create_topics=create_topics)


def test_schemas_then_blueprints_then_their_names_are_written(settings: Settings, broker: KafkaBroker) -> None:
    blueprint = purchase.compile()
    deployment = deployed(settings, purchase)
    assert definitions(broker) == [
        Published("purchase", blueprint.hash, canonical.dumps(blueprint)),
        Activated("purchase", blueprint.hash),
    ]
    assert set(schema_ids(broker)) == {*blueprint.schemas, FAILURE.schema_id}
    assert set(deployment.published_schemas) == set(schema_ids(broker))
    assert deployment.sagas == (Deployed(name="purchase", hash=blueprint.hash, before=None),)
    assert deployment.sagas[0].changed is True


def test_the_topics_are_made_as_they_must_be(settings: Settings, broker: KafkaBroker) -> None:
    deployment = deployed(settings, purchase)
    expected = [
        *namespace_topics(Topics(settings.namespace), 3),
        command_topic(f"{settings.namespace}_billing", 3),
        parking_topic(f"{settings.namespace}_billing"),
    ]
    assert list(deployment.created_topics) == [spec.name for spec in expected]
    found = broker.topics([spec.name for spec in expected])
    assert {spec.name: spec.partitions for spec in expected} == {name: each.partitions for name, each in found.items()}


def test_the_same_deploy_again_changes_nothing(settings: Settings, broker: KafkaBroker) -> None:
    deployed(settings, purchase)
    before = definitions(broker), schema_ids(broker)
    again = deployed(settings, purchase, create_topics=False)
    assert (again.created_topics, again.published_schemas) == ((), ())
    assert [saga.changed for saga in again.sagas] == [False]
    assert (definitions(broker), schema_ids(broker)) == before


def test_an_older_version_becomes_active_again_without_being_published_again(
    settings: Settings, broker: KafkaBroker
) -> None:
    first = purchase.compile()
    second = replace(first, undo_retry=replace(first.undo_retry, attempts_max=7), hash="")
    second = replace(second, hash=canonical.hash_of(second))
    for blueprint in (first, second, first):
        deploy([blueprint], settings, create_topics=True)
    assert [type(each).__name__ + each.hash for each in definitions(broker)] == [
        f"Published{first.hash}",
        f"Activated{first.hash}",
        f"Published{second.hash}",
        f"Activated{second.hash}",
        f"Activated{first.hash}",
    ]


def test_a_changed_scale_is_refused_and_nothing_is_written(settings: Settings, broker: KafkaBroker) -> None:
    deployed(settings, purchase)
    before = definitions(broker), schema_ids(broker)
    with pytest.raises(SchemaIncompatible, match=r"input purchase.*decimal\(18, 2\).*decimal\(38, 9\)"):
        deployed(settings, silent, purchase_of_cents)
    assert (definitions(broker), schema_ids(broker)) == before


def test_without_create_topics_every_missing_topic_is_named(settings: Settings) -> None:
    with pytest.raises(TopicMismatch) as caught:
        deployed(settings, purchase, create_topics=False)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + 7 + 1
    assert all("--create-topics" in line for line in lines[1:])
    assert f"{settings.namespace}_billing.commands" in lines[-1]


@pytest.mark.parametrize("create_topics", [True, False])
def test_another_number_of_shards_is_refused(settings: Settings, *, create_topics: bool) -> None:
    deployed(settings, purchase)
    with pytest.raises(TopicMismatch, match="expected 4 partitions, got 3"):
        deployed(replace(settings, shards=4), purchase, create_topics=create_topics)


def test_a_participants_partitions_are_its_own_affair(settings: Settings, broker: KafkaBroker) -> None:
    broker.create([TopicSpec(f"{settings.namespace}_billing.commands", 5)])
    deployment = deployed(settings, purchase)
    assert f"{settings.namespace}_billing.commands" not in deployment.created_topics


def test_a_saga_twice_in_a_deploy_is_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match="once"):
        deployed(settings, purchase, purchase_of_cents)


def test_participants_are_those_of_commands_undos_and_probes(settings: Settings) -> None:
    assert participants_of([purchase.compile(), silent.compile()]) == [f"{settings.namespace}_billing"]


def test_what_anybody_wrote_among_the_definitions_stops_no_deploy_and_no_start(
    settings: Settings, broker: KafkaBroker
) -> None:
    deployed(settings, purchase)
    wrong, topic = "0" * 64, broker.names.definitions
    broker.publish(
        [
            OutgoingRecord(topic, 0, f"purchase/{wrong}".encode(), (), b"[" * 100_000),
            activate_record(broker.names, Activated("purchase", wrong)),
            OutgoingRecord(topic, 0, b"\xff", (), None),
        ]
    )
    with Client(settings) as client, pytest.raises(UnknownDefinition, match="got none at all: deploy it first"):
        client.start_named("purchase", "{}", id="one")
    assert deployed(settings, purchase, create_topics=False).sagas[0].changed is True
    with Client(settings) as client, pytest.raises(MessageRejected):
        client.start_named("purchase", "{}", id="one")
