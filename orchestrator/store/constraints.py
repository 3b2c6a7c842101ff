"""The constraints of `schema.sql`, for the store in memory: a batch is refused here exactly when Postgres refuses it.

The contract suite puts the same batches to both.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from orchestrator.store.port import GENESIS, Batch, EventRow, IncidentRow, SagaRow

_INTEGER_MAX: Final = 2**31 - 1
_BIGINT_MAX: Final = 2**63 - 1
_CHAIN_BYTES: Final = 32
STATUSES: Final = frozenset({"running", "compensating", "completed", "compensated"})
_ENDED: Final = frozenset({"completed", "compensated"})


def broken_by(batch: Batch, events: Mapping[tuple[str, int], EventRow]) -> str | None:
    """The constraint or rule that forbids ``batch`` beside the ``events`` already there; None: nothing does."""
    return next(_problems(batch, events), None)


def _problems(batch: Batch, events: Mapping[tuple[str, int], EventRow]) -> Iterator[str]:
    if len(batch.chain) != _CHAIN_BYTES:
        yield "shards_chain_is_sha256"
    if batch.chain == GENESIS:
        yield "shards_start_at_genesis"
    if batch.next_requests < 0 or batch.next_replies < 0:
        yield "shards_offsets_are_not_negative"
    if batch.now_ms < 0:
        yield "shards_time_is_not_negative"
    yield from _out_of_range([batch.next_requests, batch.next_replies, batch.now_ms], _BIGINT_MAX)
    yield from _bad_texts([batch.owner])
    if _repeated((event.saga_id, event.number) for event in batch.events):
        yield "events_have_each_number_once"
    for event in batch.events:
        if (event.saga_id, event.number) in events:
            yield "events_have_each_number_once"
        yield from _of_event(event)
    if _repeated(saga.saga_id for saga in batch.sagas):
        yield "a saga stands twice in one batch"
    for saga in batch.sagas:
        yield from _of_saga(saga)
    if _repeated((incident.saga_id, incident.number) for incident in batch.incidents):
        yield "an incident stands twice in one batch"
    for incident in batch.incidents:
        yield from _of_incident(incident)


def _of_event(event: EventRow) -> Iterator[str]:
    if event.number < 1:
        yield "events_number_from_one"
    if len({event.topic is None, event.partition is None, event.offset is None}) != 1:
        yield "events_cause_is_whole_or_none"
    yield from _out_of_range([event.number, event.partition], _INTEGER_MAX)
    yield from _out_of_range([event.offset], _BIGINT_MAX)
    yield from _bad_texts([event.saga_id, event.type, event.topic])
    yield from _bad_json(event.data)


def _of_saga(saga: SagaRow) -> Iterator[str]:
    if saga.status not in STATUSES:
        yield "sagas_status_is_known"
    if (saga.ended_ms is not None) != (saga.status in _ENDED):
        yield "sagas_end_when_status_says_so"
    if saga.ended_ms is not None and saga.due_ms is not None:
        yield "sagas_ended_have_no_timer"
    if saga.version < 1:
        yield "sagas_version_counts_from_one"
    yield from _out_of_range([saga.version], _INTEGER_MAX)
    yield from _out_of_range([saga.due_ms, saga.started_ms, saga.ended_ms], _BIGINT_MAX)
    yield from _bad_texts([saga.saga_id, saga.saga, saga.blueprint])
    if saga.state is not None:
        yield from _bad_json(saga.state)
    yield from _bad_labels(saga.labels)


def _of_incident(incident: IncidentRow) -> Iterator[str]:
    if incident.number < 1:
        yield "incidents_number_from_one"
    if incident.closed_ms is not None and incident.closed_ms < incident.opened_ms:
        yield "incidents_close_after_they_open"
    yield from _out_of_range([incident.number], _INTEGER_MAX)
    yield from _out_of_range([incident.opened_ms, incident.closed_ms], _BIGINT_MAX)
    yield from _bad_texts([incident.saga_id, incident.step, incident.reason, incident.text])


def _repeated(keys: Iterable[object]) -> bool:
    found = list(keys)
    return len(set(found)) < len(found)


def _out_of_range(numbers: Iterable[int | None], most: int) -> Iterator[str]:
    if any(number is not None and not -most - 1 <= number <= most for number in numbers):
        yield "a number is out of range"


def _bad_texts(texts: Iterable[str | None]) -> Iterator[str]:
    if not all(text is None or _storable(text) for text in texts):
        yield "a text has a NUL or is no UTF-8"


def _storable(text: str) -> bool:
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bad_json(text: str) -> Iterator[str]:
    try:
        text.encode()
        json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        yield "a text is no JSON"


def _bad_labels(text: str) -> Iterator[str]:
    """``jsonb`` stores text as text: what an escape stands for must be storable too."""
    try:
        text.encode()
        labels = json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        yield "a text is no JSON"
        return
    if not isinstance(labels, dict):
        yield "sagas_labels_are_an_object"
    if not _storable(json.dumps(labels, ensure_ascii=False).replace("\\u0000", "\0")):
        yield "a text has a NUL or is no UTF-8"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"expected JSON, got {name}")
