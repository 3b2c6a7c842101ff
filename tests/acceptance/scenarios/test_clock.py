"""A clock that jumps by an hour while timers run, and a crash beside it."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

from demo.watcher import Watcher
from orchestrator.client.handle import Handle
from orchestrator.wire.command import ReceivedCommand, parse_command
from orchestrator.wire.headers import CONTENT_TYPE, JSON
from orchestrator.wire.reply import Answer, reply_record
from tests.acceptance.faults.deposit import Receipt, Wish, deposit
from tests.acceptance.faults.orchestrator_process import Orchestrator
from tests.acceptance.faults.stage import SHARDS
from tests.acceptance.faults.town import ALL, Town
from tests.waiting import PATIENCE_S, until

COMMANDS: Final = "faultbank.commands"
HOUR_MS: Final = 3_600_000
WISH: Final = Wish(account="alice", amount=Decimal(5))
"""Its deposit is given up after a second, and sent again after a hundred."""


class Clock:
    """The clock of the orchestrators that run by it."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self.saga = [sys.executable, str(Path(__file__).with_name("wrong_clock.py")), str(self._file)]
        self.jump(0)

    def jump(self, hours: int) -> None:
        """So far from the right time, from now on."""
        written = self._file.with_suffix(".new")
        written.write_text(str(hours * HOUR_MS), encoding="utf-8")
        written.replace(self._file)


@dataclass
class Unanswered:
    """A deposit whose participant is the test."""

    town: Town
    handle: Handle[Receipt]
    watcher: Watcher

    def commands(self) -> list[ReceivedCommand]:
        found = [parse_command(record) for record in list(self.watcher.records)]
        return [command for command in found if command.saga_id == self.handle.id]

    def attempts(self) -> list[int]:
        return [command.attempt for command in self.commands()]

    def answer(self) -> None:
        """The first attempt, late; returns when it is in Kafka."""
        reply = reply_record(self.commands()[0], Answer(outcome="completed"), time_ms=1)
        producer = Producer({"bootstrap.servers": self.town.stage.kafka})
        headers: list[tuple[str, str | bytes | None]] = [*reply.headers, (CONTENT_TYPE, JSON.encode())]
        producer.produce(reply.topic, b'{"balance": "5"}', reply.key, reply.partition, headers=headers)
        assert producer.flush(PATIENCE_S) == 0


@contextmanager
def unanswered(town: Town) -> Generator[Unanswered]:
    """A saga whose only timer is due in a hundred seconds."""
    town.deploy(deposit)
    with Watcher(town.stage.kafka, {COMMANDS: SHARDS}) as watcher:
        handle = town.client.start(deposit, WISH, id=f"{town.settings.namespace}-unanswered", timeout=PATIENCE_S)
        waiting = f"select from saga.sagas where saga_id = '{handle.id}' and state::text ilike '%backing_off%'"
        until(lambda: town.ask(waiting))
        yield Unanswered(town, handle, watcher)


def crash(town: Town, owner: Orchestrator, clock: Clock, name: str) -> Orchestrator:
    """Another one in its place, by the same clock."""
    owner.kill()
    other = town.orchestrator(name, saga=clock.saga)
    until(lambda: other.owned() == ALL)
    return other


def test_timers_across_a_crash_and_a_clock_that_jumps_an_hour_ahead_and_back(town: Town, tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    owner = town.orchestrator("first", saga=clock.saga)
    with unanswered(town) as deposited:
        town.transfer(20)
        clock.jump(1)
        until(lambda: deposited.attempts() == [1, 2])  # by the clock its hundred seconds are over
        town.transfer(20)
        owner = crash(town, owner, clock, "second")
        town.settle()
        town.transfer(20)
        clock.jump(0)
        crash(town, owner, clock, "third")
        town.transfer(20)
        town.settle()
        deposited.answer()
        assert deposited.handle.outcome(PATIENCE_S) == Receipt(balance=Decimal(5))
        assert deposited.attempts() == [1, 2]
    town.prove(but_for=deposited.handle.id)


def test_timers_across_a_crash_and_a_clock_that_jumps_an_hour_back(town: Town, tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    owner = town.orchestrator("first", saga=clock.saga)
    with unanswered(town) as deposited:
        town.transfer(20)
        clock.jump(-1)
        town.transfer(20)
        owner = crash(town, owner, clock, "second")
        for name in town.transfer(20):  # each is decided on, with a clock that stands still
            assert town.handles[name].answered(PATIENCE_S) == "accepted"
        assert deposited.attempts() == [1]
        clock.jump(0)
        town.settle()
        clock.jump(1)
        until(lambda: deposited.attempts() == [1, 2])
        deposited.answer()
        assert deposited.handle.outcome(PATIENCE_S) == Receipt(balance=Decimal(5))
    town.prove(but_for=deposited.handle.id)


def test_an_answer_that_waits_in_kafka_comes_before_the_timers_of_a_clock_that_jumped(
    town: Town, tmp_path: Path
) -> None:
    clock = Clock(tmp_path)
    owner = town.orchestrator("first", saga=clock.saga)
    with unanswered(town) as deposited:
        owner.kill()
        deposited.answer()
        clock.jump(1)
        town.orchestrator("second", saga=clock.saga)
        assert deposited.handle.outcome(PATIENCE_S) == Receipt(balance=Decimal(5))
        town.transfer(20)
        town.settle()
        assert deposited.attempts() == [1]
    town.prove(but_for=deposited.handle.id)
