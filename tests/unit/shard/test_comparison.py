"""Which states of Postgres and Kafka are one history, and what is said of the others."""

import pytest

from orchestrator.broker.port import InputPosition
from orchestrator.errors import ChainsDiverged, DatabaseBehind, FooterMissing, ShardRefused
from orchestrator.shard.comparison import NO_FOOTER, LastFooter, inputs_lost, refusal, topics_changed
from orchestrator.store.port import GENESIS, OutboxHead, ShardRow, Snapshot
from orchestrator.wire.topics import Topics


def link(seq: int, history: str = "a") -> bytes:
    return f"{history}{seq}".encode().ljust(32, b".")


def database(seq: int, outbox: range, history: str = "a") -> Snapshot:
    row = ShardRow(2, seq, link(seq, history) if seq else GENESIS, 10 * seq, 20 * seq, 1_000 + seq)
    return Snapshot(row, tuple(OutboxHead(each, link(each, history)) for each in outbox), "ready")


def footer(seq: int, history: str = "a") -> LastFooter:
    return LastFooter(seq, link(seq, history), 10 * seq, 20 * seq, {}) if seq else NO_FOOTER


@pytest.mark.parametrize(
    ("snapshot", "last"),
    [
        (database(0, range(0)), footer(0)),  # nothing ever happened
        (database(3, range(1, 4)), footer(0)),  # appended, nothing relayed
        (database(3, range(3, 4)), footer(3)),  # all relayed, rows below the footer deleted
        (database(3, range(1, 4)), footer(3)),  # all relayed, nothing deleted
        (database(7, range(5, 8)), footer(5)),  # two batches still to be relayed
        (database(7, range(2, 8)), footer(5)),
    ],
)
def test_a_database_that_continues_the_journal_is_run(snapshot: Snapshot, last: LastFooter) -> None:
    assert refusal(2, snapshot, last) is None


@pytest.mark.parametrize(
    ("snapshot", "last", "kind", "text"),
    [
        (database(0, range(0)), footer(4), DatabaseBehind, "lacks 4 batches"),  # an emptied database
        (database(3, range(1, 4)), footer(4), DatabaseBehind, "lacks 1 batches"),  # a restored backup
        (database(3, range(3, 4)), footer(0), FooterMissing, "expected a footer in the journal"),  # an emptied journal
        (database(3, range(2, 4)), footer(0), FooterMissing, "expected a footer in the journal"),
        (database(9, range(8, 10)), footer(5), FooterMissing, "the journal lost its end"),
        (database(5, range(4, 6), "b"), footer(5), ChainsDiverged, "got b5"),  # two primaries
        (database(7, range(4, 8), "b"), footer(5), ChainsDiverged, "got b5"),
    ],
)
def test_what_is_no_one_history_is_refused_by_name(
    snapshot: Snapshot, last: LastFooter, kind: type[ShardRefused], text: str
) -> None:
    refused = refusal(2, snapshot, last)
    assert type(refused) is kind
    assert "shard 2" in str(refused)
    assert text.replace("b5", link(5, "b").hex()[:16]) in str(refused)


def test_a_gap_in_the_outbox_is_refused() -> None:
    whole = database(7, range(5, 8))
    gap = Snapshot(whole.row, tuple(head for head in whole.outbox if head.seq != 6), whole.state)
    refused = refusal(2, gap, footer(5))
    assert type(refused) is ChainsDiverged
    assert "seq 6 is missing" in str(refused)


@pytest.mark.parametrize(
    ("beginnings", "ends", "lost"),
    [
        (InputPosition(0, 0), InputPosition(30, 60), False),
        (InputPosition(30, 60), InputPosition(30, 60), False),
        (InputPosition(31, 60), InputPosition(40, 60), True),
        (InputPosition(30, 61), InputPosition(30, 70), True),
        (InputPosition(0, 0), InputPosition(29, 60), True),
        (InputPosition(0, 0), InputPosition(30, 59), True),
    ],
)
def test_inputs_that_come_next_are_there_or_lost(beginnings: InputPosition, ends: InputPosition, *, lost: bool) -> None:
    found = inputs_lost(Topics("test"), database(3, range(1, 4)).row, beginnings, ends)
    assert (found is not None) == lost
    if found is not None:
        assert f"got {beginnings.next_requests} to {ends.next_requests} and" in str(found)
        assert "read test.requests[2] and test.replies[2] from offsets 30 and 60 on" in str(found)


def test_topics_are_known_by_their_ids() -> None:
    known = {"saga.requests": "A", "saga.journal": "J"}
    assert topics_changed(2, known, {"saga.requests": "A", "saga.journal": "J", "saga.replies": "R"}) is None
    recreated = topics_changed(2, known, {"saga.requests": "B", "saga.journal": "J"})
    assert "expected topic 'saga.requests' with id A, got B" in str(recreated)
    gone = topics_changed(2, known, {"saga.requests": "A"})
    assert "it does not exist" in str(gone)
    assert topics_changed(2, {}, {}) is None
