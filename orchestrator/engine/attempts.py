"""What becomes of one attempt without a final answer: it progresses, times out, fails for now, or cannot be sent.

The same for every command; what the end of the last attempt means differs between ``forward`` and ``compensation``.
"""

from collections.abc import Callable

from orchestrator.engine import compensation, forward
from orchestrator.engine import events as e
from orchestrator.engine.inputs import CommandUndeliverable, ReplyReceived, TimersDue
from orchestrator.engine.sending import send_again
from orchestrator.engine.state import Exchange, ExchangeStatus
from orchestrator.engine.turn import Turn


def timers_due(turn: Turn, timers: TimersDue) -> None:
    """Everything that is due: an attempt times out, the next one is sent; both, when no interval lies between."""
    if turn.state.due_ms is None or turn.state.due_ms > timers.now_ms:
        turn.ignored = f"stale timer: nothing is due at {timers.now_ms}, but at {turn.state.due_ms}"
        return
    for _ in range(2):  # an attempt that is sent now is due later, since its timeout is above 0
        exchange = turn.state.exchange
        if exchange is None or exchange.due_ms is None or exchange.due_ms > timers.now_ms:
            return
        if exchange.status is ExchangeStatus.BACKING_OFF:
            send_again(turn, exchange)
        else:
            _timed_out(turn, exchange)


def _timed_out(turn: Turn, exchange: Exchange) -> None:
    def lost(retry_at_ms: int | None) -> e.Event:
        return e.AttemptTimedOut(
            step=exchange.step,
            role=exchange.role,
            attempt=exchange.attempt,
            retry_at_ms=retry_at_ms,
            at_ms=turn.now_ms,
        )

    _lost(turn, exchange, lost, "timed out", 0)


def failed_for_now(turn: Turn, exchange: Exchange, reply: ReplyReceived) -> None:
    """A retryable failure: it counts once for a command id and attempt."""
    if _is_over(turn, exchange, reply.attempt):
        return

    def lost(retry_at_ms: int | None) -> e.Event:
        return e.AttemptFailed(
            step=exchange.step,
            role=exchange.role,
            attempt=exchange.attempt,
            type=reply.type,
            message=reply.body,
            retryable=True,
            retry_at_ms=retry_at_ms,
            at_ms=turn.now_ms,
        )

    _lost(turn, exchange, lost, f"failed with {reply.type}: {reply.body}", reply.retry_after_ms)


def progressed(turn: Turn, exchange: Exchange, reply: ReplyReceived) -> None:
    """The participant is at work: from now on it has the whole timeout again."""
    if _is_over(turn, exchange, reply.attempt):
        return
    due_ms = turn.now_ms + turn.program.steps[exchange.step].step.timeout_ms
    turn.record(
        e.AttemptProgressed(
            step=exchange.step,
            role=exchange.role,
            attempt=exchange.attempt,
            due_ms=due_ms,
            detail=reply.body,
            at_ms=turn.now_ms,
        )
    )


def undeliverable(turn: Turn, found: CommandUndeliverable) -> None:
    """The relay cannot send the latest attempt."""
    exchange = turn.state.exchange
    if exchange is None or turn.command_id(exchange) != found.command_id:
        turn.ignored = not_open(turn, found.command_id)
        return
    if exchange.status is not ExchangeStatus.AWAITED:
        turn.ignored = f"no attempt of {found.command_id} is awaited"
        return
    if exchange.role == "do":
        forward.undeliverable(turn, turn.program.steps[exchange.step], exchange, found.reason)
        return
    lost = e.AttemptUndeliverable(
        step=exchange.step,
        role=exchange.role,
        attempt=exchange.attempt,
        text=found.reason,
        retry_at_ms=None,
        at_ms=turn.now_ms,
    )
    compensation.undo_undeliverable(turn, exchange, lost)


def not_open(turn: Turn, command_id: str) -> str:
    """Why something about ``command_id`` comes too late."""
    if turn.state.ended_ms is not None:
        return f"the saga has ended ({turn.state.status})"
    exchange = turn.state.exchange
    return f"{command_id} is not open, {'nothing' if exchange is None else turn.command_id(exchange)} is"


def _is_over(turn: Turn, exchange: Exchange, attempt: int) -> bool:
    if exchange.status is ExchangeStatus.AWAITED and attempt == exchange.attempt:
        return False
    turn.ignored = f"attempt {attempt} of {turn.command_id(exchange)} is not awaited"
    return True


def _lost(turn: Turn, exchange: Exchange, lost: Callable[[int | None], e.Event], why: str, retry_after_ms: int) -> None:
    if exchange.role == "do":
        forward.attempt_lost(turn, exchange, lost, why, retry_after_ms)
    else:
        compensation.undo_attempt_lost(turn, exchange, lost, why, retry_after_ms)
