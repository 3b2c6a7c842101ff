"""The orchestrator's side of a participant, made by hand: commands out, replies in."""

import itertools
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import Data
from orchestrator.broker.inputs import record_of
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.topology import command_topic, namespace_topics
from orchestrator.clock import now_ms
from orchestrator.definition import messages as definition
from orchestrator.definition.conversion import to_data
from orchestrator.definition.schema import avro_schema
from orchestrator.participant.postgres import PostgresInbox
from orchestrator.settings import Settings
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import body_of, decode_body
from orchestrator.wire.command import CommandTemplate
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.reply import ReceivedReply, decode_failure, parse_reply
from orchestrator.wire.topics import Topics
from tests.integration.participant.messages import MESSAGES, Receipt

SHARDS = 2
COMMAND_PARTITIONS = 3
FAR = 4_102_444_800_000
"""2100, in milliseconds: an attempt that does not end."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    saga_id: str
    command_id: str
    body: Data
    key: str
    step: str = "withdraw"
    attempt: int = 1
    undoes: str | None = None
    expires_ms: int = FAR


@dataclass
class Side:
    """One orchestrator's namespace and one participant's topic."""

    settings: Settings
    bank: str
    broker: KafkaBroker
    topics: Topics
    replies: list[IncomingRecord] = field(default_factory=list[IncomingRecord])

    def __post_init__(self) -> None:
        self._numbers = itertools.count()
        self._consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka,
                "group.id": self.topics.namespace,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        self._consumer.assign([TopicPartition(self.topics.replies, shard, 0) for shard in range(SHARDS)])

    def command(
        self,
        message: object,
        saga_id: str | None = None,
        *,
        role: str = "do",
        shard: int = 0,
        schema: Json | None = None,
        **changes: Any,
    ) -> OutgoingRecord:
        number = next(self._numbers)
        saga_id = saga_id or f"saga-{number}"
        undoes = None if role == "do" else f"{saga_id}/withdraw/0/do"
        kind = type(message)
        name = f"{self.bank}.{kind.__name__}"
        template = CommandTemplate(
            self.topics, shard, name, self.bank, avro_schema(kind, self.bank) if schema is None else schema
        )
        attempt = Attempt(
            saga_id=saga_id,
            command_id=f"{saga_id}/withdraw/0/{role}",
            body=to_data(message, kind, self.bank),
            key=changes.pop("key", saga_id),
            undoes=undoes,
            **changes,
        )
        partition = sum(attempt.key.encode()) % COMMAND_PARTITIONS
        return template.record(attempt, partition=partition, seq=1, index=number, time_ms=now_ms())

    def send(self, *records: OutgoingRecord) -> None:
        self.broker.publish(records)

    def next_replies(self, count: int, within_s: float = 60) -> list[ReceivedReply]:
        """The next replies, of all shards; fails when more have come."""
        found = self.next_records(count, within_s)
        return [parse_reply(record) for record in found]

    def next_records(self, count: int, within_s: float = 60) -> list[IncomingRecord]:
        deadline = time.monotonic() + within_s
        found: list[IncomingRecord] = []
        while len(found) < count:
            message = self._consumer.poll(0.1)
            if message is not None:
                assert message.error() is None, message.error()
                found.append(record_of(message))
            assert time.monotonic() < deadline, f"{len(found)} of {count} replies: {[parse_reply(r) for r in found]}"
        self.replies += found
        return found

    def all_records(self) -> list[IncomingRecord]:
        """Every reply that is stored and was not taken yet."""
        ends = [
            self._consumer.get_watermark_offsets(TopicPartition(self.topics.replies, shard), timeout=30)[1]
            for shard in range(SHARDS)
        ]
        return self.next_records(sum(ends) - len(self.replies))

    def reply_to(self, record: OutgoingRecord) -> tuple[ReceivedReply, Data]:
        """Send one command and take its answer: the reply and its body, decoded."""
        self.send(record)
        (found,) = self.next_records(1)
        return parse_reply(found), self.body(found)

    def body(self, record: IncomingRecord) -> Data:
        reply = parse_reply(record)
        body = body_of(reply.headers, record.value)
        if reply.outcome == "failed":
            return list(decode_failure(body))
        if body is None:
            return None
        kinds: Sequence[Any] = [Receipt, bytes, Receipt | None]
        if reply.outcome == "rejected":
            name = reply.type.removeprefix(f"{self.bank}.")
            kinds = [next(kind for kind in definition.Rejection.__subclasses__() if kind.__name__ == name)]
        for kind in kinds:
            codec = codec_for(avro_schema(kind, self.bank))
            if codec.schema_id == getattr(body, "schema_id", None):
                return decode_body(body, codec, lambda _: None)
        raise AssertionError(body)

    def committed(self) -> dict[int, int]:
        """The participant's committed offset of each partition; 0 where there is none."""
        consumer = Consumer({"bootstrap.servers": self.settings.kafka, "group.id": self.bank})
        topic = Topics.commands(self.bank)
        places = [TopicPartition(topic, partition) for partition in range(COMMAND_PARTITIONS)]
        found = consumer.committed(places, timeout=30)
        consumer.close()
        return {place.partition: max(place.offset, 0) for place in found}

    def ends(self) -> dict[int, int]:
        consumer = Consumer({"bootstrap.servers": self.settings.kafka, "group.id": self.bank})
        topic = Topics.commands(self.bank)
        found = {
            partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)[1]
            for partition in range(COMMAND_PARTITIONS)
        }
        consumer.close()
        return found

    def close(self) -> None:
        self._consumer.close()
        self.broker.close()


@pytest.fixture
def bank_name(namespace: str, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"{namespace}_bank"
    for message in MESSAGES:
        monkeypatch.setitem(definition._participants, message, name)
    return name


@pytest.fixture
def side(kafka: str, namespace: str, bank_name: str) -> Generator[Side]:
    topics = Topics(namespace)
    broker = KafkaBroker(kafka, topics)
    broker.create([*namespace_topics(topics, SHARDS), command_topic(bank_name, COMMAND_PARTITIONS)])
    side = Side(Settings(kafka=kafka, namespace=namespace, session_timeout_ms=3000), bank_name, broker, topics)
    yield side
    side.close()


@pytest.fixture
def accounts(database: str) -> Generator[Callable[[], dict[str, Decimal]]]:
    """A table `accounts`, with 100 in the account `a`; calling it gives what is in each."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table accounts (id text primary key, balance numeric not null)")
        connection.execute("insert into accounts values ('a', 100)")

        def balances() -> dict[str, Decimal]:
            return dict(connection.execute("select id, balance from accounts").fetchall())

        yield balances


@pytest.fixture
def inbox(database: str) -> PostgresInbox:
    return PostgresInbox(database)
