"""The schemas topic of one namespace: read by the orchestrator, written by participants, clients and deploy.

Each schema is published before its first use. Calls of several threads wait for each other.
"""

import threading
from collections.abc import Iterable

from orchestrator.blueprint.model import Json
from orchestrator.broker.port import Broker
from orchestrator.errors import MessageRejected
from orchestrator.telemetry import logger
from orchestrator.wire.avro import Codec
from orchestrator.wire.registry import SchemaRegistry, schema_record
from orchestrator.wire.topics import Topics

_log = logger("schemas")


class SchemaTopic:
    """What is published in ``{namespace}.schemas``, and what this process has added."""

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._broker = broker
        self._topics = topics
        self._follower = broker.follower(topics.schemas)
        self._registry = SchemaRegistry()
        self._lock = threading.Lock()

    def publish(self, codecs: Iterable[Codec]) -> list[str]:
        """Publish those schemas that are missing, and return their ids. Raises ``Unavailable``, ``TopicMismatch``."""
        with self._lock:
            wanted = {codec.schema_id: codec.schema for codec in codecs}
            if any(self._registry.get(schema_id) is None for schema_id in wanted):
                self._catch_up()
            missing = {key: schema for key, schema in wanted.items() if self._registry.get(key) is None}
            self._broker.publish([schema_record(self._topics, schema) for schema in missing.values()])
            return list(missing)

    def refresh(self) -> None:
        """Read to the end of the topic as it is now. Raises ``Unavailable``."""
        with self._lock:
            self._catch_up()

    def known(self, schema_id: str) -> Json | None:
        """A schema that was published before the last read; asks nobody."""
        return self._registry.get(schema_id)

    def find(self, schema_id: str) -> Json | None:
        """A published schema, looked for to the end of the topic as it is now; None: there is none."""
        with self._lock:
            if self._registry.get(schema_id) is None:
                self._catch_up()
            return self._registry.get(schema_id)

    def close(self) -> None:
        """Stop reading."""
        self._follower.close()

    def _catch_up(self) -> None:
        for record in self._follower.catch_up():
            try:
                self._registry.learn(record)
            except MessageRejected as error:
                _log.warning("a schema is ignored", offset=record.offset, reason=error.reason, text=str(error))
