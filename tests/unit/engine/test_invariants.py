"""Whatever comes, in whatever order, doubled, late or wrong: what is always true of a saga."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.blueprint.ids import command_id
from orchestrator.blueprint.values import Data
from orchestrator.engine import events as e
from orchestrator.engine.decide import decide
from orchestrator.engine.decision import Command, Decision
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
from orchestrator.engine.state import ExchangeStatus, SagaState, Status, dumps, loads
from tests.unit.engine.blueprints import blueprint

PROGRAMS = [
    prepare(blueprint(text))
    for text in (
        "step a undo=plain\nstep b undo=plain attempts=2\npivot p attempts=2\nensure n attempts=1\nresult reply.p",
        "step a undo=reply probe attempts=2\nstep b undo=reply probe attempts=1\nundo_retry attempts=2",
        "step a undo=plain\nstep b undo=reply on_unknown=incident attempts=1\nquery q attempts=2\npivot p",
        "label who=input.who\nquery q attempts=1\nstep a undo=plain initial=0\nrequire reply.a.ok else No\nstep b",
        "pivot p attempts=1\nquery q attempts=1\nensure n\nlabel seen=reply.q.ok\nresult reply.n.n",
        "step a undo=plain body=input.amount/input.parts\nstep b undo=reply undo_body=reply.b.n\nfail Closed",
    )
]
REPLIES: tuple[Data, ...] = (None, {"ok": True, "n": 1}, {"ok": False, "n": None})
DIVISORS = ("0", "2")

Action = tuple[str, int, int, int]
"""What to do; which command (0: the open one); which attempt (0: the latest); which variant."""

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ("completed",) * 8
            + ("timer",) * 6
            + ("retryable", "retry", "retry", "final", "cancel", "rejected")
            + ("no_effect", "progress", "early", "undeliverable", "unreadable", "start")
        ),
        st.sampled_from((0, 0, 0, 0, 0, 0, 1, 2)),
        st.sampled_from((0, 0, 0, 0, 0, 0, 1, 2)),
        st.integers(0, 2),
    ),
    min_size=6,
    max_size=40,
)


@dataclass
class Run:
    """One saga, every decision checked."""

    program: Program
    state: SagaState | None = None
    now_ms: int = 1_700_000_000_000
    history: list[e.Event] = field(default_factory=list["e.Event"])
    sent: list[Command] = field(default_factory=list["Command"])

    def take(self, came: Input) -> Decision:
        before = self.state
        decision = decide(self.program, before, came)
        assert decide(self.program, before, came) == decision
        state = before
        for event in decision.events:
            assert not isinstance(event, e.DefectFound)
            assert event.at_ms == self.now_ms
            state = evolve(state, e.decode(*e.encode(event)))
        assert state == decision.state
        assert (decision.ignored is None) == bool(decision.events)
        assert (decision.answer is not None) == isinstance(came, StartSaga | CancelSaga | RetrySaga)
        self.state = state
        self.history += decision.events
        if state is not None:
            self.check(before, state, decision)
        self.sent += decision.commands
        return decision

    def check(self, before: SagaState | None, state: SagaState, decision: Decision) -> None:
        assert state.version == len(self.history)
        assert loads(dumps(state)) == state
        assert dumps(loads(dumps(state))) == dumps(state)
        if before is not None and before.ended_ms is not None:
            assert state == before
        ended_now = state.ended_ms is not None and (before is None or before.ended_ms is None)
        assert (decision.outcome is not None) == ended_now
        self.check_commands(state, decision)
        self.check_waiting(state)

    def check_commands(self, state: SagaState, decision: Decision) -> None:
        assert len(decision.commands) <= 1
        for command in decision.commands:
            exchange = state.exchange
            assert exchange is not None
            assert exchange.status is ExchangeStatus.AWAITED
            assert (command.command_id, command.attempt) == (state.id_of(exchange), exchange.attempt)
            assert command.command_id == command_id("s1", command.step, exchange.generation, command.role)
            same = [was for was in self.sent if was.command_id == command.command_id]
            assert [was.attempt for was in same] == list(range(1, command.attempt))
            assert all((was.body, was.key, was.message) == (command.body, command.key, command.message) for was in same)
            if command.role == "do":
                assert command.undoes is None
                assert command.expires_ms in (None, exchange.due_ms)
            else:
                assert command.undoes in {was.command_id for was in self.sent}
                assert command.expires_ms is None

    def check_waiting(self, state: SagaState) -> None:
        """A saga that has not ended goes on by itself, or an incident is open: it never waits silently."""
        assert [incident.number for incident in state.incidents] == list(range(1, len(state.incidents) + 1))
        if state.ended_ms is not None:
            assert not state.open_incidents
            assert state.due_ms is None
        elif state.due_ms is None:
            assert state.open_incidents

    def reply(self, action: Action) -> ReplyReceived:
        kind, which, attempt, variant = action
        target = self.target(which)
        outcome: dict[str, Literal["completed", "rejected", "failed", "progress"]] = {
            "completed": "completed",
            "rejected": "rejected",
            "progress": "progress",
        }
        return ReplyReceived(
            saga_id="s1",
            command_id=target[0],
            attempt=attempt or target[1],
            outcome=outcome.get(kind, "failed"),
            type="bank.Refused" if kind == "rejected" else "OSError",
            body="broken" if outcome.get(kind) is None else REPLIES[variant],
            retryable=kind == "retryable",
            retry_after_ms=variant * 700,
            no_effect=kind == "no_effect",
            now_ms=self.now_ms,
        )

    def target(self, which: int) -> tuple[str, int]:
        """The latest command, or an earlier one, or one that never was."""
        if which < len(self.sent):
            return self.sent[-1 - which].command_id, self.sent[-1 - which].attempt
        return f"s1/elsewhere/{which}/do", 1

    def act(self, action: Action) -> None:
        kind, which, _, variant = action
        self.now_ms += variant
        match kind:
            case "timer":
                if self.state is not None and self.state.due_ms is not None:
                    self.now_ms = max(self.now_ms, self.state.due_ms) + variant * 5000
                self.take(TimersDue(saga_id="s1", now_ms=self.now_ms))
            case "early":
                self.take(TimersDue(saga_id="s1", now_ms=self.now_ms))
            case "cancel":
                self.take(CancelSaga(request_id=f"c{which}", saga_id="s1", now_ms=self.now_ms))
            case "retry":
                self.take(RetrySaga(request_id=f"r{len(self.history)}", saga_id="s1", now_ms=self.now_ms))
            case "undeliverable":
                reason = "TopicMissing"
                self.take(
                    CommandUndeliverable(
                        saga_id="s1", command_id=self.target(which)[0], reason=reason, now_ms=self.now_ms
                    )
                )
            case "unreadable":
                self.take(
                    ReplyUnreadable(
                        saga_id="s1",
                        command_id=self.target(which)[0],
                        reason="Undecodable",
                        text="x",
                        now_ms=self.now_ms,
                    )
                )
            case "start":
                self.take(
                    StartSaga(request_id=f"s{which}", saga_id="s1", saga="demo", input={"n": 1}, now_ms=self.now_ms)
                )
            case _:
                self.take(self.reply(action))

    def started(self, divisor: str) -> "Run":
        given_input: Data = {"who": "me", "amount": Decimal(10), "parts": Decimal(divisor)}
        self.take(StartSaga(request_id="s0", saga_id="s1", saga="demo", input=given_input, now_ms=self.now_ms))
        return self


RUNS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RUNS
@given(st.sampled_from(PROGRAMS), st.sampled_from(DIVISORS), ACTIONS)
def test_whatever_comes_the_history_keeps_its_rules(program: Program, divisor: str, actions: list[Action]) -> None:
    run = Run(program).started(divisor)
    for action in actions:
        run.act(action)
    assert_each_effect_is_undone_once_or_kept(run)


@RUNS
@given(st.sampled_from(PROGRAMS), ACTIONS)
def test_a_saga_can_always_be_brought_to_its_end(program: Program, actions: list[Action]) -> None:
    """Participants that answer, time that passes and an operator who retries are enough, whatever came before."""
    run = Run(program).started("2")
    for action in actions:
        run.act(action)
    assert run.state is not None
    for _ in range(60):
        if run.state.ended_ms is not None:
            break
        exchange = run.state.exchange
        if exchange is None or exchange.status in (ExchangeStatus.UNANSWERED, ExchangeStatus.REFUSED):
            if exchange is None and run.state.status is Status.RUNNING:
                run.act(("cancel", 2, 0, 0))  # its data has no value, and will have none
            run.act(("retry", 0, 0, 0))
            if run.state.exchange is None:
                break
        else:
            run.act(("completed", 0, 0, 1))
    assert run.state.ended_ms is not None or run.state.open_incidents[-1].reason == "evaluation"
    assert_each_effect_is_undone_once_or_kept(run)


@given(ACTIONS)
def test_before_its_start_a_saga_does_not_exist(actions: list[Action]) -> None:
    run = Run(PROGRAMS[0])
    for action in actions:
        if action[0] != "start":
            run.act(action)
    assert run.state is None
    assert not run.history


def assert_each_effect_is_undone_once_or_kept(run: Run) -> None:
    """Undone in reverse order of completion, an unknown step first, exactly once each; nothing behind a done pivot."""
    assert run.state is not None
    steps = run.program.steps
    completed = [event.step for event in run.history if isinstance(event, e.StepCompleted)]
    unknown = [event.step for event in run.history if isinstance(event, e.StepBecameUnknown)]
    nothing = [event.step for event in run.history if isinstance(event, e.StepProbed) and event.reply is None]
    undone = [event.step for event in run.history if isinstance(event, e.StepUndone)]
    assert max(Counter(completed + unknown).values(), default=0) <= 1
    assert len(unknown) <= 1
    to_undo = [name for name in unknown + completed[::-1] if steps[name].undo is not None and name not in nothing]
    match run.state.status:
        case Status.COMPENSATED:
            assert undone == to_undo
        case Status.COMPENSATING:
            assert undone == to_undo[: len(undone)]
        case Status.RUNNING | Status.COMPLETED:
            assert undone == []
    if any(steps[name].manner == "pivot" for name in completed):
        assert run.state.status in (Status.RUNNING, Status.COMPLETED)
