"""The journal's events as text. ``golden/events.txt`` is what released versions have written: never edit a line.

A new event, or a new version of one, adds a line. A field that comes later has a default, so the old line still reads.
"""

from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.blueprint import values
from orchestrator.blueprint.values import Data
from orchestrator.engine import events as e
from orchestrator.errors import JournalCorrupt
from tests.unit.blueprint.test_values import KEYS, SMALL_DATA

GOLDEN = Path(__file__).parent / "golden" / "events.txt"
LINES = [tuple(line.split(" ", 1)) for line in GOLDEN.read_text().splitlines()]

SAMPLES: list[e.Event] = [
    e.SagaStarted(
        saga_id="s1",
        saga="money_transfer",
        blueprint="abc",
        input={"amount": Decimal("12.34"), "source": "a"},
        request_id="r1",
        at_ms=1,
    ),
    e.LabelsSet(attributes={"customer": "c1", "vip": True}, at_ms=2),
    e.EvaluationFailed(node=3, step=None, text="division by zero", at_ms=3),
    e.CompensationStarted(
        reason="rejected",
        text="deposit was answered bank.AccountNotFound",
        rejection_type="bank.AccountNotFound",
        rejection_schema="def",
        rejection={"account": "b"},
        undo=("b", "a"),
        at_ms=4,
    ),
    e.SagaCompleted(result=None, at_ms=5),
    e.SagaCompensated(at_ms=6),
    e.CommandSent(step="withdraw", role="do", generation=0, attempt=1, due_ms=60000, at_ms=7),
    e.AttemptProgressed(step="withdraw", role="do", attempt=1, due_ms=70000, detail={"percent": 50}, at_ms=8),
    e.AttemptTimedOut(step="withdraw", role="do", attempt=1, retry_at_ms=71000, at_ms=9),
    e.AttemptFailed(
        step="withdraw",
        role="undo",
        attempt=2,
        type="OSError",
        message="broken",
        retryable=True,
        retry_at_ms=None,
        at_ms=10,
    ),
    e.AttemptUndeliverable(step="withdraw", role="probe", attempt=1, text="TopicMissing", retry_at_ms=None, at_ms=11),
    e.CommandRefused(step="withdraw", role="undo", reason="failed", type="ValueError", body="bad", at_ms=12),
    e.StepCompleted(step="withdraw", reply={"balance": Decimal("1.00")}, at_ms=13),
    e.StepRejected(step="withdraw", reason="rejected", type="bank.InsufficientFunds", body={"balance": 1}, at_ms=14),
    e.StepBecameUnknown(step="withdraw", text="no answer to 1 attempt", at_ms=15),
    e.StepLeftInDoubt(step="withdraw", text="no answer to 1 attempt", at_ms=16),
    e.StepProbed(step="withdraw", reply=None, at_ms=17),
    e.StepUndone(step="withdraw", at_ms=18),
    e.CancelRequested(request_id="r2", text="", at_ms=19),
    e.CancelOverruled(request_id="r2", text="the pivot deposit is done", at_ms=20),
    e.RetryRequested(request_id="r3", text="", at_ms=21),
    e.RequestDeclined(request_id="r4", result="refused", text="no incident is open", at_ms=22),
    e.IncidentOpened(number=1, step="withdraw", reason="exhausted", text="no answer", at_ms=23),
    e.IncidentClosed(number=1, text="retried on request", at_ms=24),
    e.DefectFound(text="ZeroDivisionError: division by zero", at_ms=25),
]


def test_every_released_encoding_is_still_written_and_read() -> None:
    assert [e.encode(sample) for sample in SAMPLES] == LINES
    assert [e.decode(kind, data) for kind, data in LINES] == SAMPLES


def test_every_event_has_a_released_encoding() -> None:
    assert {type(sample) for sample in SAMPLES} == set(get_args(e.Event))


def any_event(kind: type[Any]) -> st.SearchStrategy[e.Event]:
    of_data: dict[Any, st.SearchStrategy[Any]] = {Data: SMALL_DATA, dict[str, Data]: st.dictionaries(KEYS, SMALL_DATA)}
    hints: dict[str, Any] = {field.name: field.type for field in fields(kind)}
    return st.builds(
        kind, **{name: of_data[hint] if hint in of_data else st.from_type(hint) for name, hint in hints.items()}
    )


@settings(max_examples=200, deadline=None)
@given(st.one_of([any_event(kind) for kind in get_args(e.Event)]))
def test_what_is_written_by_hand_is_the_canonical_json_of_the_fields(event: e.Event) -> None:
    kind, data = e.encode(event)
    assert data == values.dumps({field.name: getattr(event, field.name) for field in fields(event)})
    assert e.decode(kind, data) == event


def test_an_unknown_event_type_is_a_corrupt_journal() -> None:
    with pytest.raises(JournalCorrupt, match=r"expected one of the event types .*, got 'SagaVanished'"):
        e.decode("SagaVanished", "{}")


@pytest.mark.parametrize("data", ['{"at_ms":1}', '{"at_ms":1,"step":"a","weather":"fine"}'])
def test_fields_that_do_not_fit_are_a_corrupt_journal(data: str) -> None:
    with pytest.raises(JournalCorrupt, match="expected the fields of StepUndone"):
        e.decode("StepUndone", data)
