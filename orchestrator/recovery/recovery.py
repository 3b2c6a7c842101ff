"""Brings a database to the end of its journals, whatever it is: empty, restored from a backup, failed over, diverged.

(0) the database is *recovering*: nobody else takes over or appends; (1) every relay is fenced, and these producers are
kept: without, an old process would end its open transaction after the read; (2) the journals are read to their ends
and (3) loaded; (4) every shard gets an owner batch, published with the producers of (1); (5) the database is *ready*.
Who is fenced in (4), or finds a transaction open behind its fence, starts again at (1): somebody wrote. After a crash
so does the next call, from where the rows are. A refusal that left every row as it was leaves the state as it was, too.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Final, TypeAlias
from uuid import uuid4

from orchestrator import clock
from orchestrator.broker.port import Broker, Fenced, Producer
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import (
    ChainsDiverged,
    JournalUnsettled,
    NotAuthorized,
    OrchestratorError,
    OwnershipLost,
    ShardRefused,
    Unavailable,
)
from orchestrator.recovery.course import Course, Plan, plan
from orchestrator.shard.batch import Head, RelayBatch, unsealed
from orchestrator.shard.catalogue import Catalogue
from orchestrator.shard.comparison import LastFooter, topics_changed
from orchestrator.shard.relay import Relay, RelayStatus
from orchestrator.shard.takeover import (
    Ports,
    append_owner_batch,
    compare_fenced,
    expect_settled,
    read_fenced_footer,
    read_footer,
    read_topic_ids,
)
from orchestrator.shard.targets import check_targets, forbidden
from orchestrator.store.port import DatabaseState, ShardRow, Store
from orchestrator.telemetry import logger
from orchestrator.wire.topics import Topics

ATTEMPTS: Final = 10
"""How often everything begins anew because somebody wrote meanwhile."""
RECOVERING: Final[DatabaseState] = "recovering"
OUTBOX_READ: Final = 32
"""Outbox rows that are read at once."""

LoadAll: TypeAlias = Callable[[Sequence[Plan]], None]
"""Loads what is planned for each shard: one after the other, or in several processes."""

_log = logger("recovery")


@dataclass(frozen=True, slots=True)
class Namespace:
    """What is recovered, and over which ports."""

    topics: Topics
    shards: int
    broker: Broker
    store: Store
    crash_point: CrashPoint = nowhere
    now_ms: Callable[[], int] = clock.now_ms


def survey(namespace: Namespace, *, wipe: bool = False) -> list[Plan]:
    """What each shard would need as things stand; changes and fences nothing. Raises as ``plan`` does."""
    with ExitStack() as stack:
        return [_planned(ports, wipe=wipe, fenced=False) for ports in _all_ports(namespace, stack)]


class Recovery:
    """One call of `saga recover`."""

    def __init__(self, namespace: Namespace, load: LoadAll, *, wipe: bool = False, drop: bool = False) -> None:
        self._namespace = namespace
        self._load = load
        self._wipe = wipe
        self._drop = drop or wipe
        """Whether rows that are not the journal's may be deleted."""

    def run(self) -> list[Plan]:
        """Recover; returns what was done.

        Raises ``Unavailable``, or a refusal: the database stays *recovering*, unless it was not and no row was changed.
        """
        store, crash_point = self._namespace.store, self._namespace.crash_point
        with store.recovering():
            before = store.meta().state
            store.set_state(RECOVERING)
            crash_point("recover.recovering")
            rows = self._rows()
            try:
                done = self._try_again_and_again()
            except ShardRefused:
                if before == "ready" and self._rows() == rows:
                    store.set_state("ready")
                raise
            crash_point("recover.before_ready")
            store.set_state("ready")
            return done

    def _rows(self) -> list[ShardRow]:
        with ExitStack() as stack:
            return [ports.store.snapshot().row for ports in _all_ports(self._namespace, stack)]

    def _try_again_and_again(self) -> list[Plan]:
        trouble: OrchestratorError | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._attempt()
            except (Fenced, OwnershipLost, JournalUnsettled) as error:
                _log.warning("somebody wrote meanwhile: fencing again", attempt=attempt, text=str(error))
                trouble = error
        if isinstance(trouble, JournalUnsettled):  # nobody's: no fence ends it
            raise trouble
        raise Unavailable(
            f"expected to be the only writer of the namespace, got another one {ATTEMPTS} times: stop the "
            f"orchestrators, and call `saga recover` again: it goes on where it stands: {trouble}"
        )

    def _attempt(self) -> list[Plan]:
        namespace = self._namespace
        with ExitStack() as stack:
            every = _all_ports(namespace, stack)
            producers = [_fence(ports, stack) for ports in every]
            namespace.crash_point("recover.fenced")
            plans = [_planned(ports, wipe=self._wipe, fenced=True) for ports in every]
            self._expect_no_loss(plans)
            for ports, planned in zip(every, plans, strict=True):
                _expect_targets(ports, planned)
            self._load(plans)
            # Once: what it has loaded is not to be deleted again.
            self._wipe = False
            namespace.crash_point("recover.loaded")
            with closing(Catalogue(namespace.broker, namespace.topics, namespace.store.save_definitions)) as catalogue:
                catalogue.refresh()
                catalogue.save()
            for ports, producer, planned in zip(every, producers, plans, strict=True):
                _own(ports, producer, planned.footer, namespace.now_ms(), stack)
            namespace.crash_point("recover.published")
            return plans

    def _expect_no_loss(self, plans: Sequence[Plan]) -> None:
        dropped = [str(each.shard) for each in plans if each.drops]
        if dropped and not self._drop:
            raise ChainsDiverged(
                f"expected shards whose history is the journal's, got another one in {', '.join(dropped)}: keep a copy "
                f"of the database if anybody may want to look into it, and allow their rows to be deleted: "
                f"`saga recover --yes`"
            )


def _all_ports(namespace: Namespace, stack: ExitStack) -> list[Ports]:
    return [
        Ports(
            shard,
            namespace.topics,
            namespace.broker,
            stack.enter_context(closing(namespace.store.shard(shard, RECOVERING))),
            namespace.crash_point,
        )
        for shard in range(namespace.shards)
    ]


def _fence(ports: Ports, stack: ExitStack) -> Producer:
    producer = stack.enter_context(closing(ports.broker.producer(ports.shard)))
    producer.init()
    return producer


def _planned(ports: Ports, *, wipe: bool, fenced: bool) -> Plan:
    footer = read_fenced_footer(ports) if fenced else read_footer(ports)
    changed = topics_changed(ports.shard, footer.topic_ids, read_topic_ids(ports))
    if changed is not None:
        raise changed
    with closing(ports.broker.history(ports.topics.journal, ports.shard)) as history:
        planned = plan(ports.store.snapshot(), footer, history, wipe=wipe)
    if fenced and planned.course is not Course.KEEP:
        # A footer that only the outbox knows to be committed: its batches cannot be read, and that row must stay.
        expect_settled(ports)
    return planned


def _expect_targets(ports: Ports, planned: Plan) -> None:
    """Before anything is changed: what waits in the outbox of a shard that is kept can be published."""
    if planned.course is Course.KEEP:
        at = planned.footer.seq
        while waiting := _waiting(ports, at):
            for batch in waiting:
                check_targets(ports, batch)
            at = waiting[-1].seq


def _waiting(ports: Ports, above: int) -> list[RelayBatch]:
    return [unsealed(row) for row in ports.store.outbox(above, OUTBOX_READ)]


def _own(ports: Ports, producer: Producer, footer: LastFooter, now_ms: int, stack: ExitStack) -> None:
    """Append an owner batch, and publish it with all that waits behind ``footer``.

    ``footer`` is the one that was loaded up to. A later one is of somebody who has fenced us: behind it there might be
    nothing to publish, and nobody would notice. Raises ``Fenced`` and ``OwnershipLost`` for whatever a new attempt may
    mend.
    """
    head = append_owner_batch(ports.store, str(uuid4()), now_ms)
    try:
        compare_fenced(ports, head, footer)
    except ShardRefused as error:  # a process of a recovery that was killed may have changed rows behind our comparison
        raise OwnershipLost(str(error)) from error
    topic_ids = read_topic_ids(ports)
    footer = replace(footer, topic_ids=topic_ids)
    relay = Relay(ports.topics, ports.shard, producer, footer, topic_ids, ports.crash_point)
    while relay.published.seq < head.seq:
        if relay.status is RelayStatus.SLOW:
            _renew(ports, relay, head, stack)
        for batch in _waiting(ports, relay.published.seq):
            relay.offer(batch)
        while relay.publishing:
            relay.step(now_ms)
        if relay.status is RelayStatus.BROKEN:
            raise _trouble(ports, relay)
    ports.store.trim_outbox(relay.published.seq)


def _renew(ports: Ports, relay: Relay, head: Head, stack: ExitStack) -> None:
    """What was published slowly is published, the rest needs another producer. Raises ``Fenced``: somebody wrote."""
    producer, published = _fence(ports, stack), relay.published
    footer = read_fenced_footer(ports, head)
    if (footer.seq, footer.chain) != (published.seq, published.chain):
        raise Fenced(f"shard {ports.shard}: expected the footer of batch {published.seq}, got one of {footer.seq}")
    relay.renew(producer, published)


def _trouble(ports: Ports, relay: Relay) -> OrchestratorError:
    trouble = relay.trouble
    match trouble:
        case NotAuthorized():
            return forbidden(ports.shard, str(trouble))
        case ShardRefused():
            return trouble
        case _:
            return Fenced(f"shard {ports.shard}: {trouble}")
