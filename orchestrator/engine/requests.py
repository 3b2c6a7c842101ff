"""What clients and operators ask of a saga that exists: undo it, or try again what waits.

Every request is answered at once, and its answer is kept with the saga (the last ``REQUESTS_KEPT``), so that a request
that comes twice counts once and is told the same, also when it was declined: it must not do later what it was told it
did not do. Of a saga that has ended nothing is kept: it cannot answer differently any more.

A cancel of a saga whose pivot is open is accepted, but cannot be promised: a rejected pivot undoes the saga, a done one
overrules the cancel, which is recorded as ``CancelOverruled``.
"""

from typing import Literal, assert_never

from orchestrator.engine import events as e
from orchestrator.engine.compensation import CANCELLED, compensate, undo_next
from orchestrator.engine.decision import RequestAnswer
from orchestrator.engine.forward import advance, give_up
from orchestrator.engine.incidents import close_incidents
from orchestrator.engine.inputs import CancelSaga, RetrySaga
from orchestrator.engine.program import PreparedStep
from orchestrator.engine.retry import attempts_text
from orchestrator.engine.sending import send, send_again
from orchestrator.engine.state import (
    Blocked,
    Cancelling,
    Compensated,
    Compensating,
    Completed,
    Exchange,
    ExchangeStatus,
    Running,
)
from orchestrator.engine.turn import Turn


def answered_before(turn: Turn, request: CancelSaga | RetrySaga) -> bool:
    """Give a repeated request the answer it got; tell whether it is one."""
    for known in turn.state.requests:
        if known.request_id == request.request_id:
            _answer(turn, request, known.result, known.text)
            turn.ignored = "a repeated request"
            return True
    return False


# ---------------------------------------------------------------- cancel


def cancel(turn: Turn, request: CancelSaga) -> None:
    """Undo the saga: at once, or after what becomes of the open step."""
    phase = turn.state.phase
    match phase:
        case Completed():
            _decline(turn, request, "refused", "the saga has completed")
        case Compensated():
            _decline(turn, request, "already", "the saga is compensated")
        case Compensating():
            _decline(turn, request, "already", f"the saga is being undone ({phase.cause.reason})")
        case Cancelling():
            _decline(turn, request, "already", "a cancel waits for the open step")
        case Blocked() if phase.node <= turn.program.pivot:
            _accept_cancel(turn, request, "")
            compensate(turn, CANCELLED)
        case Running(exchange=Exchange() as exchange) if turn.program.steps[exchange.step].index <= turn.program.pivot:
            _cancel_open(turn, request, turn.program.steps[exchange.step], exchange)
        case Running() | Blocked():
            _decline(turn, request, "refused", "the pivot is done, nothing is undone any more")
        case _:
            assert_never(phase)


def _cancel_open(turn: Turn, request: CancelSaga, step: PreparedStep, exchange: Exchange) -> None:
    """What is open is awaited to the end of its attempt; what is not awaited has no further attempt."""
    match step.manner:
        case "pivot":
            text = f"the pivot {step.name} is open: the saga is undone if it is rejected, and goes on if it is done"
            _accept_cancel(turn, request, text)
        case "query":
            _accept_cancel(turn, request, "")
            compensate(turn, CANCELLED)
        case "step" if exchange.status is ExchangeStatus.AWAITED:
            _accept_cancel(turn, request, f"{step.name} is open: it is awaited until its time is up, then undone")
        case "step" if exchange.status is ExchangeStatus.UNANSWERED and step.step.on_unknown == "incident":
            _accept_cancel(turn, request, f"{step.name} is in doubt: once a retry has it answered, the saga is undone")
        case "step":
            _accept_cancel(turn, request, "")
            give_up(turn, step, f"no completed answer to {attempts_text(exchange)} when the saga was cancelled")
        case "ensure":
            raise AssertionError(f"{step.name} stands behind the pivot")
        case _:
            assert_never(step.manner)


def _accept_cancel(turn: Turn, request: CancelSaga, text: str) -> None:
    turn.record(e.CancelRequested(request_id=request.request_id, text=text, at_ms=turn.now_ms))
    _answer(turn, request, "accepted", text)


# ---------------------------------------------------------------- retry


def retry(turn: Turn, request: RetrySaga) -> None:
    """Try again what has an open incident or waits for its next attempt, at once: attempts count anew.

    What was not answered keeps its command id, for another one could do it twice; what was answered with a refusal is
    sent under the next generation, for the participant would repeat that answer to the old id.
    """
    if turn.state.ended_ms is not None:
        _decline(turn, request, "refused", f"the saga has ended ({turn.state.status})")
        return
    exchange = turn.state.exchange
    status = None if exchange is None else exchange.status
    if not turn.state.open_incidents and status is not ExchangeStatus.BACKING_OFF:
        _decline(turn, request, "refused", "no incident is open, and no attempt waits to be sent")
        return
    text = ""
    if exchange is not None and status is ExchangeStatus.AWAITED:
        text = f"attempt {exchange.attempt} of {exchange.step} is awaited already"
    elif exchange is not None and status is ExchangeStatus.BACKING_OFF:
        text = f"attempt {exchange.attempt + 1} of {exchange.step} is sent now"
    turn.record(e.RetryRequested(request_id=request.request_id, text=text, at_ms=turn.now_ms))
    _answer(turn, request, "accepted", text)
    close_incidents(turn, "retried on request")
    if exchange is None:
        _evaluate_again(turn)
        return
    match exchange.status:
        case ExchangeStatus.AWAITED:
            pass
        case ExchangeStatus.BACKING_OFF | ExchangeStatus.UNANSWERED:
            send_again(turn, exchange)
        case ExchangeStatus.REFUSED:
            step = turn.program.steps[exchange.step]
            send(turn, step, exchange.role, generation=exchange.generation + 1)
        case _:
            assert_never(exchange.status)


def _evaluate_again(turn: Turn) -> None:
    phase = turn.state.phase
    match phase:
        case Blocked():
            advance(turn, phase.node)
        case Compensating():
            undo_next(turn)
        case Running() | Cancelling() | Completed() | Compensated():
            raise AssertionError(f"expected an open command or a blocked saga, got {phase}")
        case _:
            assert_never(phase)


# ---------------------------------------------------------------- answers


def _decline(turn: Turn, request: CancelSaga | RetrySaga, result: Literal["already", "refused"], text: str) -> None:
    if turn.state.ended_ms is None:
        declined = e.RequestDeclined(request_id=request.request_id, result=result, text=text, at_ms=turn.now_ms)
        turn.record(declined)
    else:
        turn.ignored = text
    _answer(turn, request, result, text)


def _answer(
    turn: Turn, request: CancelSaga | RetrySaga, result: Literal["accepted", "already", "refused"], text: str
) -> None:
    turn.answer = RequestAnswer(request_id=request.request_id, saga_id=request.saga_id, result=result, text=text)
