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


class HandlerRefused(OrchestratorError):
    """A participant's handler does not fit the message that it is registered for."""


# ---------------------------------------------------------------- whoever asked must act


class RequestFailed(OrchestratorError):
    """A request was answered, and not with yes."""


class Conflict(RequestFailed):
    """The saga's id is taken by a saga with another input or another name."""


class UnknownDefinition(RequestFailed):
    """No saga of this name is deployed in the namespace."""


class SagaNotFound(RequestFailed):
    """No saga has this id."""


class NotQuarantined(RequestFailed):
    """The quarantine has no record at this place."""


class RequestRefused(RequestFailed):
    """The saga's state does not allow what was asked."""


class Compensated(OrchestratorError):
    """The saga could not be completed, and everything it had done is undone."""

    def __init__(self, saga_id: str, rejection: Exception | None, rejection_type: str | None, reason: str) -> None:
        self.saga_id = saga_id
        self.rejection = rejection
        """The rejection that ended it, as its author's class; None: cancelled, unknown, or a class not known here."""
        self.rejection_type = rejection_type
        """Avro full name of the rejection."""
        self.reason = reason
        said = f": {rejection_type}({rejection})" if rejection is not None else ""
        super().__init__(f"saga {saga_id} was compensated, {reason}{said}")


class OutcomeTimeout(OrchestratorError):
    """What was waited for has not come yet; the saga goes on, ask again later."""


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


class AccessDenied(ConfigError):
    """A server refuses our credentials, our certificate or what we ask for; or we refuse its certificate."""


class NotAuthorized(AccessDenied):
    """Kafka knows who we are, and the access rights do not cover one topic, group, transactional id or the cluster."""


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


class DefinitionMissing(ShardRefused):
    """Sagas in flight are on a blueprint that the definitions topic does not have."""


class TopicMismatch(ShardRefused):
    """A topic is missing, was recreated, or has another number of partitions than the namespace."""


class InputsDeleted(ShardRefused):
    """An input topic no longer has the records that come next: retention or somebody took them away unread."""


class JournalUnsettled(ShardRefused):
    """A transaction is open in the journal behind the fence that ends all of them."""


class JournalCorrupt(ShardRefused):
    """A record of the journal cannot be what a relay wrote."""


# ---------------------------------------------------------------- one batch must be made differently


class BatchRefused(OrchestratorError):
    """The database's constraints forbid a batch: it is decided again, one input at a time."""
