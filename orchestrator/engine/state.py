"""What a saga is at one moment: the fold of its events, and nothing else. Values only; ``evolve`` makes them.

The saga is in one *phase*, and what only that phase has lives in its class. At most one command is open: its
``Exchange`` says which attempt of it is awaited, and until when. It is the saga's only timer.

At rest (between two inputs) a phase that may hold an exchange holds one, except ``Compensating`` whose next undo could
not be made of its data: an incident is open then, as it is in ``Blocked``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal, TypeAlias, assert_never, cast

from orchestrator.blueprint import values
from orchestrator.blueprint.ids import command_id
from orchestrator.blueprint.values import Data
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a saga is undone: what its outcome will say."""

    reason: Reason
    text: str
    rejection_type: str | None
    rejection_schema: str | None
    rejection: Data


@dataclass(frozen=True, slots=True)
class Running:
    """On its way forward."""

    status: ClassVar[Status] = Status.RUNNING
    exchange: Exchange | None


@dataclass(frozen=True, slots=True)
class Blocked:
    """An expression of this node has no value; an operator can have it tried again, or cancel."""

    status: ClassVar[Status] = Status.RUNNING
    exchange: ClassVar[None] = None
    node: int


@dataclass(frozen=True, slots=True)
class Cancelling:
    """Still on its way forward, but a cancel waits for what becomes of the open step."""

    status: ClassVar[Status] = Status.RUNNING
    exchange: Exchange | None
    request_id: str


@dataclass(frozen=True, slots=True)
class Compensating:
    """On its way back."""

    status: ClassVar[Status] = Status.COMPENSATING
    exchange: Exchange | None
    cause: Cause
    undo: tuple[str, ...]
    """Steps still to be undone, the next one first."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Ended well; nothing changes any more."""

    status: ClassVar[Status] = Status.COMPLETED
    exchange: ClassVar[None] = None
    result: Data
    ended_ms: int


@dataclass(frozen=True, slots=True)
class Compensated:
    """Ended, and everything is undone; nothing changes any more."""

    status: ClassVar[Status] = Status.COMPENSATED
    exchange: ClassVar[None] = None
    cause: Cause
    ended_ms: int


Phase: TypeAlias = Running | Blocked | Cancelling | Compensating | Completed | Compensated


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident of the saga; open while ``closed_ms`` is None."""

    number: int
    step: str | None
    reason: IncidentReason
    text: str
    opened_ms: int
    closed_ms: int | None


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """What a request was answered, for its repetition."""

    request_id: str
    result: Literal["accepted", "already", "refused"]
    text: str


@dataclass(frozen=True, slots=True)
class Origin:
    """What was true at the start and stays so."""

    saga_id: str
    saga: str
    blueprint: str
    input: Data
    request_id: str
    started_ms: int


@dataclass(frozen=True, slots=True)
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
    """The state as canonical JSON: what the row in Postgres holds."""
    origin = state.origin
    return values.dumps(
        {
            "saga_id": origin.saga_id,
            "saga": origin.saga,
            "blueprint": origin.blueprint,
            "input": origin.input,
            "request_id": origin.request_id,
            "started_ms": origin.started_ms,
            "version": state.version,
            "phase": _phase_data(state.phase),
            "done": [[step, reply] for step, reply in state.done],
            "labels": dict(state.labels),
            "incidents": [_fields(incident) for incident in state.incidents],
            "requests": [_fields(request) for request in state.requests],
        }
    )


def loads(text: str) -> SagaState:
    """The state that ``dumps`` made ``text`` of."""
    found = cast("dict[str, Any]", values.loads(text))
    return SagaState(
        origin=Origin(**{name: found[name] for name in Origin.__slots__}),
        version=found["version"],
        phase=_phase_of(found["phase"]),
        done=tuple((step, reply) for step, reply in found["done"]),
        labels=found["labels"],
        incidents=tuple(Incident(**incident) for incident in found["incidents"]),
        requests=tuple(AnsweredRequest(**request) for request in found["requests"]),
    )


def _fields(value: Exchange | Cause | Incident | AnsweredRequest) -> dict[str, Data]:
    return {name: getattr(value, name) for name in value.__slots__}


def _phase_data(phase: Phase) -> dict[str, Data]:
    match phase:
        case Running():
            return {"is": "running", "exchange": _exchange_data(phase.exchange)}
        case Blocked():
            return {"is": "blocked", "node": phase.node}
        case Cancelling():
            return {"is": "cancelling", "exchange": _exchange_data(phase.exchange), "request_id": phase.request_id}
        case Compensating():
            return {
                "is": "compensating",
                "exchange": _exchange_data(phase.exchange),
                "cause": _fields(phase.cause),
                "undo": list(phase.undo),
            }
        case Completed():
            return {"is": "completed", "result": phase.result, "ended_ms": phase.ended_ms}
        case Compensated():
            return {"is": "compensated", "cause": _fields(phase.cause), "ended_ms": phase.ended_ms}
        case _:
            assert_never(phase)


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


def _exchange_data(exchange: Exchange | None) -> Data:
    return None if exchange is None else _fields(exchange)


def _exchange_of(found: dict[str, Any] | None) -> Exchange | None:
    if found is None:
        return None
    found["status"] = ExchangeStatus(found["status"])
    return Exchange(**found)
