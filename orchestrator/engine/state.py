"""What a saga is at one moment: the fold of its events, and nothing else. Values only; ``evolve`` makes them.

The saga is in one *phase*, and what only that phase has lives in its class. At most one command is open: its
``Exchange`` says which attempt of it is awaited, and until when. It is the saga's only timer.

At rest (between two inputs) a phase that may hold an exchange holds one, except ``Compensating`` whose next undo could
not be made of its data: an incident is open then, as it is in ``Blocked``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, ClassVar, Literal, TypeAlias, assert_never, cast

from orchestrator.blueprint import values
from orchestrator.blueprint.frozen import frozen
from orchestrator.blueprint.ids import command_id
from orchestrator.blueprint.values import Data, quoted
from orchestrator.engine.events import IncidentReason, Reason, Role

REQUESTS_KEPT = 32
"""Answers to operators' requests that a saga remembers, the newest; a repetition of an older one counts anew."""


class Status(StrEnum):
    """Where a saga is going; whether it waits for an operator is told by its open incidents."""

    RUNNING = "running"
    COMPENSATING = "compensating"
    COMPLETED = "completed"
    COMPENSATED = "compensated"


class ExchangeStatus(StrEnum):
    """What an open command waits for."""

    AWAITED = "awaited"
    """The answer to its attempt, until ``due_ms``."""
    BACKING_OFF = "backing_off"
    """The time of its next attempt, ``due_ms``; an answer to an earlier one still counts."""
    UNANSWERED = "unanswered"
    """An operator, or a late answer; nothing is sent by itself."""
    REFUSED = "refused"
    """An operator: it was answered, but not with what must be."""


@frozen
class Exchange:
    """One command under one id, and how far its attempts are."""

    step: str
    role: Role
    generation: int
    """Rises when a refused command is sent again on an operator's word, under a new id."""
    attempt: int
    """The latest one under this id, from 1; never starts again."""
    counted_from: int
    """The attempts up to this one no longer count against the budget: an operator asked for more."""
    status: ExchangeStatus
    due_ms: int | None
    """Of the timer, in the two states that have one."""


@frozen
class Cause:
    """Why a saga is undone: what its outcome will say."""

    reason: Reason
    text: str
    rejection_type: str | None
    rejection_schema: str | None
    rejection: Data


@frozen
class Running:
    """On its way forward."""

    status: ClassVar[Status] = Status.RUNNING
    exchange: Exchange | None


@frozen
class Blocked:
    """An expression of this node has no value; an operator can have it tried again, or cancel."""

    status: ClassVar[Status] = Status.RUNNING
    exchange: ClassVar[None] = None
    node: int


@frozen
class Cancelling:
    """Still on its way forward, but a cancel waits for what becomes of the open step."""

    status: ClassVar[Status] = Status.RUNNING
    exchange: Exchange | None
    request_id: str


@frozen
class Compensating:
    """On its way back."""

    status: ClassVar[Status] = Status.COMPENSATING
    exchange: Exchange | None
    cause: Cause
    undo: tuple[str, ...]
    """Steps still to be undone, the next one first."""


@frozen
class Completed:
    """Ended well; nothing changes any more."""

    status: ClassVar[Status] = Status.COMPLETED
    exchange: ClassVar[None] = None
    result: Data
    ended_ms: int


@frozen
class Compensated:
    """Ended, and everything is undone; nothing changes any more."""

    status: ClassVar[Status] = Status.COMPENSATED
    exchange: ClassVar[None] = None
    cause: Cause
    ended_ms: int


Phase: TypeAlias = Running | Blocked | Cancelling | Compensating | Completed | Compensated


@frozen
class Incident:
    """One incident of the saga; open while ``closed_ms`` is None."""

    number: int
    step: str | None
    reason: IncidentReason
    text: str
    opened_ms: int
    closed_ms: int | None


@frozen
class AnsweredRequest:
    """What a request was answered, for its repetition."""

    request_id: str
    result: Literal["accepted", "already", "refused"]
    text: str


@frozen
class Origin:
    """What was true at the start and stays so."""

    saga_id: str
    saga: str
    blueprint: str
    input: Data
    request_id: str
    started_ms: int
    input_text: str = field(compare=False, repr=False)
    """``input`` as canonical JSON: each state's row holds it, and making it is half of what the row costs."""


@frozen
class SagaState:
    """One saga."""

    origin: Origin
    version: int
    """The number of events it is made of."""
    phase: Phase
    done: tuple[tuple[str, Data], ...]
    """Steps that are done with their replies, in order of completion; empty again when the saga has ended."""
    labels: Mapping[str, Data]
    incidents: tuple[Incident, ...]
    """All there ever were, by number: as many as operators and unreadable answers made."""
    requests: tuple[AnsweredRequest, ...]
    """The last ``REQUESTS_KEPT`` requests of operators, oldest first."""

    @property
    def saga_id(self) -> str:
        """Whose state this is."""
        return self.origin.saga_id

    @property
    def saga(self) -> str:
        """The name of its definition."""
        return self.origin.saga

    @property
    def blueprint(self) -> str:
        """The hash of the blueprint it started with."""
        return self.origin.blueprint

    @property
    def started_ms(self) -> int:
        """The shard's time at its start."""
        return self.origin.started_ms

    @property
    def status(self) -> Status:
        """Where it is going."""
        return self.phase.status

    @property
    def exchange(self) -> Exchange | None:
        """The command that is open."""
        return self.phase.exchange

    @property
    def due_ms(self) -> int | None:
        """When something happens by itself; None: nothing does."""
        exchange = self.phase.exchange
        return None if exchange is None else exchange.due_ms

    @property
    def ended_ms(self) -> int | None:
        """The shard's time at its end; None while it lives."""
        match self.phase:
            case Completed(ended_ms=ended_ms) | Compensated(ended_ms=ended_ms):
                return ended_ms
            case _:
                return None

    @property
    def open_incidents(self) -> tuple[Incident, ...]:
        """What needs an operator's eye now."""
        return tuple(incident for incident in self.incidents if incident.closed_ms is None)

    def id_of(self, exchange: Exchange) -> str:
        """The command id of one of this saga's exchanges."""
        return command_id(self.origin.saga_id, exchange.step, exchange.generation, exchange.role)


# ---------------------------------------------------------------- as text


def dumps(state: SagaState) -> str:
    """The state as canonical JSON: what the row in Postgres holds. Written by hand; tests hold it equal."""
    origin = state.origin
    return (
        f'{{"blueprint":{quoted(origin.blueprint)},"done":{_list(map(_done_text, state.done))},'
        f'"incidents":{_list(map(_incident_text, state.incidents))},"input":{origin.input_text},'
        f'"labels":{_labels_text(state.labels)},"phase":{_phase_text(state.phase)},'
        f'"request_id":{quoted(origin.request_id)},"requests":{_list(map(_request_text, state.requests))},'
        f'"saga":{quoted(origin.saga)},"saga_id":{quoted(origin.saga_id)},"started_ms":{origin.started_ms},'
        f'"version":{state.version}}}'
    )


def loads(text: str) -> SagaState:
    """The state that ``dumps`` made ``text`` of."""
    found = cast("dict[str, Any]", values.loads(text))
    return SagaState(
        origin=Origin(
            saga_id=found["saga_id"],
            saga=found["saga"],
            blueprint=found["blueprint"],
            input=found["input"],
            request_id=found["request_id"],
            started_ms=found["started_ms"],
            input_text=values.dumps(found["input"]),
        ),
        version=found["version"],
        phase=_phase_of(found["phase"]),
        done=tuple((step, reply) for step, reply in found["done"]),
        labels=found["labels"],
        incidents=tuple(Incident(**incident) for incident in found["incidents"]),
        requests=tuple(AnsweredRequest(**request) for request in found["requests"]),
    )


def _list(texts: Iterable[str]) -> str:
    return f"[{','.join(texts)}]"


def _done_text(done: tuple[str, Data]) -> str:
    return f"[{quoted(done[0])},{values.dumps(done[1])}]"


def _labels_text(labels: Mapping[str, Data]) -> str:
    return values.dumps(dict(labels)) if labels else "{}"


def _incident_text(incident: Incident) -> str:
    return values.dumps(
        {
            "number": incident.number,
            "step": incident.step,
            "reason": incident.reason,
            "text": incident.text,
            "opened_ms": incident.opened_ms,
            "closed_ms": incident.closed_ms,
        }
    )


def _request_text(request: AnsweredRequest) -> str:
    return values.dumps({"request_id": request.request_id, "result": request.result, "text": request.text})


def _phase_text(phase: Phase) -> str:
    match phase:
        case Running():
            return f'{{"exchange":{_exchange_text(phase.exchange)},"is":"running"}}'
        case Completed():
            return f'{{"ended_ms":{phase.ended_ms},"is":"completed","result":{values.dumps(phase.result)}}}'
        case Blocked():
            return f'{{"is":"blocked","node":{phase.node}}}'
        case Cancelling():
            request_id = quoted(phase.request_id)
            return f'{{"exchange":{_exchange_text(phase.exchange)},"is":"cancelling","request_id":{request_id}}}'
        case Compensating():
            undo = _list(map(quoted, phase.undo))
            return (
                f'{{"cause":{_cause_text(phase.cause)},"exchange":{_exchange_text(phase.exchange)},'
                f'"is":"compensating","undo":{undo}}}'
            )
        case Compensated():
            return f'{{"cause":{_cause_text(phase.cause)},"ended_ms":{phase.ended_ms},"is":"compensated"}}'
        case _:
            assert_never(phase)


def _exchange_text(exchange: Exchange | None) -> str:
    if exchange is None:
        return "null"
    due_ms = "null" if exchange.due_ms is None else exchange.due_ms
    return (
        f'{{"attempt":{exchange.attempt},"counted_from":{exchange.counted_from},"due_ms":{due_ms},'
        f'"generation":{exchange.generation},"role":{quoted(exchange.role)},"status":{quoted(exchange.status)},'
        f'"step":{quoted(exchange.step)}}}'
    )


def _cause_text(cause: Cause) -> str:
    return values.dumps(
        {
            "reason": cause.reason,
            "text": cause.text,
            "rejection_type": cause.rejection_type,
            "rejection_schema": cause.rejection_schema,
            "rejection": cause.rejection,
        }
    )


_PHASES: dict[str, Callable[[dict[str, Any]], Phase]] = {
    "running": lambda found: Running(_exchange_of(found["exchange"])),
    "blocked": lambda found: Blocked(found["node"]),
    "cancelling": lambda found: Cancelling(_exchange_of(found["exchange"]), found["request_id"]),
    "compensating": lambda found: Compensating(
        _exchange_of(found["exchange"]), Cause(**found["cause"]), tuple(found["undo"])
    ),
    "completed": lambda found: Completed(found["result"], found["ended_ms"]),
    "compensated": lambda found: Compensated(Cause(**found["cause"]), found["ended_ms"]),
}


def _phase_of(found: dict[str, Any]) -> Phase:
    return _PHASES[found["is"]](found)


def _exchange_of(found: dict[str, Any] | None) -> Exchange | None:
    if found is None:
        return None
    found["status"] = ExchangeStatus(found["status"])
    return Exchange(**found)
