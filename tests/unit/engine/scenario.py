"""A scenario: a blueprint in a few words, inputs one after the other, and everything that follows from each.

    # The rule that the file shows.
    saga
      step withdraw undo=plain
      pivot deposit

    > start r1 {"amount":10}
      SagaStarted …
      send s1/withdraw/0/do …
      = running, withdraw/0/do awaited until 10000

A line with ``>`` is an input, ``>+500`` the same 500 ms later. What is indented below it is computed:

    start REQUEST INPUT                cancel REQUEST               retry REQUEST
    reply PATH completed [BODY]        reply PATH rejected TYPE [BODY]         reply PATH progress [BODY]
    reply PATH failed TYPE MESSAGE     undeliverable PATH REASON    unreadable PATH REASON TEXT
    due (now)                          timer (goes to the time of the saga's timer first)

Options at the end of a reply: ``attempt=2``, ``retryable``, ``after=5000``, ``no_effect``. ``as OTHER`` at the end of a
start is another saga's name; ``saga`` may come again, and is then the blueprint of starts from there on.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, cast

from orchestrator.blueprint import values
from orchestrator.engine.decide import decide
from orchestrator.engine.decision import Command, Decision, Outcome
from orchestrator.engine.events import Event, decode, encode
from orchestrator.engine.evolve import evolve
from orchestrator.engine.inputs import (
    CancelSaga,
    CommandUndeliverable,
    Input,
    ReplyReceived,
    ReplyUnreadable,
    RetrySaga,
    StartSaga,
    TimersDue,
)
from orchestrator.engine.program import Program, prepare
from orchestrator.engine.state import SagaState, dumps, loads
from tests.unit.engine.blueprints import blueprint

SAGA_ID = "s1"


@dataclass
class Scenario:
    """One saga as it goes."""

    program: Program | None = None
    state: SagaState | None = None
    now_ms: int = 0
    history: list[Event] = field(default_factory=list["Event"])

    def run(self, text: str) -> str:
        """The text again, with what follows from each input as it is computed now."""
        lines = text.splitlines()
        rendered: list[str] = []
        index = 0
        while index < len(lines):
            line = lines[index]
            index += 1
            block: list[str] = []
            while index < len(lines) and lines[index].startswith("  "):
                block.append(lines[index])
                index += 1
            rendered.append(line)
            if line.startswith(">"):
                rendered += [f"  {shown}" for shown in self.take(line[1:])]
            else:
                rendered += block
            if line == "saga":
                self.program = prepare(blueprint("\n".join(block)))
        return "\n".join(rendered) + "\n"

    def take(self, line: str) -> list[str]:
        """What follows from one input line."""
        words = line.split()
        if words[0].startswith("+"):
            self.now_ms += int(words.pop(0))
        if words[0] == "timer":
            assert self.state is not None
            assert self.state.due_ms is not None, "the saga has no timer"
            self.now_ms = self.state.due_ms
        decision = self.decide(self._input(words))
        return _shown(decision, self.state)

    def decide(self, came: Input) -> Decision:
        """Decide, and see that the journal and the row would give the same state again."""
        decision = decide(self.program, self.state, came)
        state = self.state
        for event in decision.events:
            again = decode(*encode(event))
            assert again == event
            state = evolve(state, again)
        assert state == decision.state
        assert bool(decision.events) == (decision.ignored is None)
        if state is not None:
            assert loads(dumps(state)) == state
        self.state = state
        self.history += decision.events
        return decision

    def _input(self, words: list[str]) -> Input:
        word, *rest = words
        match word:
            case "start":
                return StartSaga(
                    request_id=rest[0],
                    saga_id=SAGA_ID,
                    saga=rest[3] if rest[2:3] == ["as"] else "demo",
                    input=values.loads(rest[1]),
                    now_ms=self.now_ms,
                )
            case "cancel":
                return CancelSaga(request_id=rest[0], saga_id=SAGA_ID, now_ms=self.now_ms)
            case "retry":
                return RetrySaga(request_id=rest[0], saga_id=SAGA_ID, now_ms=self.now_ms)
            case "reply":
                return self._reply(rest)
            case "undeliverable":
                return CommandUndeliverable(
                    saga_id=SAGA_ID, command_id=f"{SAGA_ID}/{rest[0]}", reason=" ".join(rest[1:]), now_ms=self.now_ms
                )
            case "unreadable":
                return ReplyUnreadable(
                    saga_id=SAGA_ID,
                    command_id=f"{SAGA_ID}/{rest[0]}",
                    reason=rest[1],
                    text=" ".join(rest[2:]),
                    now_ms=self.now_ms,
                )
            case "due" | "timer":
                return TimersDue(saga_id=SAGA_ID, now_ms=self.now_ms)
            case _:
                raise ValueError(f"expected an input, got {word!r}")

    def _reply(self, words: list[str]) -> ReplyReceived:
        path, outcome, *rest = words
        options = {word.partition("=")[0]: word.partition("=")[2] for word in rest if word.startswith(_OPTIONS)}
        rest = [word for word in rest if not word.startswith(_OPTIONS)]
        kind = rest.pop(0) if outcome in ("rejected", "failed") else ""
        body = " ".join(rest) if outcome == "failed" else values.loads(rest[0]) if rest else None
        return ReplyReceived(
            saga_id=SAGA_ID,
            command_id=f"{SAGA_ID}/{path}",
            attempt=int(options.get("attempt", "1")),
            outcome=cast("Literal['completed', 'rejected', 'failed', 'progress']", outcome),
            type=kind,
            body=body,
            retryable="retryable" in options,
            retry_after_ms=int(options.get("after", "0")),
            no_effect="no_effect" in options,
            now_ms=self.now_ms,
        )


_OPTIONS = ("attempt=", "retryable", "after=", "no_effect")


# ---------------------------------------------------------------- what is shown


def _shown(decision: Decision, state: SagaState | None) -> list[str]:
    lines = [f"{type(event).__name__} {_fields_of(event)}" for event in decision.events]
    lines += [_command(command) for command in decision.commands]
    if decision.answer is not None:
        text = f": {decision.answer.text}" if decision.answer.text else ""
        lines.append(f"answer {decision.answer.request_id} {decision.answer.result}{text}")
    if decision.outcome is not None:
        lines.append(_outcome(decision.outcome))
    if decision.ignored is not None:
        lines.append(f"ignored: {decision.ignored}")
    lines.append(f"= {_standing(state)}")
    return lines


def _fields_of(event: Event) -> str:
    return " ".join(f"{f.name}={_value(getattr(event, f.name))}" for f in fields(event))


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({','.join(value)})"
    return value if isinstance(value, str) and " " not in value and value else values.dumps(value)


def _command(command: Command) -> str:
    undoes = f" undoes={command.undoes}" if command.undoes else ""
    return (
        f"send {command.command_id} attempt={command.attempt} {command.message.type} {values.dumps(command.body)} "
        f"key={command.key}{undoes} expires={command.expires_ms}"
    )


def _outcome(outcome: Outcome) -> str:
    if outcome.status == "completed":
        return f"outcome completed {values.dumps(outcome.result)} schema={outcome.output_schema}"
    rejection = ""
    if outcome.rejection_type is not None:
        rejection = f" {outcome.rejection_type} {values.dumps(outcome.rejection)} schema={outcome.rejection_schema}"
    return f'outcome compensated "{outcome.reason}"{rejection}'


def _standing(state: SagaState | None) -> str:
    if state is None:
        return "no saga"
    words = [str(state.status)]
    exchange = state.exchange
    if exchange is not None:
        path = state.id_of(exchange).removeprefix(f"{SAGA_ID}/")
        until = f" until {exchange.due_ms}" if exchange.due_ms is not None else ""
        words.append(f"{path} {exchange.status}{until}")
    words += [f"incident {incident.number} {incident.reason}" for incident in state.open_incidents]
    return ", ".join(words)
