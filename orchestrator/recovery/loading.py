"""Loads one shard from its journal, in passages: each is one transaction, and says how far the shard is."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from orchestrator.errors import JournalCorrupt
from orchestrator.recovery.course import Course, Plan
from orchestrator.recovery.fold import Fold
from orchestrator.recovery.proof import ChainProof, ProvenBatch
from orchestrator.shard.sagas import Sagas
from orchestrator.shard.takeover import Ports
from orchestrator.store.port import GENESIS

PASSAGE_EVENTS: Final = 5_000
"""Events of one passage, unless a single batch has more: 5 MB of rows or so."""


@dataclass(frozen=True, slots=True)
class Step:
    """What was loaded since the last one."""

    shard: int
    events: int
    records: int
    """Offsets of the journal that are behind it."""


def load(ports: Ports, planned: Plan, cache: int, tell: Callable[[Step], None]) -> None:
    """Do what is planned, from where the shard stands; ``cache`` sagas are kept decoded.

    Raises ``OwnershipLost`` when the database was changed meanwhile, ``JournalCorrupt``, ``Unavailable``.
    """
    if planned.course is Course.KEEP:
        return
    seq, chain = planned.row.seq, planned.row.chain
    if planned.course is Course.REBUILD:
        ports.store.reset(chain)
        seq, chain = 0, GENESIS
    _Loading(ports, planned, cache, tell).run(ChainProof(seq, chain))


class _Loading:
    """One call of ``load``."""

    def __init__(self, ports: Ports, planned: Plan, cache: int, tell: Callable[[Step], None]) -> None:
        self._ports = ports
        self._planned = planned
        self._tell = tell
        self._fold = Fold(ports.shard, Sagas(ports.store, cache))
        self._batches: list[ProvenBatch] = []
        self._events = 0
        self._told = planned.begin

    def run(self, proof: ChainProof) -> None:
        planned, chain = self._planned, proof.chain
        with closing(self._ports.broker.history(self._ports.topics.journal, self._ports.shard)) as history:
            for page in history.pages(planned.begin, planned.end):
                for record in page:
                    proven = proof.take(record)
                    self._batches += proven
                    self._events += sum(len(entry.events) for each in proven for entry in each.entries)
                    if self._events >= PASSAGE_EVENTS:
                        chain = self._load(chain, record.offset + 1)
        self._load(chain, planned.end)
        if (proof.seq, proof.chain) != (planned.footer.seq, planned.footer.chain):
            raise JournalCorrupt(
                f"shard {planned.shard}: expected the journal to end with batch {planned.footer.seq}, got {proof.seq}: "
                f"its first records are gone (its retention must be unlimited); restore the topic"
            )

    def _load(self, previous: bytes, position: int) -> bytes:
        """Load what is proven so far; returns the chain that the shard has then."""
        if self._batches:
            passage = self._fold.passage(previous, self._batches)
            self._ports.store.load(passage)
            self._fold.loaded()
            previous = passage.chain
        self._tell(Step(self._planned.shard, self._events, position - self._told))
        self._batches, self._events, self._told = [], 0, position
        return previous
