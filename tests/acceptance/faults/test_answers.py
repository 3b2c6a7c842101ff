"""Answers and topics that are not as one would like them: late, with an old time stamp, or gone."""

import json
import threading
from contextlib import closing
from decimal import Decimal

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from demo.watcher import Watcher
from orchestrator import Context, Participant, PostgresInbox
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.wire.command import parse_command
from orchestrator.wire.headers import CONTENT_TYPE, JSON
from orchestrator.wire.reply import Answer, reply_record
from tests.acceptance.faults.deposit import Deposit, Receipt, Wish, deposit
from tests.acceptance.faults.stage import SHARDS
from tests.acceptance.faults.town import ALL, Town
from tests.waiting import PATIENCE_S, until

COMMANDS = "faultbank.commands"
WISH = Wish(account="alice", amount=Decimal(5))


def test_an_operators_retry_of_an_unanswered_deposit_deposits_once(town: Town) -> None:
    database = town.stage.system.stack.create_database("faultbank")
    participant = Participant("faultbank", inbox=PostgresInbox(database))
    go_on, begun = threading.Event(), threading.Event()

    @participant.handles(Deposit)
    def handle(command: Deposit, context: Context) -> Receipt:
        context.connection.execute("insert into deposits values (%s)", (command.amount,))
        begun.set()
        assert go_on.wait(4 * PATIENCE_S)  # as long as all that the test waits for meanwhile
        return Receipt(balance=command.amount)

    with psycopg.connect(database) as connection:
        connection.execute("create table deposits (amount numeric not null)")
    town.deploy(deposit)
    town.orchestrator("owner")
    with participant.running(town.settings), Watcher(town.stage.kafka, {COMMANDS: SHARDS}) as watcher:
        handle_of_saga = town.client.start(deposit, WISH, id="unanswered", timeout=PATIENCE_S)
        assert begun.wait(PATIENCE_S)
        until(lambda: json.loads(town.saga("show", "unanswered", "--json"))["waiting"]["status"] == "backing_off")
        assert town.client.retry("unanswered") == "accepted"
        until(lambda: attempts(watcher, "unanswered") == [1, 2])
        go_on.set()
        assert handle_of_saga.outcome(PATIENCE_S) == Receipt(balance=Decimal(5))
    with psycopg.connect(database) as connection:
        assert connection.execute("select amount from deposits").fetchall() == [(Decimal(5),)]


def attempts(watcher: Watcher, saga_id: str) -> list[int]:
    commands = [parse_command(record) for record in list(watcher.records)]
    return [command.attempt for command in commands if command.saga_id == saga_id]


def test_a_reply_with_an_old_time_stamp_counts(town: Town) -> None:
    town.deploy(deposit)
    town.orchestrator("owner")
    with Watcher(town.stage.kafka, {COMMANDS: SHARDS}) as watcher:
        handle = town.client.submit(deposit, WISH, id="old")

        def asked() -> list[int]:
            return [at for at, record in enumerate(list(watcher.records)) if b"old" in (record.key or b"")]

        until(asked)
        command = parse_command(watcher.records[asked()[0]])
    reply = reply_record(command, Answer(outcome="completed"), time_ms=1)
    producer = Producer({"bootstrap.servers": town.stage.kafka})
    headers: list[tuple[str, str | bytes | None]] = [*reply.headers, (CONTENT_TYPE, JSON.encode())]
    # Retention by time would delete it at once, unread, if the topic took the producer's word for it.
    producer.produce(reply.topic, b'{"balance": "5"}', reply.key, reply.partition, timestamp=1, headers=headers)
    assert producer.flush(PATIENCE_S) == 0
    assert handle.outcome(PATIENCE_S) == Receipt(balance=Decimal(5))


def test_a_topic_deleted_in_the_middle_of_its_transaction_holds_up_nobody(town: Town) -> None:
    proxy = town.stage.kafka_proxy
    town.deploy(deposit)
    owner = town.orchestrator("owner", {"SAGA_KAFKA": town.stage.proxied_kafka})
    until(lambda: owner.owned() == ALL)
    proxy.hold()
    town.client.submit(deposit, WISH, id="without-topic")
    assert proxy.lost.wait(PATIENCE_S)
    admin = AdminClient({"bootstrap.servers": town.stage.kafka})
    admin.delete_topics([COMMANDS])[COMMANDS].result()
    with closing(KafkaBroker(town.stage.kafka, town.topics)) as broker:
        until(lambda: not broker.topics([COMMANDS]))
    proxy.deliver()
    town.transfer(20)
    until(lambda: "TopicMismatch" in owner.reasons() or all(handle.done() for handle in town.handles.values()))
    if "TopicMismatch" in owner.reasons():
        # The transaction was given up before its end arrived: its batch waits for the topic, as the refusal says.
        town.deploy(deposit)
    town.settle()
    town.prove(but_for="without-topic")
