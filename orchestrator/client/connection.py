"""A client's connection to one namespace: topics, sender, listener, watches."""

import time
from functools import partial

from orchestrator.broker.definitions import DefinitionTopic
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.schemas import SchemaTopic
from orchestrator.client.listener import Listener
from orchestrator.client.sender import Sender
from orchestrator.client.watch import Watch, Watches
from orchestrator.clock import now_ms
from orchestrator.errors import MessageRejected, TopicMismatch
from orchestrator.settings import Settings
from orchestrator.telemetry import logger
from orchestrator.wire.avro import Codec
from orchestrator.wire.outcome import SagaEnded, parse_outcome
from orchestrator.wire.partition import partition_of
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.request import Request, request_record
from orchestrator.wire.topics import Topics

_log = logger("client")


class Connection:
    """Everything of a client that reaches Kafka."""

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self._topics = topics
        self._published: set[str] = set()
        self._broker = KafkaBroker.of(settings)
        self._broker.check_reachable()
        self._shards = _shards(self._broker, topics, settings)
        self.watches = Watches()
        self.schemas = SchemaTopic(self._broker, topics)
        self.definitions = DefinitionTopic(self._broker, topics)
        self._sender = Sender(settings, topics.requests)
        self._listener = Listener(settings, topics.outcomes, self.watches)
        self._listener.start(self._shards)

    def send(self, request: Request) -> Watch:
        """Send ``request``, and listen for what becomes of its saga while somebody holds the watch."""
        watch = self.watches.of(request.saga_id)
        record = request_record(self._topics, self._shards, request, now_ms())
        self._sender.post(record, partial(watch.fail, request.request_id))
        return watch

    def hurry(self) -> None:
        """Somebody waits for the answer to what was sent: nothing is gained by waiting for more requests."""
        self._sender.hurry()

    def publish(self, codec: Codec) -> None:
        """Publish a schema before its first use."""
        if codec.schema_id not in self._published:
            self.schemas.publish([codec])
            self._published.add(codec.schema_id)

    def look_back(self, watch: Watch, until: float) -> None:
        """Look for the end of a saga among the outcomes there are, until ``until`` on the monotonic clock."""
        subject = watch.saga_id.encode()
        found: list[SagaEnded] = []

        def wanted(record: IncomingRecord) -> bool:
            if record.key == subject:
                try:
                    outcome = parse_outcome(record)
                except MessageRejected as why:
                    _log.error("an outcome cannot be read", why=str(why))
                    return False
                if isinstance(outcome, SagaEnded):
                    found.append(outcome)
            return bool(found) or watch.ended is not None or time.monotonic() > until

        self._broker.last(self._topics.outcomes, partition_of(watch.saga_id, self._shards), wanted)
        for outcome in found:
            watch.learn(outcome)

    def close(self) -> None:
        """Let go of everything."""
        self._sender.close()
        self._listener.close()
        self.schemas.close()
        self.definitions.close()
        self._broker.close()


def _shards(broker: KafkaBroker, topics: Topics, settings: Settings) -> int:
    """The number of shards, from the topics themselves."""
    found = broker.topics([topics.requests, topics.outcomes])
    missing = [name for name in (topics.requests, topics.outcomes) if name not in found]
    if missing:
        raise TopicMismatch(
            f"expected the topic {missing[0]} on {settings.kafka}, found none: is SAGA_NAMESPACE={topics.namespace} "
            f"right? `saga deploy FILE --create-topics` makes the namespace"
        )
    return found[topics.requests].partitions
