"""What ``decide`` gives: events to append, commands to send, an answer to whoever asked, or why nothing happens."""

from typing import Literal, TypeAlias

from orchestrator.blueprint.frozen import frozen
from orchestrator.blueprint.model import Message
from orchestrator.blueprint.values import Data
from orchestrator.engine.events import Event, Role
from orchestrator.engine.state import SagaState

RequestResult: TypeAlias = Literal["accepted", "already", "conflict", "unknown_definition", "refused"]


@frozen(kw_only=True)
class Command:
    """One attempt of one command, ready to be encoded."""

    saga_id: str
    command_id: str
    """``{saga id}/{path}/{generation}/{role}``: the participant's idempotency key, the same for every attempt."""
    message: Message
    body: Data
    key: str
    """Kafka key and partitioning text: the ``Key`` field's value as text, or the saga's id."""
    step: str
    role: Role
    attempt: int
    undoes: str | None
    """On an undo and a probe the id of the do."""
    expires_ms: int | None
    """After it a participant refuses the command: for a step and a query the end of this attempt's timeout, since
    what comes of it later may be undone already. None for a pivot, an ensure, an undo and a probe: they are sent until
    they are answered, so a late one is as right as an early one, and an expiry could starve them behind a backlog.
    """


@frozen(kw_only=True)
class RequestAnswer:
    """The answer that every request gets."""

    request_id: str
    saga_id: str
    result: RequestResult
    text: str
    """What differs, or why; when accepted, what it waits for, or nothing."""


@frozen(kw_only=True)
class Outcome:
    """How a saga ended, for whoever waits."""

    saga_id: str
    saga: str
    status: Literal["completed", "compensated"]
    result: Data
    """The output when completed."""
    output_schema: str | None
    rejection_type: str | None
    """When compensated: the Avro full name of the rejection, or None (unknown, cancelled)."""
    rejection: Data
    rejection_schema: str | None
    reason: str
    """When compensated: ``rejected``, ``failed``, ``undeliverable``, ``unknown`` or ``cancelled``, a colon, and more
    in words for a person; empty when completed.
    """


@frozen(kw_only=True)
class Decision:
    """Everything that follows from one input; the events are folded by ``evolve`` in order."""

    events: tuple[Event, ...] = ()
    commands: tuple[Command, ...] = ()
    answer: RequestAnswer | None = None
    outcome: Outcome | None = None
    ignored: str | None = None
    """Why nothing happens: a duplicate, a late reply, a stale timer. Set exactly when there are no events."""
    state: SagaState | None = None
    """The events folded into the state that was decided on: what ``evolve`` gives, computed on the way."""
