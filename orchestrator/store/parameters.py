"""The parameters of the statements that write many rows: a batch that is appended, a passage that is loaded."""

from collections.abc import Sequence
from typing import Any

from orchestrator.store.arrays import bigints, jsons, texts
from orchestrator.store.port import (
    BATCH_FORMAT,
    BATCH_FORMAT_TRIMMED,
    Batch,
    EventRow,
    IncidentRow,
    Passage,
    SagaRow,
)

Parameters = dict[str, Any]


def batch_parameters(batch: Batch) -> Parameters:
    """Of ``append``. Raises ``BatchRefused`` for what no column can hold."""
    return {
        **_head(batch),
        **_events(batch.events),
        **_sagas(batch.sagas),
        **_incidents(batch.incidents),
    }


def trim_parameters(batch: Batch) -> Parameters:
    """Of ``trim``. Raises ``BatchRefused`` for what no column can hold."""
    assert not any((batch.events, batch.sagas, batch.incidents)), "what is trimmed has a batch of its own"
    return {**_head(batch), "trimmed": texts(batch.trimmed)}


def passage_parameters(passage: Passage) -> Parameters:
    """Of ``load``, where each row brings its batch. Raises ``BatchRefused`` for what no column can hold."""
    events, sagas, incidents = passage.events, passage.sagas, passage.incidents
    return {
        **_head(passage),
        "seq": passage.seq,
        **_events([event for _, event in events]),
        "event_seqs": bigints([seq for seq, _ in events]),
        **_sagas([saga for _, saga in sagas]),
        "saga_seqs": bigints([seq for seq, _ in sagas]),
        **_incidents([incident for _, incident in incidents]),
        "incident_seqs": bigints([seq for seq, _ in incidents]),
    }


def _head(written: Batch | Passage) -> Parameters:
    return {
        "shard": written.shard,
        "previous": written.previous,
        "chain": written.chain,
        "owner": written.owner,
        "format": BATCH_FORMAT_TRIMMED if written.trimmed else BATCH_FORMAT,
        "next_requests": written.next_requests,
        "next_replies": written.next_replies,
        "now_ms": written.now_ms,
        "records": written.records,
    }


def _events(events: Sequence[EventRow]) -> Parameters:
    return {
        "event_saga_ids": texts([event.saga_id for event in events]),
        "event_numbers": bigints([event.number for event in events]),
        "event_types": texts([event.type for event in events]),
        "event_data": jsons([event.data for event in events]),
        "event_topics": texts([event.topic for event in events]),
        "event_partitions": bigints([event.partition for event in events]),
        "event_offsets": bigints([event.offset for event in events]),
    }


def _sagas(sagas: Sequence[SagaRow]) -> Parameters:
    return {
        "saga_ids": texts([saga.saga_id for saga in sagas]),
        "saga_names": texts([saga.saga for saga in sagas]),
        "saga_blueprints": texts([saga.blueprint for saga in sagas]),
        "saga_statuses": texts([saga.status for saga in sagas]),
        "saga_versions": bigints([saga.version for saga in sagas]),
        "saga_states": jsons([saga.state for saga in sagas]),
        "saga_dues": bigints([saga.due_ms for saga in sagas]),
        "saga_labels": texts([saga.labels for saga in sagas]),
        "saga_starts": bigints([saga.started_ms for saga in sagas]),
        "saga_ends": bigints([saga.ended_ms for saga in sagas]),
    }


def _incidents(incidents: Sequence[IncidentRow]) -> Parameters:
    return {
        "incident_saga_ids": texts([incident.saga_id for incident in incidents]),
        "incident_numbers": bigints([incident.number for incident in incidents]),
        "incident_steps": texts([incident.step for incident in incidents]),
        "incident_reasons": texts([incident.reason for incident in incidents]),
        "incident_texts": texts([incident.text for incident in incidents]),
        "incident_opens": bigints([incident.opened_ms for incident in incidents]),
        "incident_closes": bigints([incident.closed_ms for incident in incidents]),
    }
