"""A batch on its way from the append to the relay, and the head of the chain it extends."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from orchestrator.store.port import Batch, EventRow, IncidentRow, OutboxRow, SagaRow, ShardRow
from orchestrator.wire import chain
from orchestrator.wire.chain import Link
from orchestrator.wire.journal import FooterBatch, is_entry
from orchestrator.wire.outbox import decode_records
from orchestrator.wire.record import OutgoingRecord


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a shard's chain as its owner holds it in memory."""

    seq: int
    chain: bytes
    next_requests: int
    next_replies: int
    now_ms: int

    @classmethod
    def of(cls, row: ShardRow) -> "Head":
        """The head as the database's row shows it."""
        return cls(row.seq, row.chain, row.next_requests, row.next_replies, row.now_ms)


@dataclass(slots=True)
class RelayBatch:
    """What the relay publishes: all records of one batch in order, and the batch's entry in the footer.

    ``committed`` is set by the append side once Postgres has answered; EndTxn waits for it.
    """

    footer: FooterBatch
    records: list[OutgoingRecord]
    size: int
    """Bytes, as encoded in the outbox."""
    committed: bool = False

    @property
    def seq(self) -> int:
        """Its place in the chain."""
        return self.footer.seq


@dataclass(slots=True)
class Draft:
    """What one intake decided, before it is sealed into the chain."""

    records: list[OutgoingRecord] = field(default_factory=list[OutgoingRecord])
    events: list[EventRow] = field(default_factory=list[EventRow])
    sagas: Sequence[SagaRow] = ()
    incidents: Sequence[IncidentRow] = ()
    retries: int = 0
    """Commands among the records that are sent again."""
    opened: int = 0
    """Incidents that begin with this batch."""
    quarantined: Sequence[str] = ()
    """Why each of the records is in quarantine that it puts there."""
    trimmed: Sequence[str] = ()
    """Closed sagas whose rows go with this batch, which changes nothing else."""


def seal(shard: int, owner: str, previous: Head, head: Head, draft: Draft) -> tuple[Batch, RelayBatch, Head]:
    """Chain ``draft`` to ``previous``; ``head`` gives the new offsets and time, its chain is computed here.

    Returns what Postgres appends, what the relay publishes, and the head after it.
    """
    link = Link(
        seq=head.seq,
        owner=owner,
        next_requests=head.next_requests,
        next_replies=head.next_replies,
        now_ms=head.now_ms,
    )
    sealed = chain.seal(previous.chain, link, draft.records)
    batch = Batch(
        shard=shard,
        seq=head.seq,
        previous=previous.chain,
        chain=sealed.chain,
        owner=owner,
        next_requests=head.next_requests,
        next_replies=head.next_replies,
        now_ms=head.now_ms,
        records=sealed.row,
        events=draft.events,
        sagas=draft.sagas,
        incidents=draft.incidents,
        trimmed=draft.trimmed,
    )
    footer = FooterBatch(
        seq=head.seq,
        chain=sealed.chain,
        body=sealed.body,
        owner=owner,
        next_requests=head.next_requests,
        next_replies=head.next_replies,
        now_ms=head.now_ms,
        entries=sealed.entries,
    )
    return batch, RelayBatch(footer, draft.records, len(sealed.row)), replace(head, chain=sealed.chain)


def unsealed(row: OutboxRow) -> RelayBatch:
    """What a new owner's relay publishes of a batch that it finds in the outbox."""
    records = decode_records(row.records)
    footer = FooterBatch(
        seq=row.seq,
        chain=row.chain,
        body=chain.body_digest(records),
        owner=row.owner,
        next_requests=row.next_requests,
        next_replies=row.next_replies,
        now_ms=row.now_ms,
        entries=sum(map(is_entry, records)),
    )
    return RelayBatch(footer, records, len(row.records), committed=True)
