"""The producer of replies: idempotent, and patient, for the commands of what is not delivered stay uncommitted.

Workers send; only the intake's thread polls, and it alone is told what was delivered.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orchestrator.broker import configuration
from orchestrator.broker.client import made
from orchestrator.broker.translation import ABSENT, FORBIDDEN, TOO_LARGE, ConnectionTrouble, error_of
from orchestrator.telemetry import logger
from orchestrator.wire.record import OutgoingRecord

if TYPE_CHECKING:
    from orchestrator.errors import OrchestratorError

METADATA_S: Final = 5.0
"""How long a topic that was not written to yet is looked up."""

_log = logger("participant")


class Delivery(Enum):
    """What became of a reply."""

    STORED = "stored"
    """By all replicas that must."""
    TOO_LARGE = "too large"
    """The topic does not take it, and never will."""
    UNDELIVERABLE = "undeliverable"
    """There is no such topic or partition, or it is not ours to write to."""


Told = Callable[[Delivery], None]


class ReplyProducer:
    """Sends replies; ``failure`` says why none can be sent any more, and a new producer is needed."""

    def __init__(self, connection: configuration.Connection) -> None:
        self.failure: OrchestratorError | None = None
        self._trouble = ConnectionTrouble()
        self._producer = made(Producer, {**connection.client(self._trouble), **configuration.replies()})
        self._known: set[str] = set()
        self._at_once: deque[tuple[Told, Delivery]] = deque()

    def send(self, record: OutgoingRecord, told: Told) -> None:
        """Send ``record``; ``poll`` calls ``told`` once it is known what became of it. Any thread may send."""
        try:
            error = self._look_up(record.topic)
            if error is not None:
                self._settle(told, record.topic, error)
                return
            self._producer.produce(
                record.topic,
                record.value,
                record.key,
                record.partition,
                headers=list(record.headers),
                on_delivery=partial(self._delivered, told, record.topic),
            )
        except KafkaException as error:
            self._settle(told, record.topic, error_of(error))

    def answered(self, told: Told) -> None:
        """There is nothing to send: ``poll`` calls ``told`` as if it were stored."""
        self._at_once.append((told, Delivery.STORED))

    def poll(self, timeout_s: float) -> None:
        """Tell what was delivered since the last call, waiting for a first delivery at most ``timeout_s``."""
        self._producer.poll(0 if self._at_once else timeout_s)
        while self._at_once:
            told, delivery = self._at_once.popleft()
            told(delivery)

    def close(self) -> None:
        """Give up what is not delivered."""
        self._producer.purge()
        self._producer.poll(0)

    def _look_up(self, topic: str) -> KafkaError | None:
        """Have the topic's leaders before its first record: librdkafka would take up to a second to ask for them."""
        if topic in self._known:
            return None
        error: KafkaError | None = self._producer.list_topics(topic, METADATA_S).topics[topic].error
        if error is None:
            self._known.add(topic)
        return error

    def _delivered(self, told: Told, topic: str, error: KafkaError | None, _: Message) -> None:
        if error is None:
            told(Delivery.STORED)
        else:
            self._settle(told, topic, error)

    def _settle(self, told: Told, topic: str, error: KafkaError) -> None:
        if error.code() in TOO_LARGE:
            self._at_once.append((told, Delivery.TOO_LARGE))
        elif error.code() in ABSENT or error.code() in FORBIDDEN or error.code() == KafkaError.TOPIC_EXCEPTION:
            _log.error("a reply cannot be delivered", topic=topic, why=error.str())
            self._at_once.append((told, Delivery.UNDELIVERABLE))
        else:
            self.failure = self._trouble.explained(error, f"write replies to {topic}")
