"""One partition's log: offsets, open and ended transactions, the stable end, control records, gaps.

As in Kafka, the end of a transaction is a record of its own that occupies an offset and is handed to nobody, and what
was aborted stays in the log, unseen by who reads committed records only.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

from orchestrator.wire.record import IncomingRecord


class Status(Enum):
    """What became of the transaction that an entry was written in; outside of one it is committed at once."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True)
class Entry:
    """One offset that is taken: a record, or (``record`` None) a control record."""

    offset: int
    record: IncomingRecord | None
    status: Status


def _offset(entry: Entry) -> int:
    return entry.offset


@dataclass(slots=True)
class PartitionLog:
    """The log of one partition; ``entries`` are in the order of their offsets, which may have gaps."""

    start: int = 0
    """The first offset that was not deleted."""
    end: int = 0
    """The high watermark: the next offset to be written."""
    entries: list[Entry] = field(default_factory=list[Entry])
    _open: dict[str, list[Entry]] = field(default_factory=dict[str, list[Entry]])
    """The entries of each open transaction, by transactional id."""

    @property
    def stable_end(self) -> int:
        """The offset of the first record of an open transaction; the end when there is none."""
        return min((entries[0].offset for entries in self._open.values()), default=self.end)

    def append(self, record: IncomingRecord, writer: str | None) -> None:
        """Write ``record`` at its offset, which must be ``end``."""
        assert record.offset == self.end, f"expected offset {self.end}, got {record.offset}"
        entry = Entry(self.end, record, Status.COMMITTED if writer is None else Status.OPEN)
        if writer is not None:
            self._open.setdefault(writer, []).append(entry)
        self.entries.append(entry)
        self.end += 1

    def end_transaction(self, writer: str, status: Status) -> None:
        """Write the control record that ends the open transaction of ``writer``."""
        for entry in self._open.pop(writer, ()):
            entry.status = status
        self.entries.append(Entry(self.end, None, status))
        self.end += 1

    def committed(self, at: int, below: int) -> Iterator[IncomingRecord]:
        """Records with offsets from ``at`` on and below ``below`` that were committed."""
        first = bisect_left(self.entries, at, key=_offset)
        for entry in islice(self.entries, first, None):
            if entry.offset >= below:
                return
            if entry.record is not None and entry.status is Status.COMMITTED:
                yield entry.record

    def undecided(self) -> Iterator[IncomingRecord]:
        """Records of open transactions."""
        return (entry.record for entry in self.entries if entry.record is not None and entry.status is Status.OPEN)

    def delete_below(self, offset: int) -> None:
        """Raise the start; it never goes back."""
        self.start = max(self.start, offset)
        del self.entries[: bisect_left(self.entries, self.start, key=_offset)]

    def compact(self) -> None:
        """Keep the last committed record of each key; the last offset of the log stays taken, as in Kafka."""
        last = {
            entry.record.key: entry.offset
            for entry in self.entries
            if entry.record is not None and entry.status is Status.COMMITTED
        }
        self.entries = [
            entry
            for entry in self.entries
            if entry.status is Status.OPEN or (entry.record is not None and last.get(entry.record.key) == entry.offset)
        ]
