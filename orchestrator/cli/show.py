"""`saga show ID`: one saga as a picture and a timeline, as Postgres has it, or the journal alone."""

import argparse
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.blueprint import canonical, values
from orchestrator.blueprint.model import Json
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.cli import picture, servers
from orchestrator.cli.output import print_json
from orchestrator.cli.story import Story, lines, participant_of
from orchestrator.cli.terminal import print_text
from orchestrator.cli.timeline import Entry
from orchestrator.cli.wording import instant, optional_instant
from orchestrator.engine import events
from orchestrator.engine.state import Compensated, Compensating, Completed, Incident, SagaState
from orchestrator.errors import SagaNotFound
from orchestrator.exit_code import ExitCode
from orchestrator.recovery.chronicle import Chronicle, read_chronicle
from orchestrator.shard.sagas import state_of
from orchestrator.store.reader import ListedEvent, Reader, open_reader
from orchestrator.wire.topics import Topics

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

_Read: TypeAlias = tuple[int, list[ListedEvent], Story]
"""Shard, events, and all of it for a person."""


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga show` and its arguments."""
    parser = subparsers.add_parser(
        "show",
        description="Show a saga: its steps and what became of each, and everything that happened to it. "
        "✓ done, ↩ undone, ✗ rejected, … waiting, ? unknown, ⚠ an operator must act, · not reached.",
    )
    parser.add_argument("id", metavar="ID", help="the saga's id")
    parser.add_argument(
        "--from-journal", action="store_true", help="as the journal in Kafka tells it; needs no database, and more time"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Read the saga and print it. Raises ``SagaNotFound``."""
    found = _from_journal(arguments.id) if arguments.from_journal else [_from_database(arguments.id)]
    if arguments.json:
        *earlier, last = [_json(*each) for each in found]
        last["earlier"] = list[Json](earlier)
        print_json(last)
    else:
        print_text("\n\n".join("\n".join(lines(story)) for _, _, story in found))
    return ExitCode.OK


def _from_journal(saga_id: str) -> list[_Read]:
    """Each saga that had the id, the last one at the end."""
    loaded = servers.load_with_kafka()
    with closing(KafkaBroker.of(loaded)) as broker:
        found = read_chronicle(broker, Topics(loaded.namespace), saga_id)
    if found is None:
        raise SagaNotFound(f"no saga of the journal has the id {saga_id!r}: see SAGA_NAMESPACE={loaded.namespace}")
    return [_told(each) for each in (*found.earlier, found)]


def _told(found: Chronicle) -> _Read:
    entries = [_entry(row) for row in found.events]
    story = Story(found.state, published=True, blueprint=found.blueprint, entries=entries, trimmed=found.trimmed)
    return found.shard, found.events, story


def _from_database(saga_id: str) -> _Read:
    loaded = servers.load()
    with open_reader(loaded.need_database(), loaded.namespace) as reader:
        return _read(reader, saga_id)


def _read(reader: Reader, saga_id: str) -> _Read:
    with reader.one_moment():
        listed = reader.get_saga(saga_id)
        if listed is None:
            raise SagaNotFound(
                f"no saga has the id {saga_id!r}: `saga list` shows those that there are; if it was trimmed "
                f"(SAGA_RETENTION), `saga show {saga_id} --from-journal` tells it"
            )
        rows = reader.events_of(saga_id)
        text = reader.definition(listed.saga.row.saga, listed.saga.row.blueprint)
    blueprint = None if text is None else canonical.loads(text)
    story = Story(state_of(listed.saga), listed.published, blueprint, [_entry(row) for row in rows])
    return listed.shard, rows, story


def _entry(row: ListedEvent) -> Entry:
    return Entry(events.decode(row.event.type, row.event.data), row.published)


def _json(shard: int, rows: list[ListedEvent], story: Story) -> dict[str, Json]:
    now = story.state
    return {
        "saga_id": now.saga_id,
        "saga": now.saga,
        "status": now.status.value,
        "blueprint": now.blueprint,
        "shard": shard,
        "published": story.published,
        "trimmed": story.trimmed,
        "started_at": instant(now.started_ms),
        "ended_at": optional_instant(now.ended_ms),
        "input": values.plain(now.origin.input),
        "labels": values.plain(dict(now.labels)),
        "result": values.plain(now.phase.result) if isinstance(now.phase, Completed) else None,
        "cause": _cause_json(now),
        "waiting": _waiting_json(story),
        "steps": _steps_json(story),
        "events": [_event_json(row) for row in rows],
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


def _waiting_json(story: Story) -> Json:
    exchange = story.state.exchange
    if exchange is None:
        return None
    return {
        "step": exchange.step,
        "role": exchange.role,
        "participant": participant_of(story.blueprint, exchange.step),
        "command_id": story.state.id_of(exchange),
        "attempt": exchange.attempt,
        "status": exchange.status.value,
        "due_at": optional_instant(exchange.due_ms),
    }


def _steps_json(story: Story) -> Json:
    if story.blueprint is None:
        return None
    looks = picture.looks(story.blueprint, [entry.event for entry in story.entries])
    return [
        {"name": look.name, "kind": look.kind, "does": look.does, "status": look.mark.name.lower(), "text": look.text}
        for look in looks
    ]


def _event_json(row: ListedEvent) -> Json:
    event = row.event
    cause: Json = None
    if event.topic is not None:
        cause = {"topic": event.topic, "partition": event.partition, "offset": event.offset}
    at_ms = events.decode(event.type, event.data).at_ms
    return {
        "number": event.number,
        "type": event.type,
        "at": instant(at_ms),
        "data": values.plain(values.loads(event.data)),
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
