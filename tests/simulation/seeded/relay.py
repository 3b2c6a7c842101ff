"""Bugs of the relay."""

from typing import Any

import pytest

from orchestrator.broker.port import Fenced
from orchestrator.errors import OrchestratorError, Unavailable
from orchestrator.shard.relay import Relay, RelayStatus
from orchestrator.wire.journal import is_footer
from tests.simulation.seeded.registry import bug


@bug
def end_before_commit(patch: pytest.MonkeyPatch) -> None:
    """EndTxn does not wait for COMMIT."""
    right = Relay.offer

    def offer(self: Relay, batch: Any) -> None:
        batch.committed = True
        right(self, batch)

    patch.setattr(Relay, "offer", offer)


@bug
def producer_reused(patch: pytest.MonkeyPatch) -> None:
    """After an EndTxn without answer, the same producer sends the batches again."""
    right = Relay._end

    def end(self: Relay, transaction: Any) -> None:
        try:
            right(self, transaction)
        except Unavailable:
            self._waiting.extendleft(reversed(transaction.batches))
            self._open = None

    patch.setattr(Relay, "_end", end)


@bug
def slow_is_clean(patch: pytest.MonkeyPatch) -> None:
    """After an EndTxn that was slow, the same producer goes on."""
    right = Relay._stop

    def stop(self: Relay, status: RelayStatus, trouble: OrchestratorError) -> None:
        if status is not RelayStatus.SLOW or self.withdrawing:
            right(self, status, trouble)

    patch.setattr(Relay, "_stop", stop)


@bug
def withdraw_and_go_on(patch: pytest.MonkeyPatch) -> None:
    """After a batch that Postgres refused, the producer that has sent its records goes on."""

    def forget_last(self: Relay) -> None:
        self._waiting.clear()
        self._open, self.withdrawing = None, False
        self.offered -= 1

    patch.setattr(Relay, "_forget_last", forget_last)


@bug
def reinit_when_fenced(patch: pytest.MonkeyPatch) -> None:
    """Who is fenced fences back, and does not ask Postgres."""
    right = Relay._stop

    def stop(self: Relay, status: RelayStatus, trouble: OrchestratorError) -> None:
        if not isinstance(trouble, Fenced):
            right(self, status, trouble)
            return
        self._producer._fenced = False  # pyright: ignore[reportAttributeAccessIssue] - of the fake
        self._producer.init()
        if self._open is not None:
            self._waiting.extendleft(reversed(self._open.batches))
            self._open = None

    patch.setattr(Relay, "_stop", stop)


@bug
def split_batch(patch: pytest.MonkeyPatch) -> None:
    """Records and footer are in two transactions."""
    right = Relay._produce

    def produce(self: Relay) -> Any:
        if not self._waiting[0].committed:
            return right(self)
        producer = self._producer
        self._producer = _Splitting(producer)  # pyright: ignore[reportAttributeAccessIssue] - has what is called here
        try:
            return right(self)
        finally:
            self._producer = producer

    patch.setattr(Relay, "_produce", produce)


class _Splitting:
    """Ends the transaction before a footer."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self.begin = producer.begin

    def produce(self, records: Any) -> None:
        if any(is_footer(record) for record in records):
            self._producer.commit()
            self._producer.begin()
        self._producer.produce(records)
