"""The relay of one shard: whole batches and their footer, in one Kafka transaction, in the order of the chain.

The footer is the relay's position, so nothing is marked as sent. Records may be produced while Postgres still
commits their batch; EndTxn comes only after the COMMIT was answered. Anything but clean success ends this relay:
the owner throws the producer away and takes over again (broken), or, when the transaction did commit but slowly,
goes on with a new producer (slow). Stepped by one thread, the owner's thread calls the rest; ``wake`` is set by the
runner, to step the relay when the owner has given it something to do.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from orchestrator.broker.port import Commit, Fenced, Producer
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import NotAuthorized, OrchestratorError, ShardRefused, Unavailable
from orchestrator.shard.batch import RelayBatch
from orchestrator.shard.comparison import LastFooter
from orchestrator.shard.meter import UNMEASURED, Meter
from orchestrator.wire.journal import footer_record
from orchestrator.wire.topics import Topics

TRANSACTION_RECORDS_MAX: Final = 5_000
"""Records in one Kafka transaction, unless a single batch has more: measured, beyond it throughput gains nothing."""
TRANSACTION_BYTES_MAX: Final = 8_000_000
"""Bytes in one Kafka transaction, unless a single batch has more: bounds what a killed relay leaves behind."""
COMMIT_ANSWER_MS: Final = 1_000
"""How long an open Kafka transaction waits for Postgres: longer hides other relays' records."""


def _asleep() -> None:
    """Nobody steps this relay from another thread."""


class RelayStatus(Enum):
    """Whether this relay may go on."""

    RUNNING = "running"
    SLOW = "slow"
    BROKEN = "broken"


@dataclass(slots=True)
class _Transaction:
    """A Kafka transaction whose records are produced, and which is not ended yet."""

    batches: list[RelayBatch]
    produced_at_ms: int
    began_s: float
    """By the meter's clock."""


class Relay:
    """Publishes the batches it is offered; see the module for the rules."""

    def __init__(
        self,
        topics: Topics,
        shard: int,
        producer: Producer,
        footer: LastFooter,
        topic_ids: Mapping[str, str],
        crash_point: CrashPoint = nowhere,
    ) -> None:
        self._topics = topics
        self._shard = shard
        self._producer = producer
        self.topic_ids = dict(topic_ids)
        """The identities of the shard's topics at the take-over; every footer has them."""
        self._crash_point = crash_point
        self._waiting: deque[RelayBatch] = deque()
        self._open: _Transaction | None = None
        self.published = footer
        """The last footer known to be committed."""
        self.offered = footer.seq
        """The seq of the last batch offered."""
        self.status = RelayStatus.RUNNING
        self.trouble: OrchestratorError | None = None
        self.withdrawing = False
        """The batch offered last is to be forgotten, with the producer that may have sent its records."""
        self.abandoned = False
        """The owner has no more use for it: whoever steps it closes it."""
        self.wake: Callable[[], None] = _asleep
        self.meter: Meter = UNMEASURED
        self.footer_ms: int | None = None
        """The shard's time of the last batch that this relay published; None: it has published none."""

    def offer(self, batch: RelayBatch) -> None:
        """Queue the next batch of the chain; it may be produced, and is ended only once confirmed."""
        assert batch.seq == self.offered + 1, f"expected batch {self.offered + 1}, got {batch.seq}"
        self._waiting.append(batch)
        self.offered = batch.seq
        self.wake()

    def confirm(self, batch: RelayBatch) -> None:
        """Postgres has the batch that was offered: its Kafka transaction may end."""
        batch.committed = True
        self.wake()

    def withdraw(self) -> None:
        """Postgres refused the batch that was offered last: its Kafka transaction must not end, the owner renews."""
        self.withdrawing = True
        self.wake()

    @property
    def backlog(self) -> int:
        """Batches offered and not published yet."""
        return self.offered - self.published.seq

    @property
    def publishing(self) -> bool:
        """Whether there is something left that this relay can still publish."""
        return self.backlog > 0 and self.status is RelayStatus.RUNNING

    def step(self, now_ms: int) -> int | None:
        """Do the next thing there is to do; return when to be stepped again at the latest; None: when woken."""
        if self.abandoned or self.status is not RelayStatus.RUNNING:
            return None
        try:
            if self.withdrawing:
                self._forget_last()
                return None
            return self._step(now_ms)
        except (Fenced, Unavailable, ShardRefused, NotAuthorized) as error:
            self._stop(RelayStatus.BROKEN, error)
            return None

    def _step(self, now_ms: int) -> int | None:
        if self._open is None:
            if not self._waiting:
                return None
            began_s = self.meter.clock()
            self._open = _Transaction(self._produce(), now_ms, began_s)
        if not self._open.batches[-1].committed:
            limit = self._open.produced_at_ms + COMMIT_ANSWER_MS
            if now_ms >= limit:
                raise Unavailable(
                    f"shard {self._shard}: expected Postgres to answer a COMMIT within {COMMIT_ANSWER_MS} ms, it "
                    f"did not: the Kafka transaction is given up"
                )
            return limit
        self._end(self._open)
        return now_ms if self._waiting and self.status is RelayStatus.RUNNING else None

    def _forget_last(self) -> None:
        """Only the last batch offered can be unconfirmed, and it is produced last: what is confirmed comes again."""
        self._open = None
        self._stop(RelayStatus.SLOW, Unavailable(f"shard {self._shard}: Postgres refused a batch that was produced"))

    def _produce(self) -> list[RelayBatch]:
        batches = [self._waiting.popleft()]
        records, size = len(batches[0].records), batches[0].size
        while self._waiting and batches[-1].committed:
            following = self._waiting[0]
            records, size = records + len(following.records), size + following.size
            if records > TRANSACTION_RECORDS_MAX or size > TRANSACTION_BYTES_MAX:
                break
            batches.append(self._waiting.popleft())
        self._producer.begin()
        self._crash_point("relay.after_begin")
        for batch in batches:
            self._producer.produce(batch.records)
        entries = [batch.footer for batch in batches]
        self._producer.produce([footer_record(self._topics, self._shard, entries, self.topic_ids)])
        if not batches[-1].committed:
            self._crash_point("relay.produced_ahead")
        self._crash_point("relay.after_produce")
        return batches

    def _end(self, transaction: _Transaction) -> None:
        outcome = self._producer.commit()
        last = transaction.batches[-1].footer
        self.published = LastFooter(last.seq, last.chain, last.next_requests, last.next_replies, self.topic_ids)
        self.footer_ms = last.now_ms
        self._open = None
        self.meter.published(len(transaction.batches), self.meter.clock() - transaction.began_s)
        if outcome is Commit.SLOW:
            self._stop(RelayStatus.SLOW, Unavailable(f"shard {self._shard}: Kafka ended a transaction slowly"))

    def _stop(self, status: RelayStatus, trouble: OrchestratorError) -> None:
        self._producer.close()  # before the status: from then on the owner may put a new one in its place
        self.trouble = trouble
        self.status = status

    def renew(self, producer: Producer, footer: LastFooter) -> None:
        """After SLOW: go on behind ``footer`` with a new producer, initialised before the footer was read.

        What was offered and is not published is to be offered again, from the outbox.
        """
        assert self.status is RelayStatus.SLOW
        self._waiting.clear()
        self._open, self.withdrawing = None, False
        self._producer, self.published, self.offered, self.trouble = producer, footer, footer.seq, None
        self.status = RelayStatus.RUNNING
        self.wake()

    def abandon(self) -> None:
        """The ownership is over: nothing more is begun or ended."""
        self.abandoned = True
        self.wake()

    def close(self) -> None:
        """Throw the producer away; what was open is aborted by the next owner's init."""
        self._producer.close()
