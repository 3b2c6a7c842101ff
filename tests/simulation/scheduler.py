"""One run: which step comes next, then the end of all faults, and what must be true when everything has been said.

A step of one process may contain steps of the others, wherever it meets a server or a crash point: so they go on while
it waits, and it wakes up as a zombie. Nothing is chosen but by ``Chance``.
"""

import traceback
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final
from unittest.mock import patch

from orchestrator.errors import OrchestratorError
from orchestrator.recovery import loading as loading_module
from orchestrator.recovery import recovery as recovery_module
from orchestrator.recovery.recovery import Namespace, Recovery
from orchestrator.shard import relay as relay_module
from orchestrator.shard import retention as retention_module
from orchestrator.shard import takeover as takeover_module
from orchestrator.store.memory import MemoryStore
from tests.simulation import oracles
from tests.simulation.bank import PARTITIONS
from tests.simulation.process import Killed, Process
from tests.simulation.world import PROCESSES, SHARDS, World
from tests.unit.recovery.scene import loading

STEPS: Final = 400
"""Of one run, before its faults stop."""
HOUR_MS: Final = 3_600_000
ROUNDS_MAX: Final = 500
"""After the faults: everybody is stepped once in each, and there is nothing left to do long before."""
ENDS_WITHIN_MS: Final = 3 * HOUR_MS
"""After the faults, by the virtual clock: the worst is a clock that was an hour ahead, twice."""
LOOK_EVERY: Final = 10
"""Steps between two looks at O2."""
PASSAGE_EVENTS: Final = 9
TRANSACTION_RECORDS: Final = 12
TRIMMED_MAX: Final = 2
TRIMMED_LOOK_MS: Final = 100
"""Bounds of the product, made small enough to be reached."""


@dataclass(frozen=True, slots=True)
class Report:
    """One run."""

    seed: int
    steps: int
    faults: Counter[str]
    """By kind."""
    killed_at: frozenset[str]
    """Crash points and calls where a process was killed."""
    trace: str
    """The hash of every choice and what came of it."""
    violations: tuple[str, ...]


class _Impossible(AssertionError):
    """An oracle has spoken in the middle of a run."""


def run(seed: int, steps: int = STEPS) -> Report:
    """Run ``steps`` steps and the end of this seed: equal seeds give equal reports."""
    world = World(seed)
    with _bounds_and_ids(world):
        scheduler = Scheduler(world)
        try:
            scheduler.run(steps)
            violations = [*scheduler.drain(), *oracles.judge(world)]
        except _Impossible as found:
            violations = [str(found)]
        except Exception as error:  # noqa: BLE001 - whatever the product raises here would end a process for good
            where = traceback.extract_tb(error.__traceback__)[-1]
            violations = [f"defect: {type(error).__name__}: {error}, at {where.name}:{where.lineno}"]
    for text in violations:
        world.chance.note(text)
    for shard in range(SHARDS):
        world.chance.note(world.database.contents(shard).row.chain.hex())
    chance = world.chance
    killed_at = frozenset(world.killed_at)
    return Report(seed, chance.steps, chance.faults, killed_at, chance.trace, tuple(violations))


@contextmanager
def _bounds_and_ids(world: World) -> Generator[None]:
    with ExitStack() as stack:
        for module in (takeover_module, recovery_module):
            stack.enter_context(patch.object(module, "uuid4", world.chance.uuid))
        stack.enter_context(patch.object(loading_module, "PASSAGE_EVENTS", PASSAGE_EVENTS))
        stack.enter_context(patch.object(relay_module, "TRANSACTION_RECORDS_MAX", TRANSACTION_RECORDS))
        stack.enter_context(patch.object(retention_module, "TRIMMED_MAX", TRIMMED_MAX))
        stack.enter_context(patch.object(retention_module, "LOOK_LEAST_MS", TRIMMED_LOOK_MS))
        yield


class Scheduler:
    """Steps a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.chance = world.chance
        world.go_on = self._go_on
        self._recovering = False
        self._actions: dict[Callable[[], None], int] = {
            self._shard: 34,
            self._relay: 24,
            self._bank_takes: 8,
            self._bank_sends: 10,
            world.ask: 4,
            self._time: 14,
            self._house: 3,
            self._membership: 4,
            self._group: 3,
            self._late: 2,
            self._operator: 1,
        }
        self._names, self._weights = list(self._actions), list(self._actions.values())
        self._between: dict[str, Callable[[], None]] = {
            "killed between steps": lambda: self._with_process(world.kill),
            "paused": lambda: self._with_process(self._pause),
            "rebalance": lambda: self._assign(self.chance.number(0, SHARDS - 1)),
            "clock jumps": lambda: self._with_process(self._jump),
            "much time passes": lambda: self._pass(self.chance.number(1_000, 30_000)),
            "bank: killed": world.bank.restart,
            "command: delivered again": world.bank.take_again,
            "Kafka away": self._kafka_away,
            "Postgres away": self._postgres_away,
            "database lost": lambda: self._replace(MemoryStore("sim", SHARDS), old_lives=False),
            "database restored from a copy": lambda: self._restore(old_lives=False),
            "database forked": lambda: self._restore(old_lives=True),
            "recover without need": self.recover,
        }

    # ------------------------------------------------------------ with faults

    def run(self, steps: int) -> None:
        """Do ``steps`` steps, those within others included."""
        while self.chance.steps < steps:
            self.step()

    def step(self) -> None:
        """Do one thing, and perhaps a fault before it."""
        chance = self.chance
        chance.steps += 1
        for fault, happen in self._between.items():
            if chance.hit(fault):
                happen()
        action = chance.weighted(self._names, self._weights)
        action()
        if chance.steps % LOOK_EVERY == 0:
            self._look()

    def _go_on(self) -> None:
        """Others go on while somebody waits: mostly for a moment, sometimes for long."""
        self.world.depth += 1
        try:
            for _ in range(self.chance.weighted((1, 4, 12, 50), (4, 4, 3, 1))):
                self.step()
        finally:
            self.world.depth -= 1

    def _look(self) -> None:
        found = oracles.footers_ahead(self.world) or oracles.two_owners(self.world)
        if found:
            raise _Impossible(found[0])

    def _with_process(self, action: Callable[[Process], None]) -> None:
        if living := self.world.living():
            action(self.chance.pick(living))

    def _within(self, process: Process, part: object, step: Callable[[], None]) -> None:
        process.within(part, step)
        self.world.bury(process)

    def _shard(self) -> None:
        free = [(each, shard) for each in self.world.living() for shard in each.shards.values()]
        if free:
            self._step_shard(*self.chance.pick(free))

    def _step_shard(self, process: Process, shard: object) -> None:
        found = next((each for each in process.shards.values() if each is shard), None)
        if found is None or found in process.busy:
            return
        was = found.owned
        self._within(process, found, lambda: process.step_shard(found))
        if was != found.owned or found.trouble is not None:
            self.chance.note(f"{process.name} {found.shard} {found.owned} {type(found.trouble).__name__}")

    def _relay(self) -> None:
        free = [(each, relay) for each in self.world.living() for relay in each.relays if relay not in each.busy]
        if free:
            process, relay = self.chance.pick(free)
            self._within(process, relay, lambda: process.step_relay(relay))
            self.chance.note(f"{process.name} relay {relay.published.seq} {relay.status.value}")

    def _bank_takes(self) -> None:
        self.world.bank.take(self.chance.number(0, PARTITIONS - 1))

    def _bank_sends(self) -> None:
        self.world.bank.send()

    def _time(self) -> None:
        self._pass(self.chance.weighted((1, 40, 300, 1_500), (3, 4, 3, 2)))

    def _pass(self, ms: int) -> None:
        self.world.now_ms += ms

    def _house(self) -> None:
        self._with_process(self._keep_house)

    def _keep_house(self, process: Process) -> None:
        if process.house not in process.busy:
            self._within(process, process.house, process.step_house)

    def _membership(self) -> None:
        self._with_process(self._tell)

    def _tell(self, process: Process) -> None:
        place = self.world.processes.index(process)
        process.assign({shard for shard, owner in self.world.assignment.items() if owner == place})

    def _group(self) -> None:
        """The group notices who is gone; who was killed is started again, who was paused goes on."""
        world, place = self.world, self.chance.number(0, PROCESSES - 1)
        found = world.processes[place]
        if found is None:
            world.launch(place)
        elif found.paused:
            found.paused = False
        for shard in range(SHARDS):
            owner = world.assignment.get(shard)
            gone = owner is None or (process := world.processes[owner]) is None or process.paused
            if gone and self.chance.even():
                self._assign(shard)

    def _assign(self, shard: int) -> None:
        if living := self.world.living():
            self.world.assignment[shard] = self.world.processes.index(self.chance.pick(living))

    def _pause(self, process: Process) -> None:
        process.paused = True

    def _jump(self, process: Process) -> None:
        process.clock_ms = self.chance.number(-HOUR_MS, HOUR_MS)
        self.world.jumped = True

    def _late(self) -> None:
        """What was held back arrives; servers that were away come back; a copy of the database is made."""
        world, chance = self.world, self.chance
        world.cluster.answering = True
        world.database.down = False
        if world.cluster.held and chance.even():
            world.cluster.release(chance.pick(world.cluster.held))
            chance.note("an EndTxn arrives")
        if world.late and chance.even():
            arrived = world.late.pop(chance.number(0, len(world.late) - 1)).arrive()
            chance.note(f"a COMMIT arrives: {arrived}")
        if world.intact and world.state == "ready" and len(world.copies) < 5 and chance.even():
            world.copies.append(world.database.copy())

    def _kafka_away(self) -> None:
        self.world.cluster.answering = False

    def _postgres_away(self) -> None:
        self.world.database.down = True

    def _restore(self, *, old_lives: bool) -> None:
        if self.world.copies:
            self._replace(self.chance.pick(self.world.copies).copy(), old_lives=old_lives)

    def _replace(self, store: MemoryStore, *, old_lives: bool) -> None:
        self.world.replace_database(store, old_lives=old_lives)

    def _operator(self) -> None:
        """Recovers what must be, sooner or later; points processes to the database that is the right one."""
        for process in self.world.living():
            process.store.point_to(self.world.database)
        if not self.world.intact or self.world.state != "ready":
            self.recover()

    def recover(self) -> None:
        """One call of `saga recover`; a second one waits for the first."""
        if self._recovering:
            return
        world, operator = self.world, Process("recover", self.world)
        store = operator.store
        namespace = Namespace(world.topics, SHARDS, operator.broker, store, operator.at, lambda: world.now_ms)
        self._recovering = True
        try:
            Recovery(namespace, loading(namespace), drop=True).run()
        except (Killed, OrchestratorError) as error:
            world.chance.note(f"recover: {type(error).__name__}")
        else:
            world.chance.note("recovered")
            world.intact = world.intact or store.is_at(world.database)
        finally:
            self._recovering = False

    # ------------------------------------------------------------ after the faults

    def drain(self) -> list[str]:
        """Stop all faults, and go on until everything is said; returns what did not end."""
        self._heal()
        world, began_ms, stalls, before = self.world, self.world.now_ms, 0, ()
        open_ends: list[str] = []
        for _ in range(ROUNDS_MAX):
            self._round()
            if not (open_ends := oracles.open_ends(world)):
                return []
            if world.now_ms - began_ms > ENDS_WITHIN_MS:
                break
            after = self._progress()
            stalls = stalls + 1 if after == before else 0
            before = after
            self._pass_until_due(stalls)
        troubles = [f"{each.name} {each.troubles()}" for each in world.living()]
        return [f"O7: {open_ends[0]} and {len(open_ends) - 1} more, {world.now_ms - began_ms} ms later; {troubles}"]

    def _heal(self) -> None:
        world, chance = self.world, self.chance
        for late in chance.shuffled(world.late):
            if chance.even():
                late.arrive()
        for held in chance.shuffled(world.cluster.held):
            if chance.even():
                world.cluster.release(held)
        chance.calm = True
        world.cluster.answering = True
        world.database.down = False
        for place, process in enumerate(world.processes):
            found = process or world.launch(place)
            found.paused, found.clock_ms = False, 0
            found.store.point_to(world.database)
        for shard in range(SHARDS):
            if world.assignment.get(shard) is None:
                world.assignment[shard] = chance.number(0, PROCESSES - 1)

    def _round(self) -> None:
        world, chance = self.world, self.chance
        self._operator()
        for process in chance.shuffled(world.living()):
            self._tell(process)
            for shard in list(process.shards.values()):
                chance.steps += 1
                self._step_shard(process, shard)
            for relay in list(process.relays):
                for _ in range(4):
                    chance.steps += 1
                    self._within(process, relay, lambda: process.step_relay(relay))  # noqa: B023 - called at once
                    if relay not in process.relays:
                        break
        self._with_process(self._keep_house)
        for partition in range(PARTITIONS):
            world.bank.take(partition)
        world.bank.send_all()
        for saga_id in oracles.waiting_for_an_operator(world):
            world.retry(saga_id)

    def _progress(self) -> tuple[object, ...]:
        world = self.world
        heads = tuple(world.database._database.tables[shard].row.seq for shard in range(SHARDS))
        ends = tuple(log.end for topic in world.cluster.topics.values() for log in topic.partitions)
        return heads, ends, tuple(shard.owned for each in world.living() for shard in each.shards.values())

    def _pass_until_due(self, stalls: int) -> None:
        """A moment while there is something to do; then longer and longer, up to the next timer."""
        world, moment = self.world, 20
        if stalls < 4:
            self._pass(moment << stalls)
            return
        due_ms = world.earliest_due_ms()
        most = HOUR_MS if due_ms is None else max(due_ms - world.now_ms, moment)
        self._pass(min(moment << stalls, most))
