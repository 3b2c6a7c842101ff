"""The threads of one orchestrator process; the only module that has any.

One thread for the group membership (the caller's), two for each shard (the loop, and its relay), one for the
housekeeping of the process. Each steps its component, and waits for input or for the time the component named.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Final

from orchestrator.clock import now_ms
from orchestrator.errors import OrchestratorError, Unavailable
from orchestrator.shard.housekeeping import Housekeeping
from orchestrator.shard.relay import Relay
from orchestrator.shard.shard import Plant, Shard, ShardStatus
from orchestrator.telemetry import logger
from orchestrator.turns import computing

POLL_S: Final = 0.1
"""How long the membership waits for a rebalance before it looks at everything else."""
HANG_S: Final = 10.0
"""A call of the database that takes longer hangs: its connection is broken from outside, since no server timeout ends a
session that hangs in COPY."""
PAUSE_MAX_S: Final = 1.0
"""A thread waits no longer, whatever the wall clock seems to say: it may be set back meanwhile."""
DRAIN_S: Final = 10.0
"""How long a stopping process waits for its relays to publish what is appended; what is left, the next owner does."""
REJOIN_S: Final = 1.0
"""Before a membership that ended is made anew."""
DRAIN_LOOK_S: Final = 0.005
"""How often a draining shard looks whether its relay is done."""
STUCK_S: Final = 60.0
"""A thread that is longer in one step is stuck. The longest that servers away make it wait is about 30 s: a lookup of
the journal, and then the init of a producer."""
_log = logger("runner")


@dataclass(slots=True)
class _Worker:
    """One shard's threads."""

    shard: Shard
    stop: threading.Event = field(default_factory=threading.Event)
    drain: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How a process stands, at one moment."""

    joined: bool
    """Whether the group has told this process its share of the shards."""
    shards: tuple[ShardStatus, ...]
    stuck: tuple[str, ...]
    """Threads that are in one step for longer than ``STUCK_S``."""


NOT_RUNNING: Final = Status(joined=False, shards=(), stuck=())


class Runner:
    """Runs the shards that the consumer group assigns to this process."""

    def __init__(self, plant: Plant, housekeeping: Housekeeping) -> None:
        self._plant = plant
        self._housekeeping = housekeeping
        self._workers: dict[int, _Worker] = {}
        self._leaving: list[_Worker] = []
        self._stopping = threading.Event()
        self._defect: BaseException | None = None
        self._joined = False
        self._steps: dict[int, tuple[str, float]] = {}
        """By thread: its name, and since when it is in a step; a thread that waits for something to do is not here."""

    def status(self) -> Status:
        """Called from any thread."""
        workers, since = list(self._workers.values()), time.monotonic() - STUCK_S
        stuck = tuple(name for name, began in list(self._steps.values()) if began < since)
        return Status(self._joined, tuple(worker.shard.status() for worker in workers), stuck)

    @contextlib.contextmanager
    def _stepping(self) -> Generator[None]:
        thread = threading.current_thread()
        key = threading.get_ident()
        self._steps[key] = thread.name, time.monotonic()
        try:
            yield
        finally:
            del self._steps[key]

    def stop(self) -> None:
        """Drain and stop; may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Own shards until ``stop``; raises what no retry can mend: a wrong setting, a defect."""
        house = self._thread("housekeeping", self._keep_house)
        membership = self._plant.broker.membership()
        try:
            while not self._stopping.is_set():
                try:
                    with self._stepping():
                        self._assign(membership.poll(POLL_S))
                    self._joined = membership.joined
                except Unavailable as error:
                    _log.warning("the membership ended, a new one is made", text=str(error))
                    membership.close()
                    self._joined = False
                    self._assign(frozenset())
                    self._stopping.wait(REJOIN_S)
                    membership = self._plant.broker.membership()
                self._watch()
        finally:
            self._stopping.set()
            self._drain(house)
            membership.close()
        if self._defect is not None:
            raise self._defect

    # ------------------------------------------------------------ the membership's thread

    def _assign(self, assigned: frozenset[int]) -> None:
        for shard in sorted(self._workers.keys() - assigned):
            _log.info("shard revoked", shard=shard)
            worker = self._workers.pop(shard)
            worker.stop.set()
            self._leaving.append(worker)
        for shard in sorted(assigned - self._workers.keys()):
            if any(worker.shard.shard == shard for worker in self._leaving):
                continue  # its old threads still let go of it; asked again in the next round
            _log.info("shard assigned", shard=shard)
            self._workers[shard] = self._start(shard)
        self._leaving = [worker for worker in self._leaving if worker.thread is not None and worker.thread.is_alive()]

    def _start(self, number: int) -> _Worker:
        worker = _Worker(Shard(number, self._plant, lambda relay: self._start_relay(number, relay)))
        worker.thread = self._thread(f"shard-{number}", lambda: self._work(worker))
        return worker

    def _thread(self, name: str, target: Callable[[], None]) -> threading.Thread:
        """Start a thread; what it cannot handle stops the whole process, so that no shard is held and not run."""

        def guarded() -> None:
            try:
                target()
            except OrchestratorError as error:  # whoever ends the process says it, in one line
                self._end_with(error)
            except BaseException as error:  # noqa: BLE001 - re-raised by `run`, in the thread that can end the process
                self._end_with(error)
                _log.exception("a thread failed", thread=name)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _end_with(self, error: BaseException) -> None:
        """The first error counts: others may follow from it."""
        self._defect = self._defect or error
        self._stopping.set()

    def _watch(self) -> None:
        """Break connections that hang, so that the shard's thread comes back with an error."""
        for worker in (*self._workers.values(), *self._leaving):
            if worker.shard.in_database_s() > HANG_S:
                _log.warning("a call of the database hangs, its connection is broken", shard=worker.shard.shard)
                worker.shard.interrupt()
        if self._plant.store.interrupt(HANG_S):
            _log.warning("a call of the database hangs, its connection is broken")

    def _drain(self, house: threading.Thread) -> None:
        workers = [*self._workers.values(), *self._leaving]
        for worker in self._workers.values():
            worker.drain.set()
        until = time.monotonic() + DRAIN_S
        for worker in workers:
            assert worker.thread is not None
            worker.thread.join(max(0.0, until - time.monotonic()))
            worker.stop.set()
        for worker in workers:
            assert worker.thread is not None
            worker.shard.interrupt()
            worker.thread.join(POLL_S)
        self._plant.store.interrupt(0)
        house.join(max(POLL_S, until - time.monotonic()))

    # ------------------------------------------------------------ a shard's threads

    def _work(self, worker: _Worker) -> None:
        shard = worker.shard
        with contextlib.closing(shard):
            while not worker.stop.is_set() and not worker.drain.is_set():
                before = shard.owned, shard.trouble
                with self._stepping(), computing():
                    wake_ms = shard.step(now_ms())
                _report(shard, *before)
                self._wait(worker, wake_ms)
            relay = shard.relay
            while relay is not None and relay.publishing and not worker.stop.wait(DRAIN_LOOK_S):
                pass

    @staticmethod
    def _wait(worker: _Worker, wake_ms: int) -> None:
        timeout_s = pause_s(wake_ms)
        if timeout_s <= 0:
            return
        inputs = worker.shard.inputs
        if inputs is None:
            worker.stop.wait(timeout_s)
        else:
            inputs.wait(timeout_s)

    def _start_relay(self, number: int, relay: Relay) -> None:
        changed = threading.Event()
        relay.wake = changed.set
        self._thread(f"relay-{number}", lambda: self._publish(relay, changed))

    def _publish(self, relay: Relay, changed: threading.Event) -> None:
        """A relay's thread: it closes its producer itself, so that nobody closes one that is in use."""
        with contextlib.closing(relay):
            while not relay.abandoned:
                changed.clear()
                with self._stepping(), computing():
                    wake_ms = relay.step(now_ms())
                changed.wait(None if wake_ms is None else pause_s(wake_ms))

    # ------------------------------------------------------------ housekeeping's thread

    def _keep_house(self) -> None:
        while not self._stopping.is_set():
            shards = [worker.shard for worker in list(self._workers.values())]
            with self._stepping():
                wake_ms = self._housekeeping.step(now_ms(), shards)
            self._stopping.wait(pause_s(wake_ms))


def pause_s(wake_ms: int) -> float:
    """The seconds until then, from 0 to ``PAUSE_MAX_S``."""
    return min(max(0.0, (wake_ms - now_ms()) / 1000), PAUSE_MAX_S)


def _report(shard: Shard, owned: bool, trouble: OrchestratorError | None) -> None:  # noqa: FBT001 - what was true before
    if shard.owned and not owned:
        _log.info("shard owned", shard=shard.shard)
    elif shard.trouble is not None and str(shard.trouble) != str(trouble):
        reason = type(shard.trouble).__name__
        _log.warning("shard not owned", shard=shard.shard, reason=reason, text=str(shard.trouble))
