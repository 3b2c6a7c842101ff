"""One shard of this process: retaking, owning, or refused.

*Retaking*: everything was thrown away and is taken over again after a pause. *Refused*: an operator must act; the
first comparison, which changes nothing, is repeated until it holds. Stepped by one thread, never waits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orchestrator.broker.port import Broker, Fenced, InputLost, InputPosition, Inputs
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import (
    AccessDenied,
    BatchRefused,
    ConfigError,
    JournalUnsettled,
    OrchestratorError,
    OwnershipLost,
    ShardRefused,
    Unavailable,
)
from orchestrator.shard.loop import Bounds, Decide, Loop, Workplace
from orchestrator.shard.meter import UNMEASURED, Meter
from orchestrator.shard.relay import Relay
from orchestrator.shard.retention import Retention
from orchestrator.shard.takeover import Ownership, Ports, TakeOver
from orchestrator.shard.timers import Timers
from orchestrator.store.port import ShardStore, Store
from orchestrator.wire.topics import Topics

RETAKE_PAUSE_MS: Final = 250
"""Between two attempts: well under a session, and no storm on servers that are down."""
REFUSED_PAUSE_MS: Final = 5_000
"""How often a refused shard is compared again, so that it runs by itself once it was mended."""


@dataclass(frozen=True, slots=True)
class Plant:
    """What every shard of a process is made from."""

    topics: Topics
    broker: Broker
    store: Store
    decider: Callable[[int, ShardStore], Decide]
    """Makes a decider with an empty cache: a new ownership knows nothing of the old one's."""
    bounds: Bounds
    crash_point: CrashPoint = nowhere
    meter: Meter = UNMEASURED
    retention_ms: int | None = None
    """How long closed sagas keep their rows; None: for ever."""


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One shard that is assigned to this process, at one moment."""

    shard: int
    owned: bool
    trouble: OrchestratorError | None
    """Why it is not owned; None: it is, or its first take-over is on its way."""
    unpublished: int = 0
    """Batches in the outbox that are not in Kafka yet."""
    lag_requests: int = 0
    lag_replies: int = 0
    """Records that wait to be read, of those that were there when housekeeping asked last."""
    footer_ms: int | None = None
    """When the last batch that is in Kafka was decided; None: this owner has published none yet."""
    open_incidents: int | None = None
    """What waits for an operator, when housekeeping counted last; None: it has not yet."""


class Shard:
    """See the module."""

    def __init__(self, shard: int, plant: Plant, on_relay: Callable[[Relay], None]) -> None:
        self.shard = shard
        self._plant = plant
        self._on_relay = on_relay
        self._store: ShardStore | None = None
        self._take_over: TakeOver | None = None
        self._loop: Loop | None = None
        self._not_before_ms = 0
        self._retake = False
        self.trouble: OrchestratorError | None = None
        """Why the shard is not owned at present; None: it is, or its first take-over is on its way."""
        self.input_ends: InputPosition | None = None
        """How far the inputs reached when housekeeping asked last; for figures alone."""
        self.open_incidents: int | None = None
        """How many there were when housekeeping counted last; for figures alone."""

    @property
    def owned(self) -> bool:
        """Whether this process reads the shard's inputs."""
        return self._loop is not None

    @property
    def inputs(self) -> Inputs | None:
        """What to wait at for more to do; None: wait for the time that ``step`` returned."""
        return None if self._loop is None else self._loop.inputs

    @property
    def relay(self) -> Relay | None:
        """The relay of the present ownership."""
        return None if self._loop is None else self._loop.relay

    def step(self, now_ms: int) -> int:
        """Do what can be done now; return when to step again at the latest."""
        if now_ms < self._not_before_ms <= now_ms + REFUSED_PAUSE_MS:  # beyond it the clock was set back meanwhile
            return self._not_before_ms
        if self._retake:
            self._retake = False
            return self._give_up(OwnershipLost(f"shard {self.shard}: its topics changed"), now_ms)
        try:
            if self._loop is not None:
                return self._loop.step(now_ms)
            self._step_take_over(now_ms)
            return now_ms
        except AccessDenied:
            raise
        except (ShardRefused, ConfigError) as error:  # the database or its tables are gone, and may be recovered
            return self._give_up(error, now_ms + REFUSED_PAUSE_MS)
        except (OwnershipLost, Unavailable, Fenced, InputLost, BatchRefused) as error:
            return self._give_up(error, now_ms + RETAKE_PAUSE_MS)

    def _step_take_over(self, now_ms: int) -> None:
        if self._store is None:
            self._store = self._plant.store.shard(self.shard)
        if self._take_over is None:
            plant = self._plant
            ports = Ports(self.shard, plant.topics, plant.broker, self._store, plant.crash_point)
            self._take_over = TakeOver(ports, unsettled=isinstance(self.trouble, JournalUnsettled))
        owned = self._take_over.step(now_ms)
        if owned is not None:
            self._loop = Loop(self._workplace(self._take_over.ports, owned), owned)
            self._take_over = None
            self.trouble = None
            self._on_relay(self._loop.relay)

    def _workplace(self, ports: Ports, owned: Ownership) -> Workplace:
        plant, at = self._plant, InputPosition(owned.head.next_requests, owned.head.next_replies)
        relay = Relay(ports.topics, self.shard, owned.producer, owned.footer, owned.topic_ids, ports.crash_point)
        relay.meter = plant.meter
        return Workplace(
            ports=ports,
            relay=relay,
            inputs=plant.broker.inputs(self.shard, at),
            timers=Timers(self.shard, ports.broker, ports.store, plant.bounds.batch_max),
            retention=Retention(self.shard, ports.broker, ports.store, plant.retention_ms),
            decider=plant.decider(self.shard, ports.store),
            bounds=plant.bounds,
            meter=plant.meter,
        )

    def _give_up(self, error: OrchestratorError, until_ms: int) -> int:
        self.close()
        self.trouble = error
        self._not_before_ms = until_ms
        return until_ms

    def status(self) -> ShardStatus:
        """Called from another thread: how things stand."""
        loop = self._loop
        if loop is None:
            return ShardStatus(self.shard, owned=False, trouble=self.trouble)
        read, ends = loop.read, self.input_ends or loop.read
        return ShardStatus(
            shard=self.shard,
            owned=True,
            trouble=None,
            unpublished=loop.unpublished,
            lag_requests=max(0, ends.next_requests - read.next_requests),
            lag_replies=max(0, ends.next_replies - read.next_replies),
            footer_ms=loop.relay.footer_ms,
            open_incidents=self.open_incidents,
        )

    def retake(self) -> None:
        """Called from another thread: take over again at the next step, which compares everything anew."""
        self._retake = True

    def in_database_s(self) -> float:
        """Called from another thread: how long the call to the database lasts that runs now; 0: there is none."""
        store = self._store
        return 0.0 if store is None else store.calling_s()

    def interrupt(self) -> None:
        """Called from another thread: break a call to the database that hangs."""
        store = self._store
        if store is not None:
            store.terminate()

    def close(self) -> None:
        """Throw away everything of the present ownership or take-over."""
        if self._take_over is not None:
            self._take_over.abandon()
            self._take_over = None
        if self._loop is not None:
            self._loop.relay.abandon()
            self._loop.close()
            self._loop = None
        if self._store is not None:
            self._store.close()
            self._store = None
