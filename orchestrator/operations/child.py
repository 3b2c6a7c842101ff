"""One process under a supervisor: its standard output takes its reports, its standard input tells that it is alone.

Both pipes end with the death of the other process, however it died, and neither needs a name, a port or a file.
"""

import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from orchestrator.operations.report import Report, dumps
from orchestrator.telemetry import logger

EVERY_S: Final = 1.0
"""How often a child reports; the supervisor's figures are at most so old."""
STDIN: Final = 0
STDOUT: Final = 1
_log = logger("child")


@contextmanager
def reporting(
    report: Callable[[], Report], orphaned: Callable[[], None], lifeline: int = STDIN, to: int = STDOUT
) -> Generator[None]:
    """Within this block, and once at its end, report to the supervisor; call ``orphaned`` when it is gone.

    ``lifeline`` and ``to`` are file descriptors.
    """
    over = threading.Event()

    def listen() -> None:
        while os.read(lifeline, 1):  # nothing is ever written: it ends with the supervisor
            pass
        if not over.is_set():
            _log.warning("the supervisor is gone, this process drains and ends")
            orphaned()

    def tell() -> None:
        while True:
            last = over.is_set()
            try:
                _write(to, dumps(report()).encode() + b"\n")
            except OSError:  # the supervisor is gone, which the lifeline tells
                return
            if last:
                return
            over.wait(EVERY_S)

    # Daemons: neither is to keep a process whose supervisor lives and is silent.
    threading.Thread(target=listen, name="lifeline", daemon=True).start()
    teller = threading.Thread(target=tell, name="reports", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join(EVERY_S)


def _write(to: int, line: bytes) -> None:
    while line:
        line = line[os.write(to, line) :]
