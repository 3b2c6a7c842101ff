"""The inbox as a port: runs a handler once for each command id and repeats its first answer.

An implementation keeps its rows in the database that the handlers change, so that the effect and the answer commit
together. An answer's body is bytes to it. What is stored is final: an answer that is ``failed`` here promises that
nothing happened.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from orchestrator.wire.command import Role
from orchestrator.wire.reply import Answer, completed, failed

Connection_co = TypeVar("Connection_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What an inbox must know of a command."""

    namespace: str
    """Of the orchestrator that sent it: command ids are unique within one namespace only."""
    command_id: str
    undoes: str | None
    """On an undo and a probe the command id of the do."""
    role: Role


REFUSED: Final = failed(
    "Refused", "its undo or probe came first: the command is not done any more", retryable=False, no_effect=True
)
"""The first answer of a do that was undone or asked for before it came."""

SKIPPED: Final = completed(skipped=True)
"""The answer to an undo of what did not happen: its handler is not called."""


class Retryable(Exception):
    """The handler gave no answer that may be kept: everything is rolled back, the command may be sent again."""

    def __init__(self, type: str, message: str, after_ms: int = 0) -> None:  # noqa: A002 - the word on the wire
        self.type = type
        self.message = message
        self.after_ms = after_ms
        super().__init__(f"{type}: {message}")


class Session(Protocol[Connection_co]):
    """An inbox as one worker thread uses it."""

    def once(self, delivery: Delivery, handle: Callable[[Connection_co], Answer]) -> Answer:
        """The first answer to this command: the stored one, or else what ``handle`` gives now, stored with its effect.

        An undo or a probe first stores ``REFUSED`` for the do it names, unless that was answered; an undo of what was
        not ``completed`` is answered ``SKIPPED`` without calling ``handle``. What ``handle`` wrote is kept only if its
        answer is ``completed``. Raises ``Retryable`` from ``handle``, or for a conflict in the database: nothing is
        kept. Raises ``Unavailable`` when the database is out of reach: call it again.
        """
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Inbox(Protocol[Connection_co]):
    """Where a participant keeps its first answers."""

    def prepare(self) -> None:
        """Make the place where answers are kept, if it is missing. Raises ``Unavailable`` or ``ConfigError``."""
        ...

    def session(self) -> Session[Connection_co]:
        """A session for one worker thread; connects when it is first used."""
        ...
