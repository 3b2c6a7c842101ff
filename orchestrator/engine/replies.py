"""What a participant's answer means: the table of the protocol, row by row.

| what came | what it means |
|---|---|
| ``completed``, ``rejected`` of any attempt of the open command | done, rejected |
| ``failed``, retryable, of the awaited attempt | the next attempt after max(policy, retry-after) |
| ``failed``, final, with no effect | rejected, reason ``failed`` |
| ``failed``, final, without it | unknown |
| ``progress`` of the awaited attempt | its timeout starts again |
| anything about a command that is not open | ignored, with the reason |

A refused command is answered, but it is still what the saga waits for: a ``completed`` for it, which a participant
without an inbox may send after all, counts, for sending it again under a new id would then do it twice.
"""

from typing import assert_never

from orchestrator.engine import attempts, compensation, forward
from orchestrator.engine import events as e
from orchestrator.engine.attempts import not_open
from orchestrator.engine.incidents import open_incident
from orchestrator.engine.inputs import ReplyReceived, ReplyUnreadable
from orchestrator.engine.state import Exchange, ExchangeStatus
from orchestrator.engine.turn import Turn


def reply_received(turn: Turn, reply: ReplyReceived) -> None:
    """An answer that can be read."""
    exchange = turn.state.exchange
    if exchange is None or turn.command_id(exchange) != reply.command_id:
        turn.ignored = not_open(turn, reply.command_id)
        return
    match reply.outcome:
        case "completed":
            _completed(turn, exchange, reply)
        case "rejected":
            _rejected(turn, exchange, reply)
        case "failed" if reply.retryable:
            attempts.failed_for_now(turn, exchange, reply)
        case "failed":
            _failed_finally(turn, exchange, reply)
        case "progress":
            attempts.progressed(turn, exchange, reply)
        case _:
            assert_never(reply.outcome)


def reply_unreadable(turn: Turn, reply: ReplyUnreadable) -> None:
    """An answer that cannot be read: an incident; the command stays open, its timers go on."""
    exchange = turn.state.exchange
    if exchange is None or turn.command_id(exchange) != reply.command_id:
        turn.ignored = not_open(turn, reply.command_id)
        return
    if exchange.status is ExchangeStatus.REFUSED:
        turn.ignored = f"{reply.command_id} is answered already"
        return
    text = (
        f"expected a readable answer to {reply.command_id}, got {reply.reason}: {reply.text}; the record is in "
        "quarantine; correct the participant: the command stays open, and is sent again when its time is up"
    )
    if not open_incident(turn, exchange.step, "unreadable", text):
        turn.ignored = f"an incident is open already for unreadable answers to {exchange.step}"


def _completed(turn: Turn, exchange: Exchange, reply: ReplyReceived) -> None:
    step = turn.program.steps[exchange.step]
    match exchange.role:
        case "do":
            forward.completed(turn, step, reply.body)
        case "undo":
            compensation.undone(turn, step)
        case "probe":
            compensation.probed(turn, step, reply.body)
        case _:
            assert_never(exchange.role)


def _rejected(turn: Turn, exchange: Exchange, reply: ReplyReceived) -> None:
    if exchange.status is ExchangeStatus.REFUSED:
        turn.ignored = f"{reply.command_id} is answered already"
    elif exchange.role == "do":
        forward.rejected(turn, turn.program.steps[exchange.step], "rejected", reply.type, reply.body)
    else:
        compensation.undo_refused(turn, exchange, _refused(turn, exchange, reply))


def _failed_finally(turn: Turn, exchange: Exchange, reply: ReplyReceived) -> None:
    if exchange.status is ExchangeStatus.REFUSED:
        turn.ignored = f"{reply.command_id} is answered already"
    elif exchange.role == "do":
        forward.failed_finally(turn, turn.program.steps[exchange.step], exchange, reply)
    else:
        compensation.undo_refused(turn, exchange, _refused(turn, exchange, reply))


def _refused(turn: Turn, exchange: Exchange, reply: ReplyReceived) -> e.CommandRefused:
    return e.CommandRefused(
        step=exchange.step,
        role=exchange.role,
        reason="rejected" if reply.outcome == "rejected" else "failed",
        type=reply.type,
        body=reply.body,
        at_ms=turn.now_ms,
    )
