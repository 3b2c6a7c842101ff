"""Whose turn it is after each of Kafka's errors."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from orchestrator.broker.port import Fenced
from orchestrator.broker.translation import ConnectionTrouble, Local, error_of, translated
from orchestrator.errors import AccessDenied, ConfigError, NotAuthorized, OrchestratorError, TopicMismatch, Unavailable


@pytest.mark.parametrize("code", Local, ids=lambda code: code.name)
def test_local_codes_are_librdkafkas(code: Local) -> None:
    name = {Local.NO_LEADERS: "_NOENT"}.get(code, f"_{code.name}")
    assert getattr(KafkaError, name) == code


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (Local.FENCED, Fenced, "another producer"),
        (KafkaError.INVALID_PRODUCER_EPOCH, Fenced, "another producer"),
        (KafkaError.PRODUCER_FENCED, Fenced, "another producer"),
        (KafkaError.INVALID_PRODUCER_ID_MAPPING, Fenced, "another producer"),
        (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            NotAuthorized,
            "of SAGA_KAFKA__SASL_USERNAME, or of the certificate, lacks access rights on that topic",
        ),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, NotAuthorized, "rights on that consumer group"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NotAuthorized, "rights on that transactional id"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, NotAuthorized, "rights on that cluster"),
        (Local.AUTHENTICATION, AccessDenied, "SAGA_KAFKA__SECURITY_PROTOCOL, SAGA_KAFKA__SASL_*"),
        (KafkaError.SASL_AUTHENTICATION_FAILED, AccessDenied, "SAGA_KAFKA__SECURITY_PROTOCOL, SAGA_KAFKA__SASL_*"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, TopicMismatch, "create it again"),
        (Local.UNKNOWN_PARTITION, TopicMismatch, "create it again"),
        (KafkaError.MSG_SIZE_TOO_LARGE, TopicMismatch, "max.message.bytes"),
        (KafkaError.INVALID_REPLICATION_FACTOR, ConfigError, "change the setting"),
        (Local.TIMED_OUT, Unavailable, "try again"),
        (Local.TRANSPORT, Unavailable, "try again"),
        (KafkaError.NOT_LEADER_FOR_PARTITION, Unavailable, "try again"),
        (KafkaError.NOT_ENOUGH_REPLICAS, Unavailable, "try again"),
        (KafkaError.CONCURRENT_TRANSACTIONS, Unavailable, "try again"),
    ],
)
def test_error_says_what_was_asked_what_came_and_who_must_act(
    code: int, kind: type[OrchestratorError], words: str
) -> None:
    error = translated(KafkaError(code, "the server's words"), "write to saga.journal")
    assert type(error) is kind
    assert "expected to write to saga.journal, got" in str(error)
    assert "the server's words" in str(error)
    assert words in str(error)


def test_time_out_is_told_with_the_cause_that_was_heard_of_before() -> None:
    trouble = ConnectionTrouble()
    trouble(KafkaError(Local.TRANSPORT, "Connect to 127.0.0.1:1 failed: Connection refused"))
    trouble(KafkaError(Local.ALL_BROKERS_DOWN, "1/1 brokers are down"))
    error = trouble.explained(KafkaError(Local.TIMED_OUT, "Timed out"), "describe the cluster")
    assert isinstance(error, Unavailable)
    assert "Connection refused" in str(error)


def test_refused_credentials_explain_a_time_out_until_something_is_answered() -> None:
    trouble = ConnectionTrouble()
    trouble(KafkaError(Local.AUTHENTICATION, "wrong password"))
    assert isinstance(trouble.explained(KafkaError(Local.TIMED_OUT, "Timed out"), "read"), AccessDenied)
    assert isinstance(trouble.explained(KafkaError(KafkaError.NOT_COORDINATOR, "moved"), "read"), Unavailable)
    trouble.over()
    assert isinstance(trouble.explained(KafkaError(Local.TIMED_OUT, "Timed out"), "read"), Unavailable)


def test_exception_without_a_kafka_error_is_still_an_error() -> None:
    assert error_of(KafkaException("odd")).code() == Local.FAIL
    assert error_of(KafkaException()).code() == Local.FAIL


@pytest.mark.parametrize(
    "alert", ["ssl/tls alert certificate unknown", "tlsv13 alert certificate required", "tlsv1 alert unknown ca"]
)
def test_a_broker_that_refuses_our_certificate_is_told_from_one_that_is_away(alert: str) -> None:
    trouble = ConnectionTrouble()
    trouble(
        KafkaError(Local.TRANSPORT, f"ssl://kafka-1:9093/bootstrap: Receive failed: error:0A:SSL routines::{alert}")
    )
    assert trouble.refused is not None
    refused = translated(trouble.refused, "reach kafka-1:9093")
    assert type(refused) is AccessDenied
    assert "kafka-1:9093" in str(refused)
    assert "SAGA_KAFKA__SSL_CERTIFICATE_LOCATION" in str(refused)
    trouble(KafkaError(Local.TRANSPORT, "ssl://kafka-1:9093/bootstrap: Disconnected"))
    assert trouble.refused is None
