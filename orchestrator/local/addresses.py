"""What a running stack leaves in its directory for others: who holds it, and where its servers answer.

`orchestrator.settings` reads the addresses for every command.
"""

import fcntl
import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.errors import ConfigError
from orchestrator.settings import ADDRESSES_FILE


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a stack's servers answer: Kafka as `host:port`, Postgres as a URL, and the process that holds them."""

    kafka: str
    database: str
    process: int


def write_addresses(directory: Path, addresses: Addresses) -> None:
    """Record the addresses at once: a reader sees the old record or the new one, never half of it."""
    unfinished = _record(directory).with_suffix(".new")
    unfinished.write_text(json.dumps(asdict(addresses), indent=2) + "\n", encoding="utf-8")
    unfinished.rename(_record(directory))


@contextmanager
def held(directory: Path) -> Generator[None]:
    """Hold the directory for this process alone; the hold ends with the process, however it ends.

    Raises `ConfigError`, which names the holder, when another one has it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _lock_file(directory).open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            message = (
                f"expected {directory} to be free for a local stack, got {lock.read().strip()} holding it: "
                "use that stack, end that process, or choose another --directory"
            )
            raise ConfigError(message) from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()} (`{' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])}`)\n")
        lock.flush()
        try:
            yield
        finally:
            _record(directory).unlink(missing_ok=True)


def _lock_file(directory: Path) -> Path:
    return directory / "lock"


def _record(directory: Path) -> Path:
    return directory / ADDRESSES_FILE
