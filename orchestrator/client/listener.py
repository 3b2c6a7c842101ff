"""The background thread of a client: reads ``{namespace}.outcomes`` from where it ended before the first request.

Reads all partitions, in no group, and decodes only what somebody waits for.
"""

import threading
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from orchestrator.broker import configuration
from orchestrator.broker.client import made
from orchestrator.broker.inputs import record_of
from orchestrator.broker.translation import ConnectionTrouble, error_of
from orchestrator.client.watch import Watches
from orchestrator.errors import MessageRejected, Unavailable
from orchestrator.settings import Settings
from orchestrator.telemetry import logger
from orchestrator.wire.outcome import parse_outcome
from orchestrator.wire.topics import Topics

END_S: Final = 10.0
"""How long the end of a partition is asked for."""
IDLE_S: Final = 0.1
"""How long a poll waits for a record; also how late a stop is seen."""
POLL_MAX: Final = 1_000

_log = logger("client")


class Listener:
    """Tells ``watches`` what is read."""

    def __init__(self, settings: Settings, topic: str, watches: Watches) -> None:
        self._topic = topic
        self._watches = watches
        self._stopping = threading.Event()
        self._trouble = ConnectionTrouble()
        connection = configuration.Connection(settings.kafka, settings.kafka_options)
        reader = configuration.outcomes(Topics(settings.namespace).clients_group)
        self._consumer = made(Consumer, {**connection.client(self._trouble), **reader})
        self._thread = threading.Thread(target=self._run, name="saga-client", daemon=True)

    def start(self, partitions: int) -> None:
        """Read on from the ends as they are now. Raises ``Unavailable``."""
        try:
            self._consumer.assign([self._end(partition) for partition in range(partitions)])
        except KafkaException as error:
            raise self._trouble.explained(error_of(error), f"find the end of {self._topic}") from error
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._consumer.close()

    def _end(self, partition: int) -> TopicPartition:
        # read_committed: the end of what is committed, so that what an open transaction holds will be read.
        place = TopicPartition(self._topic, partition)
        place.offset = self._consumer.get_watermark_offsets(place, timeout=END_S)[1]
        return place

    def _run(self) -> None:
        try:
            self._listen()
        except BaseException as error:  # noqa: BLE001 - whoever waits would wait for ever
            _log.critical("the client does not listen any more", why=str(error))
            self._watches.abandon(Unavailable(f"the client's listener ended with {error!r}: make a new client"))
        else:
            self._watches.abandon(Unavailable("the client was closed while somebody waited"))

    def _listen(self) -> None:
        while not self._stopping.is_set():
            first = self._consumer.poll(IDLE_S)
            if first is not None:
                self._tell([first, *self._consumer.consume(POLL_MAX, 0)])

    def _tell(self, messages: Sequence[Message]) -> None:
        for message in messages:
            error = message.error()
            if error is not None:
                _log.warning("reading outcomes goes on after an error", topic=self._topic, why=error.str())
                continue
            key = message.key()
            watch = self._watches.find(key.decode(errors="replace")) if isinstance(key, bytes) else None
            if watch is not None:
                try:
                    watch.learn(parse_outcome(record_of(message)))
                except MessageRejected as why:
                    _log.error("an outcome cannot be read", why=str(why))
