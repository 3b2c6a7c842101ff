"""Every error of the product, sorted by who must act.

A text says what was expected, what was found, where, and what to do. Expected outcomes are values, not errors;
what cannot happen is an ``assert``. An adapter translates its library's errors in one place, ``from exc``.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class OrchestratorError(Exception):
    """The root of the tree."""


# ---------------------------------------------------------------- the saga's author must act


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One mistake in a definition: where it stands, and what to write instead."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file.rsplit('/', 1)[-1]}:{self.line}  {self.text}"


class DefinitionError(OrchestratorError):
    """A saga's definition cannot be compiled; carries *all* problems, in the order of the source."""

    def __init__(self, saga: str, problems: Sequence[Problem]) -> None:
        self.saga = saga
        self.problems = tuple(sorted(problems))
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n  ".join([f"saga {saga}: {count}", *map(str, self.problems)]))


class SchemaIncompatible(OrchestratorError):
    """A message type changed in a way that records already written cannot be read with."""


# ---------------------------------------------------------------- the peer must act


class MessageRejected(OrchestratorError):
    """A record from Kafka that cannot be used: it goes to quarantine with ``reason``, never away."""

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


# ---------------------------------------------------------------- nobody must act: back off and try again


class Unavailable(OrchestratorError):
    """A server does not answer, or gave up on this attempt; trying again later is right."""


class OwnershipLost(OrchestratorError):
    """Somebody else holds the shard's history now; this process drops the shard and what it cached of it."""


# ---------------------------------------------------------------- the operator must act


class ConfigError(OrchestratorError):
    """A setting is missing, unknown or contradicts the servers."""


class ShardRefused(OrchestratorError):
    """A shard is not run until an operator has acted; the text names the cure."""


class DatabaseBehind(ShardRefused):
    """Postgres lacks batches that Kafka has: a restored backup, a lagging replica, an emptied database."""


class ChainsDiverged(ShardRefused):
    """Postgres and Kafka hold different histories of one shard: two primaries, or a foreign namespace."""


class FooterMissing(ShardRefused):
    """Postgres holds relayed batches, but the journal has no footer: the topic was emptied or recreated."""


class DatabaseNotReady(ShardRefused):
    """``meta.state`` is not ``ready``: a recovery is running or was interrupted."""


class TopicMismatch(ShardRefused):
    """A topic is missing, was recreated, or has another number of partitions than the namespace."""


class JournalCorrupt(ShardRefused):
    """A record of the journal cannot be what a relay wrote."""


# ---------------------------------------------------------------- one batch must be made differently


class BatchRefused(OrchestratorError):
    """The database's constraints forbid a batch: it is decided again, one input at a time."""
