"""The way forward: nodes are passed in order until a command is open, and what its answer means for the step.

A step is *done*, *rejected* (nothing happened) or *unknown* (it may have happened); the last two turn the saga back.
What differs is when a step is given up:

- a *step* when its attempts are used up, or at the end of the current one when a cancel waits. It is unknown then, and
  undone as if it had happened. With ``on_unknown="incident"`` it is left in doubt instead: the saga stops where it is,
  with an incident, until a late answer comes or an operator retries (the same id again: whatever happened before, it
  cannot happen twice) and then goes on, or, if it was cancelled, back.
- a *query* likewise, but nothing is to be undone for it, so a final failure is no doubt either, and a cancel does not
  wait for it.
- a *pivot* never: whether the saga goes on or back hangs on it, so it cannot be unknown. It is sent until it is
  answered. A used-up budget opens an incident and it goes on, and so does a final failure that does not say that
  nothing happened: a participant that repeats its first answer keeps the incident open, one that can do it now
  answers the same id and the saga is free.
- an *ensure*, and a query behind the pivot, never: it is sent until it is done. A rejection or a final failure is no
  way back there; it opens an incident and waits for an operator, who sends it under a new id.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias, assert_never

from orchestrator.blueprint.expression import EvaluationError
from orchestrator.blueprint.values import Data
from orchestrator.engine import events as e
from orchestrator.engine.compensation import CANCELLED, compensate
from orchestrator.engine.decision import Outcome
from orchestrator.engine.incidents import close_incidents, evaluation_failed, open_incident
from orchestrator.engine.inputs import ReplyReceived
from orchestrator.engine.program import (
    PreparedAnswer,
    PreparedFail,
    PreparedLabel,
    PreparedRequire,
    PreparedStep,
    evaluate,
    scope_of,
)
from orchestrator.engine.retry import attempts_text, used_up
from orchestrator.engine.sending import next_attempt_ms, send
from orchestrator.engine.state import Cancelling, Cause, Exchange, ExchangeStatus
from orchestrator.engine.turn import Turn

Rejected: TypeAlias = Literal["rejected", "failed", "undeliverable"]

# ---------------------------------------------------------------- passing nodes


def advance(turn: Turn, node: int) -> None:
    """Pass the nodes from ``node`` on, until a command is open, or the saga ends, turns back, or waits."""
    nodes = turn.program.nodes
    for index in range(node, len(nodes)):
        try:
            goes_on = _pass(turn, index)
        except EvaluationError as problem:
            evaluation_failed(turn, index, None, str(problem))
            return
        if not goes_on:
            return
    _finish(turn)


def _pass(turn: Turn, index: int) -> bool:
    """Whether the next node is to be passed too; raises ``EvaluationError``."""
    node = turn.program.nodes[index]
    match node:
        case PreparedStep():
            send(turn, node, "do")
            return False
        case PreparedLabel():
            scope = scope_of(turn.state)
            attributes = {name: _label(name, evaluate(compiled, scope)) for name, compiled in node.attributes}
            turn.record(e.LabelsSet(attributes=attributes, at_ms=turn.now_ms))
            return True
        case PreparedRequire():
            holds = evaluate(node.condition, scope_of(turn.state))
            if not isinstance(holds, bool):
                raise EvaluationError(f"expected true or false from the condition, got {holds!r}")
            if not holds:
                _end_with(turn, index, node.otherwise)
            return holds
        case PreparedFail():
            _end_with(turn, index, node.why)
            return False
        case _:
            assert_never(node)


def _label(name: str, value: Data) -> Data:
    """The value of a label; raises ``EvaluationError`` for one that cannot be searched for."""
    if isinstance(value, str) and "\0" in value:
        raise EvaluationError(f"expected text without NUL for the label {name}, which is indexed, got {value!r:.200}")
    return value


def _end_with(turn: Turn, index: int, why: PreparedAnswer) -> None:
    """The saga turns back by its own word."""
    answer = why.answer
    if index > turn.program.pivot:
        raise EvaluationError(f"{answer.type} behind the pivot, where nothing can be undone")
    body = evaluate(why.body, scope_of(turn.state))
    compensate(turn, Cause("rejected", f"the saga ended with {answer.type}", answer.type, answer.schema, body))


def _finish(turn: Turn) -> None:
    program = turn.program
    result: Data = None
    if program.result is not None:
        try:
            result = evaluate(program.result, scope_of(turn.state))
        except EvaluationError as problem:
            evaluation_failed(turn, len(program.nodes), None, str(problem))
            return
    turn.record(e.SagaCompleted(result=result, at_ms=turn.now_ms))
    origin = turn.state.origin
    turn.outcome = Outcome(
        saga_id=origin.saga_id,
        saga=origin.saga,
        status="completed",
        result=result,
        output_schema=program.blueprint.output,
        rejection_type=None,
        rejection=None,
        rejection_schema=None,
        reason="",
    )


# ---------------------------------------------------------------- what came for the open step


def completed(turn: Turn, step: PreparedStep, reply: Data) -> None:
    """The step is done: the saga goes on, or back if a cancel waited for it; a done pivot overrules the cancel."""
    turn.record(e.StepCompleted(step=step.name, reply=reply, at_ms=turn.now_ms))
    close_incidents(turn, f"{step.name} is done")
    phase = turn.state.phase
    if isinstance(phase, Cancelling):
        if step.manner != "pivot":
            compensate(turn, CANCELLED)
            return
        text = f"the pivot {step.name} is done, nothing is undone any more"
        turn.record(e.CancelOverruled(request_id=phase.request_id, text=text, at_ms=turn.now_ms))
    advance(turn, step.index + 1)


def rejected(turn: Turn, step: PreparedStep, reason: Rejected, kind: str, body: Data) -> None:
    """The step was not done and nothing happened: the saga goes back, or, where there is no back, waits."""
    match step.manner:
        case "step" | "query" | "pivot":
            turn.record(e.StepRejected(step=step.name, reason=reason, type=kind, body=body, at_ms=turn.now_ms))
            compensate(turn, _cause(step, reason, kind, body))
        case "ensure":
            assert reason != "undeliverable", "an ensure that cannot be sent is not answered"
            turn.record(
                e.CommandRefused(step=step.name, role="do", reason=reason, type=kind, body=body, at_ms=turn.now_ms)
            )
            text = (
                f"expected {step.name} to be completed, for it stands behind the point of no return, got {reason} "
                f"({kind}): once the participant can do it, retry: it is sent under a new id"
            )
            open_incident(turn, step.name, "refused", text)
        case _:
            assert_never(step.manner)


def _cause(step: PreparedStep, reason: Rejected, kind: str, body: Data) -> Cause:
    match reason:
        case "rejected":
            schema = step.step.command.rejections.get(kind)
            return Cause(reason, f"{step.name} was answered {kind}", kind, schema, body)
        case "failed":
            return Cause(reason, f"{step.name}: {kind}: {body}", None, None, None)
        case "undeliverable":
            return Cause(reason, f"{step.name}: {body}", None, None, None)
        case _:
            assert_never(reason)


def failed_finally(turn: Turn, step: PreparedStep, exchange: Exchange, reply: ReplyReceived) -> None:
    """The participant gave up; only with ``no_effect`` is it sure that nothing happened."""
    match step.manner:
        case "query" | "ensure":
            rejected(turn, step, "failed", reply.type, reply.body)
        case "step" | "pivot" if reply.no_effect:
            rejected(turn, step, "failed", reply.type, reply.body)
        case "step" if exchange.status is ExchangeStatus.UNANSWERED:
            turn.ignored = f"{step.name} is left in doubt already, and this failure does not say what happened"
        case "step":
            turn.record(_failed(turn, exchange, reply, None))
            give_up(turn, step, f"attempt {reply.attempt} failed with {reply.type}, and may have happened")
        case "pivot" if exchange.status is not ExchangeStatus.AWAITED or reply.attempt != exchange.attempt:
            turn.ignored = f"attempt {reply.attempt} of {step.name} is over, its failure counts no more"
        case "pivot":
            turn.record(_failed(turn, exchange, reply, next_attempt_ms(turn, exchange, reply.retry_after_ms)))
            text = (
                f"expected the pivot {step.name} to be done or rejected, got failed ({reply.type}: {reply.body}) "
                "without a word on whether it happened: the same id is sent until the participant answers it"
            )
            open_incident(turn, step.name, "failed", text)
        case _:
            assert_never(step.manner)


def attempt_lost(
    turn: Turn, exchange: Exchange, lost: Callable[[int | None], e.Event], why: str, retry_after_ms: int
) -> None:
    """An attempt of the step got no final answer: the next one by its policy, or what its end means for this step."""
    step = turn.program.steps[exchange.step]
    spent = used_up(step.step.retry, exchange)
    match step.manner:
        case "step" | "query":
            if spent or isinstance(turn.state.phase, Cancelling):
                turn.record(lost(None))
                give_up(turn, step, f"no completed answer to {attempts_text(exchange)}, the last one {why}")
            else:
                turn.record(lost(next_attempt_ms(turn, exchange, retry_after_ms)))
        case "pivot" | "ensure":
            turn.record(lost(next_attempt_ms(turn, exchange, retry_after_ms)))
            if spent:
                text = (
                    f"expected {step.name}, which is never given up, to be done, got no completed answer to "
                    f"{attempts_text(exchange)} (the last one {why}): it is sent on; look at the participant "
                    f"{step.step.command.participant}"
                )
                open_incident(turn, step.name, "exhausted", text)
        case _:
            assert_never(step.manner)


def undeliverable(turn: Turn, step: PreparedStep, exchange: Exchange, text: str) -> None:
    """An attempt of the step was not sent: nothing happened, unless an earlier one was sent."""

    def lost(retry_at_ms: int | None) -> e.Event:
        return e.AttemptUndeliverable(
            step=step.name,
            role="do",
            attempt=exchange.attempt,
            text=text,
            retry_at_ms=retry_at_ms,
            at_ms=turn.now_ms,
        )

    first = exchange.attempt == 1
    advice = f"expected to send {step.name}, got {text}: create the topic or raise its limit"
    match step.manner:
        case "query":
            rejected(turn, step, "undeliverable", "Undeliverable", text)
        case "step" | "pivot" if first:
            rejected(turn, step, "undeliverable", "Undeliverable", text)
        case "step":
            turn.record(lost(None))
            give_up(turn, step, f"attempt {exchange.attempt} could not be sent ({text}), but an earlier one was")
        case "pivot":
            turn.record(lost(next_attempt_ms(turn, exchange, 0)))
            open_incident(turn, step.name, "undeliverable", f"{advice}; it is tried again by itself")
        case "ensure":
            turn.record(lost(None))
            open_incident(turn, step.name, "undeliverable", f"{advice}, then retry")
        case _:
            assert_never(step.manner)


def give_up(turn: Turn, step: PreparedStep, why: str) -> None:
    """No more attempts of a step or a query by themselves: it is unknown, or left in doubt with an incident."""
    if step.manner == "step" and step.step.on_unknown == "incident":
        turn.record(e.StepLeftInDoubt(step=step.name, text=why, at_ms=turn.now_ms))
        text = (
            f"expected to know whether {step.name} happened, got {why}: its undo needs its reply; make the participant "
            f"{step.step.command.participant} answer, then retry: it is sent under the same id"
        )
        open_incident(turn, step.name, "unknown", text)
        return
    turn.record(e.StepBecameUnknown(step=step.name, text=why, at_ms=turn.now_ms))
    compensate(turn, Cause("unknown", f"{step.name}: {why}", None, None, None), unknown=step.name)


def _failed(turn: Turn, exchange: Exchange, reply: ReplyReceived, retry_at_ms: int | None) -> e.Event:
    return e.AttemptFailed(
        step=exchange.step,
        role=exchange.role,
        attempt=reply.attempt,
        type=reply.type,
        message=reply.body,
        retryable=False,
        retry_at_ms=retry_at_ms,
        at_ms=turn.now_ms,
    )
