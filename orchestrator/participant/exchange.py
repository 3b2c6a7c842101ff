"""What a connector is to a participant: it answers one type of command, with no class here. And an answer begun."""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from orchestrator.blueprint.values import Data
from orchestrator.wire.avro import Codec
from orchestrator.wire.command import ReceivedCommand
from orchestrator.wire.reply import Answer

T = TypeVar("T")


class Exchange(Protocol):
    """One type of command with the schemas of what it takes and gives."""

    @property
    def command_type(self) -> str:
        """The command's Avro full name, ``{participant}.{Class}``."""
        ...

    @property
    def command(self) -> Codec:
        """What commands are read with."""
        ...

    def codecs(self) -> Iterable[Codec]:
        """Of everything that it reads or writes, to be published before the first reply."""
        ...

    def answer(self, data: Data, command: ReceivedCommand) -> Answer:
        """The answer to a command with the body ``data``; several threads may ask at once.

        Raises ``Retryable`` for no answer that may be kept, ``MessageRejected`` for a body that is refused before
        anything is done with it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Begun(Generic[T]):
    """An async handler that was called: its coroutine is for the event loop to run."""

    coroutine: Coroutine[Any, Any, object]
    ended: Callable[[Callable[[], object]], T]
    """Makes the answer of what gives the coroutine's result, or raises what it raised."""
