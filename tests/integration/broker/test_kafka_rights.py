"""Missing access rights on a real broker: the operator is told which kind of resource, in one line."""

from collections.abc import Callable
from contextlib import closing
from time import monotonic

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from orchestrator.broker.kafka import KafkaBroker
from orchestrator.errors import ConfigError
from orchestrator.local import kafka as local_kafka
from tests.contract.broker.clusters import record

Deny = Callable[[ResourceType, str, AclOperation], None]
PATIENCE_SECONDS = 20.0


@pytest.fixture
def broker(own_kafka: local_kafka.KafkaBroker, connect: Callable[..., KafkaBroker]) -> KafkaBroker:
    return connect(own_kafka.bootstrap)


@pytest.fixture
def deny(own_kafka: local_kafka.KafkaBroker) -> Deny:
    """Deny one operation on one resource to everybody; names are this test's own, so nothing has to be undone."""
    admin = AdminClient({"bootstrap.servers": own_kafka.bootstrap})

    def make(kind: ResourceType, name: str, operation: AclOperation) -> None:
        literal, forbidden = ResourcePatternType.LITERAL, AclPermissionType.DENY
        binding = AclBinding(kind, name, literal, "User:*", "*", operation, forbidden)
        admin.create_acls([binding])[binding].result()

    return make


def raises_at_last(call: Callable[[], object], kind: type[Exception], words: str) -> None:
    """Brokers hear of new access rights a little later."""

    def call_again() -> None:
        until = monotonic() + PATIENCE_SECONDS
        while monotonic() < until:
            call()

    with pytest.raises(kind, match=words):
        call_again()


def test_group_that_is_denied_is_named(broker: KafkaBroker, deny: Deny) -> None:
    deny(ResourceType.GROUP, broker.names.group, AclOperation.READ)
    with closing(broker.membership()) as membership:
        raises_at_last(
            lambda: membership.poll(0.1), ConfigError, f"{broker.names.group}.*rights on that consumer group"
        )


def test_transactional_id_that_is_denied_is_named(broker: KafkaBroker, deny: Deny) -> None:
    deny(ResourceType.TRANSACTIONAL_ID, broker.names.relay_id(1), AclOperation.WRITE)

    def init() -> None:
        with closing(broker.producer(1)) as producer:
            producer.init()

    raises_at_last(init, ConfigError, f"{broker.names.relay_id(1)}.*rights on that transactional id")


def test_topic_that_may_not_be_written_is_named(broker: KafkaBroker, deny: Deny) -> None:
    deny(ResourceType.TOPIC, broker.names.requests, AclOperation.WRITE)
    written = record(broker.names.requests, b"v")
    raises_at_last(lambda: broker.publish([written]), ConfigError, f"{broker.names.requests}.*rights on that topic")


def test_topic_that_the_relay_may_not_write_is_named(broker: KafkaBroker, deny: Deny) -> None:
    deny(ResourceType.TOPIC, broker.names.replies, AclOperation.WRITE)
    with closing(broker.producer(1)) as producer:
        producer.init()

        def transaction() -> None:
            producer.begin()
            producer.produce([record(broker.names.replies, b"v")])
            producer.commit()

        raises_at_last(transaction, ConfigError, "rights on that topic")


def test_topic_that_may_not_be_read_is_named_before_its_silent_reader_is_made(broker: KafkaBroker, deny: Deny) -> None:
    deny(ResourceType.TOPIC, broker.names.replies, AclOperation.READ)
    raises_at_last(
        lambda: broker.topics([broker.names.replies]), ConfigError, f"{broker.names.replies}.*rights on that topic"
    )


def test_topic_that_may_not_be_described_is_named(broker: KafkaBroker, deny: Deny) -> None:
    deny(ResourceType.TOPIC, broker.names.journal, AclOperation.DESCRIBE_CONFIGS)
    raises_at_last(
        lambda: broker.topics([broker.names.journal]), ConfigError, f"{broker.names.journal}.*rights on that topic"
    )


def test_settings_of_the_cluster_that_may_not_be_read_are_empty(broker: KafkaBroker) -> None:
    assert broker.cluster().settings["transaction.partition.verification.enable"] == "true"
    assert broker.cluster().brokers == 1
