"""The loop of an owned shard: read, decide, append, hand to the relay.

A step does what can be done now and never waits for input; ``step`` returns when there will be more to do. Errors
leave it to whoever holds the shard: nothing here is repaired in place, but a relay that was only slow.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from orchestrator.broker.port import InputPosition, Inputs
from orchestrator.errors import BatchRefused, NotAuthorized, OwnershipLost
from orchestrator.shard.batch import Draft, Head, seal, unsealed
from orchestrator.shard.meter import BatchFigures, Meter
from orchestrator.shard.relay import Relay, RelayStatus
from orchestrator.shard.retention import Retention
from orchestrator.shard.takeover import Ownership, Ports, compare_fenced, expect_mine, read_fenced_footer
from orchestrator.shard.targets import check_targets, forbidden
from orchestrator.shard.timers import Timers
from orchestrator.wire.record import IncomingRecord

OUTBOX_PUBLISHED_MAX: Final = 64
"""Published batches after which their outbox rows are deleted, and always when there is nothing to read."""
BACKLOG_READ: Final = 32
"""Outbox rows that are read at once after a take-over."""
RELAY_PAUSE_MS: Final = 5
"""How long a shard that waits for its relay waits before it looks again."""
GATHER_MS: Final = 40
"""How long inputs gather behind a batch that had several, so that more of them share what a batch costs by itself: 5 ms
of processor time in Kafka, Postgres and here. Who comes alone is not kept waiting."""
GATHERED: Final = 50
"""Inputs of a batch behind which none are left to gather: they are many by themselves."""
IDLE_MS: Final = 100
"""How long a shard without timers waits for input before it looks at its relay and its owner again."""

LOOK_MS: Final = 10_000
"""How long an owner with nothing to do may not know that it is none any more: another one may have come, have left
batches to be published, and be gone. Who appends finds out by that."""


class Decide(Protocol):
    """Makes one batch of what arrived: ``orchestrator.shard.decider``."""

    def decide(self, records: list[IncomingRecord], due: list[str], head: Head) -> Draft:
        """Decide everything in order, for the batch at ``head``; nothing of it counts until ``appended``."""
        ...

    def refuse(self, record: IncomingRecord, text: str, head: Head) -> Draft:
        """Put aside an input that the database refuses even alone."""
        ...

    def trim(self, saga_ids: list[str], head: Head) -> Draft | None:
        """Let the rows of closed sagas go; None: that cannot be written down at present."""
        ...

    def appended(self) -> int | None:
        """The last draft is in the database: keep its states, return the earliest due time among them."""
        ...

    def undecide(self) -> None:
        """The last draft is not in the database: forget it."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one shard may hold in memory."""

    batch_max: int
    relay_backlog_max: int


@dataclass(slots=True)
class Workplace:
    """The parts of an owned shard, made anew for each ownership."""

    ports: Ports
    relay: Relay
    inputs: Inputs
    timers: Timers
    retention: Retention
    decider: Decide
    bounds: Bounds
    meter: Meter


class Loop:
    """One ownership of one shard."""

    def __init__(self, work: Workplace, owned: Ownership) -> None:
        self._work = work
        self._owner = owned.owner
        self._head = owned.head
        self._trimmed = 0
        self._gathering_until_ms = 0
        """Inputs are left to gather until then, for the last batch had several; 0: it had not."""
        self._look_at_ms = 0
        self._held: list[IncomingRecord] = []
        """Read and not decided: the rest of a batch that is run again one input at a time."""

    @property
    def relay(self) -> Relay:
        """The relay, to be stepped in a thread of its own."""
        return self._work.relay

    @property
    def inputs(self) -> Inputs | None:
        """What to wait at for more to do; None: wait for the relay."""
        waiting = self._held or self._gathering_until_ms or not self._may_read()
        return None if waiting else self._work.inputs

    @property
    def unpublished(self) -> int:
        """Batches in the outbox that are not in Kafka yet; called from any thread."""
        return max(0, self._head.seq - self.relay.published.seq)

    @property
    def read(self) -> InputPosition:
        """How far the inputs were read; called from any thread."""
        return self._work.inputs.position()

    def step(self, now_ms: int) -> int:
        """Do what can be done now; return when to step again at the latest, in ms of the same clock."""
        if self.relay.status is not RelayStatus.RUNNING:
            self._renew_or_raise()
        if self.relay.withdrawing:
            return now_ms + RELAY_PAUSE_MS
        if self.relay.offered < self._head.seq:
            self._feed_relay()
        if not self._may_read():
            return now_ms + RELAY_PAUSE_MS
        if self._held:
            self._decide_one(now_ms)
            return now_ms
        if old := self._work.retention.due(max(now_ms, self._head.now_ms), self._work.inputs.position()):
            self._trim(old, now_ms)
            return now_ms
        if now_ms < self._gathering_until_ms <= now_ms + GATHER_MS:  # beyond it the clock was set back meanwhile
            return self._gathering_until_ms
        records = self._work.inputs.poll(self._work.bounds.batch_max)
        self._gathering_until_ms = now_ms + GATHER_MS if 1 < len(records) < GATHERED else 0
        due = self._work.timers.due(max(now_ms, self._head.now_ms), self._work.inputs.position())
        if records or due:
            self._decide_all(records, due, now_ms)
        else:
            self._look(now_ms)
        self._tidy(idle=not records)
        return self._next_wake(now_ms)

    def _look(self, now_ms: int) -> None:
        """Once in a while, whether the history is still ours. Raises ``OwnershipLost``."""
        if now_ms < self._look_at_ms <= now_ms + LOOK_MS:  # beyond it the clock was set back meanwhile
            return
        self._look_at_ms = now_ms + LOOK_MS
        expect_mine(self._work.ports.store.snapshot(), self._head)

    def _next_wake(self, now_ms: int) -> int:
        latest = self._gathering_until_ms or now_ms + IDLE_MS
        wake = self._work.timers.next_wake()
        return latest if wake is None else min(max(wake, now_ms + 1), latest)

    def _may_read(self) -> bool:
        relay = self.relay
        return relay.offered >= self._head.seq and relay.backlog < self._work.bounds.relay_backlog_max

    def _decide_all(self, records: list[IncomingRecord], due: list[str], now_ms: int) -> None:
        head = self._next_head(self._work.inputs.position(), now_ms)
        try:
            self._take(records, due, head)
        except BatchRefused:
            self._work.decider.undecide()
            if self.relay.offered > self._head.seq:
                self.relay.withdraw()
            if not records:
                raise
            self._held = records  # timers come again by themselves
            return
        if due:
            self._work.timers.fired(len(due))

    def _decide_one(self, now_ms: int) -> None:
        record = self._held[0]
        if record.topic == self._work.ports.topics.requests:
            position = InputPosition(record.offset + 1, self._head.next_replies)
        else:
            position = InputPosition(self._head.next_requests, record.offset + 1)
        head = self._next_head(position, now_ms)
        try:
            self._take([record], [], head)
        except BatchRefused as error:
            self._work.decider.undecide()
            self._append(self._work.decider.refuse(record, str(error), head), head)
        self._held.pop(0)

    def _trim(self, saga_ids: list[str], now_ms: int) -> None:
        """A batch of its own; whatever refuses it ends the ownership, and the next one looks again."""
        head = self._next_head(self._work.inputs.position(), now_ms)
        draft = self._work.decider.trim(saga_ids, head)
        if draft is not None:
            self._append(draft, head)
            self._work.meter.trimmed(len(saga_ids))

    def _next_head(self, position: InputPosition, now_ms: int) -> Head:
        before = self._head
        now_ms = max(now_ms, before.now_ms)
        return Head(before.seq + 1, b"", position.next_requests, position.next_replies, now_ms)

    def _take(self, records: list[IncomingRecord], due: list[str], head: Head) -> None:
        meter = self._work.meter
        began_s = meter.clock()
        draft = self._work.decider.decide(records, due, head)
        decide_s = meter.clock() - began_s
        commit_s = self._append(draft, head)
        meter.appended(BatchFigures(len(records), len(due), decide_s, commit_s, draft.retries, draft.opened))

    def _append(self, draft: Draft, head: Head) -> float:
        """Append, while an idle relay produces already; it ends its transaction only once it is confirmed.

        A busy relay gets the batch afterwards: an unconfirmed one would hold up those before it. So does one whose last
        batch was refused. Returns the seconds that Postgres took.
        """
        batch, relayed, after = seal(self._work.ports.shard, self._owner, self._head, head, draft)
        ahead = not self.relay.backlog and not self._held
        if ahead:
            self.relay.offer(relayed)
        began_s = self._work.meter.clock()
        self._work.ports.store.append(batch)
        commit_s = self._work.meter.clock() - began_s
        self._head = after
        if not ahead:
            self.relay.offer(relayed)
        self.relay.confirm(relayed)
        self._work.timers.seen(self._work.decider.appended())
        if draft.quarantined:
            self._work.meter.quarantined(draft.quarantined)
        return commit_s

    def _feed_relay(self) -> None:
        """After a take-over: what the former owner appended and nobody published, the owner batches included."""
        room = self._work.bounds.relay_backlog_max - self.relay.backlog
        if room <= 0:
            return
        # Never beyond our own head: what is there is another owner's, and its own to publish.
        wanted = min(room, BACKLOG_READ, self._head.seq - self.relay.offered)
        for batch in map(unsealed, self._work.ports.store.outbox(self.relay.offered, wanted)):
            if batch.seq != self.relay.offered + 1:
                raise OwnershipLost(
                    f"shard {self._work.ports.shard}: expected batch {self.relay.offered + 1} in the outbox, got "
                    f"{batch.seq}: another owner has published what came before it"
                )
            check_targets(self._work.ports, batch)
            self.relay.offer(batch)

    def _renew_or_raise(self) -> None:
        """A relay that was only slow gets a new producer, behind the fences; any other trouble ends the ownership."""
        ports = self._work.ports
        if self.relay.status is RelayStatus.BROKEN:
            trouble = self.relay.trouble
            assert trouble is not None
            raise forbidden(ports.shard, str(trouble)) if isinstance(trouble, NotAuthorized) else trouble
        producer = ports.broker.producer(ports.shard)
        producer.init()
        footer = read_fenced_footer(ports, self._head)
        compare_fenced(ports, self._head, footer)
        self.relay.renew(producer, footer)

    def _tidy(self, *, idle: bool) -> None:
        """Delete outbox rows below the last footer; the row at the footer stays, for the comparison."""
        published = self.relay.published.seq
        if published - self._trimmed > (0 if idle else OUTBOX_PUBLISHED_MAX):
            self._work.ports.crash_point("outbox.before_delete")
            self._work.ports.store.trim_outbox(published)
            self._work.ports.crash_point("outbox.after_delete")
            self._trimmed = published

    def close(self) -> None:
        """Stop reading; the relay is closed by the thread that steps it."""
        self._work.inputs.close()
