"""How Python's threads share the interpreter while Kafka's client works beside code that computes."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

SWITCH_S: Final = 0.001
"""How long a thread may compute before another one gets the interpreter. The binding asks for it once for each record
that was delivered: with Python's default of 5 ms a flush beside a busy thread takes a second. Measured with all of an
orchestrator's threads: 0.2 ms costs a third of its throughput in switching, 1 ms costs nothing (docs/adr/0007)."""


@contextmanager
def quick_switches() -> Generator[None]:
    """Within this block threads switch often; for the main function of a process, since it holds for all threads."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
