from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Any

import pytest

from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.topology import namespace_topics
from orchestrator.local import kafka as local_kafka
from orchestrator.wire.topics import Topics
from tests.contract.broker.clusters import SHARDS
from tests.servers import new_directory

OWN_SETTINGS = {
    **local_kafka.FAST_ABORT,
    "group.min.session.timeout.ms": "1000",
    # The protocol of KIP-848 takes its session from the broker.
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "2000",
    "group.consumer.min.heartbeat.interval.ms": "200",
    "group.consumer.heartbeat.interval.ms": "500",
    # So that a test can deny rights to the only user there is.
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
    # So that a test sees a log that was compacted.
    "log.cleaner.backoff.ms": "100",
}


@pytest.fixture(scope="package")
def own_kafka() -> Generator[local_kafka.KafkaBroker]:
    """A broker of these modules alone, for tests that pause, kill and restart it; leave it running."""
    with new_directory() as directory, ExitStack() as stack:
        server = local_kafka.KafkaBroker(directory / "kafka", settings=OWN_SETTINGS)
        server.start()
        stack.callback(server.stop)
        yield server


@pytest.fixture
def connect(namespace: str) -> Generator[Callable[..., KafkaBroker]]:
    """A new process' way to a cluster, closed after the test; the first one makes the namespace."""
    opened: list[KafkaBroker] = []

    def make(bootstrap: str, **options: Any) -> KafkaBroker:
        broker = KafkaBroker(bootstrap, Topics(namespace), **options)
        if not opened:
            broker.create(namespace_topics(broker.names, SHARDS))
        opened.append(broker)
        return broker

    yield make
    for broker in opened:
        broker.close()
