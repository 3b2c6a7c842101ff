"""A process in the consumer group of its namespace, which says who *should* own which shard.

The consumer subscribes to the requests for the assignment alone and never reads: each partition is assigned at its
end and paused in the same callback. Who *does* own a shard is decided in Postgres, so nothing here must be exact, only
prompt: a shard that is revoked or lost is taken out at once.
"""

import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from orchestrator.broker import configuration
from orchestrator.broker.client import made
from orchestrator.broker.translation import CONNECTION, ConnectionTrouble, Local, error_of, translated
from orchestrator.errors import Unavailable
from orchestrator.telemetry import logger
from orchestrator.wire.topics import Topics

_log = logger("membership")

SHARE_SECONDS: Final = 10.0
"""Within two heartbeats, each 5 s after the other, a member of the protocol `consumer` has been given its share."""


class KafkaMembership:
    """A member of ``topics.group``; made, it joins with its first ``poll``."""

    def __init__(
        self, connection: configuration.Connection, topics: Topics, group_protocol: str, session_timeout_ms: int
    ) -> None:
        settings = configuration.membership(topics.group, group_protocol, session_timeout_ms)
        self._doing = f"be a member of the consumer group {topics.group} on {topics.requests}"
        self._shards: set[int] = set()
        self._topic = topics.requests
        self._subscribed = False
        self._joined = False
        self._told_of_none = group_protocol == "classic"
        self._since_s = time.monotonic()
        self._closed = False
        self._trouble = ConnectionTrouble()
        self._consumer = made(Consumer, {**connection.client(self._trouble), **settings})

    def poll(self, timeout_s: float) -> frozenset[int]:
        """See the port. A cluster that does not answer is no error here: librdkafka gives up the assignment itself.

        Raises ``ConfigError`` for access rights that are refused, ``TopicMismatch`` for a topic that does not exist,
        ``Unavailable`` for anything that ends the membership: close it and make a new one.
        """
        try:
            if not self._subscribed:  # not before: a member that does not poll yet would hold up the others' rebalance
                self._subscribed = True
                self._consumer.subscribe(
                    [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
                )
            message = self._consumer.poll(timeout_s)
        except KafkaException as error:
            raise translated(error_of(error), self._doing) from error
        error = None if message is None else message.error()
        if error is not None:
            self._react(error)
        return frozenset(self._shards)

    def _react(self, error: KafkaError) -> None:
        if error.code() == Local.MAX_POLL_EXCEEDED:
            self._shards.clear()  # the next poll joins again
            _log.warning("the membership was not polled in time", text=error.str())
        elif error.code() in CONNECTION:
            _log.info("waiting for the group's coordinator", text=error.str())
        else:
            raised = translated(error, self._doing)
            if error.fatal() or not isinstance(raised, Unavailable):
                raise raised
            _log.warning("trouble in the group", text=str(raised))

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        at_end = [TopicPartition(each.topic, each.partition, OFFSET_END) for each in partitions]
        consumer.incremental_assign(at_end)
        if at_end:
            consumer.pause(at_end)
        self._shards.update(each.partition for each in partitions)
        self._joined = True

    def _revoked(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._shards.difference_update(each.partition for each in partitions)
        consumer.incremental_unassign(list(partitions))

    @property
    def joined(self) -> bool:
        """See the port. With the protocol `consumer` nobody is told of an empty share: who hears nothing has none."""
        silent = not self._told_of_none and self._subscribed and time.monotonic() - self._since_s > SHARE_SECONDS
        return self._joined or silent

    def close(self) -> None:
        """Leave the group; safe to call twice."""
        if not self._closed:
            self._closed = True
            self._consumer.close()
            self._shards.clear()
