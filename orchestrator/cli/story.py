"""All of one saga as text for a person: its facts, its picture, its timeline, and what to do about its incidents."""

from dataclasses import dataclass
from typing import Final

from orchestrator.blueprint.model import Blueprint, Step
from orchestrator.cli import picture, timeline
from orchestrator.cli.timeline import PENDING, Entry
from orchestrator.cli.wording import instant, short, span
from orchestrator.engine.state import (
    Blocked,
    Cancelling,
    Compensated,
    Compensating,
    Completed,
    ExchangeStatus,
    Incident,
    Running,
    SagaState,
)


@dataclass(frozen=True, slots=True)
class Story:
    """Everything about one saga, of one moment."""

    state: SagaState
    published: bool
    """Whether its latest change is beyond what the loss of the database could take back."""
    blueprint: Blueprint | None
    """None: the database's cache of definitions does not have it, so there is no picture."""
    entries: list[Entry]
    """All of its events, in order."""
    trimmed: bool = False
    """Whether its rows have left the database."""


def lines(story: Story) -> list[str]:
    """The whole text, a line an item."""
    told = [*_head(story), "", "steps"]
    if story.blueprint is None:
        told.append("  its definition is not in the database yet: start an orchestrator (`saga run`)")
    else:
        told += picture.lines(picture.looks(story.blueprint, [entry.event for entry in story.entries]))
    told += ["", "timeline", *timeline.lines(story.entries, story.blueprint)]
    opened = story.state.open_incidents
    if opened:
        told += ["", "incidents", *(line for incident in opened for line in _incident_lines(story, incident))]
    return told


def _head(story: Story) -> list[str]:
    now = story.state
    origin = now.origin
    ended = "" if now.ended_ms is None else f", ended after {span(now.ended_ms - now.started_ms)}"
    facts = {
        "started": f"{instant(now.started_ms)}{ended}",
        "blueprint": now.blueprint,
        "input": short(origin.input),
        "labels": short(dict(now.labels)),
        "because": _why(now),
        "result": short(now.phase.result) if isinstance(now.phase, Completed) else "",
        "waits": _waits(story),
        "trimmed": "Postgres has it no more (SAGA_RETENTION)" if story.trimmed else "",
    }
    pending = "" if story.published else f"  {PENDING}"
    return [
        f"{now.saga} {now.saga_id}  {now.status}{pending}",
        *(f"  {name:9}  {text}" for name, text in facts.items() if text),
    ]


def _why(now: SagaState) -> str:
    match now.phase:
        case Compensating(cause=cause) | Compensated(cause=cause):
            said = f" ({short(cause.rejection)})" if cause.rejection is not None else ""
            return f"{cause.reason}: {cause.text}{said}"
        case Cancelling():
            return "a cancel was accepted and takes effect once the open step is answered"
        case _:
            return ""


_AWAITED: Final = {"do": "answer {step}", "undo": "undo {step}", "probe": "say whether {step} happened"}
"""What a participant is asked for, in each role."""


def _waits(story: Story) -> str:
    """Whom or what the saga waits for."""
    now = story.state
    exchange = now.exchange
    operator = "for an operator, see below" if now.open_incidents else ""
    if exchange is None or exchange.due_ms is None:
        return operator
    due = f"+{span(exchange.due_ms - now.started_ms)}"
    what = _AWAITED[exchange.role].format(step=exchange.step)
    if exchange.status is ExchangeStatus.BACKING_OFF:
        text = f"until {due}, to send the next attempt: {participant_of(story.blueprint, exchange.step)} shall {what}"
    else:
        text = (
            f"for {participant_of(story.blueprint, exchange.step)} to {what}, attempt {exchange.attempt}, until {due}"
        )
    return f"{text}; {operator}" if operator else text


def participant_of(blueprint: Blueprint | None, name: str) -> str:
    """Who is asked in a step."""
    nodes = () if blueprint is None else blueprint.nodes
    found = (node.command.participant for node in nodes if isinstance(node, Step) and node.name == name)
    return next(found, "the participant")


def _incident_lines(story: Story, incident: Incident) -> list[str]:
    since = f"+{span(incident.opened_ms - story.state.started_ms)}"
    advice = _advice(story)
    width = max(map(len, advice))
    return [
        f"  ⚠ {incident.number} {incident.step or 'the saga'}, {incident.reason}, since {since}",
        f"    {incident.text}",
        *(f"    {command:{width}}  {effect}" for command, effect in advice.items()),
    ]


def _advice(story: Story) -> dict[str, str]:
    """Commands that an operator can give now, and what each does."""
    now, saga_id = story.state, story.state.saga_id
    advice = {f"saga retry {saga_id}": "once the cause is mended: tries it again"}
    nodes = () if story.blueprint is None else story.blueprint.nodes
    pivots = {node.name for node in nodes if isinstance(node, Step) and node.kind == "pivot"}
    if isinstance(now.phase, Running | Blocked) and not pivots & {name for name, _ in now.done}:
        advice[f"saga cancel {saga_id}"] = "gives the saga up: undoes what it has done"
    return advice
