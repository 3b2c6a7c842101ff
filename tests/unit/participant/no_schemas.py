"""What stands in for the schemas of a namespace, in tests without Kafka."""

from orchestrator.blueprint.model import Json
from orchestrator.participant.schemas import Schemas


class NoSchemas(Schemas):
    """Those of a namespace that publishes none."""

    def __init__(self) -> None:
        """Nothing is connected."""

    def introduce(self, namespace: str) -> None:
        assert namespace == "saga"

    def find(self, namespace: str, schema_id: str) -> Json | None:
        raise AssertionError(namespace, schema_id)
