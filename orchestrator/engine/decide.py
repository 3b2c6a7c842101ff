"""The pure decision: what follows from one input. It never raises, and never looks at anything but its arguments.

An exception in here is a defect of the engine, or data that no rule foresaw; it becomes an incident of that one saga,
and whatever is open stops, so that it cannot come again with every timer. Nothing of the failed turn is kept.
"""

from typing import TypeAlias, assert_never

from orchestrator.blueprint.ids import no_such_saga
from orchestrator.engine import attempts, replies, requests
from orchestrator.engine import events as e
from orchestrator.engine.decision import Decision, RequestAnswer
from orchestrator.engine.incidents import open_incident
from orchestrator.engine.inputs import (
    CancelSaga,
    CommandUndeliverable,
    Input,
    ReplyReceived,
    ReplyUnreadable,
    RetrySaga,
    StartSaga,
    TimersDue,
)
from orchestrator.engine.program import Program
from orchestrator.engine.start import start
from orchestrator.engine.state import SagaState
from orchestrator.engine.turn import Turn

Observed: TypeAlias = ReplyReceived | ReplyUnreadable | CommandUndeliverable | TimersDue


def decide(program: Program | None, state: SagaState | None, input: Input) -> Decision:  # noqa: A002 - the field's word
    """What follows from ``input`` for the saga in ``state``.

    ``program`` is prepared from the blueprint that the saga started with; for a start, from the one that is active
    under its name. It may be None only when there is no state: for an unknown name, or an unknown saga.
    """
    try:
        if isinstance(input, StartSaga):
            return start(program, state, input)
        if state is None:
            return _without_saga(input)
        assert program is not None, f"expected the blueprint {state.blueprint}, got none"
        assert program.blueprint.hash == state.blueprint, f"expected {state.blueprint}, got {program.blueprint.hash}"
        turn = Turn(program, state, input.now_ms, [], [])
        _take(turn, input)
        return turn.decision()
    except Exception as problem:  # noqa: BLE001 - design: an exception in decide is an incident of that saga
        return defect(program, state, input, f"{type(problem).__name__}: {problem}")


def _take(turn: Turn, came: CancelSaga | RetrySaga | Observed) -> None:
    match came:
        case ReplyReceived():
            replies.reply_received(turn, came)
        case TimersDue():
            attempts.timers_due(turn, came)
        case ReplyUnreadable():
            replies.reply_unreadable(turn, came)
        case CommandUndeliverable():
            attempts.undeliverable(turn, came)
        case CancelSaga():
            if not requests.answered_before(turn, came):
                requests.cancel(turn, came)
        case RetrySaga():
            if not requests.answered_before(turn, came):
                requests.retry(turn, came)
        case _:
            assert_never(came)


def _without_saga(came: CancelSaga | RetrySaga | Observed) -> Decision:
    text = no_such_saga(came.saga_id)
    return Decision(answer=_refused(came, text), ignored=text)


def defect(program: Program | None, state: SagaState | None, came: Input, problem: str) -> Decision:
    """What the saga is left with when ``decide`` failed on ``came``: an incident, once, and no timer."""
    text = f"expected a decision on {type(came).__name__}, got {problem}: report it; once it is mended, retry"
    answer = _refused(came, text)
    if program is None or state is None or state.ended_ms is not None:
        return Decision(answer=answer, ignored=text, state=state)
    known = any(incident.reason == "defect" for incident in state.open_incidents)
    if known and state.due_ms is None:
        return Decision(answer=answer, ignored=text, state=state)
    turn = Turn(program, state, came.now_ms, [], [])
    turn.answer = answer
    turn.record(e.DefectFound(text=problem, at_ms=came.now_ms))
    open_incident(turn, None if state.exchange is None else state.exchange.step, "defect", text)
    return turn.decision()


def _refused(came: Input, text: str) -> RequestAnswer | None:
    match came:
        case StartSaga() | CancelSaga() | RetrySaga():
            return RequestAnswer(request_id=came.request_id, saga_id=came.saga_id, result="refused", text=text)
        case ReplyReceived() | ReplyUnreadable() | CommandUndeliverable() | TimersDue():
            return None
        case _:
            assert_never(came)
