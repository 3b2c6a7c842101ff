"""Which commands are unfinished, and below which offset a partition may be committed. Thread-safe.

The intake opens a ``Span`` and commits what is finished; whoever sends replies tells of which spans they were. A span
is everything that one poll gave of one partition; spans of a partition are committed in order, so that nothing below a
committed offset is unanswered.
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Partition: TypeAlias = int


@dataclass(slots=True, eq=False)
class Span:
    """Records of one partition that came with one poll."""

    partition: Partition
    next_offset: int
    """The offset to commit once all of them are answered."""
    unanswered: int
    """How many replies are not yet stored by Kafka; 0: finished."""
    dropped: bool = False
    """The partition was revoked, or time to drain is up: workers pass over what they have not begun. Never undone."""


class Offsets:
    """The spans in work, by partition."""

    def __init__(self) -> None:
        self.unanswered = 0
        """Records in work, over all partitions."""
        self._changed = threading.Condition()
        self._spans: dict[Partition, deque[Span]] = {}
        self._committable: dict[Partition, int] = {}

    def opened(self, span: Span) -> None:
        """``span`` goes to the workers."""
        with self._changed:
            self._spans.setdefault(span.partition, deque()).append(span)
            self.unanswered += span.unanswered

    def answered(self, spans: Iterable[Span]) -> None:
        """One record of each of ``spans`` is done: its reply is stored, or it needs none."""
        with self._changed:
            for span in spans:
                span.unanswered -= 1
                if span.unanswered == 0 and not span.dropped:
                    self._advance(span.partition)
                self.unanswered -= not span.dropped
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Wait until something is answered, at most ``timeout_s``."""
        with self._changed:
            self._changed.wait(timeout_s)

    def busy(self, partitions: Iterable[Partition]) -> bool:
        """Whether any of ``partitions`` has unanswered records."""
        with self._changed:
            return any(self._spans.get(partition) for partition in partitions)

    def drop(self, partitions: Iterable[Partition]) -> None:
        """What is unanswered of ``partitions`` will not be: nobody waits for it, nothing above it is committed."""
        with self._changed:
            for partition in partitions:
                for span in self._spans.pop(partition, ()):
                    self.unanswered -= span.unanswered
                    span.dropped = True

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Others own ``partitions`` now: nothing of them is committed any more."""
        with self._changed:
            self.drop(partitions)
            for partition in partitions:
                self._committable.pop(partition, None)

    def take_committable(self) -> Mapping[Partition, int]:
        """The offsets that may be committed and were not yet taken."""
        with self._changed:
            taken, self._committable = self._committable, {}
            return taken

    def give_back(self, partition: Partition, offset: int) -> None:
        """What was taken could not be committed: it is taken again, unless more may be committed by then."""
        with self._changed:
            self._committable[partition] = max(offset, self._committable.get(partition, offset))

    def _advance(self, partition: Partition) -> None:
        spans = self._spans[partition]
        while spans and spans[0].unanswered == 0:
            self._committable[partition] = spans.popleft().next_offset
