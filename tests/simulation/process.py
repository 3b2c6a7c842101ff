"""One simulated orchestrator: its shards, relays and housekeeping, each a thread that somebody else steps."""

from collections.abc import Callable
from typing import Final, Protocol

from orchestrator.errors import DatabaseNotReady, InputsDeleted, OrchestratorError, ShardRefused
from orchestrator.shard.catalogue import Catalogue
from orchestrator.shard.decider import Decider, Desk
from orchestrator.shard.housekeeping import Housekeeping
from orchestrator.shard.intake import Intake
from orchestrator.shard.limits import Limits
from orchestrator.shard.loop import Bounds
from orchestrator.shard.records import Records
from orchestrator.shard.relay import Relay
from orchestrator.shard.sagas import Sagas
from orchestrator.shard.shard import Plant, Shard
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import ShardStore
from orchestrator.wire.topics import Topics
from tests.simulation.chance import Chance
from tests.simulation.servers import LateCommit, Primary, Wire

BOUNDS: Final = Bounds(batch_max=6, relay_backlog_max=4)
"""Small, so that every bound is reached."""
SAGAS_KEPT: Final = 3
RETENTION_MS: Final = 1_000


class Killed(BaseException):
    """The process is gone, and no handler of it runs."""


class Surroundings(Protocol):
    """What a process is given."""

    topics: Topics
    shards: int
    chance: Chance
    now_ms: int

    @property
    def database(self) -> MemoryStore:
        """Where its settings point to."""
        ...

    def wire(self, process: "Process") -> Wire:
        """Its Kafka."""
        ...

    def catalogue(self) -> Catalogue:
        """The definitions and schemas, as every process reads them."""
        ...

    def meet(self, process: "Process", place: str) -> None:
        """It is at ``place``: others may go on first, it may be killed."""
        ...

    def delay(self, late: LateCommit) -> None:
        """A COMMIT is on its way."""
        ...


class Process:
    """A process of `saga run`, or (without shards) one of `saga recover`."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self.name = name
        self._around = around
        self.chance = around.chance
        self.clock_ms = 0
        """How far its clock is off."""
        self.paused = False
        self.doomed = False
        """Killed while it was in a step: it ends where it is."""
        self.busy: set[object] = set()
        """What of it is in a step."""
        self.store = Primary(self, around.database)
        self.broker = around.wire(self)
        self.catalogue = around.catalogue()
        self.shards: dict[int, Shard] = {}
        self.relays: list[Relay] = []
        self.house = Housekeeping(self.broker, self.catalogue, self.store, self.at)
        self._plant = Plant(
            around.topics, self.broker, self.store, self._decider, BOUNDS, self.at, retention_ms=RETENTION_MS
        )
        self.refusals: list[ShardRefused] = []
        """Each time a shard waited for an operator."""

    @property
    def now_ms(self) -> int:
        """By its clock."""
        return self._around.now_ms + self.clock_ms

    def at(self, place: str) -> None:
        """See ``Site``."""
        self._around.meet(self, place)

    def delay(self, late: LateCommit) -> None:
        """See ``Site``."""
        self._around.delay(late)

    def _decider(self, shard: int, store: ShardStore) -> Decider:
        around, limits = self._around, Limits(self.broker)
        return Decider(
            Desk(
                topics=around.topics,
                shard=shard,
                shards=around.shards,
                intake=Intake(around.topics, self.catalogue),
                sagas=Sagas(store, SAGAS_KEPT),
                limits=limits,
                records=Records(around.topics, shard, limits),
            )
        )

    # ------------------------------------------------------------ its threads

    def within(self, part: object, step: Callable[[], object]) -> None:
        """Step one of its parts, which is in no step."""
        self.busy.add(part)
        try:
            step()
        except Killed:
            self.doomed = True
        finally:
            self.busy.discard(part)

    def step_shard(self, shard: Shard) -> None:
        """One step of a shard's loop or take-over."""
        before = shard.trouble
        head = _head_of(shard)
        shard.step(self.now_ms)
        found = shard.trouble
        if found is before or not isinstance(found, ShardRefused) or isinstance(found, DatabaseNotReady):
            return
        zombie = head is not None and self._around.database.contents(shard.shard).row.chain != head
        if not (zombie and isinstance(found, InputsDeleted)):  # the owner deletes what it has relayed
            self.refusals.append(found)

    def step_relay(self, relay: Relay) -> None:
        """One step of a relay; who is abandoned closes itself."""
        if relay.abandoned:
            relay.close()
            self.relays.remove(relay)
        else:
            relay.step(self.now_ms)

    def step_house(self) -> None:
        """One round of housekeeping."""
        self.house.step(self.now_ms, list(self.shards.values()))

    def assign(self, assigned: set[int]) -> None:
        """The group tells it its share; what is in a step is told later."""
        for number in sorted(self.shards.keys() - assigned):
            if self.shards[number] not in self.busy:
                self.shards.pop(number).close()
        for number in sorted(assigned - self.shards.keys()):
            self.shards[number] = Shard(number, self._plant, self._take_on)

    def _take_on(self, relay: Relay) -> None:
        self.relays.append(relay)
        relay.wake = lambda: self._woken(relay)

    def _woken(self, relay: Relay) -> None:
        """A relay's thread may run at once, or later."""
        if relay not in self.busy and relay in self.relays and not self.chance.calm and self.chance.even():
            self.within(relay, lambda: self.step_relay(relay))
            if self.doomed:
                raise Killed

    def holds(self, shard: int) -> bytes | None:
        """The chain that this process holds as a shard's owner."""
        loop = self.shards[shard]._loop
        return None if loop is None else loop._head.chain

    def troubles(self) -> dict[int, OrchestratorError]:
        """Why shards are not owned."""
        return {number: shard.trouble for number, shard in self.shards.items() if shard.trouble is not None}


def _head_of(shard: Shard) -> bytes | None:
    """The chain that a shard's owner, or who takes it over, holds."""
    if shard._loop is not None:
        return shard._loop._head.chain
    head = None if shard._take_over is None else shard._take_over._progress.head
    return None if head is None else head.chain
