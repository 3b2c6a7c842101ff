"""Three brokers of one Kafka cluster, each of which can be reached by a second way that leads through a proxy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from chaos.listeners import Listeners
from orchestrator.local.kafka import KafkaBroker, new_cluster_id
from orchestrator.local.ports import HOST

REPLICATED: Final = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}
"""What is acknowledged survives the loss of any one broker."""


def cluster_in(directory: Path, places: Sequence[Listeners], settings: Mapping[str, str]) -> list[KafkaBroker]:
    """A broker for each of ``places``, none of them started; each is a controller, too."""
    cluster_id = new_cluster_id()
    numbered = dict(enumerate(places, 1))
    voters = ",".join(f"{number}@{HOST}:{place.controller}" for number, place in numbered.items())
    return [
        KafkaBroker(
            directory / f"kafka-{number}",
            port=place.open,
            settings={
                **REPLICATED,
                **settings,
                **place.settings,
                "node.id": str(number),
                "controller.quorum.voters": voters,
            },
            cluster_id=cluster_id,
        )
        for number, place in numbered.items()
    ]
