"""The way back: every step that is done, or may be, is undone; the unknown one first, then the last completed first.

An undo must be done: it is retried by ``undo_retry`` under the same id, and when its attempts are used up or it is
refused, an incident opens and the saga waits, visible. A cancel does not reach here.

An undo made from the reply needs the reply. If the step is unknown, a probe asks for it first: None says that the step
did not happen (and, by the participant's contract, never will), a reply is what the undo is then made from. A probe is
retried as an undo is.
"""

from collections.abc import Callable

from orchestrator.blueprint.values import Data
from orchestrator.engine import events as e
from orchestrator.engine.decision import Outcome
from orchestrator.engine.incidents import close_incidents, open_incident
from orchestrator.engine.program import PreparedStep, message_of
from orchestrator.engine.retry import attempts_text, used_up
from orchestrator.engine.sending import next_attempt_ms, send
from orchestrator.engine.state import Cancelling, Cause, Compensating, Exchange
from orchestrator.engine.turn import Turn

CANCELLED = Cause("cancelled", "on request", None, None, None)


def compensate(turn: Turn, cause: Cause, *, unknown: str | None = None) -> None:
    """Start the way back; ``unknown`` is the step that may have happened.

    A saga whose cancel was accepted before ends as cancelled, whatever became of its open step.
    """
    if isinstance(turn.state.phase, Cancelling):
        cause = CANCELLED
    backwards = [step for step, _ in reversed(turn.state.done)]
    names = backwards if unknown is None else [unknown, *backwards]
    turn.record(
        e.CompensationStarted(
            reason=cause.reason,
            text=cause.text,
            rejection_type=cause.rejection_type,
            rejection_schema=cause.rejection_schema,
            rejection=cause.rejection,
            undo=tuple(name for name in names if turn.program.steps[name].undo is not None),
            at_ms=turn.now_ms,
        )
    )
    close_incidents(turn, "the saga is undone")
    undo_next(turn)


def undo_next(turn: Turn) -> None:
    """Undo, or first probe, the next step; end the saga when none is left."""
    phase = turn.state.phase
    assert isinstance(phase, Compensating), f"expected a saga that is being undone, got {phase}"
    if not phase.undo:
        _end(turn, phase.cause)
        return
    step = turn.program.steps[phase.undo[0]]
    known = any(name == step.name for name, _ in turn.state.done)
    send(turn, step, "probe" if step.step.undo_uses_reply and step.probe is not None and not known else "undo")


def undone(turn: Turn, step: PreparedStep) -> None:
    """The undo was completed; its answer has no body that anybody reads."""
    turn.record(e.StepUndone(step=step.name, at_ms=turn.now_ms))
    close_incidents(turn, f"{step.name} is undone")
    undo_next(turn)


def probed(turn: Turn, step: PreparedStep, reply: Data) -> None:
    """The participant said whether the step happened."""
    turn.record(e.StepProbed(step=step.name, reply=reply, at_ms=turn.now_ms))
    close_incidents(turn, f"{step.name} is known")
    undo_next(turn)


def undo_refused(turn: Turn, exchange: Exchange, refused: e.CommandRefused) -> None:
    """An undo or a probe was answered, but not done: only an operator can go on."""
    turn.record(refused)
    text = (
        f"expected {_named(turn, exchange)} to be completed, got {refused.reason} ({refused.type}): "
        "once the participant can do it, retry: it is sent under a new id"
    )
    open_incident(turn, exchange.step, "refused", text)


def undo_attempt_lost(
    turn: Turn, exchange: Exchange, lost: Callable[[int | None], e.Event], why: str, retry_after_ms: int
) -> None:
    """An attempt of an undo or a probe got no final answer: the next one by ``undo_retry``, or an incident."""
    if not used_up(turn.program.blueprint.undo_retry, exchange):
        turn.record(lost(next_attempt_ms(turn, exchange, retry_after_ms)))
        return
    turn.record(lost(None))
    text = (
        f"expected {_named(turn, exchange)} to be completed, got no completed answer to {attempts_text(exchange)} "
        f"(the last one {why}): once the participant can do it, retry: it is sent under the same id"
    )
    open_incident(turn, exchange.step, "exhausted", text)


def undo_undeliverable(turn: Turn, exchange: Exchange, lost: e.AttemptUndeliverable) -> None:
    """An undo or a probe cannot be sent: no waiting cures that."""
    turn.record(lost)
    text = (
        f"expected to send {_named(turn, exchange)}, got {lost.text}: create the topic or raise its limit, then retry"
    )
    open_incident(turn, exchange.step, "undeliverable", text)


def _named(turn: Turn, exchange: Exchange) -> str:
    """The open undo or probe, for a person: of which step it is, and which command somebody must mend."""
    message = message_of(turn.program.steps[exchange.step], exchange.role).message
    return f"the {exchange.role} of {exchange.step} ({message.type})"


def _end(turn: Turn, cause: Cause) -> None:
    turn.record(e.SagaCompensated(at_ms=turn.now_ms))
    origin = turn.state.origin
    turn.outcome = Outcome(
        saga_id=origin.saga_id,
        saga=origin.saga,
        status="compensated",
        result=None,
        output_schema=None,
        rejection_type=cause.rejection_type,
        rejection=cause.rejection,
        rejection_schema=cause.rejection_schema,
        reason=f"{cause.reason}: {cause.text}",
    )
