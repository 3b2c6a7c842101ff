"""Whose turn it is to compute: how the threads of a service share the interpreter beside Kafka's client.

A thread that comes back from a library asks for the interpreter, and a computing thread gives it away after the switch
interval (``tuning``). Kafka's binding asks once for each record that was delivered. Beside several threads that
compute, each of these asks for it in competition with all of them (the convoy effect,
https://bugs.python.org/issue7946): measured with four shards, a transaction of 160 records took 190 ms, and a third of
the processor's time went into switching.

So threads that have much to compute do it one at a time: ``computing``. Who waits for a server meanwhile lets another
one compute: ``waiting``. Neither is a lock of anything: a place where one of them is forgotten is slow, not wrong. But
``waiting`` comes before any lock of one's own, since its end waits for those who compute.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager


class _Turn(threading.local):
    """Whether this thread is the one that computes."""

    mine = False


_turn = _Turn()
_compute = threading.Lock()


@contextmanager
def computing() -> Generator[None]:
    """Within this block no other thread of this process is within such a block of its own; not to be nested."""
    assert not _turn.mine, "expected a thread whose turn it is not, got computing() within computing(): leave out one"
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
