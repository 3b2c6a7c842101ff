"""A participant whose broker is killed: nothing is lost, nothing is doubled."""

import threading
from collections.abc import Generator
from decimal import Decimal

import psycopg
import pytest

from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.topology import command_topic, namespace_topics
from orchestrator.local.stack import LocalStack
from orchestrator.participant.context import Context
from orchestrator.participant.participant import Participant
from orchestrator.participant.postgres import PostgresInbox
from orchestrator.settings import Settings
from orchestrator.wire.reply import parse_reply
from orchestrator.wire.topics import Topics
from tests.integration.participant.conftest import COMMAND_PARTITIONS, SHARDS, Side
from tests.integration.participant.messages import Receipt, Withdraw

WITHDRAW = Withdraw(account="a", amount=Decimal(30))


@pytest.fixture
def own_side(own_stack: LocalStack, namespace: str, bank_name: str) -> Generator[Side]:
    topics = Topics(namespace)
    broker = KafkaBroker(own_stack.kafka, topics)
    broker.create([*namespace_topics(topics, SHARDS), command_topic(bank_name, COMMAND_PARTITIONS)])
    side = Side(
        Settings(kafka=own_stack.kafka, namespace=namespace, session_timeout_ms=6000), bank_name, broker, topics
    )
    yield side
    side.close()


@pytest.fixture
def own_database(own_stack: LocalStack, namespace: str) -> str:
    dsn = own_stack.create_database(namespace)
    with psycopg.connect(dsn) as connection:
        connection.execute("create table effects (saga text)")
    return dsn


def test_a_broker_that_is_killed_and_comes_back_loses_and_doubles_nothing(
    own_stack: LocalStack, own_side: Side, own_database: str
) -> None:
    bank = Participant(own_side.bank, inbox=PostgresInbox(own_database))
    enough, handled = threading.Event(), list[str]()

    def withdraw(_: Withdraw, context: Context) -> Receipt:
        context.connection.execute("insert into effects values (%s)", (context.saga_id,))
        handled.append(context.saga_id)
        if len(handled) >= 100:
            enough.set()
        return Receipt(balance=Decimal(1))

    bank.handles(Withdraw)(withdraw)
    sagas = [f"s{number:04}" for number in range(1000)]
    own_side.send(*[own_side.command(WITHDRAW, saga) for saga in sagas])
    with bank.running(own_side.settings):
        assert enough.wait(60)
        own_stack.kafka_broker.kill()
        own_stack.kafka_broker.restart()
        answered: set[str] = set()
        while answered != set(sagas):
            answered.add(parse_reply(own_side.next_records(1)[0]).saga_id)
    with psycopg.connect(own_database) as connection:
        effects = [row[0] for row in connection.execute("select saga from effects order by saga").fetchall()]
    assert effects == sagas
