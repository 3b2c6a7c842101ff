"""docs/participants.md, "An undo made from the reply": its listing compiles, and answers as the page says."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestrator.blueprint.model import Step
from orchestrator.participant.postgres import PostgresInbox
from orchestrator.wire.body import body_of, decode_body
from orchestrator.wire.headers import OUTCOME
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.reply import parse_reply
from tests.unit.participant.test_page import HOTEL, answering, command, run


@pytest.fixture
def page(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOTEL_DATABASE", database)
    page = run(HOTEL)
    with psycopg.connect(database) as connection:
        connection.execute(page["TABLE"])
    PostgresInbox(database).prepare()
    return page


def test_its_saga_compiles_with_the_probe(page: dict[str, Any]) -> None:
    (step,) = page["trip"].compile().nodes
    assert isinstance(step, Step)
    assert (step.undo_uses_reply, step.probe is not None) == (True, True)


def test_the_probe_finds_a_do_and_refuses_one_that_comes_later(page: dict[str, Any], database: str) -> None:
    hotel = answering(page["hotel"])
    session = PostgresInbox(database).session()

    def says(kind: str, role: str, saga_id: str, **fields: object) -> tuple[str, object]:
        made = command(page[kind](**fields), role, saga_id=saga_id)
        reply = hotel.answer(made, session)
        assert reply is not None
        read = IncomingRecord(reply.topic, 0, 0, 0, reply.key, reply.headers, reply.value)
        body = body_of(parse_reply(read).headers, read.value)
        outcome = dict(reply.headers)[OUTCOME].decode()
        if outcome != "completed" or kind == "CancelBooking":
            return outcome, None
        exchange: Any = hotel._exchanges[f"hotel.{kind}"]
        return outcome, decode_body(body, exchange.reply, lambda _: None)

    assert says("Book", "do", "a", guest="ann") == ("completed", {"number": 1})
    assert says("FindBooking", "probe", "a", guest="ann") == ("completed", {"number": 1})
    assert says("FindBooking", "probe", "b", guest="ann") == ("completed", None)
    assert says("Book", "do", "b", guest="ann") == ("failed", None)
    assert says("CancelBooking", "undo", "a", number=1) == ("completed", None)
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from bookings").fetchone() == (0,)
    session.close()
