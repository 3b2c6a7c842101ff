"""The client: starts sagas and waits for them, from any process that reaches Kafka."""

from typing import Self, TypeVar

from orchestrator.blueprint.model import Json
from orchestrator.client.handle import ANSWER_S, Answered, Handle
from orchestrator.client.requests import Requests
from orchestrator.definition.decorator import SagaDefinition
from orchestrator.settings import Settings

Input = TypeVar("Input")
Output = TypeVar("Output")


class Client:
    """One connection to a namespace; connects with its first use. Any thread may use it; make one for a process.

    Everything that it is asked may raise ``Unavailable`` when Kafka is out of reach, and ``TopicMismatch`` when the
    namespace's topics are not there, and ``RuntimeError`` once it is closed.

    For an event loop there is ``AsyncClient``.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._requests = Requests(settings)
        self.settings = self._requests.settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait until what was sent is stored, and stop listening; whoever still waits is told. Twice is fine."""
        self._requests.close()

    # ------------------------------------------------------------ starting

    def start(
        self,
        definition: SagaDefinition[Input, Output],
        input: Input,  # noqa: A002 - what everybody calls it
        *,
        id: str | None = None,  # noqa: A002
        key: str | None = None,
        timeout: float = ANSWER_S,
    ) -> Handle[Output]:
        """Start a saga and wait until the orchestrator has taken it, at most ``timeout`` seconds.

        ``id`` is the saga's id; ``key`` an idempotency key from which the id is made; with neither it is new. The same
        id, saga and input again is the same saga. Raises what ``Handle.answered`` raises, and ``ValueError`` for an id
        or an input that cannot be.
        """
        handle = self._requests.submit(definition, input, id=id, key=key, hurry=True)
        handle.answered(timeout)
        return handle

    def submit(
        self,
        definition: SagaDefinition[Input, Output],
        input: Input,  # noqa: A002
        *,
        id: str | None = None,  # noqa: A002
        key: str | None = None,
    ) -> Handle[Output]:
        """As ``start``, without waiting for the answer: see ``Handle.answered``. Thousands may be in flight."""
        return self._requests.submit(definition, input, id=id, key=key)

    def start_named(
        self,
        name: str,
        input_json: str,
        *,
        id: str | None = None,  # noqa: A002
        key: str | None = None,
        timeout: float = ANSWER_S,
    ) -> Handle[Json]:
        """As ``start``, for a deployed saga's name and an input in JSON; its outcome is data of JSON.

        Raises ``MessageRejected`` for an input that the saga's schema does not allow, saying why.
        """
        handle = self._requests.submit_named(name, input_json, id=id, key=key)
        handle.answered(timeout)
        return handle

    # ------------------------------------------------------------ sagas that run

    def handle(self, definition: SagaDefinition[Input, Output], id: str) -> Handle[Output]:  # noqa: A002
        """The handle of a saga that was started before, by anybody; it is not checked here that it was."""
        return self._requests.handle(definition, id)

    def handle_named(self, id: str) -> Handle[Json]:  # noqa: A002
        """As ``handle``, with its outcome as data of JSON."""
        return self._requests.handle_named(id)

    def cancel(self, id: str, *, timeout: float = ANSWER_S) -> Answered:  # noqa: A002
        """Ask that a saga be undone; returns when that is decided, not when it is done.

        Raises ``RequestRefused`` when its pivot is done, or when there is no such saga, and ``OutcomeTimeout``.
        """
        return self._requests.cancel(id).answered(timeout)

    def retry(self, id: str, *, timeout: float = ANSWER_S) -> Answered:  # noqa: A002
        """Ask that what waits in an incident of a saga, or for its next attempt, be tried again now.

        Raises ``RequestRefused`` when nothing waits, or when there is no such saga, and ``OutcomeTimeout``.
        """
        return self._requests.retry(id).answered(timeout)
