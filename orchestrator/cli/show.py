"""`saga show ID`: one saga as a picture and a timeline, as Postgres has it."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.blueprint import canonical, values
from orchestrator.blueprint.model import Blueprint, Json, Step
from orchestrator.cli import picture, servers, timeline
from orchestrator.cli.exit_code import ExitCode
from orchestrator.cli.output import print_json
from orchestrator.cli.terminal import print_text
from orchestrator.cli.timeline import PENDING, Entry
from orchestrator.cli.wording import instant, message, optional_instant, short, span
from orchestrator.engine import events, state
from orchestrator.engine.state import Compensated, Compensating, Completed, Incident, SagaState, Status
from orchestrator.errors import SagaNotFound
from orchestrator.store.reader import ListedEvent, ListedSaga, Reader, open_reader

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers


@dataclass(frozen=True, slots=True)
class _Shown:
    """Everything about one saga, of one moment."""

    listed: ListedSaga
    state: SagaState
    blueprint: Blueprint | None
    """None: the cache of definitions does not have it, so there is no picture."""
    rows: list[ListedEvent]
    entries: list[Entry]


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga show` and its arguments."""
    parser = subparsers.add_parser(
        "show",
        description="Show a saga: its steps and what became of each, and everything that happened to it. "
        "✓ done, ↩ undone, ✗ rejected, … waiting, ? unknown, ⚠ an operator must act, · not reached.",
    )
    parser.add_argument("id", metavar="ID", help="the saga's id")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Read the saga and print it. Raises ``SagaNotFound``."""
    loaded = servers.load()
    with open_reader(loaded.need_database()) as reader:
        shown = _read(reader, arguments.id)
    if arguments.json:
        print_json(_json(shown))
    else:
        print_text("\n".join(_lines(shown)))
    return ExitCode.OK


def _read(reader: Reader, saga_id: str) -> _Shown:
    with reader.one_moment():
        listed = reader.get_saga(saga_id)
        if listed is None:
            raise SagaNotFound(f"no saga has the id {saga_id!r}: `saga list` shows those that there are")
        rows = reader.events_of(saga_id)
        text = reader.definition(listed.saga.saga, listed.saga.blueprint)
    entries = [Entry(events.decode(row.event.type, row.event.data), row.published) for row in rows]
    blueprint = None if text is None else canonical.loads(text)
    return _Shown(listed, state.loads(listed.saga.state), blueprint, rows, entries)


# ---------------------------------------------------------------- for a person


def _lines(shown: _Shown) -> list[str]:
    lines = [*_head(shown), "", "steps"]
    if shown.blueprint is None:
        lines.append("  its definition is not in the database yet: start an orchestrator (`saga run`)")
    else:
        lines += picture.lines(picture.looks(shown.blueprint, [entry.event for entry in shown.entries]))
    lines += ["", "timeline", *timeline.lines(shown.entries, shown.blueprint)]
    opened = shown.state.open_incidents
    if opened:
        lines += ["", "incidents", *(line for incident in opened for line in _incident_lines(shown, incident))]
    return lines


def _head(shown: _Shown) -> list[str]:
    now = shown.state
    origin = now.origin
    ended = "" if now.ended_ms is None else f", ended after {span(now.ended_ms - now.started_ms)}"
    facts = {
        "started": f"{instant(now.started_ms)}{ended}",
        "blueprint": now.blueprint,
        "input": short(origin.input),
        "labels": short(dict(now.labels)),
        "because": _why(now),
        "result": short(now.phase.result) if isinstance(now.phase, Completed) else "",
        "waits": _waits(shown),
    }
    pending = "" if shown.listed.published else f"  {PENDING}"
    return [
        f"{now.saga} {now.saga_id}  {now.status}{pending}",
        *(f"  {name:9}  {text}" for name, text in facts.items() if text),
    ]


def _why(now: SagaState) -> str:
    match now.phase:
        case Compensating(cause=cause) | Compensated(cause=cause):
            said = f", {message(cause.rejection_type, cause.rejection)}" if cause.rejection_type else ""
            return f"{cause.reason}: {cause.text}{said}"
        case _:
            return ""


def _waits(shown: _Shown) -> str:
    """Whom or what the saga waits for."""
    now = shown.state
    exchange = now.exchange
    operator = "for an operator, see below" if now.open_incidents else ""
    if exchange is None or exchange.due_ms is None:
        return operator
    due = f"+{span(exchange.due_ms - now.started_ms)}"
    if exchange.status is state.ExchangeStatus.BACKING_OFF:
        text = f"until {due} to send attempt {exchange.attempt + 1} of {exchange.step} ({exchange.role})"
    else:
        text = f"for {_participant(shown.blueprint, exchange.step)} to answer {exchange.step} ({exchange.role}), "
        text += f"attempt {exchange.attempt}, until {due}"
    return f"{text}; {operator}" if operator else text


def _participant(blueprint: Blueprint | None, name: str) -> str:
    nodes = () if blueprint is None else blueprint.nodes
    found = (node.command.participant for node in nodes if isinstance(node, Step) and node.name == name)
    return next(found, "the participant")


def _incident_lines(shown: _Shown, incident: Incident) -> list[str]:
    since = f"+{span(incident.opened_ms - shown.state.started_ms)}"
    return [
        f"  ⚠ {incident.number} {incident.step or 'the saga'}, {incident.reason}, since {since}",
        f"    {incident.text}",
        *(f"    {command:{len(shown.state.saga_id) + 12}}  {effect}" for command, effect in _advice(shown).items()),
    ]


def _advice(shown: _Shown) -> dict[str, str]:
    """Commands that an operator can give now, and what each does."""
    now, saga_id = shown.state, shown.state.saga_id
    advice = {f"saga retry {saga_id}": "once the cause is mended: tries it again"}
    nodes = () if shown.blueprint is None else shown.blueprint.nodes
    pivots = {node.name for node in nodes if isinstance(node, Step) and node.kind == "pivot"}
    if now.status is Status.RUNNING and not pivots & {name for name, _ in now.done}:
        advice[f"saga cancel {saga_id}"] = "gives the saga up: undoes what it has done"
    return advice


# ---------------------------------------------------------------- for a program


def _json(shown: _Shown) -> Json:
    now = shown.state
    return {
        "saga_id": now.saga_id,
        "saga": now.saga,
        "status": now.status.value,
        "blueprint": now.blueprint,
        "shard": shown.listed.shard,
        "published": shown.listed.published,
        "started_at": instant(now.started_ms),
        "ended_at": optional_instant(now.ended_ms),
        "input": values.plain(now.origin.input),
        "labels": values.plain(dict(now.labels)),
        "result": values.plain(now.phase.result) if isinstance(now.phase, Completed) else None,
        "cause": _cause_json(now),
        "waiting": _waiting_json(shown),
        "steps": _steps_json(shown),
        "events": [_event_json(row, entry) for row, entry in zip(shown.rows, shown.entries, strict=True)],
        "incidents": [_incident_json(incident) for incident in now.incidents],
    }


def _cause_json(now: SagaState) -> Json:
    match now.phase:
        case Compensating(cause=cause) | Compensated(cause=cause):
            return {
                "reason": cause.reason,
                "text": cause.text,
                "rejection_type": cause.rejection_type,
                "rejection": values.plain(cause.rejection),
            }
        case _:
            return None


def _waiting_json(shown: _Shown) -> Json:
    exchange = shown.state.exchange
    if exchange is None:
        return None
    return {
        "step": exchange.step,
        "role": exchange.role,
        "participant": _participant(shown.blueprint, exchange.step),
        "command_id": shown.state.id_of(exchange),
        "attempt": exchange.attempt,
        "status": exchange.status.value,
        "due_at": optional_instant(exchange.due_ms),
    }


def _steps_json(shown: _Shown) -> Json:
    if shown.blueprint is None:
        return None
    looks = picture.looks(shown.blueprint, [entry.event for entry in shown.entries])
    return [
        {"name": look.name, "kind": look.kind, "does": look.does, "status": look.mark.name.lower(), "text": look.text}
        for look in looks
    ]


def _event_json(row: ListedEvent, entry: Entry) -> Json:
    event = row.event
    data = values.plain(values.loads(event.data))
    cause: Json = None
    if event.topic is not None:
        cause = {"topic": event.topic, "partition": event.partition, "offset": event.offset}
    return {
        "number": event.number,
        "type": event.type,
        "at": instant(entry.event.at_ms),
        "data": data,
        "batch": row.seq,
        "cause": cause,
        "published": row.published,
    }


def _incident_json(incident: Incident) -> Json:
    return {
        "number": incident.number,
        "step": incident.step,
        "reason": incident.reason,
        "text": incident.text,
        "opened_at": instant(incident.opened_ms),
        "closed_at": optional_instant(incident.closed_ms),
    }
