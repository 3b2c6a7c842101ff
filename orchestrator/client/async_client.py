"""The client for an event loop: what ``Client`` does, awaitable. It waits for Kafka in a few threads of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Self, TypeVar

from orchestrator.blueprint.model import Json
from orchestrator.client.async_handle import AsyncHandle
from orchestrator.client.handle import ANSWER_S, Answered, Handle
from orchestrator.client.requests import Requests
from orchestrator.definition.decorator import SagaDefinition
from orchestrator.settings import Settings

THREADS: Final = 4
"""For what Kafka must answer before a request is sent. Answers and outcomes, of any number of sagas, need none."""

Input = TypeVar("Input")
Output = TypeVar("Output")
T = TypeVar("T")


class AsyncClient:
    """One connection to a namespace; connects with its first use. Make one for a process, and close it.

    Each method does and raises what that of ``Client`` does. Who is cancelled while it waits has sent its request
    nevertheless: the same id again is the same saga.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._requests = Requests(settings)
        self._threads = ThreadPoolExecutor(THREADS, "saga-async-client")
        self.settings = self._requests.settings

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait until what was sent is stored, and stop listening; whoever still waits is told. Twice is fine.

        What is asked of it afterwards raises ``RuntimeError``: make a new one.
        """
        await asyncio.to_thread(self._requests.close)
        self._threads.shutdown(wait=False)

    async def start(
        self,
        definition: SagaDefinition[Input, Output],
        input: Input,  # noqa: A002 - what everybody calls it
        *,
        id: str | None = None,  # noqa: A002
        key: str | None = None,
        timeout: float = ANSWER_S,  # noqa: ASYNC109 - as Client's
    ) -> AsyncHandle[Output]:
        """Start a saga and wait until the orchestrator has taken it: see ``Client.start``."""
        handle = await self._asked(partial(self._requests.submit, definition, input, id=id, key=key, hurry=True))
        await handle.answered(timeout)
        return handle

    async def submit(
        self,
        definition: SagaDefinition[Input, Output],
        input: Input,  # noqa: A002
        *,
        id: str | None = None,  # noqa: A002
        key: str | None = None,
    ) -> AsyncHandle[Output]:
        """As ``start``, without waiting for the answer: see ``Client.submit``."""
        return await self._asked(partial(self._requests.submit, definition, input, id=id, key=key))

    async def start_named(
        self,
        name: str,
        input_json: str,
        *,
        id: str | None = None,  # noqa: A002
        key: str | None = None,
        timeout: float = ANSWER_S,  # noqa: ASYNC109 - as Client's
    ) -> AsyncHandle[Json]:
        """As ``start``, for a deployed saga's name and an input in JSON: see ``Client.start_named``."""
        handle = await self._asked(partial(self._requests.submit_named, name, input_json, id=id, key=key))
        await handle.answered(timeout)
        return handle

    async def handle(self, definition: SagaDefinition[Input, Output], id: str) -> AsyncHandle[Output]:  # noqa: A002
        """The handle of a saga that was started before: see ``Client.handle``."""
        return await self._asked(partial(self._requests.handle, definition, id))

    async def handle_named(self, id: str) -> AsyncHandle[Json]:  # noqa: A002
        """As ``handle``, with its outcome as data of JSON."""
        return await self._asked(partial(self._requests.handle_named, id))

    async def cancel(self, id: str, *, timeout: float = ANSWER_S) -> Answered:  # noqa: A002, ASYNC109 - as Client's
        """Ask that a saga be undone: see ``Client.cancel``."""
        return await (await self._asked(partial(self._requests.cancel, id))).answered(timeout)

    async def retry(self, id: str, *, timeout: float = ANSWER_S) -> Answered:  # noqa: A002, ASYNC109 - as Client's
        """Ask that what waits in a saga be tried again now: see ``Client.retry``."""
        return await (await self._asked(partial(self._requests.retry, id))).answered(timeout)

    async def _asked(self, ask: Callable[[], Handle[T]]) -> AsyncHandle[T]:
        handle = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return AsyncHandle(handle, self._threads)
