"""The states of one shard's sagas, as the owner knows them: a bounded cache over the table.

Only an owner has one, and only for one ownership: who holds the chain is the only one that changes the table.
"""

import json
from collections import OrderedDict
from collections.abc import Collection

from orchestrator.blueprint import values
from orchestrator.engine import state as saga_state
from orchestrator.engine.state import SagaState
from orchestrator.store.port import IncidentRow, SagaRow, SagaRows


class Sagas:
    """See the module. ``limit`` sagas are kept decoded; those least recently used leave first."""

    def __init__(self, store: SagaRows, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._kept: OrderedDict[str, SagaState] = OrderedDict()
        self._changed: dict[str, SagaState | None] = {}
        """The batch being made: its changed sagas, and None for those that do not exist yet."""

    def load(self, ids: Collection[str]) -> None:
        """Have these at hand for the batch, in one query for all that are not kept."""
        missing = [saga_id for saga_id in dict.fromkeys(ids) if saga_id not in self._kept]
        if not missing:
            return
        found = self._store.sagas(missing)
        for saga_id in missing:
            row = found.get(saga_id)
            if row is None:
                self._changed.setdefault(saga_id, None)
            else:
                self._kept[saga_id] = saga_state.loads(row.state)

    def get(self, saga_id: str) -> SagaState | None:
        """The saga as the batch has left it so far; it was loaded before."""
        if saga_id in self._changed:
            return self._changed[saga_id]
        self._kept.move_to_end(saga_id)
        return self._kept[saga_id]

    def put(self, state: SagaState) -> None:
        """The batch changed this saga."""
        self._changed[state.saga_id] = state

    def rows(self) -> tuple[list[SagaRow], list[IncidentRow]]:
        """What the batch writes: every changed saga as it is now, and its incidents."""
        changed = [state for state in self._changed.values() if state is not None]
        incidents = [row for state in changed if state.incidents for row in _incident_rows(state)]
        return [_row(state) for state in changed], incidents

    def keep(self) -> int | None:
        """The batch is in the database; returns the earliest due time among its sagas."""
        earliest: int | None = None
        for saga_id, state in self._changed.items():
            if state is None:
                continue
            self._kept[saga_id] = state
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


def _row(state: SagaState) -> SagaRow:
    return SagaRow(
        saga_id=state.saga_id,
        saga=state.saga,
        blueprint=state.blueprint,
        status=state.status.value,
        version=state.version,
        state=saga_state.dumps(state),
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
