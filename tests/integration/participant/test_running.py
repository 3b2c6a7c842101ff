"""How a participant runs: order, offsets, bounds, drain, rebalances, crashes, outages."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any
from zlib import crc32

import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from orchestrator.errors import TopicMismatch, Unavailable
from orchestrator.participant import intake
from orchestrator.participant.context import Context
from orchestrator.participant.participant import Participant
from orchestrator.participant.postgres import PostgresInbox
from orchestrator.settings import Settings
from orchestrator.wire.reply import parse_reply
from tests.integration.participant.conftest import Side
from tests.integration.participant.messages import Receipt, Withdraw
from tests.waiting import until

WITHDRAW = Withdraw(account="a", amount=Decimal(30))


@pytest.fixture
def effects(database: str) -> Generator[Callable[[], list[str]]]:
    """A table of effects; calling it gives the sagas that had one, sorted."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table effects (saga text)")
        yield lambda: [row[0] for row in connection.execute("select saga from effects order by saga").fetchall()]


def test_commands_of_one_key_are_handled_in_order(side: Side, bank_name: str) -> None:
    handled: list[tuple[str, int]] = []
    threads: set[str] = set()

    def withdraw(_: Withdraw, context: Context[None]) -> Receipt:
        handled.append((context.saga_id, context.attempt))
        threads.add(threading.current_thread().name)
        return Receipt(balance=Decimal(1))

    sagas = [f"s{number}" for number in range(20)]
    records = [side.command(WITHDRAW, saga, attempt=attempt) for attempt in range(1, 11) for saga in sagas]
    side.send(*records)
    bank = Participant(bank_name)
    bank.handles(Withdraw)(withdraw)
    with bank.running(side.settings, workers=4):
        replies = side.next_replies(len(records))
    for saga in sagas:
        assert [attempt for each, attempt in handled if each == saga] == list(range(1, 11))
    assert len(replies) == len(records)
    assert len(threads) == 4


class Gate:
    """A handler that waits in front of the saga `slow` until it is opened."""

    def __init__(self) -> None:
        self.opened, self.reached = threading.Event(), threading.Event()

    def __call__(self, _: Withdraw, context: Context[None]) -> Receipt:
        if context.saga_id == "slow":
            self.reached.set()
            assert self.opened.wait(60)
        return Receipt(balance=Decimal(1))


def test_an_offset_is_committed_only_when_everything_below_it_is_answered(side: Side, bank_name: str) -> None:
    gate, bank = Gate(), Participant(bank_name)
    bank.handles(Withdraw)(gate)
    with bank.running(side.settings):
        side.send(side.command(WITHDRAW, "slow", key="a"))
        assert gate.reached.wait(30)
        of_the_same_partition = "dgjmpsvy"
        of_others = [key for key in of_the_same_partition if crc32(key.encode()) % 4 != crc32(b"a") % 4]
        side.send(*[side.command(WITHDRAW, key=key) for key in of_the_same_partition])
        side.next_replies(len(of_others))
        of_another_partition = next(key for key in "cfilorux" if crc32(key.encode()) % 4 != crc32(b"a") % 4)
        side.reply_to(side.command(WITHDRAW, key=of_another_partition))
        until(lambda: side.committed()[0] == 1)  # so whatever could be committed of the other is
        assert side.committed()[1] == 0
        gate.opened.set()
        side.next_replies(1 + len(of_the_same_partition) - len(of_others))
        until(lambda: side.committed() == side.ends())


def test_a_reply_does_not_wait_for_a_slow_command_behind_it(side: Side, bank_name: str) -> None:
    gate, bank = Gate(), Participant(bank_name)
    bank.handles(Withdraw)(gate)
    side.send(side.command(WITHDRAW, "quick", key="a"), side.command(WITHDRAW, "slow", key="a"))
    with bank.running(side.settings, workers=1):
        assert gate.reached.wait(30)
        (reply,) = side.next_replies(1)
        assert reply.saga_id == "quick"
        gate.opened.set()
        side.next_replies(1)


def test_a_stop_finishes_what_was_taken(side: Side, bank_name: str) -> None:
    gate, bank = Gate(), Participant(bank_name)
    bank.handles(Withdraw)(gate)
    side.send(side.command(WITHDRAW, "slow"), *[side.command(WITHDRAW) for _ in range(200)])
    bank.start(side.settings)
    assert gate.reached.wait(30)
    stopping = threading.Thread(target=bank.stop)
    stopping.start()
    gate.opened.set()
    stopping.join(60)
    answered = [parse_reply(record).saga_id for record in side.all_records()]
    assert len(answered) == len(set(answered)) == sum(side.committed().values())
    assert "slow" in answered
    bank.stop()


def test_async_handlers_run_side_by_side_and_each_key_in_order_until_a_stop(side: Side, bank_name: str) -> None:
    sagas = [f"s{number}" for number in range(20)]
    together = asyncio.Barrier(len(sagas))
    handled: list[tuple[str, int]] = []
    reached = threading.Event()

    async def withdraw(_: Withdraw, context: Context[None]) -> Receipt:
        if context.attempt == 1:
            await together.wait()  # with 2 threads nobody would pass
        if context.attempt == 5:
            reached.set()
        context.progress(f"attempt {context.attempt}")
        handled.append((context.saga_id, context.attempt))
        return Receipt(balance=Decimal(1))

    side.send(*[side.command(WITHDRAW, saga, attempt=attempt) for attempt in range(1, 11) for saga in sagas])
    bank = Participant(bank_name)
    bank.handles(Withdraw)(withdraw)
    bank.start(side.settings, workers=2)
    assert reached.wait(60)
    bank.stop()
    replies = [parse_reply(record) for record in side.all_records()]
    answered = [(reply.saga_id, reply.attempt) for reply in replies if reply.outcome == "completed"]
    assert len(answered) == len(set(answered)) == sum(side.committed().values())
    for saga in sagas:
        attempts = [attempt for each, attempt in handled if each == saga]
        assert attempts == list(range(1, len(attempts) + 1))
        told = [(reply.attempt, reply.outcome) for reply in replies if reply.saga_id == saga]
        assert told == [(attempt, outcome) for attempt in attempts for outcome in ("progress", "completed")]


def test_no_more_is_taken_than_there_is_room_for(side: Side, bank_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "IN_WORK_MAX", 50)
    monkeypatch.setattr(intake, "ROOM_S", 0.05)
    gate, bank = Gate(), Participant(bank_name)
    taken: list[str] = []

    def withdraw(command: Withdraw, context: Context[None]) -> Receipt:
        taken.append(context.saga_id)
        return gate(command, context)

    bank.handles(Withdraw)(withdraw)
    side.send(*[side.command(WITHDRAW, "slow", key="a", attempt=1)])
    with bank.running(side.settings, workers=1):
        assert gate.reached.wait(30)
        side.send(*[side.command(WITHDRAW) for _ in range(300)])
        runner = bank._runner
        assert runner
        until(lambda: runner.intake is not None and runner.intake._paused)
        assert runner.intake
        assert runner.intake._offsets.unanswered <= 52
        assert taken == ["slow"]
        gate.opened.set()
        side.next_replies(301)
        until(lambda: side.committed() == side.ends())
    assert len(taken) == 301


def test_participants_share_the_work_and_hand_it_over(
    side: Side, bank_name: str, database: str, effects: Callable[[], list[str]]
) -> None:
    def bank() -> Participant:
        bank = Participant(bank_name, inbox=PostgresInbox(database))

        def withdraw(_: Withdraw, context: Context) -> Receipt:
            context.connection.execute("insert into effects values (%s)", (context.saga_id,))
            return Receipt(balance=Decimal(1))

        bank.handles(Withdraw)(withdraw)
        return bank

    sagas = [f"s{number:03}" for number in range(600)]
    with ExitStack() as stack:
        stack.enter_context(bank().running(side.settings))
        side.send(*[side.command(WITHDRAW, saga) for saga in sagas[:200]])
        second = stack.enter_context(started(bank(), side.settings))
        side.send(*[side.command(WITHDRAW, saga) for saga in sagas[200:400]])
        until(lambda: len(effects()) >= 300)
        second.stop()
        side.send(*[side.command(WITHDRAW, saga) for saga in sagas[400:]])
        until(lambda: side.committed() == side.ends())
    assert effects() == sagas
    assert {parse_reply(record).saga_id for record in side.all_records()} == set(sagas)


@contextmanager
def started(bank: Participant, settings: Settings) -> Generator[Participant]:
    bank.start(settings)
    yield bank
    bank.stop()


def process(side: Side, database: str, *arguments: str) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "SAGA_KAFKA": side.settings.kafka,
        "SAGA_NAMESPACE": side.settings.namespace,
        "SAGA_SESSION_TIMEOUT_MS": "1500",
    }
    for name in [name for name in environment if name.startswith("SAGA_TEST_")]:
        del environment[name]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.participant.bank_process", side.bank, database, *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_crash_doubles_no_effect_and_leaves_no_command_unanswered(
    side: Side, database: str, effects: Callable[[], list[str]]
) -> None:
    sagas = [f"s{number:03}" for number in range(300)]
    side.send(*[side.command(WITHDRAW, saga) for saga in sagas])
    for crash_after in (40, 90):
        with process(side, database, str(crash_after)) as crashed:
            assert crashed.wait(60) == -signal.SIGKILL
    with process(side, database) as survivor:
        until(lambda: side.committed() == side.ends())
        survivor.send_signal(signal.SIGTERM)
        assert survivor.wait(30) == 0
    assert effects() == sagas
    answers: dict[str, set[bytes | None]] = {}
    for record in side.all_records():
        answers.setdefault(parse_reply(record).saga_id, set()).add(record.value)
    assert sorted(answers) == sagas
    assert {len(different) for different in answers.values()} == {1}


def test_while_the_database_is_out_of_reach_commands_stay_unanswered(
    side: Side, bank_name: str, database: str, effects: Callable[[], list[str]]
) -> None:
    bank = Participant(bank_name, inbox=PostgresInbox(database))

    def withdraw(_: Withdraw, context: Context) -> Receipt:
        context.connection.execute("insert into effects values (%s)", (context.saga_id,))
        return Receipt(balance=Decimal(1))

    bank.handles(Withdraw)(withdraw)
    admin = database.rpartition("/")[0] + "/postgres"
    name = sql.Identifier(database.rpartition("/")[2])
    with (
        capture_logs() as said,
        bank.running(side.settings),
        psycopg.connect(admin, autocommit=True) as connection,
    ):
        side.reply_to(side.command(WITHDRAW, "before"))
        connection.execute(sql.SQL("alter database {} with allow_connections false").format(name))
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'saga participant' "
            "and datname = %s",
            (database.rpartition("/")[2],),
        )
        side.send(*[side.command(WITHDRAW, f"during{number}") for number in range(20)])
        until(lambda: len([line for line in said if line["event"] == "a command waits for a server"]) > 8)
        assert side.committed() != side.ends()
        connection.execute(sql.SQL("alter database {} with allow_connections true").format(name))
        replies = side.next_replies(20)
    assert {reply.outcome for reply in replies} == {"completed"}
    assert effects() == sorted(["before", *[f"during{number}" for number in range(20)]])


def never(_command: Withdraw, _context: Context[Any]) -> Receipt:
    raise AssertionError("no command can come")


def test_without_the_topic_of_its_commands_it_does_not_start(kafka: str, namespace: str, bank_name: str) -> None:
    bank = Participant(bank_name)
    bank.handles(Withdraw)(never)
    with pytest.raises(TopicMismatch, match=f"{bank_name}.commands.*--create-topics"):
        bank.start(Settings(kafka=kafka, namespace=namespace))


def test_an_unreachable_kafka_is_told_in_one_line_and_status_5(side: Side, database: str) -> None:
    begun = time.monotonic()
    side.settings = Settings(kafka="127.0.0.1:1", namespace=side.settings.namespace)
    with process(side, database) as bank:
        _, said = bank.communicate(timeout=60)
        assert bank.returncode == 5
    assert time.monotonic() - begun < 12
    assert "127.0.0.1:1" in said
    assert "Traceback" not in said


def test_an_unreachable_database_is_told_before_a_command_is_taken(side: Side) -> None:
    bank = Participant(side.bank, inbox=PostgresInbox("postgresql://127.0.0.1:1/none"))
    bank.handles(Withdraw)(never)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        bank.start(side.settings)
