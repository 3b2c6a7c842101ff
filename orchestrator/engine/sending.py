"""Sending: one attempt of one command, made from the saga's data, and the time until which its answer is awaited."""

from orchestrator.blueprint.expression import EvaluationError
from orchestrator.blueprint.ids import command_id
from orchestrator.blueprint.text import text_of
from orchestrator.blueprint.values import Data
from orchestrator.engine import events as e
from orchestrator.engine.decision import Command
from orchestrator.engine.incidents import evaluation_failed
from orchestrator.engine.program import PreparedStep, evaluate, message_of, scope_of
from orchestrator.engine.retry import interval_ms, tries_of
from orchestrator.engine.state import Exchange
from orchestrator.engine.turn import Turn


def send(turn: Turn, step: PreparedStep, role: e.Role, *, generation: int = 0, attempt: int = 1) -> None:
    """Open a command, or send the next attempt of the open one.

    When the saga's data gives no body or no key, nothing is sent and an incident opens.
    """
    saga_id = turn.state.origin.saga_id
    prepared = message_of(step, role)
    try:
        scope = scope_of(turn.state)
        body = evaluate(prepared.body, scope)
        key = saga_id if prepared.key is None else _key_text(evaluate(prepared.key, scope))
    except EvaluationError as problem:
        evaluation_failed(turn, step.index, step.name, str(problem))
        return
    due_ms = turn.now_ms + step.step.timeout_ms
    turn.record(
        e.CommandSent(
            step=step.name, role=role, generation=generation, attempt=attempt, due_ms=due_ms, at_ms=turn.now_ms
        )
    )
    turn.commands.append(
        Command(
            saga_id=saga_id,
            command_id=command_id(saga_id, step.name, generation, role),
            message=prepared.message,
            body=body,
            key=key,
            step=step.name,
            role=role,
            attempt=attempt,
            undoes=None if role == "do" else command_id(saga_id, step.name, 0, "do"),
            expires_ms=due_ms if role == "do" and step.manner in ("step", "query") else None,
        )
    )


def send_again(turn: Turn, exchange: Exchange) -> None:
    """Send the next attempt of what is open, under the same id."""
    step = turn.program.steps[exchange.step]
    send(turn, step, exchange.role, generation=exchange.generation, attempt=exchange.attempt + 1)


def next_attempt_ms(turn: Turn, exchange: Exchange, retry_after_ms: int) -> int:
    """When the next attempt is due, not before the participant asked for it.

    An undo and a probe are retried by the saga's ``undo_retry``, whatever the step's own policy is.
    """
    step = turn.program.steps[exchange.step].step
    retry = step.retry if exchange.role == "do" else turn.program.blueprint.undo_retry
    interval = interval_ms(retry, turn.command_id(exchange), exchange.attempt, tries_of(exchange))
    return turn.now_ms + max(interval, retry_after_ms)


def _key_text(value: Data) -> str:
    try:
        return text_of(value)
    except TypeError as problem:
        raise EvaluationError(f"the command's key: {problem}") from problem
