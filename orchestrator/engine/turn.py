"""One input's turn at one saga: collects what follows from it, and folds each event as soon as it is recorded.

The families of transitions (``forward``, ``compensation``, ``requests`` …) are functions over a ``Turn``; what they see
of the saga is always the state after everything recorded so far. A turn lives for one call of ``decide``.
"""

from dataclasses import dataclass

from orchestrator.engine.decision import Command, Decision, Outcome, RequestAnswer
from orchestrator.engine.events import Event
from orchestrator.engine.evolve import evolve
from orchestrator.engine.program import Program
from orchestrator.engine.state import Exchange, SagaState


@dataclass(slots=True)
class Turn:
    """What is being decided."""

    program: Program
    state: SagaState
    now_ms: int
    events: list[Event]
    commands: list[Command]
    answer: RequestAnswer | None = None
    outcome: Outcome | None = None
    ignored: str | None = None

    def record(self, event: Event) -> None:
        """It happened."""
        self.events.append(event)
        self.state = evolve(self.state, event)

    def command_id(self, exchange: Exchange) -> str:
        """The id of the open command."""
        return self.state.id_of(exchange)

    def decision(self) -> Decision:
        """Everything that was recorded."""
        return Decision(
            events=tuple(self.events),
            commands=tuple(self.commands),
            answer=self.answer,
            outcome=self.outcome,
            ignored=self.ignored,
            state=self.state,
        )
