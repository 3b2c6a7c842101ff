"""librdkafka's configuration of every client we make, in one place: each key that is not a default says why.

Values only: nothing here connects, and nothing reads the environment.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError

from orchestrator.wire.record import OutgoingRecord

Configuration = dict[str, Any]
"""As confluent-kafka takes it: librdkafka's keys, callbacks, a logger."""

SLOW_COMMIT_MS: Final = 750
"""A commit that took longer may have been retried inside librdkafka: below ``RETRY_BACKOFF_MS`` less its 20 %.
And not far below, for a slow commit costs a new producer: with a round trip of 500 ms and a bound of 500 each batch
took 15 s, and no command left before its time was up."""
RETRY_BACKOFF_MS: Final = 1_000
"""So that a retried EndTxn shows in the time it takes. It does not slow down what follows a transaction at once:
librdkafka repeats AddPartitionsToTxn after 20 ms of its own (measured: 4 ms a transaction back to back with 20, 100
and 1,000)."""
BATCH_BYTES: Final = 131_072
"""Bytes of one record batch, uncompressed, but for a single record that is larger. A topic's ``max.message.bytes``
bounds *batches*, and librdkafka does not split one that is refused: a topic that allows less would block a shard."""
BATCH_OVERHEAD_BYTES: Final = 61
"""The header of a record batch, message format 2 (org.apache.kafka.common.record.DefaultRecordBatch)."""
RECORD_OVERHEAD_BYTES: Final = 32
"""At most: attributes, and varints of length, timestamp delta, offset delta, key, value and header count."""
HEADER_OVERHEAD_BYTES: Final = 10
"""At most: varints of the lengths of name and value."""
QUEUED_MESSAGES: Final = 1_000
"""A shard's consumer reads on when it has fewer. By default 100,000, which outweighs the bound in kilobytes: measured
with 16 shards that are far behind, 202 MB; with these three bounds 47 MB, and faster."""
QUEUED_KILOBYTES: Final = 1_024
"""What a shard's consumer reads ahead."""
FETCH_BYTES: Final = 262_144
"""Of one partition in one answer; a larger record comes alone."""
FLUSHED_LINGER_MS: Final = 1_000
"""Of producers that are flushed as soon as what shall leave together is handed over: nobody waits for it, it only must
be longer than the handing over. With 0 the first record leaves alone, and librdkafka's thread spins until it is stored.
"""
UNACKNOWLEDGED_KILOBYTES: Final = 65_536
"""What a producer holds; the relay's transactions are below it, so it is a bound and no pace."""


def batch_bytes(record: OutgoingRecord) -> int:
    """The bytes of ``record`` in a batch of its own, at most: what a topic's ``max.message.bytes`` is compared with."""
    size = BATCH_OVERHEAD_BYTES + RECORD_OVERHEAD_BYTES + len(record.key or b"") + len(record.value or b"")
    return size + sum(HEADER_OVERHEAD_BYTES + len(name.encode()) + len(value) for name, value in record.headers)


class _QuietLog:
    """Where librdkafka's own log lines go: to a logger at debug level, for what matters comes back as an error.

    Without one they are printed to stderr, where every restart of a broker writes pages.
    """

    def __init__(self) -> None:
        self._logger = logging.getLogger("orchestrator.librdkafka")
        self._logger.addHandler(logging.NullHandler())

    def log(self, _level: int, text: str, *values: object) -> None:
        self._logger.debug(text, *values)


_QUIET: Final = _QuietLog()


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the cluster: addresses, and librdkafka's keys for TLS and SASL."""

    bootstrap: str
    options: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """May hold passwords."""

    def client(self, on_error: Callable[[KafkaError], None]) -> Configuration:
        """What all clients have; the operator's options win. ``on_error`` hears of connections that fail."""
        return {
            "bootstrap.servers": self.bootstrap,
            "client.id": "saga-orchestrator",
            "socket.keepalive.enable": True,
            # Kafka answers small requests at once; without it a small one waits for the acknowledgement of another.
            "socket.nagle.disable": True,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1_000,
            "log.connection.close": False,
            "error_cb": on_error,
            "logger": _QUIET,
            **self.options,
        }


def _reader(isolation: str) -> Configuration:
    return {
        "isolation.level": isolation,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # An offset that is out of range must stop the shard; any reset would skip or repeat records in silence.
        "auto.offset.reset": "error",
        "allow.auto.create.topics": False,
        # Tells where the end is after control records, which nobody is handed.
        "enable.partition.eof": True,
        "fetch.error.backoff.ms": 100,
        # After the queue was full: 1,000 by default, which would halve the throughput of a shard that is busy.
        "fetch.queue.backoff.ms": 5,
        "queued.min.messages": QUEUED_MESSAGES,
        "queued.max.messages.kbytes": QUEUED_KILOBYTES,
        "max.partition.fetch.bytes": FETCH_BYTES,
    }


def inputs(group: str) -> Configuration:
    """A shard's consumer of its two input logs. It is in no group; the name is only for the cluster's access rights."""
    return {
        **_reader("read_committed"),
        "group.id": group,
        "fetch.min.bytes": 1,
        # Records are answered at once; an end behind a control record is told by the next, empty answer. Timers wait
        # for it, so this is how late they may be beside a participant that answers in transactions.
        "fetch.wait.max.ms": 250,
    }


def backwards(group: str) -> Configuration:
    """The consumer that looks for the last record of a kind: it reads to the end and must not wait there.

    Measured: 4 ms to find it; 24 ms with a wait of 10 ms, which the end behind a control record costs twice.
    """
    return {**_reader("read_committed"), "group.id": group, "fetch.wait.max.ms": 1}


def history(group: str) -> Configuration:
    """The consumer that reads a partition from end to end, as fast as it can: 16 MB ahead, 4 MB a fetch."""
    return {
        **backwards(group),
        "queued.min.messages": 100_000,
        "queued.max.messages.kbytes": 16 * 1_024,
        "max.partition.fetch.bytes": 4 * 1_048_576,
    }


def undecided(group: str) -> Configuration:
    """The consumer that looks at what is in open transactions."""
    return {**_reader("read_uncommitted"), "group.id": group, "fetch.wait.max.ms": 1}


def membership(group: str, protocol: str, session_timeout_ms: int) -> Configuration:
    """The consumer that is a member of the group and reads nothing."""
    common: Configuration = {
        "group.id": group,
        "group.protocol": protocol,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Never used: partitions are assigned at their end and paused. Should one fetch slip out, it must not fail.
        "auto.offset.reset": "latest",
        "allow.auto.create.topics": False,
        "queued.max.messages.kbytes": 1,
        "max.partition.fetch.bytes": 1_024,
        # A process whose membership is not polled is stuck: others take over.
        "max.poll.interval.ms": max(30_000, session_timeout_ms),
    }
    if protocol == "consumer":  # session and heartbeats are the broker's settings (group.consumer.session.timeout.ms)
        return common
    return {
        **common,
        # Only shards that move stop when a process joins or leaves; the eager strategies stop all of them.
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session_timeout_ms,
        # Members hear of a rebalance in the answer to a heartbeat: 3,000 by default, twice for each shard that moves.
        "heartbeat.interval.ms": max(100, session_timeout_ms // 12),
    }


def _writer() -> Configuration:
    return {
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 0,
        # Measured with 5,000 records: 40 ms a transaction instead of 103 without, at the same cost in the client; zstd
        # costs more for small transactions, and one of four records is as fast as without.
        "compression.type": "lz4",
        "batch.size": BATCH_BYTES,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": UNACKNOWLEDGED_KILOBYTES,
        # The topic decides what is too large, and we check before; librdkafka's 1,000,000 would refuse sooner.
        "message.max.bytes": 100_000_000,
    }


def relay(transactional_id: str, transaction_timeout_ms: int) -> Configuration:
    """The transactional producer of one shard."""
    return {
        **_writer(),
        "transactional.id": transactional_id,
        "transaction.timeout.ms": transaction_timeout_ms,
        "retry.backoff.ms": RETRY_BACKOFF_MS,
        "retry.backoff.max.ms": RETRY_BACKOFF_MS,
    }


def publisher(timeout_ms: int) -> Configuration:
    """The producer for what is written outside of transactions; gives up after ``timeout_ms``."""
    return {
        **_writer(),
        "linger.ms": FLUSHED_LINGER_MS,
        "delivery.timeout.ms": timeout_ms,
        "delivery.report.only.error": True,
        "retry.backoff.ms": 50,
    }


def commands(group: str, protocol: str, session_timeout_ms: int) -> Configuration:
    """A participant's consumer: a member of its group, and the reader of its commands."""
    settings = membership(group, protocol, session_timeout_ms)
    return {
        **settings,
        "isolation.level": "read_committed",
        # A new participant answers what was asked before it came.
        "auto.offset.reset": "earliest",
        # Handlers may take long: the intake polls all the while, and pauses what it has no room for.
        "max.poll.interval.ms": 300_000,
        "queued.max.messages.kbytes": 8 * QUEUED_KILOBYTES,
        "max.partition.fetch.bytes": FETCH_BYTES,
        "fetch.error.backoff.ms": 100,
        "fetch.queue.backoff.ms": 5,
    }


def replies() -> Configuration:
    """A participant's producer: it waits for the brokers as long as it takes, meanwhile commands stay uncommitted."""
    return {
        **_writer(),
        "linger.ms": FLUSHED_LINGER_MS,
        "compression.type": "none",
        "delivery.timeout.ms": 0,
        "retry.backoff.ms": 50,
    }


def outcomes(group: str) -> Configuration:
    """A client's consumer of outcomes; it is in no group, the name is only for the cluster's access rights."""
    return {
        **_reader("read_committed"),
        "group.id": group,
        # Positions are given. Should one be gone, what is lost was a week old: nobody waits for it.
        "auto.offset.reset": "earliest",
        "enable.partition.eof": False,
    }
