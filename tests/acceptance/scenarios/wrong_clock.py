"""The command `saga` by a clock that is wrong: `python wrong_clock.py FILE run`, FILE has by how many ms, now.

Only the wall clock of the orchestrator's own modules is moved; the machine, its servers and everybody else have the
right one. Whoever writes FILE moves it for the process that runs.
"""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

from orchestrator import clock
from orchestrator.cli.main import main

file = Path(sys.argv.pop(1))


def time_ns() -> int:
    return time.time_ns() + int(file.read_text(encoding="utf-8")) * 1_000_000


clock.__dict__["time"] = SimpleNamespace(time_ns=time_ns)
sys.exit(main())
