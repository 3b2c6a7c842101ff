"""The processes of a recovery: nobody is left behind by one that is killed, and every event is told once."""

import multiprocessing
import os
import queue
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, cast

import pytest

from orchestrator.recovery.loading import Step
from orchestrator.recovery.service import await_all, begin

SPAWN = multiprocessing.get_context("spawn")
PATIENCE_S = 60


def wait_for_ever(child: Connection) -> None:
    """What loads for hours."""
    child.send(os.getpid())
    threading.Event().wait()


def recover_for_ever(child: Connection) -> None:
    with ProcessPoolExecutor(1, SPAWN, begin, (SPAWN.Queue(),)) as pool:
        pool.submit(wait_for_ever, child).result()


def test_a_recovery_that_is_killed_leaves_no_process_behind() -> None:
    ours, theirs = SPAWN.Pipe()
    parent = SPAWN.Process(target=recover_for_ever, args=(theirs,))
    parent.start()
    theirs.close()
    assert ours.poll(PATIENCE_S)
    child = ours.recv()
    assert parent.pid is not None
    os.kill(parent.pid, signal.SIGKILL)
    parent.join(PATIENCE_S)
    # Its end of the pipe is closed when it is gone.
    assert ours.poll(PATIENCE_S), f"process {child} goes on without the one that began it"
    with pytest.raises(EOFError):
        ours.recv()


class Late(queue.Queue[Step]):
    """Steps that are on their way for so many looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def get_nowait(self) -> Step:
        if self._looks:
            self._looks -= 1
            raise queue.Empty
        return super().get_nowait()


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_steps_that_are_on_their_way_when_their_process_is_done_are_told_once(looks: int) -> None:
    steps, told = Late(looks), list[Step]()
    first, second = Future[Step](), Future[Step]()
    for shard in range(2):
        for _ in range(3):
            steps.put(Step(shard, 10, 11))

    def tell(step: Step) -> None:
        told.append(step)
        if not second.done():  # later than the first one, whose steps may still come
            second.set_result(Step(1, 30, 33))

    first.set_result(Step(0, 30, 33))
    await_all([first, second], cast("Any", steps), tell)
    assert [sum(step.events for step in told if step.shard == shard) for shard in range(2)] == [30, 30]
    assert [sum(step.records for step in told if step.shard == shard) for shard in range(2)] == [33, 33]
