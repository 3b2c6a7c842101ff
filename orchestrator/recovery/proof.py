"""The proof of a shard's journal: each batch's entries and what its footer says of it, against the chain. Pure.

Whoever changes, removes, adds or moves a record of a journal would have to find another history with the same sha256:
see ``orchestrator.wire.chain``.
"""

from collections import deque
from dataclasses import dataclass

from orchestrator.errors import JournalCorrupt, MessageRejected
from orchestrator.wire import chain as chains
from orchestrator.wire.headers import place_of
from orchestrator.wire.journal import Entry, FooterBatch, is_entry, is_footer, parse_entry, parse_footer
from orchestrator.wire.record import IncomingRecord


@dataclass(frozen=True, slots=True)
class ProvenBatch:
    """A batch whose entries are what its writer wrote."""

    batch: FooterBatch
    entries: tuple[Entry, ...]


class ChainProof:
    """Takes the records of one partition of the journal, in order, and gives the batches that they prove.

    ``seq`` and ``chain`` are of the batch before: 0 and the genesis, or what a database holds. Records of batches up to
    it may come first, and are passed over.
    """

    def __init__(self, seq: int, chain: bytes) -> None:
        self.seq: int = seq
        """The last batch that is proven."""
        self.chain: bytes = chain
        self._begun = False
        self._entries: deque[tuple[Entry, IncomingRecord]] = deque()
        """Of a transaction whose footer has not come yet."""

    def take(self, record: IncomingRecord) -> list[ProvenBatch]:
        """The batches that ``record`` proves: none, but for a footer. Raises ``JournalCorrupt``."""
        try:
            if is_entry(record):
                self._take_entry(parse_entry(record.value), record)
                return []
            if is_footer(record):
                return self._take_footer(record)
        except MessageRejected as error:
            raise _corrupt(record, str(error)) from error
        raise _corrupt(record, f"expected an entry or a footer, got a record with the headers {record.headers}")

    def expect_whole(self) -> None:
        """Nothing more comes, and no transaction is cut: raises ``JournalCorrupt`` for entries without a footer."""
        if self._entries:
            entry, stray = self._entries[0]
            raise _corrupt(stray, f"expected a footer behind the entries of batch {entry.seq}, got none")

    def _take_entry(self, entry: Entry, record: IncomingRecord) -> None:
        least = self._entries[-1][0].seq if self._entries else self.seq + 1
        if entry.seq >= least:
            self._entries.append((entry, record))
        elif self._begun or self._entries:
            raise _corrupt(record, f"expected an entry of batch {least} or later, got one of {entry.seq}")

    def _take_footer(self, record: IncomingRecord) -> list[ProvenBatch]:
        proven = [
            self._prove(batch, record)
            for batch in parse_footer(record.value).batches
            if self._begun or batch.seq > self.seq
        ]
        if self._entries:
            entry, stray = self._entries[0]
            raise _corrupt(stray, f"expected an entry of a batch up to {self.seq}, got one of {entry.seq}")
        return proven

    def _prove(self, batch: FooterBatch, footer: IncomingRecord) -> ProvenBatch:
        if batch.seq != self.seq + 1:
            raise _corrupt(footer, f"expected batch {self.seq + 1} after {self.seq}, got {batch.seq}")
        entries: list[Entry] = []
        records: list[IncomingRecord] = []
        while self._entries and self._entries[0][0].seq == batch.seq:
            entry, record = self._entries.popleft()
            entries.append(entry)
            records.append(record)
        if len(entries) != batch.entries:
            raise _corrupt(
                footer, f"expected {batch.entries} entries of batch {batch.seq} before it, got {len(entries)}"
            )
        link = chains.Link(
            seq=batch.seq,
            owner=batch.owner,
            next_requests=batch.next_requests,
            next_replies=batch.next_replies,
            now_ms=batch.now_ms,
        )
        found = chains.chain(self.chain, link, batch.body, records)
        if found != batch.chain:
            of = "which has none" if not records else f"at offsets {', '.join(str(each.offset) for each in records)}"
            raise _corrupt(
                footer,
                f"expected chain {batch.chain.hex()[:16]} of batch {batch.seq}, got {found.hex()[:16]} from its "
                f"entries, {of}, and this footer",
            )
        self.seq, self.chain, self._begun = batch.seq, batch.chain, True
        return ProvenBatch(batch, tuple(entries))


def _corrupt(record: IncomingRecord, text: str) -> JournalCorrupt:
    return JournalCorrupt(
        f"{place_of(record)}: {text}: the journal was changed after it was written: keep it, and restore the topic "
        f"from its replicas or a copy"
    )
