"""Transactional ids, their epochs and open transactions; and what can go wrong with the end of one.

An EndTxn that is held back somewhere ends whatever is open for its epoch when it arrives: that is why a producer is
thrown away after anything but a clean commit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from orchestrator.broker.memory.log import PartitionLog, Status
from orchestrator.broker.port import Fenced
from orchestrator.errors import Unavailable

Place = tuple[str, int]


class CommitFault(Enum):
    """What befalls the next commit of a transactional id."""

    SLOW = "slow"
    """It commits; a second EndTxn, sent because the answer took long, is held back."""
    HELD = "held"
    """The EndTxn is held back: nothing is committed yet, and the producer hears nothing."""
    REQUEST_LOST = "request lost"
    """The EndTxn never arrives, and the producer hears nothing."""
    ANSWER_LOST = "answer lost"
    """It commits, and the producer hears nothing."""


class HeldEnd(NamedTuple):
    """An EndTxn on its way."""

    transactional_id: str
    epoch: int


@dataclass(slots=True)
class Transactional:
    """One transactional id."""

    epoch: int = -1
    timeout_ms: int = 0
    open: dict[Place, PartitionLog] = field(default_factory=dict[Place, PartitionLog])
    """The partitions of the open transaction; none: no transaction is open."""
    opened_ms: int = 0
    fault: CommitFault | None = None


class Coordinator:
    """All transactional ids of a cluster. Not safe for threads: the cluster's lock is held."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._ids: dict[str, Transactional] = {}
        self.held: list[HeldEnd] = []
        """Every EndTxn that is on its way, in the order they were sent."""

    def init(self, transactional_id: str, timeout_ms: int) -> int:
        """Abort what is open, fence every older producer, return the new epoch."""
        known = self._ids.setdefault(transactional_id, Transactional())
        self._end(transactional_id, known, Status.ABORTED)
        known.epoch += 1
        known.timeout_ms = timeout_ms
        return known.epoch

    def expire(self) -> None:
        """Abort and fence every transaction that is open for longer than its time-out."""
        for transactional_id, known in self._ids.items():
            if known.open and self._now_ms() - known.opened_ms >= known.timeout_ms:
                self._end(transactional_id, known, Status.ABORTED)
                known.epoch += 1

    def join(self, transactional_id: str, epoch: int, place: Place, log: PartitionLog) -> bool:
        """Make a partition part of the open transaction; False: this epoch is fenced, nothing may be written."""
        known = self._ids[transactional_id]
        if known.epoch != epoch:
            return False
        if not known.open:
            known.opened_ms = self._now_ms()
        known.open[place] = log
        return True

    def commit(self, transactional_id: str, epoch: int) -> bool:
        """End the open transaction; True when that was clean, False when it was slow.

        Raises ``Fenced``, or ``Unavailable`` when the outcome is unknown.
        """
        known = self._ids[transactional_id]
        if known.epoch != epoch:
            raise Fenced(
                f"expected epoch {epoch} of {transactional_id}, got {known.epoch}: another producer was faster"
            )
        fault, known.fault = known.fault, None
        if fault in (CommitFault.SLOW, CommitFault.HELD):
            self.held.append(HeldEnd(transactional_id, epoch))
        if fault not in (CommitFault.HELD, CommitFault.REQUEST_LOST):
            self._end(transactional_id, known, Status.COMMITTED)
        if fault not in (None, CommitFault.SLOW):
            raise Unavailable(f"expected an answer to the end of a transaction of {transactional_id}, got none")
        return fault is None

    def release(self, held: HeldEnd) -> None:
        """Let an EndTxn arrive: it commits whatever its epoch has open now; an older epoch's does nothing."""
        self.held.remove(held)
        known = self._ids[held.transactional_id]
        if known.epoch == held.epoch:
            self._end(held.transactional_id, known, Status.COMMITTED)

    def fault(self, transactional_id: str, fault: CommitFault) -> None:
        """Let ``fault`` befall the next commit."""
        self._ids.setdefault(transactional_id, Transactional()).fault = fault

    def lose_marker(self, transactional_id: str, place: Place) -> None:
        """Let the open transaction end without a marker in this partition, as in KAFKA-20734."""
        del self._ids[transactional_id].open[place]

    @staticmethod
    def _end(transactional_id: str, known: Transactional, status: Status) -> None:
        for log in known.open.values():
            log.end_transaction(transactional_id, status)
        known.open = {}
