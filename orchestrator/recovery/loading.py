"""Loads one shard from its journal, in passages: each is one transaction, and says how far the shard is."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from orchestrator.broker.port import History
from orchestrator.errors import JournalCorrupt
from orchestrator.recovery.course import Course, Plan
from orchestrator.recovery.fold import Fold
from orchestrator.recovery.proof import ChainProof, ProvenBatch
from orchestrator.shard.sagas import Sagas
from orchestrator.shard.takeover import Ports
from orchestrator.store.port import GENESIS, Passage, SagaRows
from orchestrator.wire.journal import JournalEntry, SagasTrimmed
from orchestrator.wire.record import IncomingRecord

PASSAGE_EVENTS: Final = 5_000
"""Events and trimmed sagas of one passage, unless a single batch has more: 5 MB of rows or so."""


@dataclass(frozen=True, slots=True)
class Step:
    """What was loaded since the last one."""

    shard: int
    events: int
    records: int
    """Of the journal, that were read for it."""


class Target(SagaRows, Protocol):
    """Where passages go: a shard of a database that is recovered, or rows to be compared with one."""

    def load(self, passage: Passage) -> None:
        """As ``ShardStore.load``."""
        ...


def load(ports: Ports, planned: Plan, cache: int, tell: Callable[[Step], None]) -> None:
    """Do what is planned, from where the shard stands; ``cache`` sagas are kept decoded.

    Rows are deleted only once all of the journal is proved, which may be the only other copy, and may be broken.
    Raises ``OwnershipLost`` when the database was changed meanwhile, ``JournalCorrupt``, ``Unavailable``.
    """
    if planned.course is Course.KEEP:
        return
    seq, chain = planned.row.seq, planned.row.chain
    with closing(ports.broker.history(ports.topics.journal, ports.shard)) as history:
        if planned.course is Course.REBUILD:
            if planned.drops:
                _prove(planned, history)
            ports.store.reset(chain)
            seq, chain = 0, GENESIS
        loader = Loader(planned.shard, ports.store, ChainProof(seq, chain), cache, tell)
        for page in history.pages(planned.begin, planned.end):
            loader.take(page)
    loader.flush()
    _expect_end(planned, loader.seq, loader.chain)


def _prove(planned: Plan, history: History) -> None:
    proof = ChainProof(0, GENESIS)
    for page in history.pages(planned.begin, planned.end):
        for record in page:
            proof.take(record)
    _expect_end(planned, proof.seq, proof.chain)


def _expect_end(planned: Plan, seq: int, chain: bytes) -> None:
    if (seq, chain) != (planned.footer.seq, planned.footer.chain):
        raise JournalCorrupt(
            f"shard {planned.shard}: expected the journal to end with batch {planned.footer.seq}, got {seq}: its last "
            f"records are gone or were changed: restore the topic"
        )


class Loader:
    """Proves the records of a shard's journal, folds them, and loads passages of them into a target."""

    def __init__(
        self, shard: int, target: Target, proof: ChainProof, cache: int, tell: Callable[[Step], None] = lambda _: None
    ) -> None:
        self._shard = shard
        self._target = target
        self._proof = proof
        self.tell = tell
        """Called after each passage; it may wait."""
        self._fold = Fold(shard, Sagas(target, cache))
        self.seq, self.chain = proof.seq, proof.chain
        """Of the last batch that is loaded."""
        self._batches: list[ProvenBatch] = []
        self._trimmed: set[str] = set()
        self._events = 0
        self._records = 0

    def take(self, records: Iterable[IncomingRecord], up_to: int | None = None) -> bool:
        """The next records of the journal; false as soon as batch ``up_to`` is proven: no later one is loaded."""
        for record in records:
            self._records += 1
            for proven in self._proof.take(record):
                if up_to is not None and proven.batch.seq > up_to:
                    return False
                self._add(proven)
            if self._events + len(self._trimmed) >= PASSAGE_EVENTS:
                self.flush()
            if up_to is not None and self._proof.seq >= up_to:
                return False
        return True

    def _add(self, proven: ProvenBatch) -> None:
        if self._trimmed and any(
            isinstance(entry, JournalEntry) and entry.saga_id in self._trimmed for entry in proven.entries
        ):
            self.flush()  # an id that is used again: its old rows go with one passage, its new ones come with the next
        self._batches.append(proven)
        for entry in proven.entries:
            match entry:
                case JournalEntry():
                    self._events += len(entry.events)
                case SagasTrimmed():
                    self._trimmed.update(entry.saga_ids)
                case _:
                    assert_never(entry)

    def flush(self) -> None:
        """Load what is proven so far."""
        if self._batches:
            passage = self._fold.passage(self.chain, self._batches)
            self._target.load(passage)
            self._fold.loaded()
            self.seq, self.chain = passage.seq, passage.chain
        self.tell(Step(self._shard, self._events, self._records))
        self._batches, self._trimmed, self._events, self._records = [], set(), 0, 0
