"""What a shard tells of its own work: once for each batch and once for each Kafka transaction, never for each record.

A port, so that the shard knows no library of metrics, and a test sees the figures without a server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """One batch that Postgres has."""

    inputs: int
    """Records that were read for it."""
    timers: int
    """Sagas whose timers fired in it."""
    decide_s: float
    commit_s: float
    """Its Postgres transaction, with the wait for this thread's turn to compute behind it."""
    retries: int
    """Commands in it that are sent again."""
    incidents: int
    """Incidents that it opens."""


class Meter(Protocol):
    """Takes figures from the threads of all shards of a process."""

    def clock(self) -> float:
        """Seconds since whenever; only differences count."""
        ...

    def appended(self, batch: BatchFigures) -> None:
        """A batch is in Postgres."""
        ...

    def trimmed(self, sagas: int) -> None:
        """The rows of so many closed sagas were trimmed, in a batch that is not among those of ``appended``."""
        ...

    def quarantined(self, reasons: Sequence[str]) -> None:
        """A batch that is in Postgres puts so many records into quarantine, each for its reason."""
        ...

    def published(self, batches: int, seconds: float) -> None:
        """So many batches are in Kafka, by one transaction that took so long from its begin."""
        ...


class Unmeasured:
    """Nobody wants to know."""

    def clock(self) -> float:
        """See the port."""
        return 0.0

    def appended(self, batch: BatchFigures) -> None:
        """See the port."""

    def trimmed(self, sagas: int) -> None:
        """See the port."""

    def quarantined(self, reasons: Sequence[str]) -> None:
        """See the port."""

    def published(self, batches: int, seconds: float) -> None:
        """See the port."""


UNMEASURED = Unmeasured()
