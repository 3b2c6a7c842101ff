"""The states of one shard's sagas, as the owner knows them: a bounded cache over the table.

Only an owner has one, and only for one ownership: who holds the chain is the only one that changes the table.

A state is written when the events since the last time weigh as much as it does: so what an event costs does not grow
with its saga, and a short saga is never written as anything but events. When that is follows from the events alone, so
a recovery writes the same rows.
"""

import json
from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import Final

from orchestrator.blueprint import values
from orchestrator.blueprint.frozen import frozen
from orchestrator.engine import state as saga_state
from orchestrator.engine.events import SagaStarted
from orchestrator.engine.evolve import fold
from orchestrator.engine.state import SagaState
from orchestrator.errors import JournalCorrupt
from orchestrator.store.port import IncidentRow, SagaRow, SagaRows, StoredSaga

TAIL_MIN: Final = 8_192
"""Characters of events that a saga may have behind its written state, however small that is: 60 events or so."""


@frozen
class Known:
    """A saga, and how far its row is behind."""

    state: SagaState
    tail: int
    """Characters of the events since its state was written last."""
    weight: int
    """Characters of that state; 0: it was never written."""
    text: str | None
    """The state that the batch being made writes; None: none."""


def state_of(stored: StoredSaga) -> SagaState:
    """The saga, whatever of it is written as a state.

    Raises ``JournalCorrupt`` for events of a newer version, and for a saga whose first events somebody has deleted.
    """
    text = stored.row.state
    if text is None and (not stored.tail or stored.tail[0][0] != SagaStarted.__name__):
        got = stored.tail[0][0] if stored.tail else "none"
        raise JournalCorrupt(
            f"saga {stored.row.saga_id}: expected a state, or events from {SagaStarted.__name__} on, in its rows, got "
            f"{got}: rows were deleted by hand: `saga verify`, then `saga recover --wipe --yes`"
        )
    state = fold(None if text is None else saga_state.loads(text), stored.tail)
    assert state is not None
    return state


class Sagas:
    """See the module. ``limit`` sagas are kept decoded; those least recently used leave first."""

    def __init__(self, store: SagaRows, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._kept: OrderedDict[str, Known] = OrderedDict()
        self._changed: dict[str, Known | None] = {}
        """The batch being made: its changed sagas, and None for those that do not exist yet, or no more."""

    def load(self, ids: Collection[str]) -> None:
        """Have these at hand for the batch, in one query for all that are not kept."""
        missing = [saga_id for saga_id in dict.fromkeys(ids) if saga_id not in self._kept]
        if not missing:
            return
        found = self._store.sagas(missing)
        for saga_id in missing:
            stored = found.get(saga_id)
            if stored is None:
                self._changed.setdefault(saga_id, None)
            else:
                tail, weight = sum(len(data) for _, data in stored.tail), len(stored.row.state or "")
                self._kept[saga_id] = Known(state_of(stored), tail, weight, None)

    def get(self, saga_id: str) -> SagaState | None:
        """The saga as the batch has left it so far; it was loaded before."""
        if saga_id in self._changed:
            known = self._changed[saga_id]
            return None if known is None else known.state
        self._kept.move_to_end(saga_id)
        return self._kept[saga_id].state

    def put(self, state: SagaState, grown: int) -> None:
        """One input changed this saga; ``grown``: characters of the data of its events."""
        saga_id = state.origin.saga_id
        before = self._changed[saga_id] if saga_id in self._changed else self._kept[saga_id]
        if before is None:
            tail, weight, text = grown, 0, None
        else:
            tail, weight, text = before.tail + grown, before.weight, before.text
        if tail >= max(TAIL_MIN, weight):
            text = saga_state.dumps(state)
            tail, weight = 0, len(text)
        self._changed[saga_id] = Known(state, tail, weight, text)

    def trim(self, saga_ids: Iterable[str]) -> None:
        """The batch trims these sagas; they need not have been loaded."""
        self._changed.update(dict.fromkeys(saga_ids))

    def rows(self) -> tuple[list[SagaRow], list[IncidentRow]]:
        """What the batch writes: every changed saga as it is now, and its incidents."""
        changed = [known for known in self._changed.values() if known is not None]
        incidents = [row for known in changed if known.state.incidents for row in _incident_rows(known.state)]
        return [_row(known) for known in changed], incidents

    def keep(self) -> int | None:
        """The batch is in the database; returns the earliest due time among its sagas."""
        earliest: int | None = None
        for saga_id, known in self._changed.items():
            if known is None:
                self._kept.pop(saga_id, None)
                continue
            state = known.state
            self._kept[saga_id] = known if known.text is None else Known(state, known.tail, known.weight, None)
            self._kept.move_to_end(saga_id)
            due = state.due_ms
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        self._changed.clear()
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        return earliest

    def forget(self) -> None:
        """The batch is not in the database."""
        self._changed.clear()


def _row(known: Known) -> SagaRow:
    state = known.state
    return SagaRow(
        saga_id=state.saga_id,
        saga=state.saga,
        blueprint=state.blueprint,
        status=state.status.value,
        version=state.version,
        state=known.text,
        due_ms=state.due_ms,
        labels=_labels(state),
        started_ms=state.started_ms,
        ended_ms=state.ended_ms,
    )


def _labels(state: SagaState) -> str:
    """As tables give them back: whoever compares rows compares texts."""
    if not state.labels:
        return "{}"
    return json.dumps(values.plain(dict(state.labels)), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _incident_rows(state: SagaState) -> list[IncidentRow]:
    return [
        IncidentRow(
            saga_id=state.saga_id,
            number=incident.number,
            step=incident.step,
            reason=incident.reason,
            text=incident.text,
            opened_ms=incident.opened_ms,
            closed_ms=incident.closed_ms,
        )
        for incident in state.incidents
    ]
