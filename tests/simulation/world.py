"""A namespace and all that surrounds it, in one thread, under a virtual clock: what is stepped, and what fails."""

from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Final

from orchestrator import crashpoints
from orchestrator.blueprint import canonical
from orchestrator.blueprint.model import Blueprint
from orchestrator.broker.memory import MemoryBroker, MemoryCluster
from orchestrator.broker.topology import command_topic, namespace_topics
from orchestrator.shard.catalogue import Catalogue
from orchestrator.store.memory import MemoryStore
from orchestrator.wire import definitions, request
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import AvroBody
from orchestrator.wire.registry import schema_record
from orchestrator.wire.topics import Topics
from tests.simulation.bank import CLOSED, PARTITIONS, Bank
from tests.simulation.chance import Chance
from tests.simulation.process import RETENTION_MS, Killed, Process
from tests.simulation.servers import LateCommit, Wire
from tests.simulation.transfer import AMOUNT, transfer

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.blueprint.values import Data
    from orchestrator.wire.record import IncomingRecord

SHARDS: Final = 2
PROCESSES: Final = 2
SAGAS_MAX: Final = 12
"""Transfers in one run."""
DEPTH_MAX: Final = 3
"""Steps within steps."""
CRASH_POINTS: Final = frozenset(crashpoints.NAMES)
TRIMMING: Final = frozenset(name for name in CRASH_POINTS if name.startswith("trim."))
"""There are few of them in a run."""
SELDOM: Final = {"inputs.before_delete": 5, "outbox.before_delete": 3, "outbox.after_delete": 3}
"""Crash points that a run passes once at most as a rule, and how many times as probable it is to be killed there."""
COMMIT_UNDER_LOCK: Final = "take_over.before_commit"
"""The row is locked there: who wants it waits."""


@cache
def blueprint() -> Blueprint:
    """Compiled once."""
    return transfer.compile()


class World:
    """See the module; which step comes next is for the scheduler."""

    def __init__(self, seed: int) -> None:
        self.chance = Chance(seed)
        self.now_ms = 10_000_000
        self.shards = SHARDS
        self.topics = Topics("sim")
        self.cluster = MemoryCluster(lambda: self.now_ms)
        self.database = MemoryStore("sim", SHARDS)
        self.copies: list[MemoryStore] = []
        """Backups of the database, of any age."""
        self.intact = True
        """The database has all that was ever appended to it; false from its loss until it is recovered."""
        self._replaced: list[MemoryStore] = []
        """While it is not: those that were the right one before, since it last was; their owners may go on."""
        self.damaged = False
        """It was not intact at some time, so refusals were right."""
        self.client = MemoryBroker(self.cluster, self.topics)
        self.client.create([*namespace_topics(self.topics, SHARDS), command_topic("bank", PARTITIONS)])
        self._deploy()
        self._catalogue = self._read()
        self.bank = Bank(self.chance, self.cluster, self.client, blueprint())
        self.asked: list[request.Request] = []
        """Every request record that was published, in order."""
        self.asked_ms: dict[str, int] = {}
        """Saga -> when it was first asked for."""
        self.started = 0
        """Transfers that were asked for."""
        self.late: list[LateCommit] = []
        self.processes: list[Process | None] = [None] * PROCESSES
        self.assignment: dict[int, int] = {}
        """Shard -> which of the processes should own it."""
        self.looked: dict[int, int] = {}
        """Shard -> the offset of the last footer that an oracle has seen."""
        self.jumped = False
        """A clock was ever wrong."""
        self.killed_at: set[str] = set()
        """Where processes were killed within a step."""
        self.depth = 0
        self.go_on: Callable[[], None] = lambda: None
        """Steps of others, within a step; set by the scheduler."""
        self._names = 0

    # ------------------------------------------------------------ clients

    def _deploy(self) -> None:
        active = blueprint()
        records = [schema_record(self.topics, schema) for schema in active.schemas.values()]
        published = definitions.Published(active.name, active.hash, canonical.dumps(active))
        records.append(definitions.publish_record(self.topics, published))
        activated = definitions.Activated(active.name, active.hash)
        self.client.publish([*records, definitions.activate_record(self.topics, activated)])

    def _read(self) -> Catalogue:
        catalogue = Catalogue(self.client, self.topics, self.database.save_definitions)
        catalogue.refresh()
        catalogue.save()
        return catalogue

    def ask(self) -> None:
        """A client starts a transfer, or asks again for one, or cancels one."""
        if not self.cluster.answering:
            return
        if self.asked and self.chance.hit("request: doubled"):
            self._repeat(self.chance.pick(self.asked))
        elif self.asked and self.chance.hit("saga: cancelled"):
            of = self.chance.pick(self.asked).saga_id
            self._publish(request.CancelSaga(request_id=f"r{len(self.asked)}", saga_id=of))
        elif self.started < SAGAS_MAX:
            self.started += 1
            source = self.chance.weighted(("a", "b", CLOSED), (6, 3, 1))
            target = self.chance.weighted(("b", "c", CLOSED), (3, 3, 3))
            data: Data = {"source": source, "target": target, "amount": Decimal(AMOUNT)}
            given = AvroBody(blueprint().input, codec_for(blueprint().schemas[blueprint().input]).encode(data))
            number = len(self.asked)
            self._publish(
                request.StartSaga(
                    request_id=f"r{number}", saga_id=f"t{self.started}", saga=blueprint().name, input=given
                )
            )

    def _repeat(self, asked: request.Request) -> None:
        """Within the retention alone: later a start would be another saga, with commands that the bank has answered."""
        early = not self.jumped and self.now_ms - self.asked_ms[asked.saga_id] < RETENTION_MS
        if early or not isinstance(asked, request.StartSaga) or self._runs(asked.saga_id):
            self._publish(asked)

    def _runs(self, saga_id: str) -> bool:
        """In every history that may go on: a copy alone shows as running what has ended and was trimmed since."""
        return all(
            store._database.meta.state == "ready"
            and any(
                saga_id in each.sagas and each.sagas[saga_id].ended_ms is None
                for each in store._database.tables.values()
            )
            for store in ([self.database] if self.intact else [*self._replaced, self.database])
        )

    def retry(self, saga_id: str) -> None:
        """An operator's `saga retry`."""
        self._publish(request.RetrySaga(request_id=f"r{len(self.asked)}", saga_id=saga_id))

    def _publish(self, asked: request.Request) -> None:
        self.asked.append(asked)
        self.asked_ms.setdefault(asked.saga_id, self.now_ms)
        self.client.publish([request.request_record(self.topics, SHARDS, asked, self.now_ms)])

    def committed(self, topic: str, shard: int) -> "list[IncomingRecord]":
        """What a reader of one partition has seen by now."""
        return [record for record in self.cluster.committed(topic) if record.partition == shard]

    # ------------------------------------------------------------ processes

    def wire(self, process: Process) -> Wire:
        """Its Kafka."""
        return Wire(process, self.cluster, self.topics)

    def catalogue(self) -> Catalogue:
        """Read once: definitions do not change in a run."""
        return self._catalogue

    def delay(self, late: LateCommit) -> None:
        """A COMMIT is on its way."""
        self.late.append(late)

    def launch(self, place: int) -> Process:
        """Start a process where there is none."""
        assert self.processes[place] is None
        self._names += 1
        made = self.processes[place] = Process(f"p{self._names}", self)
        self.chance.note(f"{made.name} starts")
        return made

    def living(self) -> list[Process]:
        """Every process that runs, in their order."""
        return [each for each in self.processes if each is not None and not each.paused and not each.doomed]

    def kill(self, process: Process) -> None:
        """With SIGKILL; in the middle of a step it ends where it is next at a place."""
        self.chance.note(f"{process.name} is killed")
        process.doomed = True
        self.bury(process)

    def bury(self, process: Process) -> None:
        """Forget who is killed and in no step."""
        if process.doomed and not process.busy and process in self.processes:
            self.processes[self.processes.index(process)] = None

    def meet(self, process: Process, place: str) -> None:
        """See ``Surroundings``."""
        chance = self.chance
        if process.doomed:
            raise Killed
        if chance.calm:
            return
        fault = "killed at a crash point" if place in CRASH_POINTS else "killed at a call"
        fault = "killed while it trims" if place in TRIMMING else fault
        if any(chance.hit(fault) for _ in range(SELDOM.get(place, 1))):
            chance.note(place)
            self.killed_at.add(place)
            raise Killed
        if self.depth < DEPTH_MAX and place != COMMIT_UNDER_LOCK and chance.hit("others go on within a step"):
            chance.note(f"{process.name} waits at {place}")
            self.go_on()
            if process.doomed:
                raise Killed

    # ------------------------------------------------------------ databases

    def replace_database(self, store: MemoryStore, *, old_lives: bool) -> None:
        """Another database is now the right one; ``old_lives``: processes may go on with the old one for a while."""
        self._replaced = [self.database] if self.intact else [*self._replaced, self.database]
        self.intact, self.damaged = False, True
        self.database.down = not old_lives
        self.database = store
        for process in self.living():
            if not old_lives or self.chance.even():
                process.store.point_to(store)

    @property
    def state(self) -> str:
        """Of the right database, also while it does not answer."""
        return self.database._database.meta.state

    def earliest_due_ms(self) -> int | None:
        """When the next timer of any saga is due."""
        tables = self.database._database.tables.values()
        due = [saga.due_ms for each in tables for saga in each.sagas.values() if saga.due_ms is not None]
        return min(due, default=None)
