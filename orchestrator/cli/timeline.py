"""A saga's events as lines for a person: what happened, when after its start, and what it said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from orchestrator.blueprint.model import Blueprint, Message, Step
from orchestrator.cli.picture import Mark
from orchestrator.cli.wording import message, short, span
from orchestrator.engine import events as e

Told: TypeAlias = tuple[Mark | None, str]
"""With which sign, and what."""

PENDING: Final = "(not yet published)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, and whether it is beyond what a lost database could take back."""

    event: e.Event
    published: bool


def lines(entries: Sequence[Entry], blueprint: Blueprint | None) -> list[str]:
    """A line an event; times are relative to the first one."""
    if not entries:
        return []
    teller = _Teller(blueprint, entries[0].event.at_ms)
    told = [(teller.at(entry.event.at_ms), *teller.tell(entry.event), entry.published) for entry in entries]
    when_width = max(len(when) for when, *_ in told)
    step_width = max(len(step) for _, step, *_ in told)
    drawn: list[str] = []
    for when, step, mark, text, published in told:
        pending = "" if published else f"  {PENDING}"
        drawn.append(f"  {when:>{when_width}}  {step:{step_width}}  {mark or ' '} {text}{pending}".rstrip())
    return drawn


class _Teller:
    """Knows the saga's start and its blueprint."""

    def __init__(self, blueprint: Blueprint | None, started_ms: int) -> None:
        self._started_ms = started_ms
        nodes = () if blueprint is None else blueprint.nodes
        self._steps = {node.name: node for node in nodes if isinstance(node, Step)}

    def at(self, ms: int) -> str:
        """A time relative to the start."""
        return f"+{span(ms - self._started_ms)}"

    def tell(self, event: e.Event) -> tuple[str, Mark | None, str]:
        """Of which step, with which sign, and what happened."""
        mark, text = TELL[type(event)](self, event)
        return getattr(event, "step", None) or "", mark, text

    def sent(self, event: e.CommandSent) -> Told:
        sent = self._message(event.step, event.role)
        what = sent.type if sent is not None else event.role
        to = f" to {sent.participant}" if sent is not None else ""
        return Mark.WAITING, f"{what} sent{to}, attempt {event.attempt}, awaited until {self.at(event.due_ms)}"

    def again(self, retry_at_ms: int | None) -> str:
        """What follows an attempt that came to nothing."""
        return "no further attempt by itself" if retry_at_ms is None else f"the next at {self.at(retry_at_ms)}"

    def _message(self, name: str, role: e.Role) -> Message | None:
        step = self._steps.get(name)
        if step is None:
            return None
        return {"do": step.command, "undo": step.undo, "probe": step.probe}[role]


def _sent(teller: _Teller, event: e.CommandSent) -> Told:
    return teller.sent(event)


def _started(_: _Teller, event: e.SagaStarted) -> Told:
    return None, f"started with {short(event.input)}"


def _labels(_: _Teller, event: e.LabelsSet) -> Told:
    return None, f"labels {short(event.attributes)}"


def _evaluation(_: _Teller, event: e.EvaluationFailed) -> Told:
    return Mark.STOPPED, f"no value: {event.text}"


def _compensation(_: _Teller, event: e.CompensationStarted) -> Told:
    undo = f"to undo: {', '.join(event.undo)}" if event.undo else "nothing is to be undone"
    return Mark.UNDONE, f"turns back ({event.reason}): {event.text}; {undo}"


def _progress(teller: _Teller, event: e.AttemptProgressed) -> Told:
    detail = f" ({short(event.detail)})" if event.detail is not None else ""
    return Mark.WAITING, f"attempt {event.attempt} is at work{detail}, awaited until {teller.at(event.due_ms)}"


def _timed_out(teller: _Teller, event: e.AttemptTimedOut) -> Told:
    return Mark.WAITING, f"attempt {event.attempt} got no answer in time, {teller.again(event.retry_at_ms)}"


def _failed(teller: _Teller, event: e.AttemptFailed) -> Told:
    what = message(event.type, event.message)
    return Mark.WAITING, f"attempt {event.attempt} failed with {what}, {teller.again(event.retry_at_ms)}"


def _undeliverable(teller: _Teller, event: e.AttemptUndeliverable) -> Told:
    return Mark.WAITING, f"attempt {event.attempt} was not sent: {event.text}; {teller.again(event.retry_at_ms)}"


def _refused(_: _Teller, event: e.CommandRefused) -> Told:
    return Mark.STOPPED, f"its {event.role} was refused: {message(event.type, event.body)}"


def _completed(_: _Teller, event: e.StepCompleted) -> Told:
    return Mark.DONE, f"done: {short(event.reply)}" if event.reply is not None else "done"


def _rejected(_: _Teller, event: e.StepRejected) -> Told:
    return Mark.REJECTED, f"{event.reason}: {message(event.type, event.body)}"


def _undone(_: _Teller, __: e.StepUndone) -> Told:
    return Mark.UNDONE, "undone"


def _probed(_: _Teller, event: e.StepProbed) -> Told:
    return Mark.UNKNOWN, "it did not happen" if event.reply is None else f"it did happen: {short(event.reply)}"


def _declined(_: _Teller, event: e.RequestDeclined) -> Told:
    return None, f"a request was answered {event.result}: {event.text}"


def _incident(_: _Teller, event: e.IncidentOpened) -> Told:
    return Mark.STOPPED, f"incident {event.number} ({event.reason}): {event.text}"


TELL: Final[Mapping[type[e.Event], Callable[[_Teller, Any], Told]]] = {
    e.SagaStarted: _started,
    e.LabelsSet: _labels,
    e.EvaluationFailed: _evaluation,
    e.CompensationStarted: _compensation,
    e.SagaCompleted: lambda _, event: (Mark.DONE, f"completed: {short(event.result)}"),
    e.SagaCompensated: lambda _, __: (Mark.UNDONE, "compensated"),
    e.CommandSent: _sent,
    e.AttemptProgressed: _progress,
    e.AttemptTimedOut: _timed_out,
    e.AttemptFailed: _failed,
    e.AttemptUndeliverable: _undeliverable,
    e.CommandRefused: _refused,
    e.StepCompleted: _completed,
    e.StepRejected: _rejected,
    e.StepBecameUnknown: lambda _, event: (Mark.UNKNOWN, f"unknown: {event.text}"),
    e.StepLeftInDoubt: lambda _, event: (Mark.UNKNOWN, f"in doubt: {event.text}"),
    e.StepProbed: _probed,
    e.StepUndone: _undone,
    e.CancelRequested: lambda _, event: (None, f"cancel accepted{'; ' if event.text else ''}{event.text}"),
    e.CancelOverruled: lambda _, event: (None, f"cancel overruled: {event.text}"),
    e.RetryRequested: lambda _, event: (None, f"retry accepted{'; ' if event.text else ''}{event.text}"),
    e.RequestDeclined: _declined,
    e.IncidentOpened: _incident,
    e.IncidentClosed: lambda _, event: (None, f"incident {event.number} closed: {event.text}"),
    e.DefectFound: lambda _, event: (Mark.STOPPED, f"a defect of the engine: {event.text}"),
}
"""How each event is told."""
