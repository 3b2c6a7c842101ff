"""How a service uses the interpreter: how its threads share it beside Kafka's client, and when it collects garbage.

A thread that comes back from a library asks for the interpreter, and a computing thread gives it away after
``SWITCH_S``. Kafka's binding asks once for each record that was delivered. Beside several threads that compute, each of
these asks for it in competition with all of them (the convoy effect, https://bugs.python.org/issue7946): measured with
four shards, a transaction of 160 records took 190 ms, and a third of the processor's time went into switching.

So threads that have much to compute do it one at a time: ``computing``. Who waits for a server meanwhile lets another
one compute: ``waiting``. Neither is a lock of anything: a place where one of them is forgotten is slow, not wrong. But
``waiting`` comes before any lock of one's own, since its end waits for those who compute.
"""

import gc
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

SWITCH_S: Final = 0.001
"""How long a thread may compute before another one gets the interpreter: Python's default of 5 ms delays whoever comes
back from a server, and 0.2 ms costs a third of the throughput in switching (measured with all of an orchestrator's
threads, docs/adr/0007)."""

COLLECT_AFTER: Final = 50_000
"""New objects after which reference cycles are looked for. With Python's default of 700 every batch is looked through
many times, though it makes no cycle: 200 µs a transfer in the core instead of 174 (``bench.core``)."""


class _Turn(threading.local):
    """Whether this thread is the one that computes."""

    mine = False


_turn = _Turn()
_compute = threading.Lock()


@contextmanager
def computing() -> Generator[None]:
    """Within this block no other thread of this process is within such a block of its own; not to be nested."""
    with _compute:
        _turn.mine = True
        try:
            yield
        finally:
            _turn.mine = False


@contextmanager
def waiting() -> Generator[None]:
    """Within this block others may compute; for calls that wait for a server. Does nothing outside of ``computing``."""
    if not _turn.mine:
        yield
        return
    _turn.mine = False
    _compute.release()
    try:
        yield
    finally:
        _compute.acquire()
        _turn.mine = True


def is_idle() -> bool:
    """Whether nobody computes at this moment."""
    return not _compute.locked()


@contextmanager
def tuned() -> Generator[None]:
    """Within this block threads switch often and garbage is seldom collected; for the main function of a process."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(COLLECT_AFTER, *thresholds[1:])
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
