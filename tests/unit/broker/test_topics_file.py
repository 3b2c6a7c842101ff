"""deploy/topics.yaml is what the orchestrator demands at its start, topic by topic."""

from pathlib import Path

import yaml

from orchestrator.broker.topology import namespace_topics
from orchestrator.settings import SHARDS, VARIABLES
from orchestrator.wire.topics import Topics

FILE = Path(__file__).parents[3] / "deploy" / "topics.yaml"
REPLICATION = 3


def test_the_file_has_the_topics_of_the_default_namespace() -> None:
    namespace = VARIABLES["SAGA_NAMESPACE"].default
    assert list(yaml.safe_load_all(FILE.read_text())) == [
        {
            "apiVersion": "kafka.strimzi.io/v1",
            "kind": "KafkaTopic",
            "metadata": {"name": spec.name, "labels": {"strimzi.io/cluster": "kafka"}},
            "spec": {"partitions": spec.partitions, "replicas": REPLICATION, "config": dict(spec.settings)},
        }
        for spec in namespace_topics(Topics(namespace), SHARDS, REPLICATION)
    ]
