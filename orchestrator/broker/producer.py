"""The transactional producer of one shard's relay, and what the end of a transaction tells us.

Anything but a clean commit ends the life of a producer: librdkafka retries EndTxn inside without telling, and an EndTxn
that is held back somewhere can end half of the *next* transaction of the same epoch. So nothing here aborts and goes
on, and nothing retries.

There is no delivery callback: a record that was not delivered makes librdkafka refuse the commit, and a callback that
runs while a fatal error is on its way breaks the binding (``SystemError``).
"""

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer

from orchestrator.broker import configuration
from orchestrator.broker.client import behind, heard, made
from orchestrator.broker.port import Commit, Fenced
from orchestrator.broker.translation import ConnectionTrouble, Local, error_of, translated
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import TopicMismatch, Unavailable
from orchestrator.turns import is_idle, waiting
from orchestrator.wire.record import OutgoingRecord

METADATA_SECONDS: Final = 5.0
"""How long a topic that this producer has not written to yet is looked up."""
ROOM_SECONDS: Final = 5.0
"""How long ``produce`` waits for room in librdkafka's queue."""
SERVE_EVERY_SECONDS: Final = 0.005
"""How often delivered records are looked for beside a thread that computes."""
INIT_SECONDS: Final = 15.0
"""Measured: 0.06 s, and 0.5 to 1.0 s while a transaction is open. Longer only when the coordinator moves."""

Answer = TypeVar("Answer")


class KafkaProducer:
    """See the port; ``journal`` is the topic that every transaction writes to."""

    def __init__(
        self,
        connection: configuration.Connection,
        transactional_id: str,
        journal: str,
        transaction_timeout_ms: int,
        crash_point: CrashPoint = nowhere,
    ) -> None:
        self._id = transactional_id
        self._journal = journal
        self._timeout_s = transaction_timeout_ms / 1000
        self._crash_point = crash_point
        self._trouble = ConnectionTrouble()
        self._partitions: dict[str, int] = {}
        """Of the topics this producer has looked up."""
        settings = configuration.relay(transactional_id, transaction_timeout_ms)
        self._producer: Producer | None = made(Producer, {**connection.client(self._trouble), **settings})

    def init(self) -> None:
        """See the port.

        Raises ``Unavailable``, ``Fenced`` when another init was faster, ``TopicMismatch`` when there is no journal.
        """
        # The first answer may come from a bootstrap connection, which is closed then; the second comes from a broker.
        # Without one librdkafka looks for the coordinator again after 500 ms only (measured: 0.06 s instead of 0.5 s).
        self._look_up(self._journal)
        self._look_up(self._journal)
        self._await(
            lambda client: client.init_transactions(INIT_SECONDS), f"initialise the transactional id {self._id}"
        )

    def begin(self) -> None:
        """See the port."""
        self._ask(lambda client: client.begin_transaction(), f"begin a transaction of {self._id}")

    def produce(self, records: Sequence[OutgoingRecord]) -> None:
        """See the port.

        Raises ``TopicMismatch`` for a record that its topic cannot take, which was to be checked before: nothing of the
        transaction will be visible then.
        """
        client, known = self._living(), self._partitions
        for record in records:
            if record.partition >= known.get(record.topic, 0):
                self._expect_partition(record)
            try:
                self._put(client, record)
            except BufferError:
                self._put_when_there_is_room(client, record)

    def _put(self, client: Producer, record: OutgoingRecord) -> None:
        try:
            client.produce(record.topic, record.value, record.key, record.partition, headers=list(record.headers))
        except KafkaException as error:
            doing = f"write a record of {len(record.value or b'')} bytes, key {record.key!r}, to {_place(record)}"
            found = error_of(error)
            if found.code() == Local.FATAL:  # the reason is told by any other call
                self._ask(lambda client: client.begin_transaction(), doing)
            raise self._trouble.explained(found, doing) from error

    def _put_when_there_is_room(self, client: Producer, record: OutgoingRecord) -> None:
        until = time.monotonic() + ROOM_SECONDS
        while time.monotonic() < until:
            self._await(lambda client: client.poll(0.05), f"write to {_place(record)}")
            try:
                self._put(client, record)
            except BufferError:
                continue
            return
        raise Unavailable(
            f"Kafka: expected room for a record of {_place(record)} within {ROOM_SECONDS:.0f} s, got none: the brokers "
            f"do not keep up; try again later"
        )

    def _expect_partition(self, record: OutgoingRecord) -> None:
        self._look_up(record.topic)
        partitions = self._partitions[record.topic]
        if record.partition >= partitions:
            raise TopicMismatch(
                f"Kafka: expected {_place(record)} for a record of {self._id}, got a topic of {partitions} partitions: "
                f"its number of partitions must not shrink; create it again as it was"
            )

    def _look_up(self, topic: str) -> None:
        """Have the topic's leaders before its first record.

        librdkafka asks for one unknown topic at a time, and for the next one only up to a second later.
        """
        doing = f"write to {topic}"
        found = self._await(lambda client: client.list_topics(topic, METADATA_SECONDS), doing).topics[topic]
        error: KafkaError | None = found.error
        if error is not None:
            raise translated(error, doing)
        self._partitions[topic] = len(found.partitions)

    def commit(self) -> Commit:
        """See the port. Waits about as long as a transaction may be open; then its outcome is unknown."""
        until = time.monotonic() + self._timeout_s
        doing = f"end a transaction of {self._id}"
        # Before, not inside of, commit_transaction(): the time that EndTxn takes is what tells a clean commit.
        self._deliver(until, doing)
        self._crash_point("commit.before_end")
        with waiting():
            began = time.monotonic()
            # Also when not all was delivered in time: it says why.
            self._ask(lambda client: client.commit_transaction(max(0.1, until - began)), doing)
            took_ms = (time.monotonic() - began) * 1000  # without the wait for our turn
        self._crash_point("commit.after_end")
        return Commit.CLEAN if took_ms < configuration.SLOW_COMMIT_MS else Commit.SLOW

    def _deliver(self, until: float, doing: str) -> None:
        """Wait until the brokers have every record, or it is ``until``.

        For each of them the binding asks for the interpreter, in ``flush`` and in ``poll``. Beside a thread that
        computes that takes longer than the delivery, so all that came meanwhile is taken in a turn of our own.
        """
        while len(self._living()) and time.monotonic() < until:
            with waiting():
                if is_idle():
                    self._ask(lambda client: client.flush(SERVE_EVERY_SECONDS), doing)
                    continue
                time.sleep(SERVE_EVERY_SECONDS)
            self._ask(lambda client: client.poll(0), doing)

    def _await(self, ask: Callable[[Producer], Answer], doing: str) -> Answer:
        """Ask what the brokers answer, and let others compute meanwhile."""
        with waiting():
            return self._ask(ask, doing)

    def _ask(self, ask: Callable[[Producer], Answer], doing: str) -> Answer:
        client = self._living()
        try:
            answer = ask(client)
        except KafkaException as error:
            raise self._trouble.explained(heard(client, error), doing) from error
        except SystemError as error:
            fatal = behind(error)
            if fatal is None:
                raise
            raise self._trouble.explained(error_of(fatal), doing) from error
        self._trouble.over()
        return answer

    def _living(self) -> Producer:
        if self._producer is None:
            raise Fenced(f"Kafka: expected a producer of {self._id} that is in use, got one that was thrown away")
        return self._producer

    def close(self) -> None:
        """See the port. Returns at once, also when no broker answers; safe to call twice.

        Dropping the last reference destroys the client. ``Producer.close()`` would abort the transaction and flush
        first, which waits for the brokers, and an abort may be held back like a commit and end the next transaction.
        """
        client, self._producer = self._producer, None
        if client is not None:
            client.purge()


def _place(record: OutgoingRecord) -> str:
    return f"{record.topic}[{record.partition}]"
