"""Batches for tests of the store: each a valid one, unless told otherwise."""

import hashlib
from typing import Any

from orchestrator.store.port import Batch, EventRow, IncidentRow, SagaRow, ShardRow, StoredSaga

START_MS = 1_780_000_000_000


def chain_of(previous: bytes, text: str) -> bytes:
    return hashlib.sha256(previous + text.encode()).digest()


def batch_after(row: ShardRow, text: str = "next", **changes: Any) -> Batch:
    """The batch that follows `row`; `text` makes its chain another one."""
    fields: dict[str, Any] = {
        "shard": row.shard,
        "seq": row.seq + 1,
        "previous": row.chain,
        "chain": chain_of(row.chain, text),
        "owner": "owner of " + text,
        "next_requests": row.next_requests + 1,
        "next_replies": row.next_replies,
        "now_ms": max(row.now_ms, START_MS) + 1,
        "records": text.encode(),
    }
    return Batch(**fields | changes)


def row_after(batch: Batch) -> ShardRow:
    return ShardRow(batch.shard, batch.seq, batch.chain, batch.next_requests, batch.next_replies, batch.now_ms)


def event(saga_id: str = "s1", number: int = 1, **changes: Any) -> EventRow:
    fields: dict[str, Any] = {
        "saga_id": saga_id,
        "number": number,
        "type": "StepCompleted",
        "data": '{"step":"withdraw"}',
        "topic": "ns.replies",
        "partition": 3,
        "offset": 12_345_678_901,
    }
    return EventRow(**fields | changes)


def saga(saga_id: str = "s1", **changes: Any) -> SagaRow:
    fields: dict[str, Any] = {
        "saga_id": saga_id,
        "saga": "money_transfer",
        "blueprint": "f" * 64,
        "status": "running",
        "version": 1,
        "state": '{"phase":"running","version":1}',
        "due_ms": None,
        "labels": "{}",
        "started_ms": START_MS,
        "ended_ms": None,
    }
    return SagaRow(**fields | changes)


def stored(row: SagaRow, *tail: EventRow) -> StoredSaga:
    return StoredSaga(row, [(event.type, event.data) for event in tail])


def incident(saga_id: str = "s1", number: int = 1, **changes: Any) -> IncidentRow:
    fields: dict[str, Any] = {
        "saga_id": saga_id,
        "number": number,
        "step": "withdraw",
        "reason": "exhausted",
        "text": "20 attempts, the last one timed out",
        "opened_ms": START_MS,
        "closed_ms": None,
    }
    return IncidentRow(**fields | changes)
