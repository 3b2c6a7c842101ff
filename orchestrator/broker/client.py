"""What every librdkafka client needs of us: to be made, and to be heard when it fails."""

import difflib
import re
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Protocol, TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    ConfigEntry,
    ConfigResource,
    DeletedRecords,
    DescribeClusterResult,
    ListOffsetsResultInfo,
    NewTopic,
    OffsetSpec,
    TopicDescription,
)

from orchestrator.broker.configuration import Configuration
from orchestrator.broker.translation import error_of
from orchestrator.errors import ConfigError
from orchestrator.settings import variable_of

Client = TypeVar("Client")

SECURITY_OPTIONS: Final = (
    "security.protocol",
    "sasl.mechanism",
    "sasl.username",
    "sasl.password",
    "sasl.kerberos.service.name",
    "sasl.kerberos.principal",
    "sasl.kerberos.keytab",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
    "ssl.key.password",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
)
"""Those that are proposed for a key that is unknown; which there are, librdkafka alone knows (its CONFIGURATION.md)."""
_UNKNOWN: Final = re.compile(r'No such configuration property: "([^"]*)"')


class Polled(Protocol):
    """A producer or an admin client: its callbacks run in ``poll``."""

    def poll(self, timeout: float, /) -> int:
        """Run what waits, or what comes within ``timeout`` seconds; returns how many events there were."""
        ...


class AdminApi(Polled, Protocol):
    """What we use of ``AdminClient``, with the results that its annotations leave out."""

    def describe_cluster(self, *, request_timeout: float) -> Future[DescribeClusterResult]:
        """Its id and its brokers."""
        ...

    def describe_topics(
        self, topics: TopicCollection, *, include_authorized_operations: bool, request_timeout: float
    ) -> dict[str, Future[TopicDescription]]:
        """By name; a topic that does not exist is an error."""
        ...

    def describe_configs(
        self, resources: list[ConfigResource], *, request_timeout: float
    ) -> dict[ConfigResource, Future[dict[str, ConfigEntry]]]:
        """All settings, defaults included; of one broker at most."""
        ...

    def create_topics(
        self, new_topics: list[NewTopic], *, request_timeout: float, operation_timeout: float
    ) -> dict[str, Future[None]]:
        """By name; a topic that exists is an error."""
        ...

    def list_offsets(
        self,
        topic_partition_offsets: dict[TopicPartition, OffsetSpec],
        *,
        isolation_level: IsolationLevel,
        request_timeout: float,
    ) -> dict[TopicPartition, Future[ListOffsetsResultInfo]]:
        """By partition, of the leaders."""
        ...

    def delete_records(
        self, topic_partition_offsets: list[TopicPartition], *, request_timeout: float, operation_timeout: float
    ) -> dict[TopicPartition, Future[DeletedRecords]]:
        """By partition; an offset behind the end is an error."""
        ...


def made(make: Callable[[Configuration], Client], configuration: Configuration) -> Client:
    """``make(configuration)``; raises ``ConfigError`` for a key or value that librdkafka refuses."""
    try:
        return make(configuration)
    except KafkaException as error:
        refusal = error_of(error).str()
        raise ConfigError(
            f"expected librdkafka to take the configuration, got {refusal}: {_advice(refusal)}"
        ) from error


def _advice(refusal: str) -> str:
    """What to write instead, where librdkafka names a key that is close to one of those for TLS and SASL."""
    named = _UNKNOWN.search(refusal)
    near = difflib.get_close_matches(named[1], SECURITY_OPTIONS, n=1) if named else []
    if not near:
        return "check the SAGA_KAFKA__ settings"
    return f"did you mean {variable_of(near[0])}?"


def behind(error: BaseException) -> KafkaException | None:
    """The error of Kafka's that a ``SystemError`` of the binding hides; None: there is none.

    A fatal error is raised inside a call while librdkafka's log lines still wait to be handed to our logger: each line
    then fails with a ``SystemError`` of which the fatal error is the cause.
    """
    cause = error.__cause__
    while isinstance(cause, SystemError):
        cause = cause.__cause__
    return cause if isinstance(cause, KafkaException) else None


def heard(client: Polled, raised: KafkaException) -> KafkaError:
    """The error of ``raised``, after the client's error callback heard why connections fail.

    Blocking calls do not run callbacks. A fatal error is raised by the callback, and tells more than ``raised``.
    """
    try:
        client.poll(0)
    except KafkaException as fatal:
        return error_of(fatal)
    except SystemError as error:
        hidden = behind(error)
        if hidden is None:
            raise
        return error_of(hidden)
    return error_of(raised)
