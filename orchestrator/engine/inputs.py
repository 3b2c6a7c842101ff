"""What can come to a saga: requests and observations. ``now_ms`` is the shard's time, recorded with the batch."""

from typing import Literal, TypeAlias

from orchestrator.blueprint.frozen import frozen
from orchestrator.blueprint.values import Data


@frozen(kw_only=True)
class StartSaga:
    """A client asks for a saga; the shard's owner has found the blueprint that is active now."""

    request_id: str
    saga_id: str
    saga: str
    input: Data
    now_ms: int


@frozen(kw_only=True)
class CancelSaga:
    """A client or operator asks that the saga be undone."""

    request_id: str
    saga_id: str
    now_ms: int


@frozen(kw_only=True)
class RetrySaga:
    """An operator asks that what waits in an incident, or for its next attempt, be tried again now."""

    request_id: str
    saga_id: str
    now_ms: int


@frozen(kw_only=True)
class ReplyReceived:
    """A participant's answer to one attempt of one command, decoded and validated."""

    saga_id: str
    command_id: str
    attempt: int
    outcome: Literal["completed", "rejected", "failed", "progress"]
    type: str
    """On ``rejected`` the Avro full name of the rejection; on ``failed`` the name of what failed."""
    body: Data
    """The reply, or the rejection; on ``failed`` the message. Never of an undo: its body is not decoded."""
    retryable: bool = False
    retry_after_ms: int = 0
    no_effect: bool = False
    now_ms: int


@frozen(kw_only=True)
class ReplyUnreadable:
    """An answer came whose saga and command are known, but which cannot be decoded or has the wrong type."""

    saga_id: str
    command_id: str
    reason: str
    text: str
    now_ms: int


@frozen(kw_only=True)
class CommandUndeliverable:
    """A command of this batch cannot be sent: its topic is missing, or it is larger than the topic allows."""

    saga_id: str
    command_id: str
    reason: str
    now_ms: int


@frozen(kw_only=True)
class TimersDue:
    """Time has passed: whatever of this saga is due at ``now_ms`` happens now."""

    saga_id: str
    now_ms: int


Input: TypeAlias = (
    StartSaga | CancelSaga | RetrySaga | ReplyReceived | ReplyUnreadable | CommandUndeliverable | TimersDue
)
