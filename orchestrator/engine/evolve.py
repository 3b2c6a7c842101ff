"""The fold: one event, applied to the state. It never fails, never decides, and never looks at time.

Whatever can be chosen was chosen by ``decide`` and stands in the event; so the journal alone, without blueprints, gives
every saga's state. A released rule here is never edited: the events that it folds are kept for ever.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from orchestrator.blueprint import values
from orchestrator.blueprint.values import Data
from orchestrator.engine import events as e
from orchestrator.engine.state import (
    REQUESTS_KEPT,
    AnsweredRequest,
    Blocked,
    Cancelling,
    Cause,
    Compensated,
    Compensating,
    Completed,
    Exchange,
    ExchangeStatus,
    Incident,
    Origin,
    Phase,
    Running,
    SagaState,
)


def evolve(state: SagaState | None, event: e.Event) -> SagaState:
    """The state after ``event``; only ``SagaStarted`` comes to no state, and it comes to nothing else."""
    if state is None:
        assert isinstance(event, e.SagaStarted), f"expected SagaStarted as a saga's first event, got {event}"
        origin = Origin(
            event.saga_id,
            event.saga,
            event.blueprint,
            event.input,
            event.request_id,
            event.at_ms,
            values.dumps(event.input),
        )
        return SagaState(origin, 1, Running(None), (), {}, (), ())
    match event:
        case e.CommandSent():
            return _next(state, _with_exchange(state.phase, _sent(state.phase.exchange, event)))
        case e.StepCompleted() | e.StepProbed():
            return _step_answered(state, event)
        case e.SagaCompleted() | e.CompensationStarted() | e.SagaCompensated():
            return _turned(state, event)
        case e.StepRejected() | e.StepBecameUnknown() | e.StepUndone():
            return _step_closed(state, event)
        case (
            e.AttemptProgressed()
            | e.AttemptTimedOut()
            | e.AttemptFailed()
            | e.AttemptUndeliverable()
            | e.CommandRefused()
            | e.StepLeftInDoubt()
            | e.DefectFound()
        ):
            return _next(state, _attempt_changed(state.phase, event))
        case e.EvaluationFailed():
            return _next(state, _evaluation_failed(state.phase, event))
        case e.LabelsSet():
            return _next(state, state.phase, labels={**state.labels, **event.attributes})
        case e.CancelRequested() | e.CancelOverruled() | e.RetryRequested() | e.RequestDeclined():
            return _requested(state, event)
        case e.IncidentOpened() | e.IncidentClosed():
            return _with_incidents(state, event)
        case e.SagaStarted():
            raise AssertionError(f"expected SagaStarted as a saga's first event, got it as number {state.version + 1}")
        case _:
            assert_never(event)


def fold(state: SagaState | None, events: Iterable[tuple[str, str]]) -> SagaState | None:
    """The state after ``events``, each as ``events.encode`` gives it. Raises ``JournalCorrupt`` as ``decode`` does."""
    for kind, data in events:
        state = evolve(state, e.decode(kind, data))
    return state


def _next(
    state: SagaState,
    phase: Phase,
    *,
    done: tuple[tuple[str, Data], ...] | None = None,
    labels: Mapping[str, Data] | None = None,
    incidents: tuple[Incident, ...] | None = None,
    requests: tuple[AnsweredRequest, ...] | None = None,
) -> SagaState:
    """The state after one more event; what is left out stays. ``dataclasses.replace`` is slower."""
    return SagaState(
        state.origin,
        state.version + 1,
        phase,
        state.done if done is None else done,
        state.labels if labels is None else labels,
        state.incidents if incidents is None else incidents,
        state.requests if requests is None else requests,
    )


def _with_exchange(phase: Phase, exchange: Exchange | None) -> Phase:
    match phase:
        case Running() | Blocked():
            return Running(exchange)
        case Cancelling():
            return Cancelling(exchange, phase.request_id)
        case Compensating():
            return Compensating(exchange, phase.cause, phase.undo)
        case Completed() | Compensated():
            return phase
        case _:
            assert_never(phase)


# ---------------------------------------------------------------- attempts


def _sent(before: Exchange | None, event: e.CommandSent) -> Exchange:
    same_id = before is not None and (before.step, before.role, before.generation) == (
        event.step,
        event.role,
        event.generation,
    )
    return Exchange(
        event.step,
        event.role,
        event.generation,
        event.attempt,
        before.counted_from if before is not None and same_id else 0,
        ExchangeStatus.AWAITED,
        event.due_ms,
    )


def _attempt_changed(
    phase: Phase,
    event: e.AttemptProgressed
    | e.AttemptTimedOut
    | e.AttemptFailed
    | e.AttemptUndeliverable
    | e.CommandRefused
    | e.StepLeftInDoubt
    | e.DefectFound,
) -> Phase:
    exchange = phase.exchange
    if exchange is None:
        return phase
    match event:
        case e.AttemptProgressed():
            changed = _as(exchange, ExchangeStatus.AWAITED, event.due_ms)
        case e.AttemptTimedOut() | e.AttemptFailed() | e.AttemptUndeliverable():
            status = ExchangeStatus.UNANSWERED if event.retry_at_ms is None else ExchangeStatus.BACKING_OFF
            changed = _as(exchange, status, event.retry_at_ms)
        case e.CommandRefused():
            changed = _as(exchange, ExchangeStatus.REFUSED, None)
        case e.StepLeftInDoubt():
            changed = _as(exchange, ExchangeStatus.UNANSWERED, None)
        case e.DefectFound():
            changed = _stopped(exchange)
        case _:
            assert_never(event)
    return _with_exchange(phase, changed)


def _as(exchange: Exchange, status: ExchangeStatus, due_ms: int | None) -> Exchange:
    return Exchange(
        exchange.step, exchange.role, exchange.generation, exchange.attempt, exchange.counted_from, status, due_ms
    )


def _stopped(exchange: Exchange) -> Exchange:
    """No timer any more; what was answered stays answered."""
    if exchange.status is ExchangeStatus.REFUSED:
        return exchange
    return _as(exchange, ExchangeStatus.UNANSWERED, None)


def _evaluation_failed(phase: Phase, event: e.EvaluationFailed) -> Phase:
    if phase.exchange is not None:
        return _with_exchange(phase, _stopped(phase.exchange))
    if isinstance(phase, Running | Blocked | Cancelling):
        return Blocked(event.node)
    return phase


# ---------------------------------------------------------------- steps


def _step_answered(state: SagaState, event: e.StepCompleted | e.StepProbed) -> SagaState:
    """What happened is done, by its own word or a probe's; a probe that finds nothing leaves nothing to undo."""
    if isinstance(event, e.StepProbed) and event.reply is None:
        return _step_closed(state, event)
    return _next(state, _with_exchange(state.phase, None), done=(*state.done, (event.step, event.reply)))


def _step_closed(
    state: SagaState, event: e.StepRejected | e.StepBecameUnknown | e.StepUndone | e.StepProbed
) -> SagaState:
    phase = _with_exchange(state.phase, None)
    if isinstance(phase, Compensating):
        phase = Compensating(None, phase.cause, tuple(step for step in phase.undo if step != event.step))
    return _next(state, phase)


# ---------------------------------------------------------------- the saga


def _turned(state: SagaState, event: e.CompensationStarted | e.SagaCompleted | e.SagaCompensated) -> SagaState:
    phase: Phase
    match event:
        case e.CompensationStarted():
            cause = Cause(event.reason, event.text, event.rejection_type, event.rejection_schema, event.rejection)
            phase = Compensating(None, cause, event.undo)
        case e.SagaCompleted():
            phase = Completed(event.result, event.at_ms)
        case e.SagaCompensated():
            phase = Compensated(_cause_of(state.phase), event.at_ms)
        case _:
            assert_never(event)
    done = state.done if isinstance(phase, Compensating) else ()
    return _next(state, phase, done=done)


def _cause_of(phase: Phase) -> Cause:
    match phase:
        case Compensating() | Compensated():
            return phase.cause
        case _:
            return Cause("cancelled", "", None, None, None)


# ---------------------------------------------------------------- requests and incidents


def _requested(
    state: SagaState, event: e.CancelRequested | e.CancelOverruled | e.RetryRequested | e.RequestDeclined
) -> SagaState:
    phase = state.phase
    answered: AnsweredRequest | None
    match event:
        case e.CancelRequested():
            phase = Cancelling(phase.exchange, event.request_id)
            answered = AnsweredRequest(event.request_id, "accepted", event.text)
        case e.CancelOverruled():
            phase = Running(phase.exchange)
            answered = None
        case e.RetryRequested():
            if phase.exchange is not None:
                phase = _with_exchange(phase, _counted_anew(phase.exchange))
            answered = AnsweredRequest(event.request_id, "accepted", event.text)
        case e.RequestDeclined():
            answered = AnsweredRequest(event.request_id, event.result, event.text)
        case _:
            assert_never(event)
    requests = state.requests if answered is None else (*state.requests, answered)[-REQUESTS_KEPT:]
    return _next(state, phase, requests=requests)


def _counted_anew(exchange: Exchange) -> Exchange:
    return Exchange(
        exchange.step,
        exchange.role,
        exchange.generation,
        exchange.attempt,
        exchange.attempt,
        exchange.status,
        exchange.due_ms,
    )


def _with_incidents(state: SagaState, event: e.IncidentOpened | e.IncidentClosed) -> SagaState:
    match event:
        case e.IncidentOpened():
            opened = Incident(event.number, event.step, event.reason, event.text, event.at_ms, None)
            incidents = (*state.incidents, opened)
        case e.IncidentClosed():
            incidents = tuple(
                Incident(was.number, was.step, was.reason, was.text, was.opened_ms, event.at_ms)
                if was.number == event.number
                else was
                for was in state.incidents
            )
        case _:
            assert_never(event)
    return _next(state, state.phase, incidents=incidents)
