"""Rows out of proven batches: what the owner of a shard had written, made again from its events alone."""

from collections.abc import Sequence
from typing import assert_never

from orchestrator.engine.evolve import fold
from orchestrator.errors import JournalCorrupt
from orchestrator.recovery.proof import ProvenBatch
from orchestrator.shard.sagas import Sagas
from orchestrator.store.port import EventRow, Passage
from orchestrator.wire.journal import JournalEntry, SagasTrimmed
from orchestrator.wire.outbox import join_frames


class Fold:
    """The states of one shard's sagas as far as it was folded; ``sagas`` keeps the latest, and finds the others."""

    def __init__(self, shard: int, sagas: Sagas) -> None:
        self._shard = shard
        self._sagas = sagas

    def passage(self, previous: bytes, batches: Sequence[ProvenBatch]) -> Passage:
        """What ``batches``, at least one, change in a database whose chain is ``previous``.

        It counts once ``loaded`` was called. No saga may have events behind its trimming. Raises ``JournalCorrupt`` for
        events that this version cannot fold.
        """
        entries = [(proven.batch.seq, entry) for proven in batches for entry in proven.entries]
        self._sagas.load([entry.saga_id for _, entry in entries if isinstance(entry, JournalEntry)])
        events: list[tuple[int, EventRow]] = []
        changed: dict[str, int] = {}
        trimmed: dict[str, None] = {}
        for seq, entry in entries:
            match entry:
                case JournalEntry():
                    assert entry.saga_id not in trimmed, "an id that comes again comes with the next passage"
                    events += [(seq, row) for row in self._follow(entry)]
                    changed[entry.saga_id] = seq
                case SagasTrimmed():
                    self._sagas.trim(entry.saga_ids)
                    trimmed |= dict.fromkeys(entry.saga_ids)
                case _:
                    assert_never(entry)
        if trimmed:
            events = [(seq, row) for seq, row in events if row.saga_id not in trimmed]
        sagas, incidents = self._sagas.rows()
        last = batches[-1].batch
        return Passage(
            shard=self._shard,
            previous=previous,
            seq=last.seq,
            chain=last.chain,
            owner=last.owner,
            next_requests=last.next_requests,
            next_replies=last.next_replies,
            now_ms=last.now_ms,
            records=join_frames([]),
            events=events,
            sagas=[(changed[row.saga_id], row) for row in sagas],
            incidents=[(changed[row.saga_id], row) for row in incidents],
            trimmed=list(trimmed),
        )

    def loaded(self) -> None:
        """The last passage is in the database."""
        self._sagas.keep()

    def _follow(self, entry: JournalEntry) -> list[EventRow]:
        state = self._sagas.get(entry.saga_id)
        before = 0 if state is None else state.version
        if entry.number != before + 1:
            raise JournalCorrupt(
                f"shard {self._shard}: expected event {before + 1} of saga {entry.saga_id} in batch {entry.seq}, got "
                f"{entry.number}: the database was changed by hand; recover an empty one (`saga recover --wipe`)"
            )
        state = fold(state, entry.events)
        assert state is not None
        self._sagas.put(state, sum(len(data) for _, data in entry.events))
        topic, partition, offset = entry.cause or (None, None, None)
        return [
            EventRow(entry.saga_id, number, kind, data, topic, partition, offset)
            for number, (kind, data) in enumerate(entry.events, entry.number)
        ]
