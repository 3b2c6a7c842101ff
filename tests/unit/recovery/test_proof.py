"""A journal whose records were edited, removed, moved or added is not proved, and the place is named."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from orchestrator.errors import JournalCorrupt
from orchestrator.recovery.proof import ChainProof, ProvenBatch
from orchestrator.store.port import GENESIS
from orchestrator.wire.journal import FOOTER, is_entry, is_footer, parse_footer
from orchestrator.wire.record import IncomingRecord
from tests.unit.recovery.scene import worked

Journal = list[IncomingRecord]


@pytest.fixture(scope="module")
def journal() -> Journal:
    world, _ = worked()
    return [each for each in world.cluster.committed(world.topics.journal) if each.partition == 0]


def prove(records: Journal, seq: int = 0, chain: bytes = GENESIS) -> list[ProvenBatch]:
    proof = ChainProof(seq, chain)
    return [proven for record in records for proven in proof.take(record)]


def test_every_batch_of_a_journal_is_proven_in_order(journal: Journal) -> None:
    proven = prove(journal)
    assert [each.batch.seq for each in proven] == list(range(1, len(proven) + 1))
    assert sum(len(each.entries) for each in proven) == sum(map(is_entry, journal)) > 20


def test_a_proof_goes_on_from_any_batch(journal: Journal) -> None:
    proven = prove(journal)
    for each in proven:
        assert prove(journal, each.batch.seq, each.batch.chain) == proven[each.batch.seq :]


def entry_at(journal: Journal, number: int = 7) -> int:
    """The index of an entry in the middle."""
    return [index for index, record in enumerate(journal) if is_entry(record)][number]


def footer_at(journal: Journal, number: int = 3) -> int:
    """The index of a footer in the middle."""
    return [index for index, record in enumerate(journal) if is_footer(record)][number]


def edited_entry(journal: Journal) -> int:
    at = entry_at(journal)
    value = journal[at].value or b""
    spot = value.index(b"{") + 4  # within the JSON of an event
    journal[at] = replace(journal[at], value=value[:spot] + b"x" + value[spot + 1 :])
    return at


def another_key(journal: Journal) -> int:
    at = entry_at(journal)
    journal[at] = replace(journal[at], key=b"somebody else")
    return at


def removed_entry(journal: Journal) -> int:
    at = entry_at(journal)
    del journal[at]
    return at


def removed_footer(journal: Journal) -> int:
    at = footer_at(journal)
    del journal[at]
    return at


def removed_transaction(journal: Journal) -> int:
    first, last = footer_at(journal, 2) + 1, footer_at(journal, 3)
    del journal[first : last + 1]
    return first


def swapped_entries(journal: Journal) -> int:
    pairs = (at for at, (one, two) in enumerate(pairwise(journal)) if is_entry(one) and is_entry(two))
    at = next(pairs)
    journal[at], journal[at + 1] = journal[at + 1], journal[at]
    return at


def repeated_entry(journal: Journal) -> int:
    at = entry_at(journal)
    journal.insert(at, journal[at])
    return at


def entry_of_the_past(journal: Journal) -> int:
    journal.append(journal[entry_at(journal, 0)])
    return len(journal) - 1


def forged_offsets(journal: Journal) -> int:
    at = footer_at(journal)
    footer = parse_footer(journal[at].value)
    fields = [
        {name: getattr(batch, name) for name in batch.__dataclass_fields__} | {"next_replies": batch.next_replies + 1}
        for batch in footer.batches
    ]
    value = FOOTER.encode({"format": 1, "batches": list(fields), "topic_ids": dict(footer.topic_ids)})
    journal[at] = replace(journal[at], value=value)
    return at


def foreign_record(journal: Journal) -> int:
    at = entry_at(journal)
    journal.insert(at, replace(journal[at], headers=(("ce_type", b"somebody"),)))
    return at


def unreadable(journal: Journal) -> int:
    at = footer_at(journal)
    journal[at] = replace(journal[at], value=b"\\x01")
    return at


@pytest.mark.parametrize(
    "change",
    [
        edited_entry,
        another_key,
        removed_entry,
        removed_footer,
        removed_transaction,
        swapped_entries,
        repeated_entry,
        entry_of_the_past,
        forged_offsets,
        foreign_record,
        unreadable,
    ],
)
def test_what_was_changed_is_found_and_named(journal: Journal, change: Callable[[Journal], int]) -> None:
    changed = list(journal)
    at = change(changed)
    footer = next((each for each in changed[at:] if is_footer(each)), changed[-1])
    # What stands behind the last footer is of no batch: the next footer tells.
    with pytest.raises(JournalCorrupt) as refused:
        prove([*changed, journal[footer_at(journal, 0)]])
    named = int(str(refused.value).split(":")[0].rsplit("/", 1)[1])
    assert changed[min(at, len(changed) - 1)].offset <= named <= max(footer.offset, journal[-1].offset)
    assert "expected" in str(refused.value)


def test_a_journal_without_its_beginning_proves_nothing(journal: Journal) -> None:
    with pytest.raises(JournalCorrupt, match="expected batch 1 after 0"):
        prove(journal[footer_at(journal) + 1 :])
