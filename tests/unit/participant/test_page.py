"""docs/participants.md: its listings run as they stand, and do what the page says of them."""

import asyncio
import runpy
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator import Participant
from orchestrator.definition.conversion import to_data
from orchestrator.definition.messages import answers_of
from orchestrator.definition.schema import avro_schema
from orchestrator.participant.answering import Answering
from orchestrator.participant.exchange import Begun
from orchestrator.wire.command import CommandTemplate
from orchestrator.wire.headers import OUTCOME
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.page import ROOT, Page
from tests.unit.participant.no_schemas import NoSchemas
from tests.unit.participant.test_answering import FAR

PAGE = Page("docs/participants.md")
LEDGER, HOTEL, COURIER, PAY = PAGE.listings("python")


@pytest.fixture(autouse=True)
def beside_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "money_transfer"))
    monkeypatch.chdir(tmp_path)


def run(listing: str) -> dict[str, Any]:
    Path("listing.py").write_text(listing)
    return runpy.run_path("listing.py", run_name="listing")


def command(message: object, role: str = "do", attempt: int = 1, saga_id: str = "s") -> IncomingRecord:
    kind = type(message)
    to = answers_of(kind).participant
    template = CommandTemplate(Topics("saga"), 0, f"{to}.{kind.__name__}", to, avro_schema(kind, to))
    sent: Any = SimpleNamespace(
        saga_id=saga_id,
        command_id=f"{saga_id}/step/0/{role}",
        body=to_data(message, kind, to),
        key="s",
        step="step",
        attempt=attempt,
        undoes=None if role == "do" else f"{saga_id}/step/0/do",
        expires_ms=FAR,
    )
    made = template.record(sent, partition=0, seq=1, index=0, time_ms=0)
    return IncomingRecord(made.topic, 0, 7, 0, made.key, made.headers, made.value)


def answering(participant: Participant[Any]) -> Answering:
    return Answering(participant.name, participant._exchanges.values(), NoSchemas())


class Ledger:
    """The page's bank, with 100 in alice's account."""

    def __init__(self) -> None:
        self.page = run(LEDGER)
        with closing(sqlite3.connect(self.page["FILE"], isolation_level=None)) as db:
            db.execute(self.page["TABLE"])
            db.execute(self.page["NOTE"], ("opening", "alice", "100"))
        self.answering = answering(self.page["bank"])

    def says(self, kind: str, amount: int, role: str = "do") -> str:
        message = self.page[kind](account="alice", amount=Decimal(amount))
        reply = self.answering.answer(command(message, role), None)
        assert reply is not None
        return dict(reply.headers)[OUTCOME].decode()

    def balance(self) -> Decimal:
        with closing(sqlite3.connect(self.page["FILE"])) as db:
            return cast("Decimal", self.page["balance"](db, "alice"))


@pytest.fixture
def ledger(beside_the_example: None) -> Ledger:
    del beside_the_example
    return Ledger()


def test_a_command_is_done_once_and_undone_once(ledger: Ledger) -> None:
    assert [ledger.says("Withdraw", 30) for _ in range(2)] == ["completed", "completed"]
    assert ledger.balance() == 70
    assert [ledger.says("Refund", 30, "undo") for _ in range(2)] == ["completed", "completed"]
    assert ledger.balance() == 100


def test_an_undo_that_comes_first_is_answered_and_its_do_changes_nothing(ledger: Ledger) -> None:
    assert ledger.says("Refund", 30, "undo") == "completed"
    ledger.says("Withdraw", 30)
    assert ledger.balance() == 100


def test_a_first_answer_that_was_a_rejection_is_given_again(ledger: Ledger) -> None:
    assert ledger.says("Withdraw", 130) == "rejected"
    with closing(sqlite3.connect(ledger.page["FILE"], isolation_level=None)) as db:
        db.execute(ledger.page["NOTE"], ("gift", "alice", "100"))
    assert ledger.says("Withdraw", 130) == "rejected"
    assert ledger.balance() == 200


def test_the_courier_progresses_and_answers_or_gives_the_command_back() -> None:
    page = run(COURIER)
    found = answering(page["courier"])
    said: list[OutgoingRecord] = []
    outcomes: list[str] = []

    async def deliver(attempt: int) -> None:
        begun = found.begin(command(page["Ship"](order="o"), attempt=attempt), None, said.append)
        assert isinstance(begun, Begun)
        (result,) = await asyncio.gather(begun.coroutine, return_exceptions=True)

        def give() -> object:
            if isinstance(result, BaseException):
                raise result
            return result

        reply = begun.ended(give)
        assert reply is not None
        outcomes.append(dict(reply.headers)[OUTCOME].decode())

    async def main() -> None:
        await deliver(1)
        for _ in range(10):
            await page["vans"].acquire()
        await deliver(2)

    asyncio.run(main())
    assert outcomes == ["completed", "failed"]
    assert [dict(record.headers)[OUTCOME] for record in said] == [b"progress"]


def test_the_payer_starts_and_waits() -> None:
    page = run(PAY)

    async def outcome(timeout: float) -> object:  # noqa: ASYNC109 - as AsyncHandle's
        assert timeout == 30
        return SimpleNamespace(balance=Decimal(70))

    async def start(definition: object, transfer: object, *, key: str) -> object:
        assert (definition, transfer, key) == (page["money_transfer"], "transfer", "order 7")
        return SimpleNamespace(id="t-1", outcome=outcome)

    assert asyncio.run(page["pay"](SimpleNamespace(start=start), "transfer", "order 7")) == "t-1: 70"
