"""Who needs which rights in Kafka: the least with which each of them does all of its work.

``saga acls`` prints them, ``saga run`` looks for its own at the start. READ, WRITE and DELETE include DESCRIBE.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.broker.port import TopicDescription
from orchestrator.wire.parking import parked_topic
from orchestrator.wire.topics import Topics


class Kind(StrEnum):
    """What a right is on; the values are Kafka's names."""

    TOPIC = "TOPIC"
    GROUP = "GROUP"
    TRANSACTIONAL_ID = "TRANSACTIONAL_ID"
    CLUSTER = "CLUSTER"


class Operation(StrEnum):
    """What may be done; the values are Kafka's names."""

    READ = "READ"
    WRITE = "WRITE"
    CREATE = "CREATE"
    DELETE = "DELETE"
    DESCRIBE = "DESCRIBE"
    DESCRIBE_CONFIGS = "DESCRIBE_CONFIGS"


READ, WRITE, DESCRIBE, SETTINGS = Operation.READ, Operation.WRITE, Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS
CLUSTER = "kafka-cluster"
"""The only name of this kind (org.apache.kafka.common.resource.Resource.CLUSTER_NAME)."""


@dataclass(frozen=True, slots=True)
class Right:
    """Operations on one resource, or on all whose names begin so."""

    kind: Kind
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


def of_orchestrator(topics: Topics, participants: Iterable[str]) -> list[Right]:
    """Of ``saga run``, which sends to these participants."""
    # Relayed inputs are deleted; what crosses shards is forwarded to them.
    inputs = (READ, WRITE, Operation.DELETE, SETTINGS)
    return [
        _topic(topics.requests, *inputs),
        _topic(topics.replies, *inputs),
        _topic(topics.journal, READ, WRITE, SETTINGS),
        _topic(topics.outcomes, WRITE, SETTINGS),
        _topic(topics.definitions, READ, SETTINGS),
        _topic(topics.schemas, READ, SETTINGS),
        _topic(topics.quarantine, WRITE, SETTINGS),
        *(to_send(Topics.commands(participant)) for participant in participants),
        Right(Kind.GROUP, topics.group, (READ,)),
        Right(Kind.TRANSACTIONAL_ID, topics.relay_id_prefix, (WRITE,), prefixed=True),
        # Only for the warning at the start that the cluster could lose what it has acknowledged.
        Right(Kind.CLUSTER, CLUSTER, (SETTINGS,)),
    ]


def to_send(topic: str) -> Right:
    """On a participant's topic, of who sends commands there."""
    return _topic(topic, WRITE, SETTINGS)


def of_participant(topics: Topics, name: str) -> list[Right]:
    """Of who answers the commands sent to ``name`` in this namespace."""
    return [
        _topic(Topics.commands(name), READ, SETTINGS),
        # Only for a participant that parks what it cannot read.
        _topic(parked_topic(name), WRITE, SETTINGS),
        Right(Kind.GROUP, name, (READ,)),
        *of_answers(topics),
    ]


def of_connector(topics: Topics, name: str) -> list[Right]:
    """Of the same, when it is `saga connector http`: it checks its file against the deployed sagas."""
    return [*of_participant(topics, name), _topic(topics.definitions, READ, SETTINGS)]


def of_answers(topics: Topics) -> list[Right]:
    """Of who answers commands of this namespace."""
    return [_topic(topics.replies, WRITE, SETTINGS), _topic(topics.schemas, READ, WRITE, SETTINGS), _reader(topics)]


def of_client(topics: Topics) -> list[Right]:
    """Of who starts sagas and waits for them."""
    return [
        _topic(topics.requests, WRITE, SETTINGS),
        _topic(topics.outcomes, READ, SETTINGS),
        _topic(topics.definitions, READ),
        _topic(topics.schemas, READ, WRITE),
        Right(Kind.GROUP, topics.clients_group, (DESCRIBE,)),
        _reader(topics),
    ]


def of_operator(topics: Topics) -> list[Right]:
    """Of ``saga quarantine``, which sends records again to where they were read from."""
    return [
        _topic(topics.quarantine, READ, WRITE, SETTINGS),
        _topic(topics.requests, WRITE),
        _topic(topics.replies, WRITE),
        _reader(topics),
    ]


def of_deployment(topics: Topics, participants: Iterable[str]) -> list[Right]:
    """Of ``saga deploy FILE --create-topics``; who leaves that out needs no CREATE."""
    own = [topics.requests, topics.replies, topics.journal, topics.outcomes, topics.quarantine]
    theirs = [name for each in participants for name in (Topics.commands(each), parked_topic(each))]
    return [
        *(_topic(name, Operation.CREATE, DESCRIBE, SETTINGS) for name in (*own, *theirs)),
        _topic(topics.definitions, READ, WRITE, Operation.CREATE, SETTINGS),
        _topic(topics.schemas, READ, WRITE, Operation.CREATE, SETTINGS),
        _reader(topics),
    ]


def missing(wanted: Iterable[Right], found: Mapping[str, TopicDescription]) -> list[str]:
    """Which of the rights on topics we lack on those that were found, one line each.

    To read without the right is no error to librdkafka, but silence.
    """
    lines: list[str] = []
    for right in wanted:
        topic = found.get(right.name) if right.kind is Kind.TOPIC else None
        if topic is not None and topic.operations is not None:
            lacking = [operation for operation in right.operations if operation not in topic.operations]
            if lacking:
                lines.append(f"{' and '.join(lacking)} on topic {right.name}")
    return lines


def _topic(name: str, *operations: Operation) -> Right:
    return Right(Kind.TOPIC, name, operations)


def _reader(topics: Topics) -> Right:
    """Of who reads without being a member: the client still asks who coordinates its group."""
    return Right(Kind.GROUP, topics.group, (DESCRIBE,))
