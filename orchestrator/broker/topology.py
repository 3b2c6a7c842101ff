"""The topics of a namespace as they must be, and what is wrong with those that are there. Pure: creates nothing.

Sizes, retention and time stamps decide whether an acknowledged start can be lost, so they are checked at every start.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from orchestrator.broker.admin import ClusterDescription
from orchestrator.broker.configuration import BATCH_BYTES
from orchestrator.broker.port import TopicDescription, TopicSpec
from orchestrator.wire.parking import parked_topic
from orchestrator.wire.topics import Topics

MESSAGE_BYTES: Final = 1_048_588
"""Kafka's default of ``max.message.bytes`` (org.apache.kafka.storage.internals.log.LogConfig)."""
WEEK_MS: Final = 7 * 24 * 3_600 * 1_000
REPLICATION_DURABLE: Final = 3
IN_SYNC_DURABLE: Final = 2

FOR_EVER: Final[Mapping[str, str]] = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
INPUTS: Final[Mapping[str, str]] = {**FOR_EVER, "message.timestamp.type": "LogAppendTime"}
"""With CreateTime a reply that carries an old time stamp is deleted unread, within seconds; with any other retention
an outage that is longer than it loses acknowledged starts. Relayed inputs are deleted by their owner."""
COMPACTED: Final[Mapping[str, str]] = {"cleanup.policy": "compact"}
A_WEEK: Final[Mapping[str, str]] = {"cleanup.policy": "delete", "retention.ms": str(WEEK_MS)}
CHANGEABLE: Final = frozenset({"max.message.bytes", "min.insync.replicas"})
"""An operator may choose otherwise, within bounds that are checked apart."""


def namespace_topics(topics: Topics, shards: int, replication: int | None = None) -> list[TopicSpec]:
    """The topics of a namespace, in the order of the data's way; ``replication`` None: the cluster's default."""
    large = {"max.message.bytes": str(2 * MESSAGE_BYTES)}
    usual = {"max.message.bytes": str(MESSAGE_BYTES)}
    wanted: list[tuple[str, int, Mapping[str, str]]] = [
        (topics.requests, shards, {**INPUTS, **usual}),
        (topics.replies, shards, {**INPUTS, **usual}),
        # A journal entry or a quarantine record holds an input and what was made of it.
        (topics.journal, shards, {**FOR_EVER, **large}),
        (topics.outcomes, shards, {**A_WEEK, **usual}),
        (topics.definitions, 1, {**COMPACTED, **large}),
        (topics.schemas, 1, {**COMPACTED, **usual}),
        (topics.quarantine, shards, {**A_WEEK, **large}),
    ]
    durable = {"min.insync.replicas": str(IN_SYNC_DURABLE)} if (replication or 0) >= REPLICATION_DURABLE else {}
    return [TopicSpec(name, partitions, {**settings, **durable}, replication) for name, partitions, settings in wanted]


def command_topic(participant: str, partitions: int, replication: int | None = None) -> TopicSpec:
    """The topic of a participant's commands; all else about it is theirs."""
    return TopicSpec(Topics.commands(participant), partitions, {}, replication)


def parking_topic(participant: str, replication: int | None = None) -> TopicSpec:
    """The topic of what a participant could not read; a parked record holds another and why it is there."""
    return TopicSpec(parked_topic(participant), 1, {"max.message.bytes": str(2 * MESSAGE_BYTES)}, replication)


def check_topology(expected: Sequence[TopicSpec], found: Mapping[str, TopicDescription]) -> list[str]:
    """What is wrong with the topics that were found, one line each, with what to do; empty: nothing."""
    problems: list[str] = []
    for spec in expected:
        topic = found.get(spec.name)
        if topic is None:
            problems.append(
                f"topic {spec.name}: expected it to exist, it does not: `saga deploy FILE --create-topics` makes it"
            )
        else:
            problems += _faults(spec, topic)
    return problems


def _faults(spec: TopicSpec, topic: TopicDescription) -> list[str]:
    faults: list[str] = []
    if topic.partitions != spec.partitions:
        faults.append(
            f"topic {spec.name}: expected {spec.partitions} partitions, got {topic.partitions}: set SAGA_SHARDS to "
            f"what the namespace was made with, or use another SAGA_NAMESPACE"
        )
    for name, value in spec.settings.items():
        got = topic.settings.get(name)
        if name not in CHANGEABLE and got != value:
            faults.append(f"topic {spec.name}: expected {name}={value}, got {got}: set it with `kafka-configs --alter`")
    smallest = max(BATCH_BYTES, int(spec.settings.get("max.message.bytes", BATCH_BYTES)))
    if topic.max_message_bytes < smallest:
        faults.append(
            f"topic {spec.name}: expected max.message.bytes of at least {smallest}, got {topic.max_message_bytes}: a "
            f"batch of records that is refused would block a shard; raise it with `kafka-configs --alter`"
        )
    return faults


def durability_warnings(cluster: ClusterDescription, found: Mapping[str, TopicDescription]) -> list[str]:
    """What could lose committed records, one line each; fine on one machine, to be refused in production."""
    warnings: list[str] = []
    for topic in found.values():
        in_sync = int(topic.settings.get("min.insync.replicas", "1"))
        if topic.replication < REPLICATION_DURABLE or in_sync < IN_SYNC_DURABLE:
            warnings.append(
                f"topic {topic.name}: expected replication {REPLICATION_DURABLE} with min.insync.replicas "
                f"{IN_SYNC_DURABLE}, got {topic.replication} with {in_sync}: a lost broker takes records with it"
            )
        if topic.settings.get("unclean.leader.election.enable") == "true":
            warnings.append(
                f"topic {topic.name}: expected unclean.leader.election.enable=false, got true: an election may drop "
                f"committed records"
            )
    return warnings + _cluster_warnings(cluster)


def _cluster_warnings(cluster: ClusterDescription) -> list[str]:
    if not cluster.settings:
        return ["cluster: expected to read a broker's settings, got no access rights: its durability is not checked"]
    warnings: list[str] = []
    if cluster.settings.get("transaction.partition.verification.enable") != "true":
        warnings.append(
            "cluster: expected brokers of version 3.6 or newer with transaction.partition.verification.enable=true: "
            "without it a delayed record of an aborted transaction may join a later one"
        )
    for name, smallest in (
        ("transaction.state.log.replication.factor", REPLICATION_DURABLE),
        ("transaction.state.log.min.isr", IN_SYNC_DURABLE),
        ("offsets.topic.replication.factor", REPLICATION_DURABLE),
    ):
        got = cluster.settings.get(name)
        if got is not None and int(got) < smallest:
            warnings.append(
                f"cluster: expected {name} of at least {smallest}, got {got}: transactions may be forgotten"
            )
    return warnings
