"""What a handler may know and do beyond its command."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Generic

if TYPE_CHECKING:
    import psycopg
    from typing_extensions import TypeVar  # PEP 696 defaults; both checkers bundle the stub, nothing to install

    Connection = TypeVar("Connection", default="psycopg.Connection")  # so that a bare `Context` is the common case
else:
    from typing import TypeVar

    Connection = TypeVar("Connection")


class Context(Generic[Connection]):
    """What belongs to one command: ``Context`` alone has a psycopg connection, ``Context[None]`` is without inbox."""

    __slots__ = ("_connection", "_heard", "attempt", "command_id", "saga_id", "undoes")

    def __init__(
        self,
        connection: Connection,
        command_id: str,
        attempt: int = 1,
        saga_id: str = "",
        *,
        undoes: str | None = None,
        heard: Callable[[str], None] | None = None,
    ) -> None:
        """``heard`` takes what ``progress`` says; None: nobody does, as in a handler's own tests."""
        self._connection = connection
        self.command_id = command_id
        """The same for every attempt: without an inbox, the handler's own idempotency key."""
        self.attempt = attempt
        """From 1."""
        self.saga_id = saga_id
        self.undoes = undoes
        """On an undo and a probe the command id of the do they are about, else None. An inbox has seen to it."""
        self._heard = heard

    @property
    def connection(self) -> Connection:
        """What is written through it commits together with the answer, or not at all; never commit it yourself.

        Raises ``RuntimeError`` in a participant without inbox.
        """
        if self._connection is None:
            raise RuntimeError(
                "expected an inbox for context.connection, this participant has none: make it with "
                "Participant(…, inbox=PostgresInbox(…)), or take a Context[None] and write elsewhere"
            )
        return self._connection

    def progress(self, detail: str = "") -> None:
        """Say that the handler is at work: the attempt has its whole timeout again, from now on.

        Returns at once and may be called from any thread, as often as you like; what comes within 0.2 s of the one
        before is left out. ``detail`` is for people: the saga's timeline shows it. Nothing is promised by it: the
        transaction of an inbox stays as open as it was.
        """
        if self._heard is not None:
            self._heard(detail)


class RetryLater(Exception):
    """Raised by a handler: not now, send the command again after this long. Nothing of it is kept."""

    def __init__(self, *, after: timedelta) -> None:
        if after < timedelta(0):
            raise ValueError(f"expected a duration of at least 0 in RetryLater(after=…), got {after}")
        self.after = after
        super().__init__(f"not now, again after {after}")
