"""Sends requests: many at once, without waiting; what could not be sent is told to whoever waits for its answer."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orchestrator.broker import configuration
from orchestrator.broker.client import made
from orchestrator.broker.translation import ConnectionTrouble, error_of
from orchestrator.errors import OrchestratorError, Unavailable
from orchestrator.settings import Settings
from orchestrator.wire.record import OutgoingRecord

SEND_MS: Final = 30_000
"""How long Kafka may take to store a request before it counts as not sent."""
ROOM_S: Final = 30.0
"""How long ``send`` waits for room when requests come faster than Kafka takes them."""

Failed = Callable[[OrchestratorError], None]


class Sender:
    """An idempotent producer of requests; any thread may send."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._doing = f"write to {topic}"
        self._trouble = ConnectionTrouble()
        connection = configuration.Connection(settings.kafka, settings.kafka_options)
        self._configuration = {**connection.client(self._trouble), **configuration.publisher(SEND_MS)}
        self._producer = made(Producer, self._configuration)

    def send(self, record: OutgoingRecord, failed: Failed) -> None:
        """Send ``record``; ``failed`` is called, from a thread of the client, if it was not stored.

        Raises ``Unavailable`` when there is no room for it, or what Kafka refuses it with.
        """
        delivered = partial(self._delivered, failed)
        for _ in range(int(ROOM_S * 10)):
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    record.partition,
                    headers=list(record.headers),
                    on_delivery=delivered,
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise self._trouble.explained(error_of(error), self._doing) from error
            else:
                return
        raise Unavailable(f"Kafka: expected room to {self._doing} within {ROOM_S:.0f} s, got none: try again later")

    def tell(self) -> None:
        """Call ``failed`` of what was not stored since the last call; after a fatal error all of it, and begin anew."""
        try:
            self._producer.poll(0)
        except KafkaException:  # told to each request that it meets, by `_delivered`
            broken, self._producer = self._producer, made(Producer, self._configuration)
            broken.purge()
            with suppress(KafkaException):
                broken.poll(0)

    def close(self) -> None:
        """Wait until what was sent is stored, within bounds."""
        self._producer.flush(SEND_MS / 1000)

    def _delivered(self, failed: Failed, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed(self._trouble.explained(error, self._doing))
