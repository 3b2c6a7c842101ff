"""Bugs of the loop, its timers and its deletions."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.broker.port import InputPosition
from orchestrator.errors import OrchestratorError, Unavailable
from orchestrator.shard.batch import Draft, Head
from orchestrator.shard.decider import Decider
from orchestrator.shard.housekeeping import Housekeeping
from orchestrator.shard.loop import Loop
from orchestrator.shard.relay import RelayStatus
from orchestrator.shard.retention import Retention
from orchestrator.shard.shard import Shard
from orchestrator.shard.takeover import Ownership, Ports
from orchestrator.shard.timers import Timers
from tests.simulation.seeded.registry import bug, sought


@bug
def cache_kept(patch: pytest.MonkeyPatch) -> None:
    """A new ownership goes on with the sagas that the last one knew."""
    right = Shard._workplace

    def workplace(self: Shard, ports: Ports, owned: Ownership) -> Any:
        work = right(self, ports, owned)
        work.decider = kept = vars(self).setdefault("kept", work.decider)
        kept.undecide()
        kept._desk.sagas._store = ports.store
        return work

    patch.setattr(Shard, "_workplace", workplace)


@bug
def reconnect_blind(patch: pytest.MonkeyPatch) -> None:
    """After a connection broke, the owner goes on with another one."""
    right = Shard._give_up

    def give_up(self: Shard, error: OrchestratorError, until_ms: int) -> int:
        loop = self._loop
        if loop is None or not isinstance(error, Unavailable) or loop.relay.status is not RelayStatus.RUNNING:
            return right(self, error, until_ms)
        try:
            self._store = store = self._plant.store.shard(self.shard)
        except Unavailable:
            return right(self, error, until_ms)
        decider: Any = loop._work.decider
        decider.undecide()
        decider._desk.sagas._store = store
        loop._work.ports = replace(loop._work.ports, store=store)
        loop._work.timers._store = store
        if loop.relay.offered > loop._head.seq:
            loop.relay.withdraw()
        return until_ms

    patch.setattr(Shard, "_give_up", give_up)


@bug
def undecide_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What a refused batch decided is kept in memory."""

    def undecide(self: Decider) -> None:
        self.appended()

    patch.setattr(Decider, "undecide", undecide)


@bug
def refused_inputs_dropped(patch: pytest.MonkeyPatch) -> None:
    """The inputs of a refused batch are not decided one by one."""
    right = Loop._decide_all

    def decide_all(self: Loop, *of: Any) -> None:
        right(self, *of)
        self._held = []

    patch.setattr(Loop, "_decide_all", decide_all)


@bug
def inputs_read_twice(patch: pytest.MonkeyPatch) -> None:
    """A batch says that it has read less than it did."""
    right = Loop._next_head

    def next_head(self: Loop, position: InputPosition, now_ms: int) -> Head:
        return right(self, replace(position, next_requests=max(0, position.next_requests - 1)), now_ms)

    patch.setattr(Loop, "_next_head", next_head)


@bug
def timer_at_once(patch: pytest.MonkeyPatch) -> None:
    """A timer fires as soon as it is due, over answers that wait."""

    def due(self: Timers, now_ms: int, _read: InputPosition) -> list[str]:
        found = self._store.due(now_ms, self._batch_max)
        self._next_due = self._store.next_due()
        return found

    patch.setattr(Timers, "due", due)


@bug
def timer_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A timer that an owner has set itself is not looked at."""

    def seen(_self: Timers, _due_ms: int | None) -> None:
        """Nothing is remembered."""

    patch.setattr(Timers, "seen", seen)


@bug
def delete_to_appended(patch: pytest.MonkeyPatch) -> None:
    """Inputs are deleted when Postgres has them, not when Kafka has."""

    def look_after(self: Housekeeping, shard: Shard) -> None:
        if shard._loop is not None:
            head = shard._loop._head
            self._broker.delete_inputs(shard.shard, InputPosition(head.next_requests, head.next_replies))

    patch.setattr(Housekeeping, "_look_after", look_after)


@bug
def trims_beside_the_journal(patch: pytest.MonkeyPatch) -> None:
    """The rows of closed sagas are deleted, and the journal does not say so."""

    def trim(self: Decider, saga_ids: Any, _head: object) -> Draft:
        self._desk.sagas.trim(saga_ids)
        return Draft(trimmed=saga_ids)

    patch.setattr(Decider, "trim", trim)


@sought
def trims_before_reading(patch: pytest.MonkeyPatch) -> None:
    """Sagas are trimmed by the clock alone, while starts that were repeated in time wait to be read."""
    right = Retention.due

    def due(self: Retention, now_ms: int, _read: object) -> list[str]:
        return right(self, now_ms, InputPosition(2**62, 2**62))

    patch.setattr(Retention, "due", due)
