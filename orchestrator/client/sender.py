"""Sends requests: many at once, without waiting; what could not be sent is told to whoever waits for its answer."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orchestrator.broker import configuration
from orchestrator.broker.client import made
from orchestrator.broker.rounds import Rounds, end_round, put
from orchestrator.broker.translation import ConnectionTrouble, error_of
from orchestrator.errors import OrchestratorError, Unavailable
from orchestrator.settings import Settings
from orchestrator.wire.record import OutgoingRecord

SEND_MS: Final = 30_000
"""How long Kafka may take to store a request before it counts as not sent."""
ROOM_S: Final = 30.0
"""How long ``post`` waits for room when requests come faster than Kafka takes them."""
POSTED_MAX: Final = 10_000
"""Requests that wait for their round."""
PATIENCE_S: Final = 0.02
"""How long a request that nobody waits for yet waits for others."""

Failed = Callable[[OrchestratorError], None]


@dataclass(slots=True, eq=False)
class _Posted:
    record: OutgoingRecord
    failed: Failed


class Sender:
    """An idempotent producer of requests; any thread may post."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._doing = f"write to {topic}"
        self._trouble = ConnectionTrouble()
        connection = configuration.Connection(settings.kafka, settings.kafka_options)
        self._configuration = {**connection.client(self._trouble), **configuration.publisher(SEND_MS)}
        self._producer = made(Producer, self._configuration)
        self._room = threading.Event()
        self._rounds = Rounds("saga-client-requests", self._round, PATIENCE_S)
        self._rounds.start()

    def post(self, record: OutgoingRecord, failed: Failed) -> None:
        """Send ``record`` soon; ``failed`` is called, from a thread of the client, if it was not stored.

        Raises ``Unavailable`` when there is no room for it.
        """
        if len(self._rounds) >= POSTED_MAX:
            self._room.clear()
            if len(self._rounds) >= POSTED_MAX and not self._room.wait(ROOM_S):
                raise Unavailable(
                    f"Kafka: expected room to {self._doing} within {ROOM_S:.0f} s, got none: try again later"
                )
        if self._rounds.failure is not None:
            raise Unavailable(f"the client's sender ended with {self._rounds.failure!r}: make a new client")
        self._rounds.post(_Posted(record, failed))

    def hurry(self) -> None:
        """Somebody waits for the answer to what was posted."""
        self._rounds.hurry()

    def close(self) -> None:
        """Wait until what was sent is stored, within bounds."""
        self._rounds.close()
        self._producer.flush(SEND_MS / 1000)

    def _round(self, posted: Sequence[_Posted]) -> None:
        self._room.set()
        for each in posted:
            self._send(each)
        self._flush()

    def _send(self, posted: _Posted) -> None:
        delivered = partial(self._delivered, posted.failed)
        while True:
            try:
                put(self._producer, posted.record, delivered)
            except BufferError:
                self._flush()
            except KafkaException as error:
                posted.failed(self._trouble.explained(error_of(error), self._doing))
                return
            else:
                return

    def _flush(self) -> None:
        try:
            end_round(self._producer)
        except (KafkaException, SystemError):  # fatal: told to each request that it meets, by `_delivered`
            broken, self._producer = self._producer, made(Producer, self._configuration)
            broken.purge()
            with suppress(KafkaException, SystemError):
                broken.poll(0)

    def _delivered(self, failed: Failed, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed(self._trouble.explained(error, self._doing))
