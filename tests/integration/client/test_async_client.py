"""The awaitable client on a real Kafka: what ``Client`` does, on an event loop."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from orchestrator import AsyncClient
from orchestrator.client.deployment import deploy
from orchestrator.errors import Compensated, OutcomeTimeout, RequestRefused, Unavailable
from orchestrator.wire.request import CancelSaga, RetrySaga, StartSaga
from tests.integration.client.conftest import Orchestrator
from tests.integration.client.sagas import Invoice, purchase
from tests.integration.client.test_client import INVOICE, ORDER, answer, compensated, completed

Aside = Callable[[Callable[[], None]], None]


def test_hundreds_are_in_flight_and_each_gets_its_own(orchestrator: Orchestrator, aside: Aside) -> None:
    count = 300

    def serve() -> None:
        requests = [orchestrator.next_request() for _ in range(count)]
        assert all(isinstance(request, StartSaga) for request in requests)
        orchestrator.tell(*[answer(request) for request in requests])
        orchestrator.tell(*[completed(r.saga_id, Invoice(total=Decimal(r.saga_id))) for r in reversed(requests)])

    async def one(client: AsyncClient, number: int) -> Invoice:
        handle = await client.start(purchase, ORDER, id=str(number), timeout=60)
        return await handle.outcome(60)

    async def main() -> list[Invoice]:
        async with AsyncClient(orchestrator.settings) as client:
            return await asyncio.gather(*[one(client, number) for number in range(count)])

    aside(serve)
    assert asyncio.run(main()) == [Invoice(total=Decimal(number)) for number in range(count)]


def test_operations_names_and_ends_of_the_past(orchestrator: Orchestrator, aside: Aside) -> None:
    deploy([purchase.compile()], orchestrator.settings, create_topics=True)

    def serve() -> None:
        for kind in (StartSaga, CancelSaga, RetrySaga):
            request = orchestrator.next_request()
            assert isinstance(request, kind)
            orchestrator.tell(answer(request, "refused" if kind is RetrySaga else "accepted", "nothing waits"))
        orchestrator.tell(compensated("named", None, None, "cancelled"))

    async def main() -> None:
        async with AsyncClient(orchestrator.settings) as client:
            handle = await client.start_named("purchase", '{"number": "7", "amount": "12.5"}', id="named")
            assert await handle.answered() == "accepted"
            with pytest.raises(OutcomeTimeout):
                await handle.outcome(0.1)
            assert await client.cancel("named") == "accepted"
            with pytest.raises(RequestRefused, match="nothing waits"):
                await client.retry("named")
            with pytest.raises(Compensated, match="cancelled"):
                await handle.outcome(30)
        async with AsyncClient(orchestrator.settings) as later:
            for again in (await later.handle(purchase, "named"), await later.handle_named("named")):
                with pytest.raises(Compensated, match="cancelled"):
                    await again.outcome(30)

    aside(serve)
    asyncio.run(main())


def test_a_start_that_nobody_answers_is_sent_and_a_closed_client_tells_who_waits(
    orchestrator: Orchestrator,
) -> None:
    async def main() -> None:
        client = AsyncClient(orchestrator.settings)
        with pytest.raises(OutcomeTimeout, match="saga run"):
            await client.start(purchase, ORDER, timeout=0.1)
        submitted = await client.submit(purchase, ORDER, key="order 7")
        orchestrator.next_request()
        request = orchestrator.next_request()
        assert request.saga_id == submitted.id
        orchestrator.tell(answer(request), completed(submitted.id))
        assert await submitted.outcome(30) == INVOICE
        submitted_again = await client.submit(purchase, ORDER)
        waiting = asyncio.create_task(submitted_again.outcome())
        await client.close()
        with pytest.raises(Unavailable, match="closed"):
            await waiting
        await client.close()
        with pytest.raises(RuntimeError, match="after shutdown"):
            await client.submit(purchase, ORDER)

    asyncio.run(main())
