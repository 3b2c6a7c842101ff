"""A recovery on the real servers: assembled from settings, its shards loaded in several processes."""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.port import Broker
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import TopicMismatch, Unavailable
from orchestrator.exit_code import ExitCode
from orchestrator.recovery.course import Plan
from orchestrator.recovery.loading import Step, load
from orchestrator.recovery.recovery import RECOVERING, Namespace
from orchestrator.settings import Settings
from orchestrator.shard.takeover import Ports
from orchestrator.store.meta import check_meta
from orchestrator.store.migrate import migrate
from orchestrator.store.postgres import PostgresStore
from orchestrator.tuning import tuned
from orchestrator.wire.topics import Topics

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

    Steps: TypeAlias = Queue[Step]

LOOK_S: Final = 0.1
"""How often it is looked whether a process that loads has failed."""
_SPAWN: Final = multiprocessing.get_context("spawn")


@contextmanager
def opened(settings: Settings, crash_point: CrashPoint = nowhere, *, migrating: bool = True) -> Generator[Namespace]:
    """The namespace that the settings name; ``migrating``: a database without tables gets them.

    Raises ``Unavailable``, ``TopicMismatch`` for a journal of another number of shards, and ``ConfigError`` for another
    namespace's database.
    """
    dsn, topics = settings.need_database(), Topics(settings.namespace)
    with closing(KafkaBroker.of(settings, crash_point)) as broker:
        broker.check_reachable()
        check_journal(broker, topics, settings.shards)
        if migrating:
            migrate(dsn, settings.namespace, settings.shards)
        with closing(PostgresStore(dsn, crash_point)) as store:
            check_meta(store.meta(), settings.namespace, settings.shards)
            yield Namespace(topics, settings.shards, broker, store, crash_point)


def check_journal(broker: Broker, topics: Topics, shards: int) -> None:
    """Raises ``TopicMismatch`` when the journal is not there, or is not one of so many shards.

    Asked before anything else: of a journal that has more, some would be left out without a word.
    """
    found = broker.topics([topics.journal]).get(topics.journal)
    if found is None:
        raise TopicMismatch(
            f"topic {topics.journal}: expected the journal of the namespace, it does not exist: name another "
            f"SAGA_NAMESPACE or SAGA_KAFKA, or restore the topic"
        )
    if found.partitions != shards:
        raise TopicMismatch(
            f"topic {topics.journal}: expected {shards} partitions (SAGA_SHARDS), got {found.partitions}: set "
            f"SAGA_SHARDS to what the namespace was made with"
        )


def load_all(
    settings: Settings,
    plans: Sequence[Plan],
    tell: Callable[[Step], None],
    processes: int | None = None,
    crash_point: CrashPoint = nowhere,
) -> None:
    """Load what is planned for each shard; ``processes`` at a time, by default one for each processor.

    Raises what ``loading.load`` raises, and ``Unavailable`` when a process is killed: what is loaded stays.
    """
    work = sorted((each for each in plans if each.records), key=lambda each: -each.records)
    count = min(processes or os.cpu_count() or 1, len(work))
    if count <= 1:
        for each in work:
            _load(settings, each, tell, crash_point)
        return
    steps: Steps = _SPAWN.Queue()
    with ProcessPoolExecutor(count, _SPAWN, begin, (steps,)) as pool:
        futures = [pool.submit(_load_here, settings, each) for each in work]
        try:
            await_all(futures, steps, tell)
        except BrokenProcessPool as error:
            raise Unavailable(
                "expected the processes that load to end by themselves, one was killed: call `saga recover` again"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def await_all(futures: Sequence[Future[Step]], steps: "Steps", tell: Callable[[Step], None]) -> None:
    """Tell every step once, though some may still be on their way when their process is done: it says how many."""
    pending: set[Future[Step]] = set(futures)
    told: dict[int, Step] = {}
    over: set[int] = set()
    while pending:
        done, pending = wait(pending, LOOK_S, FIRST_EXCEPTION)
        for step in (step for step in _arrived(steps) if step.shard not in over):
            told[step.shard] = _sum(told.get(step.shard), step)
            tell(step)
        for future in done:
            whole = future.result()
            before = told.get(whole.shard, Step(whole.shard, 0, 0))
            tell(Step(whole.shard, whole.events - before.events, whole.records - before.records))
            over.add(whole.shard)


def _arrived(steps: "Steps") -> Iterator[Step]:
    while True:
        try:
            yield steps.get_nowait()
        except queue.Empty:
            return


def _sum(before: Step | None, step: Step) -> Step:
    return step if before is None else Step(step.shard, before.events + step.events, before.records + step.records)


# ---------------------------------------------------------------- in a process that loads

_steps: list["Steps"] = []
"""Of this process, if it is one that loads: where it tells how far it is."""


def begin(steps: "Steps") -> None:
    """The first thing in such a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that began this one
    steps.cancel_join_thread()  # who does not read them any more is told how many there were
    _steps.append(steps)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A recovery that is killed leaves nobody behind who goes on with what it had planned."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(ExitCode.INTERRUPTED)


def _load_here(settings: Settings, planned: Plan) -> Step:
    """Returns what was told in all."""
    told = Step(planned.shard, 0, 0)

    def tell(step: Step) -> None:
        nonlocal told
        told = _sum(told, step)
        _steps[0].put(step)

    with tuned():
        _load(settings, planned, tell, nowhere)
    return told


def _load(settings: Settings, planned: Plan, tell: Callable[[Step], None], crash_point: CrashPoint) -> None:
    topics = Topics(settings.namespace)
    with (
        closing(KafkaBroker.of(settings)) as broker,
        closing(PostgresStore(settings.need_database(), crash_point)) as store,
        closing(store.shard(planned.shard, RECOVERING)) as shard,
    ):
        load(Ports(planned.shard, topics, broker, shard, crash_point), planned, settings.cache_sagas, tell)
