"""One life of a participant's consumer: takes commands, hands them to workers, commits what is answered.

Runs in one thread, step by step; whoever runs it makes a new one after an error. It keeps these promises: commands with
one key go to one worker, in order; an offset is committed only when the replies to everything below it are stored; no
more than ``IN_WORK_MAX`` commands are in work; a partition that is taken away is finished first, or dropped.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final
from zlib import crc32

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from orchestrator.broker import configuration
from orchestrator.broker.client import behind, made
from orchestrator.broker.inputs import record_of
from orchestrator.broker.translation import ConnectionTrouble, error_of
from orchestrator.participant.offsets import Offsets, Span
from orchestrator.participant.replies import ReplyProducer
from orchestrator.participant.worker import Handout, WorkerPool
from orchestrator.settings import Settings
from orchestrator.telemetry import logger
from orchestrator.wire.record import IncomingRecord

IN_WORK_MAX: Final = 1_000
"""Commands taken and not yet answered: what a crash makes others answer again, and the bound of the queues."""
POLL_MAX: Final = 500
"""Commands taken at once."""
IDLE_S: Final = 0.1
"""How long a poll waits for a command; also how late a stop is seen."""
COMMIT_EVERY_S: Final = 0.2
"""Between two commits: a commit for each poll would cost the broker more than the commands."""
ROOM_S: Final = 1.0
"""How long a full intake waits without polling; then it pauses its partitions, so that it may poll on."""
FINISH_S: Final = 10.0
"""How long what is queued may take to be finished before the rest is dropped, and how long the begun may take then."""

_log = logger("participant")


class Intake:
    """A member of the consumer group ``name``, with its workers and its producer."""

    def __init__(self, name: str, topic: str, settings: Settings, pool: WorkerPool) -> None:
        self._topic = topic
        self._doing = f"read {topic} as a member of the consumer group {name}"
        self._pool = pool
        self._offsets = Offsets()
        self._owned: set[int] = set()
        self._held: list[Message] = []
        self._paused = False
        self._full_since: float | None = None
        self._committed_at = time.monotonic()
        connection = configuration.Connection(settings.kafka, settings.kafka_options)
        self._trouble = ConnectionTrouble()
        group = configuration.commands(name, settings.group_protocol, settings.session_timeout_ms)
        self._replies = ReplyProducer(connection, name, self._offsets, pool.answering.too_large)
        self._consumer = made(Consumer, {**connection.client(self._trouble), **group, "on_commit": self._on_commit})
        self._workers = pool.workers(self._replies)
        self._threads = [
            threading.Thread(target=worker.run, name=f"{name}-worker-{number}", daemon=True)
            for number, worker in enumerate(self._workers)
        ]

    def start(self) -> None:
        """Join the group."""
        self._replies.start()
        for thread in self._threads:
            thread.start()
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def step(self) -> None:
        """Take what has come, if there is room for it; commit what is answered. Raises ``Unavailable`` and the like."""
        try:
            self._step()
        except KafkaException as error:  # fatal errors are raised by whatever is polled
            raise self._trouble.explained(error_of(error), self._doing) from error
        except SystemError as error:
            fatal = behind(error)
            if fatal is None:
                raise
            raise self._trouble.explained(error_of(fatal), self._doing) from error

    def _step(self) -> None:
        self._raise_failure()
        if time.monotonic() - self._committed_at >= COMMIT_EVERY_S:
            self._commit(asynchronous=True)
        room = IN_WORK_MAX - self._offsets.unanswered
        if room <= 0:
            self._wait_for_room()
            return
        self._resume()
        self._hand_out(self._poll(min(room, POLL_MAX)))

    def close(self) -> None:
        """Finish what is queued, within bounds; commit what is answered; leave the group."""
        try:
            self._finish(self._owned)
            self._commit(asynchronous=False)
            self._consumer.close()
        finally:
            for worker in self._workers:
                worker.queue.put(None)
            until = time.monotonic() + FINISH_S
            for thread in self._threads:
                thread.join(max(0.0, until - time.monotonic()))
            self._replies.close()

    # ------------------------------------------------------------ taking

    def _poll(self, limit: int) -> Sequence[Message]:
        # `consume` waits for as many as it may take, so the first is taken by `poll`. Held where a revocation between
        # the two finds it.
        first = self._consumer.poll(IDLE_S)
        if first is None:
            return ()
        self._held = [first]
        more = self._consumer.consume(limit - 1, 0) if limit > 1 else []
        held, self._held = self._held, []
        return held + more

    def _hand_out(self, messages: Iterable[Message]) -> None:
        spans: dict[int, Span] = {}
        handouts: list[Handout] = [[] for _ in self._workers]
        for message in messages:
            record = self._record(message)
            if record is None:
                continue
            span = spans.get(record.partition)
            if span is None:
                span = spans[record.partition] = Span(record.partition, record.offset + 1, 0)
            span.next_offset = record.offset + 1
            span.unanswered += 1
            place = crc32(record.key) if record.key else record.partition
            handouts[place % len(handouts)].append((record, span))
        for span in spans.values():
            self._offsets.opened(span)
        for worker, handout in zip(self._workers, handouts, strict=True):
            if handout:
                worker.queue.put(handout)

    def _record(self, message: Message) -> IncomingRecord | None:
        error = message.error()
        if error is not None:
            self._heard(error)
            return None
        return record_of(message) if message.partition() in self._owned else None

    def _heard(self, error: KafkaError) -> None:
        if error.fatal() or not error.retriable():
            raise self._trouble.explained(error, self._doing)
        _log.warning("reading goes on after an error", topic=self._topic, why=error.str())

    # ------------------------------------------------------------ bounds

    def _wait_for_room(self) -> None:
        now = time.monotonic()
        self._full_since = self._full_since or now
        if now - self._full_since >= ROOM_S:
            if not self._paused:
                self._consumer.pause(self._partitions(self._owned))
                self._paused = True
            self._hand_out(self._poll_while_paused())
        self._offsets.wait(IDLE_S)

    def _poll_while_paused(self) -> Sequence[Message]:
        message = self._consumer.poll(0)  # keeps the membership; a partition assigned just now is not paused yet
        return () if message is None else (message,)

    def _resume(self) -> None:
        self._full_since = None
        if self._paused:
            self._consumer.resume(self._partitions(self._owned))
            self._paused = False

    def _raise_failure(self) -> None:
        if self._replies.failure is not None:
            raise self._replies.failure
        if self._pool.loop.failure is not None:
            raise self._pool.loop.failure
        for worker in self._workers:
            if worker.failure is not None:
                raise worker.failure

    # ------------------------------------------------------------ committing

    def _commit(self, *, asynchronous: bool) -> None:
        self._committed_at = time.monotonic()
        offsets = [
            TopicPartition(self._topic, partition, offset)
            for partition, offset in self._offsets.take_committable().items()
        ]
        if not offsets:
            return
        try:
            if asynchronous:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            self._on_commit(error_of(error), offsets)

    def _on_commit(self, error: KafkaError | None, offsets: Sequence[TopicPartition]) -> None:
        for place in offsets:
            why = error or place.error
            if why is not None:  # a rebalance most often: what is still ours is committed a little later
                _log.info("offsets were not committed", topic=self._topic, partition=place.partition, why=why.str())
                if place.partition in self._owned:
                    self._offsets.give_back(place.partition, place.offset)

    # ------------------------------------------------------------ rebalances

    def _on_assign(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._owned |= {partition.partition for partition in partitions}

    def _on_revoke(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        revoked = {partition.partition for partition in partitions}
        self._finish(revoked)
        self._commit(asynchronous=False)
        self._leave(revoked)

    def _on_lost(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._leave({partition.partition for partition in partitions})
        for worker in self._workers:
            worker.drop()

    def _leave(self, partitions: set[int]) -> None:
        self._offsets.forget(partitions)
        self._held = [message for message in self._held if message.partition() not in partitions]
        self._owned -= partitions

    def _finish(self, partitions: set[int]) -> None:
        """Wait until all that was taken of ``partitions`` is answered; after a while drop what has not begun."""
        self._wait_until(lambda: not self._offsets.busy(partitions))
        if self._offsets.busy(partitions):
            _log.warning("commands are dropped: others will answer them", topic=self._topic)
            self._offsets.drop(partitions)
            for worker in self._workers:
                worker.drop()
            self._wait_until(lambda: not any(worker.drops for worker in self._workers))

    def _wait_until(self, done: Callable[[], bool]) -> None:
        until = time.monotonic() + FINISH_S
        while not done() and time.monotonic() < until and self._replies.failure is None:
            self._offsets.wait(0.05)

    def _partitions(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in partitions]
