"""What `python -m demo` and `python -m chaos` have in common: a directory for the run, and its exit status."""

import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from demo.show import Show
from orchestrator.errors import OrchestratorError

FAILED: Final = 1
INTERRUPTED: Final = 130


def exit_status(show: Show, run: Callable[[Path], bool], hint: str = "") -> int:
    """Call ``run`` with a new directory: 0 when it says that every promise was kept, 1 when not, 130 after Ctrl-C.

    With status 1 the directory stays, for its logs and data, and is named; ``hint`` is told with it. SIGTERM is taken
    for Ctrl-C, so that everything is ended in order.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = Path(tempfile.mkdtemp(prefix=f"saga-{show.name}-"))
    status = FAILED
    try:
        status = 0 if run(directory) else FAILED
    except OrchestratorError as error:
        show.error(str(error))
    except KeyboardInterrupt:
        status = INTERRUPTED
    finally:
        if status == FAILED:
            show.error(f"the logs and the data of this run are in {directory}{hint}")
        else:
            shutil.rmtree(directory)
    return status
