"""What decide promises its caller: it never raises, and what it cannot do stays one saga's trouble."""

from dataclasses import replace

import pytest

from orchestrator.blueprint.model import Answer
from orchestrator.engine import events as e
from orchestrator.engine.decide import decide
from orchestrator.engine.inputs import CancelSaga, Input, ReplyReceived, RetrySaga, StartSaga, TimersDue
from orchestrator.engine.program import PreparedAnswer, PreparedRequire, prepare
from orchestrator.engine.state import ExchangeStatus, SagaState
from tests.unit.engine.blueprints import blueprint

PROGRAM = prepare(blueprint("step withdraw undo=plain\npivot deposit"))
OTHER = prepare(blueprint("step withdraw undo=plain\npivot deposit", hash="hash-2"))
START = StartSaga(request_id="r1", saga_id="s1", saga="demo", input={}, now_ms=0)
REPLY = ReplyReceived(
    saga_id="s1", command_id="s1/withdraw/0/do", attempt=1, outcome="completed", type="", body=None, now_ms=5
)


class Unprintable(str):
    """What no rule foresaw: the engine means to show a condition that is not true or false, and fails at it."""

    __slots__ = ()

    def __repr__(self) -> str:
        raise ZeroDivisionError("division by zero")


OTHERWISE = PreparedAnswer(Answer(type="demo.Refused", schema="s", body={}), lambda _: None, "saga.py:1")
DEFECT = PreparedRequire(lambda _: Unprintable(), OTHERWISE)
DEFECT_BEHIND_WITHDRAW = replace(PROGRAM, nodes=(PROGRAM.nodes[0], DEFECT))


@pytest.fixture
def started() -> SagaState:
    state = decide(PROGRAM, None, START).state
    assert state is not None
    return state


def test_a_defect_is_one_incident_and_stops_the_timers(started: SagaState) -> None:
    decision = decide(DEFECT_BEHIND_WITHDRAW, started, REPLY)
    opened, incident = decision.events
    assert opened == e.DefectFound(text="ZeroDivisionError: division by zero", at_ms=5)
    assert isinstance(incident, e.IncidentOpened)
    assert (incident.step, incident.reason) == ("withdraw", "defect")
    assert "expected a decision on ReplyReceived, got ZeroDivisionError: division by zero" in incident.text
    assert decision.state is not None
    assert decision.state.exchange is not None
    assert decision.state.exchange.status is ExchangeStatus.UNANSWERED
    assert decision.state.due_ms is None
    again = decide(DEFECT_BEHIND_WITHDRAW, decision.state, REPLY)
    assert again.events == ()
    assert again.ignored is not None


def test_a_saga_stopped_by_a_defect_goes_on_when_it_is_mended(
    started: SagaState, request: pytest.FixtureRequest
) -> None:
    stopped = decide(DEFECT_BEHIND_WITHDRAW, started, REPLY).state
    retried = decide(PROGRAM, stopped, RetrySaga(request_id=request.node.name, saga_id="s1", now_ms=9))
    assert [(command.command_id, command.attempt) for command in retried.commands] == [("s1/withdraw/0/do", 2)]
    done = decide(PROGRAM, retried.state, replace(REPLY, now_ms=10))
    assert [command.command_id for command in done.commands] == ["s1/deposit/0/do"]


@pytest.mark.parametrize(
    "came",
    [
        TimersDue(saga_id="s1", now_ms=99_999),
        CancelSaga(request_id="r2", saga_id="s1", now_ms=1),
        RetrySaga(request_id="r3", saga_id="s1", now_ms=1),
        REPLY,
    ],
)
def test_the_wrong_blueprint_is_an_incident_and_no_exception(started: SagaState, came: Input) -> None:
    decision = decide(OTHER, started, came)
    assert [type(event) for event in decision.events] == [e.DefectFound, e.IncidentOpened]
    assert (decision.answer is not None) == isinstance(came, CancelSaga | RetrySaga)
    if decision.answer is not None:
        assert decision.answer.result == "refused"
    without = decide(None, started, came)
    assert without.events == ()
    assert without.ignored is not None
    assert without.state == started


def test_a_defect_in_a_start_refuses_it() -> None:
    decision = decide(replace(PROGRAM, nodes=(DEFECT,)), None, START)
    assert decision.events == ()
    assert decision.state is None
    assert decision.answer is not None
    assert decision.answer.result == "refused"
    assert "ZeroDivisionError" in decision.answer.text


@pytest.mark.parametrize("saga_id", ["", "a/b", "a~b", "x" * 201, "a\n"])
def test_an_id_that_cannot_be_part_of_a_command_id_is_refused(saga_id: str) -> None:
    decision = decide(PROGRAM, None, replace(START, saga_id=saga_id))
    assert decision.events == ()
    assert decision.answer is not None
    assert decision.answer.result == "refused"


def test_the_commands_of_a_step_say_what_they_undo(started: SagaState) -> None:
    rejected = replace(REPLY, command_id="s1/deposit/0/do", outcome="rejected", type="bank.Refused")
    back = decide(PROGRAM, decide(PROGRAM, started, REPLY).state, rejected)
    assert [(command.command_id, command.undoes) for command in back.commands] == [
        ("s1/withdraw/0/undo", "s1/withdraw/0/do")
    ]


def test_a_nul_in_a_participants_words_is_shown_as_a_symbol_for_no_database_stores_it(started: SagaState) -> None:
    pivot = decide(PROGRAM, started, REPLY).state
    broken = replace(REPLY, command_id="s1/deposit/0/do", outcome="failed", type="Bro\0ken", body="a\0b")
    incident = decide(PROGRAM, pivot, broken).events[-1]
    assert isinstance(incident, e.IncidentOpened)
    assert "(Bro␀ken: a␀b)" in incident.text
