"""How a process uses its interpreter: how often its threads switch, and when it collects garbage."""

import gc
import sys
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
