"""What Kafka's and librdkafka's errors mean to us: the one place that knows their codes.

An error is sorted by who must act. Nobody (``Unavailable``): servers that do not answer, elections, time-outs. The
operator: ``AccessDenied`` for credentials and certificates, ``NotAuthorized`` for access rights, ``ConfigError`` for
other settings,
``TopicMismatch`` for topics that are not as they were checked. The shard's owner: ``Fenced``.
"""

import re
from enum import IntEnum
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from orchestrator.broker.port import Fenced
from orchestrator.errors import AccessDenied, ConfigError, NotAuthorized, OrchestratorError, TopicMismatch, Unavailable
from orchestrator.settings import variable_of


class Local(IntEnum):
    """librdkafka's own codes (``rd_kafka_resp_err_t`` of rdkafka.h); the binding has them under private names only."""

    FAIL = -196
    TRANSPORT = -195
    RESOLVE = -193
    UNKNOWN_PARTITION = -190
    UNKNOWN_TOPIC = -188
    ALL_BROKERS_DOWN = -187
    INVALID_ARG = -186
    NO_LEADERS = -156
    FATAL = -150
    TIMED_OUT = -185
    SSL = -181
    PARTITION_EOF = -191
    AUTHENTICATION = -169
    MAX_POLL_EXCEEDED = -147
    AUTO_OFFSET_RESET = -140
    FENCED = -144


FENCED: Final = frozenset(
    {
        Local.FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        # Both say that the coordinator does not know this producer any more; a new one is the cure, as after a fence.
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
        KafkaError.UNKNOWN_PRODUCER_ID,
    }
)
"""This producer may not write any more."""

CREDENTIALS: Final = frozenset(
    {
        Local.AUTHENTICATION,
        Local.SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
    }
)
"""The cluster answers, and refuses us or is refused by us; waiting does not help."""

FORBIDDEN: Final = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "consumer group",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "transactional id",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "cluster",
}
"""Which kind of resource the access rights do not cover."""

ABSENT: Final = frozenset(
    {
        Local.UNKNOWN_TOPIC,
        Local.UNKNOWN_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
    }
)
"""The topic or partition does not exist."""

TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
"""The topic's ``max.message.bytes`` is less than a batch of records."""

SETTINGS: Final = frozenset(
    {
        Local.INVALID_ARG,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_SESSION_TIMEOUT,
        KafkaError.INVALID_TRANSACTION_TIMEOUT,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNSUPPORTED_VERSION,
    }
)
"""The cluster does not allow what we are set to ask for."""

ALERT: Final = re.compile(r"SSL routines::.*alert (.*certificate|unknown ca|access denied|handshake failure)")
"""With TLS 1.3 a broker refuses our certificate after the handshake, and the connection fails as any other would."""

CONNECTION: Final = frozenset({Local.ALL_BROKERS_DOWN, Local.TRANSPORT, Local.RESOLVE, Local.TIMED_OUT})
"""A connection failed; librdkafka makes a new one by itself, so these only explain why something else took long."""


def error_of(raised: KafkaException) -> KafkaError:
    """The error that an exception of confluent-kafka carries."""
    found: object = raised.args[0] if raised.args else None
    return found if isinstance(found, KafkaError) else KafkaError(Local.FAIL, str(raised))


def translated(error: KafkaError, doing: str) -> OrchestratorError:
    """Our error for Kafka's; ``doing`` says what was asked of which topic, group or id: "read saga.journal[3]"."""
    code, text = error.code(), f"Kafka: expected to {doing}, got {error.name()}: {error.str()}"
    if code in FENCED:
        return Fenced(f"{text}: another producer with this id has been initialised, or its transaction timed out")
    if code in FORBIDDEN:
        return NotAuthorized(
            f"{text}: the user of {variable_of('sasl.username')}, or of the certificate, lacks access rights on that "
            f"{FORBIDDEN[code]}: grant what `saga acls FILE` prints"
        )
    if _certificate_refused(error):
        return AccessDenied(
            f"{text}: the broker refuses our certificate: check that "
            f"{variable_of('ssl.certificate.location')} is set, that it has not expired, and that the brokers trust "
            f"who issued it"
        )
    if code in CREDENTIALS:
        return AccessDenied(
            f"{text}: check {variable_of('security.protocol')}, {variable_of('sasl.*')} and {variable_of('ssl.*')}"
        )
    if code in ABSENT:
        return TopicMismatch(f"{text}: create it again, or point SAGA_KAFKA and SAGA_NAMESPACE to where it is")
    if code in TOO_LARGE:
        return TopicMismatch(f"{text}: raise the topic's max.message.bytes")
    if code in SETTINGS:
        return ConfigError(f"{text}: change the setting, or allow it in the cluster")
    return Unavailable(f"{text}: try again later")


def _certificate_refused(error: KafkaError) -> bool:
    return error.code() in {Local.TRANSPORT, Local.SSL} and ALERT.search(error.str()) is not None


class ConnectionTrouble:
    """Remembers why a client's connections fail, so that a time-out can be told with its cause.

    It is the client's error callback: librdkafka calls it in whatever thread polls the client.
    """

    def __init__(self) -> None:
        self.last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Hear of a connection that failed."""
        if error.code() != Local.ALL_BROKERS_DOWN:  # that one comes after the error that has the cause
            self.last = error

    def over(self) -> None:
        """Something was answered: what failed before explains nothing any more."""
        self.last = None

    @property
    def refused(self) -> KafkaError | None:
        """Credentials or a certificate that were not accepted: no waiting will help."""
        if self.last is None:
            return None
        return self.last if self.last.code() in CREDENTIALS or _certificate_refused(self.last) else None

    def explained(self, error: KafkaError, doing: str) -> OrchestratorError:
        """``translated``; an error of the connection is told with the cause heard of before."""
        if error.code() in CONNECTION and self.last is not None:
            return translated(self.last, doing)
        return translated(error, doing)
