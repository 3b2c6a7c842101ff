"""Waiting for what another process does, or a thread of the product.

A process of its own (an orchestrator, a server, a supervised child) tells nobody here what it has come to: there is no
event to wait for, so it is asked again and again, with pauses in which it gets the processor. So is a runner's thread,
which has nothing to tell a test; where there is an event, a test waits for that.
"""

import time
from collections.abc import Callable
from threading import Event
from typing import Final

PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.02


def until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> float:
    """Wait until it holds; gives the seconds that it took."""
    began, never = time.monotonic(), Event()
    while not condition():
        assert time.monotonic() - began < patience_s, f"it did not come to pass within {patience_s:.0f} s"
        never.wait(LOOK_S)
    return time.monotonic() - began
