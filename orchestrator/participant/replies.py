"""The producer of replies: idempotent, and patient, for the commands of what is not delivered stay uncommitted.

Workers post, one thread sends and is told what was delivered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orchestrator.broker import configuration
from orchestrator.broker.client import made
from orchestrator.broker.rounds import Rounds, end_round, put
from orchestrator.broker.translation import ABSENT, FORBIDDEN, TOO_LARGE, ConnectionTrouble, error_of
from orchestrator.errors import Unavailable
from orchestrator.participant.offsets import Offsets, Span
from orchestrator.telemetry import logger
from orchestrator.wire.headers import place_of
from orchestrator.wire.record import IncomingRecord, OutgoingRecord

METADATA_S: Final = 5.0
"""How long a topic that was not written to yet is looked up."""
PATIENCE_S: Final = 0.01
"""How long a reply waits for those of the same handout, when a handler takes its time."""

_log = logger("participant")


@dataclass(slots=True, eq=False)
class Reply:
    """What became of a command."""

    command: IncomingRecord
    span: Span | None
    """None: it is in work still, and this tells of its progress."""
    record: OutgoingRecord | None
    """None: there is nobody to reply to."""
    instead: bool = False
    """It stands for one that was too large."""


class ReplyProducer:
    """Sends replies and tells ``offsets`` when they are stored.

    ``too_large`` makes the record that is sent for a command instead of one that its topic never takes; None: nothing.
    """

    def __init__(
        self,
        connection: configuration.Connection,
        name: str,
        offsets: Offsets,
        too_large: Callable[[IncomingRecord, OutgoingRecord], OutgoingRecord | None],
    ) -> None:
        self._offsets = offsets
        self._too_large = too_large
        self._trouble = ConnectionTrouble()
        self._producer = made(Producer, {**connection.client(self._trouble), **configuration.replies()})
        self._known: set[str] = set()
        self._answered: list[Span] = []
        self._failure: BaseException | None = None
        self._rounds = Rounds(f"{name}-replies", self._round, PATIENCE_S)

    @property
    def failure(self) -> BaseException | None:
        """Why no reply can be sent any more: a new producer is needed."""
        return self._failure or self._rounds.failure

    def start(self) -> None:
        """Begin to send."""
        self._rounds.start()

    def post(self, reply: Reply) -> None:
        """Have ``reply`` sent: with the next ``hurry``, or a moment later. Any thread may post."""
        self._rounds.post(reply)

    def hurry(self) -> None:
        """Nothing is gained by waiting for more."""
        self._rounds.hurry()

    def close(self) -> None:
        """Give up what is not delivered."""
        self._rounds.close()
        self._producer.purge()
        self._producer.poll(0)

    def _round(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            if self._failure is None:
                self._send(reply)
        self._flush()
        if self._answered:
            self._offsets.answered(self._answered)
            self._answered = []

    def _flush(self) -> None:
        try:
            end_round(self._producer)
        except KafkaException as error:  # fatal errors are raised by whatever is polled
            self._failure = self._trouble.explained(error_of(error), "write replies")
        except SystemError:  # the binding's answer when a callback runs while a fatal error is on its way
            self._failure = Unavailable("Kafka: expected to write replies, the producer failed: try again later")

    def _send(self, reply: Reply) -> None:
        record = reply.record
        if record is None:
            self._done(reply)
            return
        try:
            error = self._look_up(record.topic)
            if error is None:
                self._produce(reply, record)
            else:
                self._settle(reply, record, error)
        except KafkaException as error:
            self._settle(reply, record, error_of(error))

    def _produce(self, reply: Reply, record: OutgoingRecord) -> None:
        last = False
        while self._failure is None:
            try:
                put(self._producer, record, partial(self._delivered, reply, record))
            except BufferError:  # replies of 64 MB wait for the brokers
                if last:
                    self._failure = Unavailable("Kafka: expected room for replies at the end, got none: others reply")
                last = self._rounds.closing
                self._flush()
            else:
                return

    def _look_up(self, topic: str) -> KafkaError | None:
        """Have the topic's leaders before its first record: librdkafka would take up to a second to ask for them."""
        if topic in self._known:
            return None
        error: KafkaError | None = self._producer.list_topics(topic, METADATA_S).topics[topic].error
        if error is None:
            self._known.add(topic)
        return error

    def _delivered(self, reply: Reply, record: OutgoingRecord, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self._done(reply)
        else:
            self._settle(reply, record, error)

    def _settle(self, reply: Reply, record: OutgoingRecord, error: KafkaError) -> None:
        if error.code() in TOO_LARGE and not reply.instead:
            self.post(Reply(reply.command, reply.span, self._too_large(reply.command, record), instead=True))
            self.hurry()
        elif error.code() in TOO_LARGE:
            self._done(reply)
        elif error.code() in ABSENT or error.code() in FORBIDDEN or error.code() == KafkaError.TOPIC_EXCEPTION:
            _log.error("a reply cannot be delivered", topic=record.topic, to=place_of(reply.command), why=error.str())
            self._done(reply)
        else:
            self._failure = self._trouble.explained(error, f"write replies to {record.topic}")

    def _done(self, reply: Reply) -> None:
        if reply.span is not None:
            self._answered.append(reply.span)
