"""The two input logs of one shard, read by hand: read_committed, from given offsets, in no group.

Every error but end-of-partition is ``InputLost``, or ``InputsDeleted``, for which an operator must act: librdkafka
reports an offset out of range once and then stays silent for ever. A connection that fails is no error here; librdkafka
makes a new one and reads on at the same offset.

A topic that does not exist, or may not be read, or is deleted under its reader, is no error to librdkafka either: it
asks for metadata again and again, in silence. Whoever reads looks at ``Broker.topics`` before, and at the ids now and
then.
"""

from collections import deque
from operator import methodcaller
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from orchestrator.broker import configuration
from orchestrator.broker.client import made
from orchestrator.broker.port import InputLost, InputPosition, inputs_deleted
from orchestrator.broker.translation import ConnectionTrouble, Local, error_of
from orchestrator.errors import InputsDeleted
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.topics import Topics

CONSUME_MAX: Final = 100_000
"""librdkafka's own bound is 1,000,000 messages in one call."""

_headers = methodcaller("headers")
"""``message.headers()``, for names that are not UTF-8: the binding returns a broken list and sets an error, which
CPython sees here (``SystemError``), but not at a call that it has specialised: there the process dies (SIGSEGV)."""


def record_of(message: Message) -> IncomingRecord:
    """A message that is no error, as a record. A header without value reads as an empty one.

    Of headers with a name that is not UTF-8 none can be had: the record reads as one without headers.
    """
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    try:
        # The stub allows text; a consumer gives bytes, or None.
        found = cast("list[tuple[str, bytes | None]] | None", _headers(message))
    except SystemError as error:
        if not isinstance(error.__cause__, UnicodeDecodeError):
            raise
        found = None
    headers = tuple([(name, value or b"") for name, value in found or ()])
    return IncomingRecord(topic, partition, offset, message.timestamp()[1], message.key(), headers, message.value())


class KafkaInputs:
    """Reads ``requests[shard]`` and ``replies[shard]``; see the port."""

    def __init__(self, connection: configuration.Connection, topics: Topics, shard: int, at: InputPosition) -> None:
        self._requests = topics.requests
        self._doing = f"read {topics.requests}[{shard}] and {topics.replies}[{shard}]"
        self._next = {topics.requests: at.next_requests, topics.replies: at.next_replies}
        self._replies = topics.replies
        self._waiting: deque[Message] = deque()
        self._trouble = ConnectionTrouble()
        self._failure: InputLost | InputsDeleted | None = None
        """Why reading is over; told by ``poll``."""
        settings = {**connection.client(self._trouble), **configuration.inputs(topics.group)}
        self._consumer: Consumer | None = made(Consumer, settings)
        self._consumer.assign([TopicPartition(topic, shard, offset) for topic, offset in self._next.items()])

    def wait(self, timeout_s: float) -> None:
        """See the port; also returns when the end of a log was reached, since ``position`` will say so."""
        if not self._waiting and self._failure is None:
            try:
                message = self._living().poll(timeout_s)
            except KafkaException as error:
                self._failure = self._lost(error_of(error))
                return
            if message is not None:
                self._waiting.append(message)

    def poll(self, limit: int) -> list[IncomingRecord]:
        """See the port."""
        if self._failure is not None:
            raise self._failure
        records: list[IncomingRecord] = []
        while len(records) < limit and self._fill(limit - len(records)):
            while self._waiting and len(records) < limit:
                message = self._waiting.popleft()
                error = message.error()
                if error is None:
                    record = record_of(message)
                    self._next[record.topic] = record.offset + 1
                    records.append(record)
                else:
                    self._reach(message, error)
        return records

    def _fill(self, count: int) -> bool:
        """Whether messages wait, after asking for what is here already."""
        if not self._waiting:
            try:
                # With a timeout it would wait for all of `count`; without, it gives what has been fetched.
                self._waiting.extend(self._living().consume(min(count, CONSUME_MAX), 0))
            except KafkaException as error:
                raise self._lost(error_of(error)) from error
        return bool(self._waiting)

    def _reach(self, message: Message, error: KafkaError) -> None:
        """End of partition: the offset is behind the control records that nobody is handed."""
        topic, offset = message.topic(), message.offset()
        if error.code() != Local.PARTITION_EOF or topic is None or offset is None:
            raise self._lost(error)
        self._next[topic] = offset

    def _lost(self, error: KafkaError) -> InputLost | InputsDeleted:
        if error.code() == Local.AUTO_OFFSET_RESET:  # what "auto.offset.reset=error" says to an offset out of range
            return inputs_deleted(self._doing, self.position(), error.str())
        return InputLost(f"Kafka: expected to {self._doing}, got {error.name()}: {error.str()}: take over again")

    def position(self) -> InputPosition:
        """See the port."""
        return InputPosition(self._next[self._requests], self._next[self._replies])

    def close(self) -> None:
        """Stop reading; safe to call twice.

        Dropping the last reference destroys the consumer; ``Consumer.close()`` would wait for a broker that is silent.
        """
        self._waiting.clear()
        self._consumer = None

    def _living(self) -> Consumer:
        assert self._consumer is not None, f"expected inputs that are open, to {self._doing}, got closed ones"
        return self._consumer
