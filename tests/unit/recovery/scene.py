"""A namespace that has worked, databases that are lost or fall behind, and recoveries in the test's own thread."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

from orchestrator.broker.memory import MemoryBroker
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.recovery.course import Plan
from orchestrator.recovery.loading import Step, load
from orchestrator.recovery.recovery import RECOVERING, Namespace, Recovery
from orchestrator.shard.takeover import Ports
from orchestrator.store.memory import Contents, MemoryStore
from tests.unit.shard.world import NAMESPACE, Process, World, saga_on

SHARDS = 2


def worked(rounds: int = 14) -> tuple[World, Process]:
    """Sagas that are completed, compensated, cancelled and under way, on two shards."""
    world = World(SHARDS)
    process = Process(world, range(SHARDS))
    process.take_over()
    process.catalogue.refresh()
    process.catalogue.save()
    for shard in range(SHARDS):
        for number in range(6):
            world.start(saga_on(shard, SHARDS, f"s{number}-"), target="closed" if number % 3 == 2 else "b")
    world.run(process, rounds=rounds)
    world.silent = True
    for shard in range(SHARDS):
        world.start(saga_on(shard, SHARDS, "open-"))
    world.run(process, rounds=4)
    world.silent = False
    return world, process


def new_database(world: World) -> MemoryStore:
    """Put an empty database in the place of the lost one."""
    world.store = MemoryStore(NAMESPACE, world.shards)
    return world.store


def namespace_of(world: World, crash_point: CrashPoint = nowhere) -> Namespace:
    """What a recovery works on."""
    broker = MemoryBroker(world.cluster, world.topics, crash_point=crash_point)
    return Namespace(world.topics, world.shards, broker, world.store, crash_point, lambda: world.now_ms)


def loading(namespace: Namespace, tell: Callable[[Step], None] = lambda _: None) -> Callable[[Sequence[Plan]], None]:
    """Loads the shards one after the other, with room for few sagas, so that they leave and come back."""

    def load_all(plans: Sequence[Plan]) -> None:
        for each in plans:
            with closing(namespace.store.shard(each.shard, RECOVERING)) as shard:
                ports = Ports(each.shard, namespace.topics, namespace.broker, shard, namespace.crash_point)
                load(ports, each, 3, tell)

    return load_all


def recover(world: World, *, wipe: bool = False, drop: bool = False, crash_point: CrashPoint = nowhere) -> list[Plan]:
    """One call of `saga recover`."""
    namespace = namespace_of(world, crash_point)
    return Recovery(namespace, loading(namespace), wipe=wipe, drop=drop).run()


def tables(store: MemoryStore, shard: int) -> Contents:
    """What must be the same after a recovery: everything but the head, which is an owner's, and the outbox."""
    contents = store.contents(shard)
    return replace(contents, row=replace(contents.row, seq=0, chain=bytes(32), now_ms=0), outbox=())


def goes_on(world: World) -> None:
    """A new process takes over, ends what was open, and nothing was done twice."""
    process = Process(world, range(world.shards))
    process.take_over()
    name = saga_on(0, world.shards, "later-")
    world.start(name)
    world.run(process, rounds=80)
    ends = world.ended()
    assert ends[name] == "completed"
    assert {ends[saga_on(shard, SHARDS, "open-")] for shard in range(SHARDS)} == {"completed"}
    world.audit()
