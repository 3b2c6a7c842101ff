"""Places where a test kills the process: between any two effects that a crash could tear apart.

A component calls its ``crash_point`` with a name of this list; in production that does nothing. The list is the whole
truth: tests go through it, and a name that no component calls, or that is called and not listed, fails a test.
"""

import os
import signal
from collections.abc import Callable
from typing import Final

from orchestrator.errors import ConfigError

CrashPoint = Callable[[str], None]

OF_A_RUN: Final = (
    "take_over.compared",
    "take_over.before_commit",
    "take_over.after_owner_batch",
    "take_over.after_init",
    "take_over.after_footer",
    "take_over.before_publish",
    "append.before_commit",
    "append.after_commit",
    "trim.before_commit",
    "trim.after_commit",
    "relay.after_begin",
    "relay.produced_ahead",
    "relay.after_produce",
    "commit.before_end",
    "commit.after_end",
    "outbox.before_delete",
    "outbox.after_delete",
    "inputs.before_delete",
)
"""Of `saga run`; several are passed by a recovery, too."""
OF_A_RECOVERY: Final = (
    "recover.recovering",
    "recover.fenced",
    "load.before_commit",
    "load.after_commit",
    "recover.loaded",
    "recover.published",
    "recover.before_ready",
)
"""Of `saga recover` alone."""
NAMES: Final = OF_A_RUN + OF_A_RECOVERY


def nowhere(_name: str) -> None:
    """The crash point of production: nothing happens."""


def kill_at(wanted: str, passes: int) -> CrashPoint:
    """Kill this process with SIGKILL when ``wanted`` is reached for the ``passes``-th time (from 1).

    Raises ``ConfigError`` for a name that is not listed.
    """
    if wanted not in NAMES:
        raise ConfigError(f"expected a crash point, one of {', '.join(NAMES)}; got {wanted!r}")
    left = passes

    def crash(name: str) -> None:
        nonlocal left
        if name == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return crash
