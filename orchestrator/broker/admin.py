"""Topics, their identities and settings, offsets at both ends, deletion of records, and whether the cluster answers.

Every call asks and waits for the answer; none retries. Safe for several threads.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka import admin as kafka
from confluent_kafka.admin import AclOperation, AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from orchestrator import certificates
from orchestrator.broker import configuration
from orchestrator.broker.client import AdminApi, heard, made
from orchestrator.broker.port import TopicDescription, TopicSpec
from orchestrator.broker.translation import ABSENT, ConnectionTrouble, Local, error_of, translated
from orchestrator.errors import AccessDenied, ConfigError, OrchestratorError, TopicMismatch, Unavailable

ANSWER_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.05
"""How often a call that waits for its answer hears of connections that fail, or looks again for a new topic."""

ALREADY: Final = frozenset({int(KafkaError.TOPIC_ALREADY_EXISTS)})
"""Somebody else was faster."""

LEADERLESS: Final = frozenset({int(Local.NO_LEADERS)})
"""Nobody leads these partitions now, or there are none."""

OUTDATED: Final = frozenset({KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH})
"""The client asked with a leader epoch that is not the leader's. librdkafka does not look for the right one: seen for
nine minutes after a restart of the broker."""

Answer = TypeVar("Answer")
Place = tuple[str, int]
"""A topic and a partition."""


@dataclass(frozen=True, slots=True)
class ClusterDescription:
    """What the cluster is, and the settings of one of its brokers; empty where the access rights do not cover them."""

    id: str
    brokers: int
    settings: Mapping[str, str]


def _operations(topic: kafka.TopicDescription) -> frozenset[str] | None:
    found = cast("list[AclOperation] | None", topic.authorized_operations)  # pyright: ignore[reportUnknownMemberType] - the binding leaves out of what
    return None if found is None else frozenset(operation.name for operation in found)


class Admin:
    """One admin client, made with the first call."""

    def __init__(self, connection: configuration.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._trouble = ConnectionTrouble()
        self._made: AdminApi | None = None

    # ------------------------------------------------------------ the cluster

    def check_reachable(self, timeout_s: float) -> None:
        """See ``KafkaBroker.check_reachable``."""
        bootstrap = self._connection.bootstrap
        try:
            self._answer(self._client().describe_cluster(request_timeout=timeout_s), f"reach {bootstrap}", timeout_s)
        except Unavailable as error:
            raise Unavailable(
                f"expected Kafka at {bootstrap} to answer within {timeout_s:.0f} s, it does not ({error}): start it, "
                f"or point SAGA_KAFKA to where it runs"
            ) from error
        except AccessDenied as error:
            raise AccessDenied(f"{error}{self._certificate_fault()}") from error

    def _certificate_fault(self) -> str:
        """What librdkafka leaves out of a broker's certificate that does not pass."""
        if "certificate verify failed" not in str(self._trouble.refused):
            return ""
        for address in self._connection.bootstrap.split(","):
            host, _, port = address.strip().rpartition(":")
            fault = certificates.fault(host, int(port), self._connection.options.get("ssl.ca.location"))
            if fault is not None:
                return f" (the certificate of {address}: {fault})"
        return ""

    def cluster(self) -> ClusterDescription:
        """What the cluster is. Raises ``Unavailable``, ``ConfigError``."""
        found = self._answer(self._client().describe_cluster(request_timeout=ANSWER_SECONDS), "describe the cluster")
        nodes = found.nodes or ()
        try:
            settings = self._settings(ResourceType.BROKER, [str(nodes[0].id)]) if nodes else {}
        except ConfigError:  # the rights to write and read topics do not include this one
            settings = {}
        return ClusterDescription(str(found.cluster_id), len(nodes), next(iter(settings.values()), dict[str, str]()))

    # ------------------------------------------------------------ topics

    def topics(self, names: Sequence[str]) -> dict[str, TopicDescription]:
        """See ``Broker.topics``."""
        if not names:
            return {}
        asked = self._client().describe_topics(
            TopicCollection(list(names)), include_authorized_operations=True, request_timeout=ANSWER_SECONDS
        )
        found = {name: self._unless(answer, ABSENT, f"describe topic {name}") for name, answer in asked.items()}
        existing = {name: topic for name, topic in found.items() if topic is not None}
        settings = self._settings(ResourceType.TOPIC, list(existing))
        return {
            name: TopicDescription(
                name=name,
                id=str(topic.topic_id),
                partitions=len(topic.partitions),
                max_message_bytes=int(settings[name]["max.message.bytes"]),
                replication=min((len(partition.replicas) for partition in topic.partitions), default=0),
                settings=settings[name],
                operations=_operations(topic),
            )
            for name, topic in existing.items()
            if name in settings
        }

    def _settings(self, kind: ResourceType, names: Sequence[str]) -> dict[str, Mapping[str, str]]:
        """Those of ``names`` that exist."""
        if not names:
            return {}
        resources = [ConfigResource(kind, name) for name in names]
        asked = self._client().describe_configs(resources, request_timeout=ANSWER_SECONDS)
        found = {
            str(resource.name): self._unless(answer, ABSENT, f"read the settings of {resource.name}")
            for resource, answer in asked.items()
        }
        return {
            name: {str(key): str(entry.value) for key, entry in entries.items() if entry.value is not None}
            for name, entries in found.items()
            if entries is not None
        }

    def create(self, specs: Sequence[TopicSpec]) -> None:
        """See ``Broker.create``; returns when the topics can be described."""
        wanted = {spec.name: spec for spec in specs}
        missing = [wanted[name] for name in wanted.keys() - self.topics(list(wanted)).keys()]
        if missing:
            asked = self._client().create_topics(
                [
                    NewTopic(spec.name, spec.partitions, spec.replication or -1, config=dict(spec.settings))
                    for spec in missing
                ],
                request_timeout=ANSWER_SECONDS,
                operation_timeout=ANSWER_SECONDS,
            )
            for name, answer in asked.items():
                self._unless(answer, ALREADY, f"create topic {name}")
        found = self._await_topics(list(wanted))
        self._await_leaders([(spec.name, partition) for spec in missing for partition in range(spec.partitions)])
        for name, spec in wanted.items():
            if found[name].partitions != spec.partitions:
                raise TopicMismatch(
                    f"expected topic {name} with {spec.partitions} partitions, got {found[name].partitions}: the "
                    f"number of shards of a namespace never changes; set SAGA_SHARDS back"
                )

    def _await_topics(self, names: Sequence[str]) -> dict[str, TopicDescription]:
        """A broker hears of a new topic a little after the controller has created it."""
        until = time.monotonic() + ANSWER_SECONDS
        while len(found := self.topics(names)) < len(names):
            if time.monotonic() > until:
                raise Unavailable(
                    f"Kafka: expected the topics {', '.join(names)} to be there, got {', '.join(found)} only"
                )
            self._client().poll(POLL_SECONDS)
        return found

    def _await_leaders(self, places: Sequence[Place]) -> None:
        """A broker that is named as the leader of a new partition begins to serve it a little later."""
        until = time.monotonic() + ANSWER_SECONDS
        while places:
            try:
                self.beginnings(places)
            except Unavailable:
                if time.monotonic() > until:
                    raise
                self._client().poll(POLL_SECONDS)
            else:
                return

    # ------------------------------------------------------------ offsets

    def high_watermarks(self, places: Sequence[Place]) -> list[int]:
        """The end of each partition, open transactions included."""
        return self._offsets(places, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)

    def stable_ends(self, places: Sequence[Place]) -> list[int]:
        """The end of each partition up to its first open transaction: what is committed ends below it."""
        return self._offsets(places, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)

    def beginnings(self, places: Sequence[Place]) -> list[int]:
        """The first offset of each partition that was not deleted."""
        return self._offsets(places, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)

    def _offsets(self, places: Sequence[Place], spec: OffsetSpec | None, isolation: IsolationLevel) -> list[int]:
        assert spec is not None, "the binding's annotations say that a specification may be missing"
        partitions = [TopicPartition(*place) for place in places]
        asked = self._client().list_offsets(
            dict.fromkeys(partitions, spec), isolation_level=isolation, request_timeout=ANSWER_SECONDS
        )
        offsets: list[int] = []
        for place in partitions:
            doing = f"look up an end of {place.topic}[{place.partition}]"
            found = self._unless(asked[place], LEADERLESS | OUTDATED, doing)
            if found is None:
                self.close()  # a new client asks for the leaders anew
                if place.topic in self.topics([place.topic]):
                    raise Unavailable(f"Kafka: expected to {doing}, got a partition without a leader: try again later")
                raise TopicMismatch(f"Kafka: expected to {doing}, got no such topic: create it again")
            offsets.append(int(found.offset))
        return offsets

    def delete_below(self, offsets: Mapping[Place, int]) -> None:
        """Delete the records below each offset; offset 0 deletes nothing."""
        partitions = [TopicPartition(*place, offset) for place, offset in offsets.items() if offset > 0]
        if not partitions:
            return
        asked = self._client().delete_records(
            partitions, request_timeout=ANSWER_SECONDS, operation_timeout=ANSWER_SECONDS
        )
        for place, answer in asked.items():
            self._answer(answer, f"delete records of {place.topic}[{place.partition}] below {place.offset}")

    # ------------------------------------------------------------ asking

    def _unless(self, answer: Future[Answer], expected: frozenset[int], doing: str) -> Answer | None:
        """The answer; None for an error that is as good as one."""
        try:
            return self._answer(answer, doing)
        except OrchestratorError as error:
            cause = error.__cause__
            if isinstance(cause, KafkaException) and error_of(cause).code() in expected:
                return None
            raise

    def _client(self) -> AdminApi:
        with self._lock:
            if self._made is None:
                self._made = cast("AdminApi", made(AdminClient, self._connection.client(self._trouble)))
            return self._made

    def close(self) -> None:
        """Drop the client; a later call makes a new one."""
        with self._lock:
            self._made = None

    def _answer(self, answer: Future[Answer], doing: str, timeout_s: float = ANSWER_SECONDS) -> Answer:
        client, until = self._client(), time.monotonic() + timeout_s
        while True:
            try:
                found = answer.result(POLL_SECONDS)
            except TimeoutError as error:
                client.poll(0)
                if self._trouble.refused is not None:
                    raise translated(self._trouble.refused, doing) from error
                # librdkafka has the same bound, and knows why: it speaks first.
                if time.monotonic() > until + 1:
                    raise Unavailable(f"Kafka: expected to {doing} within {timeout_s:.0f} s, got no answer") from error
            except KafkaException as error:
                if error_of(error).code() == Local.TIMED_OUT:
                    # librdkafka asks one broker, "the controller", and looks for another one after five minutes only.
                    self.close()
                raise self._trouble.explained(heard(client, error), doing) from error
            else:
                self._trouble.over()
                return found
