"""What one shard of a database needs to be at the end of its journal: nothing, to be rolled forward, to be rebuilt.

Reads only. Who surveys a living namespace sees how it stands now; behind the fence it stays so.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from orchestrator.broker.port import History
from orchestrator.errors import ChainsDiverged, JournalCorrupt, MessageRejected
from orchestrator.shard.comparison import LastFooter, refusal
from orchestrator.store.port import GENESIS, ShardRow, Snapshot
from orchestrator.wire.journal import FooterBatch, is_entry, is_footer, parse_entry, parse_footer
from orchestrator.wire.record import IncomingRecord

WINDOW: Final = 2_000
"""Offsets that are read through rather than halved once more: a page."""


class Course(Enum):
    """What a shard needs."""

    KEEP = "keep"
    """It has all that the journal has, and perhaps batches that wait in its outbox."""
    FORWARD = "forward"
    """It is at a batch of the journal: what follows is loaded."""
    REBUILD = "rebuild"
    """Its history is not the journal's: its rows are deleted, and everything is loaded."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one shard needs, and which part of its journal is read for it."""

    shard: int
    course: Course
    row: ShardRow
    """As the database has it."""
    footer: LastFooter
    """The end of the journal."""
    begin: int
    """The offset from which on the journal is read; no record that is needed is before it."""
    end: int

    @property
    def records(self) -> int:
        """Offsets to be read, a few more than there are records: a measure of the work."""
        return 0 if self.course is Course.KEEP else self.end - self.begin

    @property
    def drops(self) -> bool:
        """Whether rows are deleted."""
        return self.course is Course.REBUILD and self.row.seq > 0


def plan(snapshot: Snapshot, footer: LastFooter, history: History, *, wipe: bool = False) -> Plan:
    """Compare a shard with its journal, whose last footer is ``footer``. ``wipe``: rebuild it whatever it has.

    Raises ``FooterMissing`` when the database proves that the journal has lost its end, ``JournalCorrupt`` when the
    journal is needed from its first record on, and has lost that.
    """
    row, (first, end) = snapshot.row, history.bounds()
    if row.seq > footer.seq:
        found = refusal(row.shard, snapshot, footer)
        if found is None and not wipe:
            return Plan(row.shard, Course.KEEP, row, footer, end, end)
        if found is not None and not isinstance(found, ChainsDiverged):
            raise found
    elif (row.seq, row.chain) == (footer.seq, footer.chain) and not wipe:
        return Plan(row.shard, Course.KEEP, row, footer, end, end)
    elif not wipe:
        begin = first if row.seq == 0 else seek(history, row.seq)
        if row.chain == _chain_at(history, row.seq, begin, end):
            if row.seq == 0:
                _expect_beginning(row.shard, history, first, end)
            return Plan(row.shard, Course.FORWARD, row, footer, begin, end)
    _expect_beginning(row.shard, history, first, end)
    return Plan(row.shard, Course.REBUILD, row, footer, first, end)


def _expect_beginning(shard: int, history: History, first: int, end: int) -> None:
    """Before anybody is asked whether rows may be deleted: they could not be made again."""
    for page in history.pages(first, end):
        for record in page:
            if is_footer(record):
                seq = _batches_of(record)[0].seq
                if seq != 1:
                    raise JournalCorrupt(
                        f"shard {shard}: expected a journal from batch 1 on, got one that begins with batch {seq}, at "
                        f"offset {first}: its first records are gone (its retention must be unlimited): restore the "
                        f"topic, or a backup of the database that is at batch {seq - 1} or later"
                    )
                return


def seek(history: History, seq: int) -> int:
    """An offset with no record of batch ``seq`` or later before it, by halving; at most ``WINDOW`` too early."""
    low, high = history.bounds()
    while high - low > WINDOW:
        middle = (low + high) // 2
        record = next((record for page in history.pages(middle, high) for record in page), None)
        if record is None or _seq_of(record) >= seq:
            high = middle
        else:
            low = record.offset + 1
    return low


def _chain_at(history: History, seq: int, begin: int, end: int) -> bytes | None:
    """The journal's chain after batch ``seq``, which none of the records before ``begin`` is of; None: it has none."""
    if seq == 0:
        return GENESIS
    for page in history.pages(begin, end):
        for record in page:
            if is_footer(record):
                batches = _batches_of(record)
                if batches[-1].seq >= seq:
                    return next((batch.chain for batch in batches if batch.seq == seq), None)
    return None


def _seq_of(record: IncomingRecord) -> int:
    if is_footer(record):
        return _batches_of(record)[-1].seq
    if not is_entry(record):
        raise _unreadable(record, "expected an entry or a footer")
    try:
        return parse_entry(record.value).seq
    except MessageRejected as error:
        raise _unreadable(record, str(error)) from error


def _batches_of(record: IncomingRecord) -> tuple[FooterBatch, ...]:
    try:
        return parse_footer(record.value).batches
    except MessageRejected as error:
        raise _unreadable(record, str(error)) from error


def _unreadable(record: IncomingRecord, text: str) -> JournalCorrupt:
    return JournalCorrupt(
        f"{record.topic}[{record.partition}] offset {record.offset}: {text}: the journal was written by something "
        f"else, or by a newer version; run the version that wrote it"
    )
