"""Whether every partition of the local broker is served: after a restart it answers before it leads its old topics."""

import time
from contextlib import closing
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from orchestrator.broker.admin import Admin
from orchestrator.broker.configuration import Connection
from orchestrator.errors import TopicMismatch, Unavailable

LEADERS_S: Final = 30.0
"""How long a broker may take until it leads what its directory holds."""
POLL_S: Final = 0.05
METADATA_S: Final = 5.0


def await_leaders(bootstrap: str) -> None:
    """Wait until the broker at ``bootstrap`` serves each partition that it has; at once when it has none.

    Raises ``Unavailable`` after ``LEADERS_S``.
    """
    until = time.monotonic() + LEADERS_S
    metadata = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    with closing(Admin(Connection(bootstrap))) as admin:
        while True:
            try:
                admin.beginnings(_partitions(metadata))
            except (Unavailable, TopicMismatch, KafkaException) as error:
                if time.monotonic() > until:
                    raise Unavailable(
                        f"expected Kafka at {bootstrap} to lead every partition within {LEADERS_S:.0f} s, got: {error}"
                    ) from error
                time.sleep(POLL_S)
            else:
                return


def _partitions(client: AdminClient) -> list[tuple[str, int]]:
    topics = client.list_topics(timeout=METADATA_S).topics
    return [(name, partition) for name, topic in topics.items() for partition in topic.partitions]
