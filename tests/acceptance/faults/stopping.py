"""The command `saga` that stops at a crash point instead of being killed there: `python stopping.py run`.

It is stopped as by SIGSTOP from outside, all of its threads, and goes on with SIGCONT from where it stood.
"""

import os
import signal
import sys
from types import SimpleNamespace

from orchestrator import crashpoints
from orchestrator.cli.main import main


def stop(process: int, _signal: int) -> None:
    os.kill(process, signal.SIGSTOP)


crashpoints.__dict__["os"] = SimpleNamespace(kill=stop, getpid=os.getpid)
sys.exit(main())
