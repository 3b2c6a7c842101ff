"""The producer of replies: idempotent, and patient, for the commands of what is not delivered stay uncommitted.

Workers post, and one thread sends in rounds: what was posted leaves as one request for each partition, and what is
posted until it is stored is the next round. Sent one by one, beside requests in flight, a reply cost librdkafka's thread
40 us instead of 5 (measured): it has no rest while a partition has more to send and waits for the answer to what it has
sent.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orchestrator.broker import configuration
from orchestrator.broker.client import made
from orchestrator.broker.translation import ABSENT, FORBIDDEN, TOO_LARGE, ConnectionTrouble, error_of
from orchestrator.participant.offsets import Offsets, Span
from orchestrator.telemetry import logger
from orchestrator.wire.record import IncomingRecord, OutgoingRecord

METADATA_S: Final = 5.0
"""How long a topic that was not written to yet is looked up."""
PATIENCE_S: Final = 0.01
"""How long a reply waits for those of the same portion, when a handler takes its time."""
ROUND_S: Final = 0.05
"""How long a round waits until it is stored: a partition without leader must not keep back the others' replies."""

_log = logger("participant")


@dataclass(slots=True, eq=False)
class Reply:
    """What became of a command."""

    command: IncomingRecord
    span: Span
    record: OutgoingRecord | None
    """None: there is nobody to reply to."""
    instead: bool = False
    """It stands for one that was too large."""


class ReplyProducer:
    """Sends replies and tells ``offsets``; ``failure`` says why none can be sent any more: a new one is needed.

    ``too_large`` makes the record that is sent to a command whose reply the topic does not take, and never will.
    """

    def __init__(
        self,
        connection: configuration.Connection,
        name: str,
        offsets: Offsets,
        too_large: Callable[[IncomingRecord], OutgoingRecord],
    ) -> None:
        self.failure: BaseException | None = None
        self._offsets = offsets
        self._too_large = too_large
        self._trouble = ConnectionTrouble()
        self._producer = made(Producer, {**connection.client(self._trouble), **configuration.replies()})
        self._known: set[str] = set()
        self._posted: deque[Reply] = deque()
        self._answered: list[Span] = []
        self._wanted = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name}-replies", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def post(self, reply: Reply) -> None:
        """Have ``reply`` sent: with the next ``hurry``, or a moment later. Any thread may post."""
        self._posted.append(reply)

    def hurry(self) -> None:
        """Nothing is gained by waiting for more."""
        self._wanted.set()

    def close(self) -> None:
        """Give up what is not delivered."""
        self._closing.set()
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._producer.purge()
        self._producer.poll(0)

    def _run(self) -> None:
        try:
            while not self._closing.is_set() and self.failure is None:
                self._wanted.wait(PATIENCE_S)
                self._wanted.clear()
                self._round()
        except KafkaException as error:  # fatal errors are raised by whatever is polled
            self.failure = self._trouble.explained(error_of(error), "write replies")
        except BaseException as error:  # noqa: BLE001 - commands would wait for ever, in silence: the intake raises it
            self.failure = error

    def _round(self) -> None:
        while self._posted:
            self._send(self._posted.popleft())
        if len(self._producer) > 0:
            self._producer.flush(ROUND_S)
        else:
            self._producer.poll(0)  # what else there is to hear: connections that fail
        if self._answered:
            self._offsets.answered(self._answered)
            self._answered = []

    def _send(self, reply: Reply) -> None:
        record = reply.record
        if record is None:
            self._answered.append(reply.span)
            return
        try:
            error = self._look_up(record.topic)
            if error is not None:
                self._settle(reply, record.topic, error)
                return
            self._producer.produce(
                record.topic,
                record.value,
                record.key,
                record.partition,
                headers=list(record.headers),
                on_delivery=partial(self._delivered, reply),
            )
        except KafkaException as error:
            self._settle(reply, record.topic, error_of(error))

    def _look_up(self, topic: str) -> KafkaError | None:
        """Have the topic's leaders before its first record: librdkafka would take up to a second to ask for them."""
        if topic in self._known:
            return None
        error: KafkaError | None = self._producer.list_topics(topic, METADATA_S).topics[topic].error
        if error is None:
            self._known.add(topic)
        return error

    def _delivered(self, reply: Reply, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._answered.append(reply.span)
        else:
            self._settle(reply, message.topic() or "", error)

    def _settle(self, reply: Reply, topic: str, error: KafkaError) -> None:
        if error.code() in TOO_LARGE and not reply.instead:
            self._posted.append(Reply(reply.command, reply.span, self._too_large(reply.command), instead=True))
            self._wanted.set()
        elif error.code() in TOO_LARGE:
            self._answered.append(reply.span)
        elif error.code() in ABSENT or error.code() in FORBIDDEN or error.code() == KafkaError.TOPIC_EXCEPTION:
            _log.error("a reply cannot be delivered", topic=topic, why=error.str())
            self._answered.append(reply.span)
        else:
            self.failure = self._trouble.explained(error, f"write replies to {topic}")
