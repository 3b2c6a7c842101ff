"""What others write: transactions that end late, in another order, or not at all; answers of every kind; poison."""

import json
import secrets
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import psycopg
from confluent_kafka import Producer

from demo import accounts
from demo.watcher import Watcher
from orchestrator.wire.command import ReceivedCommand, parse_command
from orchestrator.wire.headers import CONTENT_TYPE, JSON
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.reply import Answer, reply_record
from tests.acceptance.faults.deposit import Receipt, Wish, deposit
from tests.acceptance.faults.stage import SHARDS
from tests.acceptance.faults.town import ALL, Town
from tests.integration.broker import foreign
from tests.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from orchestrator.client.handle import Handle

COMMANDS: Final = "faultbank.commands"
WISH: Final = Wish(account="alice", amount=Decimal(5))
OPEN_MS: Final = 300_000
"""How long a stranger's transaction may be open: longer than any test."""


class Bank:
    """The participant of deposits, which a test plays."""

    def __init__(self, town: Town, watcher: Watcher) -> None:
        self._town = town
        self._watcher = watcher
        self.asked: dict[str, Handle[Receipt]] = {}

    def ask(self, count: int) -> list[str]:
        """So many deposits, whose commands are there when this returns; gives their ids."""
        first = len(self.asked)
        names = [f"{self._town.settings.namespace}-deposit-{number:02}" for number in range(first, first + count)]
        self.asked |= {name: self._town.client.submit(deposit, WISH, id=name) for name in names}
        until(lambda: {command.saga_id for command in self.commands()} >= set(names))
        return names

    def commands(self) -> list[ReceivedCommand]:
        return [parse_command(record) for record in list(self._watcher.records)]

    def reply_to(self, name: str) -> OutgoingRecord:
        (command,) = (each for each in self.commands() if each.saga_id == name and each.attempt == 1)
        return reply_record(command, Answer(outcome="completed"), time_ms=1)


@contextmanager
def bank(town: Town) -> Generator[Bank]:
    town.deploy(deposit)
    with Watcher(town.stage.kafka, {COMMANDS: SHARDS}) as watcher:
        yield Bank(town, watcher)


def put(producer: Producer, reply: OutgoingRecord, value: bytes = b'{"balance": "5"}') -> None:
    headers: list[tuple[str, str | bytes | None]] = [*reply.headers, (CONTENT_TYPE, JSON.encode())]
    producer.produce(reply.topic, value, reply.key, reply.partition, headers=headers)


def stranger(town: Town, name: str) -> Producer:
    """Somebody with an open transaction."""
    settings = {"transactional.id": f"{town.settings.namespace}-{name}", "transaction.timeout.ms": OPEN_MS}
    producer = Producer({"bootstrap.servers": town.stage.kafka, "log_level": 0, **settings})
    producer.init_transactions(PATIENCE_S)
    producer.begin_transaction()
    return producer


def effects(town: Town, name: str) -> list[str]:
    """What answers have done to a saga; how often it was asked is another matter."""
    found = town.ask(f"select type from saga.events where saga_id = '{name}' order by number")
    return [str(row[0]) for row in found if row[0] not in ("SagaStarted", "CommandSent", "AttemptTimedOut")]


ONCE: Final = ["StepCompleted", "SagaCompleted"]


def settle_whole(town: Town) -> None:
    """What ``prove`` is for inputs that are ours alone: each transfer as it must end, each cent, the tables equal."""
    done = [order.transfer for order in town.orders.values() if order.possible]
    town.settle()
    assert accounts.wrong_money(town.before, accounts.balances(town.stage.database), done) == []
    assert json.loads(town.saga("verify", "--json"))["equal"] is True


# ---------------------------------------------------------------- transactions of others


def test_answers_of_transactions_that_end_in_another_order_count_once_and_of_an_aborted_one_never(town: Town) -> None:
    town.orchestrator("owner")
    with bank(town) as played:
        early, late, never = played.ask(3)
        first, second, third = (stranger(town, name) for name in ("first", "second", "third"))
        for producer, name in ((first, early), (second, late), (third, never)):
            put(producer, played.reply_to(name))
            assert producer.flush(PATIENCE_S) == 0
        town.transfer(20)  # whose answers stand behind open transactions
        second.commit_transaction(PATIENCE_S)
        third.abort_transaction(PATIENCE_S)
        first.commit_transaction(PATIENCE_S)
        for name in (early, late):
            assert played.asked[name].outcome(PATIENCE_S) == Receipt(balance=Decimal(5))
        town.settle()
        assert not played.asked[never].done()
        usual = Producer({"bootstrap.servers": town.stage.kafka})
        put(usual, played.reply_to(never))
        assert usual.flush(PATIENCE_S) == 0
        assert played.asked[never].outcome(PATIENCE_S) == Receipt(balance=Decimal(5))
        assert [effects(town, name) for name in (early, late, never)] == [ONCE] * 3
        settle_whole(town)


def test_a_long_transaction_of_others_in_the_database_holds_sagas_up_and_changes_nothing(town: Town) -> None:
    owner = town.orchestrator("owner")
    until(lambda: owner.owned() == ALL)
    dsn = town.settings.need_database()
    with ExitStack() as opened:
        reader, writer = (opened.enter_context(closing(psycopg.connect(dsn))) for _ in range(2))
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select count(*) from saga.events")
        writer.execute("lock table saga.outbox in share mode")  # as `create index` does
        begun = town.transfer(20)
        until(lambda: "Unavailable" in owner.reasons())
        assert not any(town.handles[name].done() for name in begun)
        writer.rollback()
        town.transfer(20)
        town.settle()
        assert reader.execute("select count(*) from saga.events").fetchone() == (0,)
    town.prove()


# ---------------------------------------------------------------- answers


def test_answers_that_are_doubled_late_reordered_or_unknown_count_once_or_are_put_away(town: Town) -> None:
    owner = town.orchestrator("owner")
    with bank(town) as played:
        names = played.ask(12)
        producer = Producer({"bootstrap.servers": town.stage.kafka})
        for name in reversed(names):
            for _ in range(2):
                put(producer, played.reply_to(name))
        assert producer.flush(PATIENCE_S) == 0
        for name in names:
            assert played.asked[name].outcome(PATIENCE_S) == Receipt(balance=Decimal(5))
        assert [effects(town, name) for name in names] == [ONCE] * len(names)
        for name in names:
            put(producer, played.reply_to(name))  # late: its saga has ended
            unknown = played.reply_to(name)
            renamed = [(key, value.replace(name.encode(), b"nobody")) for key, value in unknown.headers]
            put(producer, OutgoingRecord(unknown.topic, unknown.partition, unknown.key, tuple(renamed), b""))
        assert producer.flush(PATIENCE_S) == 0
        put_away = json.loads(put_away_when(town, len(names)))
        assert Counter(each["reason"] for each in put_away) == {"unknown_saga": len(names)}
        owner.kill()
        town.orchestrator("next")
        town.transfer(10)
        settle_whole(town)
        assert [effects(town, name) for name in names] == [ONCE] * len(names)


def put_away_when(town: Town, count: int) -> str:
    """The quarantine as an operator sees it, once so much is in it."""
    said: list[str] = []

    def enough() -> bool:
        said.append(town.saga("quarantine", "list", "--json"))
        return len(json.loads(said[-1])) >= count

    until(enough)
    return said[-1]


# ---------------------------------------------------------------- poison


Poison = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]
"""Key, value, headers."""


def poison() -> list[Poison]:
    ours = [("ce_specversion", b"1.0"), ("ce_id", b"p"), ("ce_subject", b"poison"), ("ce_type", b"poison")]
    return [
        (None, None, []),
        (b"poison", None, []),
        (b"poison", b"", []),
        (b"poison", b"{", [("content-type", b"application/json")]),
        (b"poison", secrets.token_bytes(1_000), []),
        (b"\xff\xfe", secrets.token_bytes(100), [("ce_subject", b"\xff\xfe")]),
        (b"poison", b"x" * 500_000, []),
        (b"poison", b"null", [*ours, ("content-type", b"application/json")]),
        (b"poison", b"\x00\x00", [*ours, ("content-type", b"application/avro"), ("ce_dataschema", b"0" * 64)]),
        (b"poison", b"1", [*ours, ("content-type", b"text/plain"), ("ce_outcome", b"perhaps")]),
        (b"poison", b"1", [(f"header-{number}", b"x" * 1_000) for number in range(300)]),
        (b"poison", b"1", [("ce_subject", b"poison")] * 3),
        (b"poison", b"1", [*ours, ("ce_time", b"never"), ("ce_attempt", b"9" * 5_000), ("ce_commandid", b"a/b/c/d/e")]),
    ]


def test_poison_of_every_kind_is_put_away_whole_and_stops_nobody(town: Town) -> None:
    owner = town.orchestrator("owner")
    producer = Producer({"bootstrap.servers": town.stage.kafka})
    written = 0
    town.transfer(20)
    for topic in (town.topics.requests, town.topics.replies):
        for shard in ALL:
            for key, value, headers in poison():
                named: list[tuple[str, str | bytes | None]] = [*headers]
                producer.produce(topic, value, key, shard, headers=named)
                written += 1
            foreign.produce(town.stage.kafka, topic, shard, b"bad", [(b"bad\xff\xfe", b"x")])
            written += 1
    assert producer.flush(PATIENCE_S) == 0
    town.transfer(20)
    found = json.loads(put_away_when(town, written))
    assert len(found) == written
    owner.kill()
    town.orchestrator("next")
    town.transfer(20)
    settle_whole(town)
