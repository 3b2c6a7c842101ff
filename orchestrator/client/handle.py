"""A saga as whoever started it holds it: the answer to the start, and the outcome."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Literal, Protocol, TypeAlias, TypeVar, assert_never

from orchestrator.blueprint.ids import no_such_saga
from orchestrator.client.watch import Watch
from orchestrator.errors import (
    Compensated,
    Conflict,
    OrchestratorError,
    OutcomeTimeout,
    RequestRefused,
    SagaNotFound,
    UnknownDefinition,
)
from orchestrator.wire.body import AvroBody
from orchestrator.wire.outcome import SagaEnded

Output_co = TypeVar("Output_co", covariant=True)
Answered = Literal["accepted", "already"]

ANSWER_S: Final = 30.0
"""How long an answer is waited for unless told otherwise: longer than another process needs to take over a shard."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause until ``known()``, at most ``seconds``, which may be infinite; it ends with whether it is known."""

    watch: Watch
    known: Callable[[], bool]
    seconds: float


@dataclass(frozen=True, slots=True)
class Look:
    """A pause for what only a thread can do: ``look`` waits for Kafka; it ends with what that returns."""

    look: Callable[[], bool]


T = TypeVar("T")
Pauses: TypeAlias = Generator[Wait | Look, bool, T]
"""How something is waited for, apart from the waiting: ``waited`` does it in a thread, ``AsyncHandle`` on a loop."""


class Reader(Protocol[Output_co]):
    """Makes values of what a saga ended with."""

    def output(self, body: AvroBody | None) -> Output_co:
        """What the saga returned."""
        ...

    def rejection(self, full_name: str, body: AvroBody | None) -> Exception | None:
        """The rejection that ended it; None when its class is not known here."""
        ...


class Handle(Generic[Output_co]):
    """One saga. Any thread may use it; as long as somebody holds it, what becomes of the saga is listened for."""

    __slots__ = ("__weakref__", "_look_back", "_may_be_past", "_reader", "_request_id", "_watch")

    def __init__(
        self,
        watch: Watch,
        request_id: str | None,
        reader: Reader[Output_co],
        look_back: Callable[[Watch, float], None],
    ) -> None:
        """``request_id`` is None for a saga that somebody else started; ``look_back`` finds an end of the past."""
        self._watch = watch
        self._request_id = request_id
        self._reader = reader
        self._look_back = look_back
        self._may_be_past = True

    @property
    def id(self) -> str:
        """The saga's id."""
        return self._watch.saga_id

    def answered(self, timeout: float = ANSWER_S) -> Answered:
        """Wait for the answer to the start, at most ``timeout`` seconds: ``already`` if it had been started before.

        Raises ``Conflict``, ``UnknownDefinition`` or ``RequestRefused`` when it is no, ``Unavailable`` when Kafka did
        not take the request, ``OutcomeTimeout`` when nothing came: it may have been started nevertheless.
        """
        return waited(self.answer_pauses(timeout))

    def done(self) -> bool:
        """Whether the saga is known to have ended."""
        return self._watch.ended is not None

    def add_done_callback(self, callback: Callable[["Handle[Output_co]"], None]) -> None:
        """Call ``callback`` with this handle once the saga has ended, from a thread of the client; it must be quick."""
        self._watch.when_ended(partial(callback, self))

    def outcome(self, timeout: float | None = None) -> Output_co:
        """Wait for the saga's end, at most ``timeout`` seconds, and return what it returned.

        Raises ``Compensated`` when it was undone, ``OutcomeTimeout`` when it has not ended (it goes on: ask again), and
        what ``answered`` raises when it was never started. Of a saga started before, the outcome is looked for among
        those of the last seven days; that takes longer the more there are.
        """
        return waited(self.outcome_pauses(timeout))

    def answer_pauses(self, timeout: float) -> Pauses[Answered]:
        """``answered``, for who waits in another way."""
        if self._request_id is None:
            return "already"
        return (yield from _answer(self._watch, self._request_id, timeout))

    def outcome_pauses(self, timeout: float | None) -> Pauses[Output_co]:
        """``outcome``, for who waits in another way."""
        until = float("inf") if timeout is None else time.monotonic() + timeout
        while self._watch.ended is None:
            left = until - time.monotonic()
            if self._request_id is not None and self._request_id not in self._watch.answers:
                known = yield Wait(self._watch, self._is_answered_or_ended, left)
            elif (yield from self.answer_pauses(0)) == "already" and self._may_be_past:
                known = left > 0 and (yield Look(partial(self._look_back_for, left)))
            else:
                known = yield Wait(self._watch, self.done, left)
            if not known:
                raise OutcomeTimeout(f"saga {self.id} has not ended within {timeout} s: it goes on, ask again later")
        return self._result(self._watch.ended)

    def _is_answered_or_ended(self) -> bool:
        return self.done() or self._request_id in self._watch.answers

    def _look_back_for(self, timeout: float) -> bool:
        """Whether all of the past was looked through in time."""
        until = time.monotonic() + timeout
        self._look_back(self._watch, until)
        self._may_be_past = time.monotonic() >= until
        return not self._may_be_past

    def _result(self, ended: SagaEnded) -> Output_co:
        if ended.status == "completed":
            return self._reader.output(ended.output)
        rejection = None
        if ended.rejection_type is not None:
            rejection = self._reader.rejection(ended.rejection_type, ended.rejection)
        raise Compensated(self.id, rejection, ended.rejection_type, ended.reason)


def waited(pauses: Pauses[T]) -> T:
    """Wait in this thread."""
    try:
        pause = next(pauses)
        while True:
            match pause:
                case Wait():
                    known = pause.watch.wait(pause.known, pause.seconds)
                case Look():
                    known = pause.look()
                case _:
                    assert_never(pause)
            pause = pauses.send(known)
    except StopIteration as end:
        return end.value


def _answer(watch: Watch, request_id: str, timeout: float) -> Pauses[Answered]:
    """The answer to a request; raises as ``Handle.answered``."""
    if not (yield Wait(watch, lambda: request_id in watch.answers, timeout)):
        raise OutcomeTimeout(
            f"the request for saga {watch.saga_id} was not answered within {timeout} s: "
            f"is an orchestrator running (saga run)? It may still be answered; the same id again is the same saga"
        )
    answer = watch.answers[request_id]
    if isinstance(answer, OrchestratorError):
        raise answer
    match answer.result:
        case "accepted" | "already":
            return answer.result
        case "conflict":
            raise Conflict(f"saga {watch.saga_id} exists and is another one: {answer.text}")
        case "unknown_definition":
            raise UnknownDefinition(f"saga {watch.saga_id} was not started: {answer.text}")
        case "refused" if answer.text == no_such_saga(watch.saga_id):
            raise SagaNotFound(answer.text)
        case "refused":
            raise RequestRefused(f"saga {watch.saga_id}: {answer.text}")
