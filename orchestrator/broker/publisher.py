"""Writing outside of transactions: deploy, clients and participants; idempotent, acknowledged by all replicas."""

import threading
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orchestrator.broker import configuration
from orchestrator.broker.client import heard, made
from orchestrator.broker.rounds import put
from orchestrator.broker.translation import ConnectionTrouble, Local, translated
from orchestrator.errors import Unavailable
from orchestrator.wire.record import OutgoingRecord

METADATA_SECONDS: Final = 5.0


class Publisher:
    """One producer, made with the first record; its calls wait for each other, each for one round trip."""

    def __init__(self, connection: configuration.Connection, timeout_ms: int) -> None:
        self._connection = connection
        self._timeout_ms = timeout_ms
        self._lock = threading.Lock()
        self._trouble = ConnectionTrouble()
        self._producer: Producer | None = None
        self._known: set[str] = set()

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """See the port.

        Raises ``TopicMismatch`` for a record its topic cannot take, ``Unavailable`` when not all were acknowledged in
        time: those may be stored or not.
        """
        with self._lock:
            client = self._client()
            failed: list[tuple[KafkaError, str]] = []
            try:
                self._write(client, records, failed)
            except KafkaException as error:
                self._throw_away()
                raise self._trouble.explained(heard(client, error), "publish records") from error
            except BufferError as error:
                self._throw_away()
                raise Unavailable("Kafka: expected room for a record, got none: the brokers do not keep up") from error
            except SystemError as error:  # the binding's answer when a callback runs while a fatal error is on its way
                self._throw_away()
                raise Unavailable("Kafka: expected to publish records, the producer failed: try again later") from error
            if failed:
                self._throw_away()
                raise self._trouble.explained(*failed[0])
            self._trouble.over()

    def _write(self, client: Producer, records: Sequence[OutgoingRecord], failed: list[tuple[KafkaError, str]]) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failed.append((error, f"publish a record of key {message.key()!r} to {message.topic()}"))

        for record in records:
            if record.topic not in self._known:
                self._look_up(client, record.topic)
            try:
                put(client, record, delivered)
            except BufferError:
                client.flush(self._timeout_ms / 1000)
                put(client, record, delivered)
        if client.flush(self._timeout_ms / 1000):
            failed.append((KafkaError(Local.TIMED_OUT, f"no answer within {self._timeout_ms} ms"), "publish records"))

    def _look_up(self, client: Producer, topic: str) -> None:
        """Have the topic's leaders: librdkafka would ask for a second new topic up to a second later."""
        error: KafkaError | None = client.list_topics(topic, METADATA_SECONDS).topics[topic].error
        if error is not None:
            raise translated(error, f"publish to {topic}")
        self._known.add(topic)

    def _client(self) -> Producer:
        if self._producer is None:
            settings = configuration.publisher(self._timeout_ms)
            self._producer = made(Producer, {**self._connection.client(self._trouble), **settings})
        return self._producer

    def _throw_away(self) -> None:
        client, self._producer = self._producer, None
        self._known.clear()
        if client is not None:
            client.purge()

    def close(self) -> None:
        """Throw the producer away; nothing is left in it, since every call waits for its records."""
        with self._lock:
            self._throw_away()
