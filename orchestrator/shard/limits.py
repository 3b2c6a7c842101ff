"""Whether Kafka would take a record: its topic exists and allows it. Asked before the record enters a batch.

One record that cannot be sent would block its shard for ever, and every reader of the other topics of its
transaction with it.
"""

from typing import Final

from orchestrator.broker.configuration import BATCH_BYTES
from orchestrator.broker.port import Broker, TopicDescription
from orchestrator.broker.rights import missing, to_send
from orchestrator.errors import NotAuthorized
from orchestrator.wire.record import OutgoingRecord

RECORD_OVERHEAD_BYTES: Final = 200
"""Above what a record batch of one record adds (61 bytes of batch header, lengths, offset and time deltas)."""
HEADER_OVERHEAD_BYTES: Final = 10
"""Above the two varint lengths of a header."""


class Limits:
    """What the topics of one shard's records allow, as the broker last said.

    A topic that is missing, or that may not be written, is asked for once a batch.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._known: dict[str, TopicDescription] = {}
        self._missing: set[str] = set()
        self._barred: dict[str, str] = {}
        """Topics of participants that may not be written, and why."""

    def begin_batch(self) -> None:
        """A topic may have been created, or a right been granted since: ask for it again when it is wanted."""
        self._missing.clear()
        self._barred.clear()

    def partitions(self, topic: str) -> int | str:
        """How many partitions a participant's topic has; or why no command can be sent there, for a person.

        A right that lacks is that participant's matter alone; on the namespace's own topics it ends the process.
        """
        if topic not in self._barred:
            try:
                found = self._found(topic)
            except NotAuthorized as error:
                self._barred[topic] = self._forbidden(topic, str(error))
            else:
                if found is None:
                    return self.missing(topic)
                lacking = missing([to_send(topic)], {topic: found})
                if not lacking:
                    return found.partitions
                del self._known[topic]
                self._barred[topic] = self._forbidden(
                    topic, f"lacking {'; '.join(lacking)}: grant what `saga acls FILE` prints"
                )
        return self._barred[topic]

    def problem(self, record: OutgoingRecord) -> str | None:
        """Why this record cannot be sent, for a person; None: it can."""
        found = self._found(record.topic)
        if found is None:
            return self.missing(record.topic)
        if found.max_message_bytes < BATCH_BYTES:
            return (
                f"expected max.message.bytes of at least {BATCH_BYTES} for {record.topic}, got "
                f"{found.max_message_bytes}: small records are sent in batches of that size: raise the topic's limit"
            )
        size = size_of(record)
        if size > found.max_message_bytes:
            return (
                f"expected at most {found.max_message_bytes} bytes (max.message.bytes of {record.topic}), got {size}: "
                f"raise the topic's limit, or send less"
            )
        return None

    @staticmethod
    def missing(topic: str) -> str:
        """What to say of a topic that does not exist."""
        return f"expected a topic {topic!r}, there is none: create it (`saga deploy FILE --create-topics`)"

    @staticmethod
    def _forbidden(topic: str, found: str) -> str:
        wanted = " and ".join(to_send(topic).operations)
        return f"expected the rights {wanted} on topic {topic}, {found}"

    def _found(self, topic: str) -> TopicDescription | None:
        known = self._known.get(topic)
        if known is None and topic not in self._missing:
            known = self._broker.topics([topic]).get(topic)
            if known is None:
                self._missing.add(topic)
            else:
                self._known[topic] = known
        return known


def size_of(record: OutgoingRecord) -> int:
    """At most so many bytes on the wire, alone in its batch and not compressed."""
    size = RECORD_OVERHEAD_BYTES + len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        size += HEADER_OVERHEAD_BYTES + len(name) + len(value)
    return size
