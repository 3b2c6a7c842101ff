"""Bugs of the take-over."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import FooterMissing
from orchestrator.shard import takeover
from orchestrator.shard.batch import Head
from orchestrator.shard.comparison import NO_FOOTER, LastFooter, refusal
from orchestrator.shard.takeover import Ownership, Ports, TakeOver
from orchestrator.store.port import ShardStore
from tests.simulation.seeded.registry import bug, sought


@bug
def footer_before_init(patch: pytest.MonkeyPatch) -> None:
    """The last footer is read before the fence."""
    right = TakeOver.step

    def step(self: TakeOver, now_ms: int) -> Ownership | None:
        done = self._progress
        if done.head is None or done.producer is not None:
            return right(self, now_ms)
        if done.footer is None:
            done.footer = takeover.read_footer(self.ports)
        else:
            done.producer = self.ports.broker.producer(self.ports.shard)
            done.producer.init()
        return None

    patch.setattr(TakeOver, "step", step)


@bug
def no_compare(patch: pytest.MonkeyPatch) -> None:
    """Whatever the database says is taken for right."""

    def refused(*_: object) -> None:
        """Never."""

    patch.setattr(takeover, "refusal", refused)


@bug
def no_owner_batch(patch: pytest.MonkeyPatch) -> None:
    """A new owner goes on at the head that it finds."""

    def append_owner_batch(store: ShardStore, _owner: str, _now_ms: int) -> Head:
        return Head.of(store.snapshot().row)

    patch.setattr(takeover, "append_owner_batch", append_owner_batch)


@sought
def adopts_table(patch: pytest.MonkeyPatch) -> None:
    """A new owner takes for its head what the table shows at last."""
    right = TakeOver.step

    def step(self: TakeOver, now_ms: int) -> Ownership | None:
        if self._progress.footer is not None:
            self._progress.head = Head.of(self.ports.store.snapshot().row)
        return right(self, now_ms)

    patch.setattr(TakeOver, "step", step)


@bug
def compare_without_mine(patch: pytest.MonkeyPatch) -> None:
    """The second comparison does not ask first whether the head is still ours."""

    def compare(ports: Ports, _head: Head, footer: LastFooter) -> None:
        refused = refusal(ports.shard, ports.store.snapshot(), footer)
        if refused is not None:
            raise refused

    patch.setattr(takeover, "compare_fenced", compare)


@bug
def footer_missing_strict(patch: pytest.MonkeyPatch) -> None:
    """A journal without footer is refused, also a new one."""

    def strict(*of: Any) -> Exception | None:
        return refusal(*of) if of[-1].seq else FooterMissing("expected a footer")

    patch.setattr(takeover, "refusal", strict)


@bug
def mark_as_sent(patch: pytest.MonkeyPatch) -> None:
    """The relay's position is what the outbox lacks already, not the footer."""

    def marked(ports: Ports, _head: Head | None = None) -> LastFooter:
        first, *_ = ports.store.snapshot().outbox
        return NO_FOOTER if first.seq == 1 else replace(NO_FOOTER, seq=first.seq, chain=first.chain)

    patch.setattr(takeover, "read_fenced_footer", marked)
