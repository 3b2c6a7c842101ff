"""A saga's events as lines for a person: what happened, when after its start, and what it said.

Of a command that is tried for long the first attempt and the last two are told; those between them share a line.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, TypeAlias

from orchestrator.blueprint.model import Blueprint, Message, Step
from orchestrator.cli.picture import Mark
from orchestrator.cli.wording import message, short, span
from orchestrator.engine import events as e

Told: TypeAlias = tuple[Mark | None, str]
"""With which sign, and what."""

PENDING: Final = "(not yet published)"

FOLDED_MIN: Final = 3
"""Attempts that share a line; fewer are told one by one."""

LOST: Final[Mapping[type[e.Event], str]] = {
    e.AttemptTimedOut: "got no answer in time",
    e.AttemptFailed: "failed",
    e.AttemptUndeliverable: "not sent",
}
"""How an attempt comes to nothing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, and whether it is beyond what a lost database could take back."""

    event: e.Event
    published: bool


def lines(entries: Sequence[Entry], blueprint: Blueprint | None) -> list[str]:
    """A line an event, or for many attempts; times are relative to the first one."""
    if not entries:
        return []
    teller = _Teller(blueprint, entries[0].event.at_ms)
    told = [
        (teller.at(group[0].event.at_ms), *teller.tell(group), all(entry.published for entry in group))
        for group in _groups(entries)
    ]
    when_width = max(len(when) for when, *_ in told)
    step_width = max(len(step) for _, step, *_ in told)
    drawn: list[str] = []
    for when, step, mark, text, published in told:
        pending = "" if published else f"  {PENDING}"
        drawn.append(f"  {when:>{when_width}}  {step:{step_width}}  {mark or ' '} {text}{pending}".rstrip())
    return drawn


def _groups(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """What shares a line, in order."""
    for command, run in groupby(entries, _command_of):
        found = list(run)
        begin, end = (0, 0) if command is None else _folded(found)
        yield from ([entry] for entry in found[:begin])
        if begin < end:
            yield found[begin:end]
        yield from ([entry] for entry in found[end:])


def _folded(found: Sequence[Entry]) -> tuple[int, int]:
    """Of the events of one command's attempts those that share a line, as places from and to."""
    numbers = [entry.event.attempt for entry in found if isinstance(entry.event, _Attempt)]
    first, last = numbers[0] + 1, numbers[-1] - 2
    return (bisect_left(numbers, first), bisect_right(numbers, last)) if last - first + 1 >= FOLDED_MIN else (0, 0)


_Attempt: TypeAlias = e.CommandSent | e.AttemptProgressed | e.AttemptTimedOut | e.AttemptFailed | e.AttemptUndeliverable


def _command_of(entry: Entry) -> tuple[str, e.Role] | None:
    """Whose attempt the event is about; None: about none."""
    return (entry.event.step, entry.event.role) if isinstance(entry.event, _Attempt) else None


class _Teller:
    """Knows the saga's start and its blueprint."""

    def __init__(self, blueprint: Blueprint | None, started_ms: int) -> None:
        self._started_ms = started_ms
        nodes = () if blueprint is None else blueprint.nodes
        self._steps = {node.name: node for node in nodes if isinstance(node, Step)}

    def at(self, ms: int) -> str:
        """A time relative to the start."""
        return f"+{span(ms - self._started_ms)}"

    def tell(self, group: Sequence[Entry]) -> tuple[str, Mark | None, str]:
        """Of which step, with which sign, and what happened."""
        event = group[0].event
        mark, text = TELL[type(event)](self, event) if len(group) == 1 else _attempts(group)
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


def _attempts(group: Sequence[Entry]) -> Told:
    numbers = [entry.event.attempt for entry in group if isinstance(entry.event, _Attempt)]
    ends = Counter(LOST[type(entry.event)] for entry in group if type(entry.event) in LOST)
    each = ", ".join(f"{count} {end}" for end, count in ends.items())
    return Mark.WAITING, f"attempts {numbers[0]} to {numbers[-1]} came to nothing, too: {each} (--json has each)"


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
