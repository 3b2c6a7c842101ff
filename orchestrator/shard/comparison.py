"""Whether Postgres and Kafka hold one history of a shard; if not, which refusal says so.

Pure. The footer is the last one committed to the journal; the snapshot is of the database, taken after it was read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.broker.port import InputPosition, inputs_deleted
from orchestrator.errors import (
    ChainsDiverged,
    DatabaseBehind,
    FooterMissing,
    InputsDeleted,
    ShardRefused,
    TopicMismatch,
)
from orchestrator.store.port import ShardRow, Snapshot
from orchestrator.wire.topics import Topics


@dataclass(frozen=True, slots=True)
class LastFooter:
    """What the last footer of a journal says: how far the relay came, and with which topics."""

    seq: int
    chain: bytes
    next_requests: int
    next_replies: int
    topic_ids: Mapping[str, str]


NO_FOOTER = LastFooter(seq=0, chain=bytes(32), next_requests=0, next_replies=0, topic_ids={})
"""The journal has none: nothing was ever relayed."""

RIGHT_DATABASE: Final = (
    "point SAGA_DATABASE to the database that continues the journal, or bring this one to the journal's end with "
    "`saga recover`"
)
"""What cures a database that is not the journal's."""


def refusal(shard: int, snapshot: Snapshot, footer: LastFooter) -> ShardRefused | None:
    """Why this shard must not be run as things stand; None: the database continues what the journal has.

    Right is: the outbox has the footer's batch with the footer's chain, and every batch after it without a gap;
    without a footer, every batch from seq 1.
    """
    row, heads = snapshot.row, {head.seq: head.chain for head in snapshot.outbox}
    where = f"shard {shard}: the database is at seq {row.seq}, the journal at seq {footer.seq}"
    if row.seq < footer.seq:
        return DatabaseBehind(
            f"{where}: expected a database that has all that was relayed, got one that lacks "
            f"{footer.seq - row.seq} batches (a restored backup, a lagging replica, an emptied database): keep it and "
            f"all topics, and {RIGHT_DATABASE}"
        )
    missing = [seq for seq in range(footer.seq + 1, row.seq + 1) if seq not in heads]
    if not footer.seq:
        if missing:
            return FooterMissing(
                f"{where}: expected a footer in the journal, since the database has relayed batches below seq "
                f"{min(heads, default=row.seq + 1)} already, found none: the journal topic was emptied or recreated, "
                f"or SAGA_NAMESPACE or SAGA_KAFKA is another one's; restore the topic, or point to the right servers"
            )
        return None
    if footer.seq not in heads:
        return FooterMissing(
            f"{where}: expected the footer of seq {min(heads, default=row.seq)} or later, which the database knows to "
            f"be relayed: the journal lost its end (unclean election, a restored topic): restore the topic's replicas"
        )
    if heads[footer.seq] != footer.chain:
        return ChainsDiverged(
            f"{where}: expected chain {footer.chain.hex()[:16]} at seq {footer.seq}, got "
            f"{heads[footer.seq].hex()[:16]}: two histories of one shard (two primaries, or another namespace's "
            f"database): keep both and all topics, and {RIGHT_DATABASE}"
        )
    if missing:
        return ChainsDiverged(
            f"{where}: expected outbox rows without a gap, seq {missing[0]} is missing (rows were deleted by "
            f"hand): keep it and all topics, and {RIGHT_DATABASE}"
        )
    return None


def is_relayed(snapshot: Snapshot, footer: LastFooter) -> bool:
    """Whether the database knows that this footer was committed, as the last one it knows of.

    Rows leave the outbox below such a footer only; before any has left it, the first row says nothing.
    """
    first = snapshot.outbox[0] if snapshot.outbox else None
    return first is not None and first.seq > 1 and (first.seq, first.chain) == (footer.seq, footer.chain)


def inputs_lost(topics: Topics, row: ShardRow, beginnings: InputPosition, ends: InputPosition) -> InputsDeleted | None:
    """Whether the inputs that come next are there. The beginnings are older than ``row``, the ends newer.

    So a living owner that moves on and deletes what it has done is never taken for one whose inputs are gone.
    """
    at, shard = InputPosition(row.next_requests, row.next_replies), row.shard
    if (
        beginnings.next_requests <= at.next_requests <= ends.next_requests
        and beginnings.next_replies <= at.next_replies <= ends.next_replies
    ):
        return None
    return inputs_deleted(
        f"read {topics.requests}[{shard}] and {topics.replies}[{shard}]",
        at,
        f"{beginnings.next_requests} to {ends.next_requests} and {beginnings.next_replies} to {ends.next_replies}",
    )


def topics_changed(shard: int, known: Mapping[str, str], found: Mapping[str, str]) -> TopicMismatch | None:
    """Whether a topic is gone or is not the one that the last footer was written beside."""
    for topic, topic_id in known.items():
        if topic not in found:
            return TopicMismatch(
                f"shard {shard}: expected topic {topic!r} with id {topic_id}, it does not exist (it was deleted, or "
                f"its name is another namespace's): restore it, or start a new namespace with an empty database"
            )
        if found[topic] != topic_id:
            return TopicMismatch(
                f"shard {shard}: expected topic {topic!r} with id {topic_id}, got {found[topic]}: it was deleted and "
                f"created again, so offsets mean other records now: restore it, or start a new namespace with an empty "
                f"database"
            )
    return None
