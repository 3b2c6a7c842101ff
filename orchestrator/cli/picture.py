"""A saga as a picture in text: its steps in order, what became of each, and the pivot as a line.

Folds the saga's events over its blueprint, for a person; nothing decides by it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from orchestrator.blueprint.description import describe
from orchestrator.blueprint.model import Blueprint, Fail, Label, Message, Require, Step
from orchestrator.cli.wording import message, short
from orchestrator.engine import events as e

RULE: Final = "──"


class Mark(StrEnum):
    """What became of a step, in one sign."""

    NOT_REACHED = "·"
    WAITING = "…"
    DONE = "✓"
    UNDONE = "↩"
    REJECTED = "✗"
    UNKNOWN = "?"
    STOPPED = "⚠"
    """An operator must act."""


@dataclass(slots=True)
class Look:
    """One step as it looks now."""

    name: str
    kind: str
    does: str
    """What is sent, or asked; and its undo."""
    mark: Mark = Mark.NOT_REACHED
    text: str = ""

    @property
    def reached(self) -> bool:
        """Whether the saga came to it."""
        return bool(self.mark is not Mark.NOT_REACHED or self.text)


def looks(blueprint: Blueprint, events: Iterable[e.Event]) -> list[Look]:
    """The blueprint's steps and conditions in order, as these events, all of the saga's, leave them."""
    by_node = {index: _look(node) for index, node in enumerate(blueprint.nodes) if not isinstance(node, Label)}
    seen = list(by_node.values())
    by_name = {look.name: look for look in seen if look.kind not in _CONDITIONS}
    ended = False
    for event in events:
        # The only event that may be about a condition says so by the node's index.
        look = by_node.get(event.node) if isinstance(event, e.EvaluationFailed) else by_name.get(_step_of(event))
        if look is not None:
            _follow(look, event)
        elif isinstance(event, e.CompensationStarted):
            _turn_back(seen, event)
        ended = ended or isinstance(event, e.SagaCompleted)
    _pass_conditions(seen, ended=ended)
    return seen


def lines(seen: Sequence[Look]) -> list[str]:
    """The picture, a line a step."""
    name_width = max((len(look.name) for look in seen), default=0)
    does_width = max((len(look.does) for look in seen), default=0)
    drawn: list[str] = []
    for look in seen:
        drawn.append(f"  {look.mark} {look.name:{name_width}}  {look.does:{does_width}}  {look.text}".rstrip())
        if look.kind == "pivot":
            line = "passed" if look.mark is Mark.DONE else f"once {look.name} is done, nothing is undone any more"
            drawn.append(f"  {RULE} point of no return: {line} {RULE}")
    return drawn


# ---------------------------------------------------------------- conditions

_CONDITIONS: Final = ("require", "fail")


def _look(node: Step | Require | Fail) -> Look:
    match node:
        case Step():
            undo = f", undo {_class(node.undo)}" if node.undo is not None else ""
            return Look(node.name, node.kind, f"{_class(node.command)} → {node.command.participant}{undo}")
        case Require():
            return Look("require", "require", f"{describe(node.condition)}, else {node.otherwise.type}")
        case Fail():
            return Look("fail", "fail", node.why.type)
        case _:
            assert_never(node)


def _class(sent: Message) -> str:
    return sent.type.removeprefix(f"{sent.participant}.")


def _turn_back(seen: Sequence[Look], event: e.CompensationStarted) -> None:
    """What is open is let go: a query, or what could not be sent. A saga that ended by its own word says by which."""
    for look in seen:
        if look.mark is Mark.WAITING:
            look.mark, look.text = Mark.NOT_REACHED, "not waited for any more"
        elif look.mark is Mark.STOPPED:
            look.mark = Mark.NOT_REACHED
    if event.reason != "rejected" or any(look.mark is Mark.REJECTED for look in seen):
        return
    reached = max((index for index, look in enumerate(seen) if look.reached), default=-1)
    for look in seen[reached + 1 :]:  # the next one that it came to
        if look.kind in _CONDITIONS and look.does.endswith(event.rejection_type or "\0"):
            look.mark = Mark.REJECTED
            look.text = message(event.rejection_type or "", event.rejection)
            return


def _pass_conditions(seen: Sequence[Look], *, ended: bool) -> None:
    later = ended
    for look in reversed(seen):
        if look.reached:
            later = True
        elif later and look.kind == "require":
            look.mark = Mark.DONE


# ---------------------------------------------------------------- steps


def _step_of(event: e.Event) -> str:
    step: str | None = getattr(event, "step", None)
    return step or ""


def _follow(look: Look, event: e.Event) -> None:
    found = _mark_of(event)
    if found is not None:
        look.mark, look.text = found


_SENT: Final = {"do": "waits for the answer", "undo": "being undone", "probe": "asked whether it happened"}


def _mark_of(event: e.Event) -> tuple[Mark, str] | None:
    match event:
        case e.CommandSent():
            return Mark.WAITING, f"{_SENT[event.role]}, attempt {event.attempt}"
        case e.AttemptProgressed():
            return Mark.WAITING, f"at work on attempt {event.attempt}"
        case e.AttemptTimedOut() | e.AttemptFailed() | e.AttemptUndeliverable():
            if event.retry_at_ms is None:
                return Mark.STOPPED, f"attempt {event.attempt} was the last by itself"
            return Mark.WAITING, f"attempt {event.attempt} came to nothing, waits for the next"
        case e.CommandRefused():
            return Mark.STOPPED, f"its {event.role} was refused: {message(event.type, event.body)}"
        case e.EvaluationFailed():
            return Mark.STOPPED, event.text
        case _:
            return _mark_of_end(event)


def _mark_of_end(event: e.Event) -> tuple[Mark, str] | None:
    match event:
        case e.StepCompleted():
            return Mark.DONE, short(event.reply) if event.reply is not None else ""
        case e.StepRejected():
            return Mark.REJECTED, message(event.type, event.body) if event.reason == "rejected" else short(event.body)
        case e.StepBecameUnknown():
            return Mark.UNKNOWN, event.text
        case e.StepLeftInDoubt():
            return Mark.UNKNOWN, f"{event.text}; waits for an operator"
        case e.StepProbed():
            return (Mark.REJECTED, "did not happen") if event.reply is None else (Mark.UNKNOWN, "did happen")
        case e.StepUndone():
            return Mark.UNDONE, "undone"
        case _:
            return None
