"""The client on a real Kafka: every request is waited for, every outcome is found."""

import gc
import threading
import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from orchestrator.blueprint.ids import keyed_saga_id
from orchestrator.client.client import Client
from orchestrator.client.contract import PlainRejection
from orchestrator.client.deployment import deploy
from orchestrator.definition.conversion import to_data
from orchestrator.definition.schema import avro_schema
from orchestrator.errors import (
    Compensated,
    Conflict,
    MessageRejected,
    OutcomeTimeout,
    RequestRefused,
    TopicMismatch,
    Unavailable,
    UnknownDefinition,
)
from orchestrator.settings import Settings
from orchestrator.wire.avro import Codec
from orchestrator.wire.body import AvroBody
from orchestrator.wire.outcome import RequestAnswered, RequestResult, SagaEnded
from orchestrator.wire.registry import SchemaRegistry
from orchestrator.wire.request import CancelSaga, Request, RetrySaga, StartSaga
from tests.integration.client.conftest import Orchestrator
from tests.integration.client.sagas import Declined, Invoice, Order, purchase, silent

ORDER = Order(number="7", amount=Decimal("12.5"))
INVOICE = Invoice(total=Decimal("12.5"))

Aside = Callable[[Callable[[], None]], None]


def body_of(value: object, namespace: str) -> AvroBody:
    codec = Codec(avro_schema(type(value), namespace))
    return AvroBody(codec.schema_id, codec.encode(to_data(value, type(value), namespace)))


def answer(request: Request, result: RequestResult = "accepted", text: str = "") -> RequestAnswered:
    return RequestAnswered(request_id=request.request_id, saga_id=request.saga_id, result=result, text=text)


def completed(saga_id: str, output: object = INVOICE) -> SagaEnded:
    return SagaEnded(
        saga_id=saga_id,
        saga="purchase",
        status="completed",
        output=None if output is None else body_of(output, "purchase"),
        rejection_type=None,
        rejection=None,
        reason="",
        started_ms=1,
        ended_ms=2,
    )


def compensated(saga_id: str, rejection_type: str | None, body: AvroBody | None, reason: str) -> SagaEnded:
    return SagaEnded(
        saga_id=saga_id,
        saga="purchase",
        status="compensated",
        output=None,
        rejection_type=rejection_type,
        rejection=body,
        reason=reason,
        started_ms=1,
        ended_ms=2,
    )


def test_a_start_is_answered_and_its_outcome_is_the_authors_value(
    orchestrator: Orchestrator, client: Client, aside: Aside
) -> None:
    def serve() -> None:
        request = orchestrator.next_request()
        assert isinstance(request, StartSaga)
        assert (request.saga, request.saga_id) == ("purchase", "order-7")
        assert request.input == body_of(ORDER, "purchase")
        orchestrator.tell(answer(request), completed("order-7"))

    aside(serve)
    handle = client.start(purchase, ORDER, id="order-7")
    assert handle.answered() == "accepted"
    assert handle.outcome(30) == INVOICE
    assert handle.done() is True


def test_the_inputs_schema_is_published_before_the_first_start(orchestrator: Orchestrator, client: Client) -> None:
    client.submit(purchase, ORDER)
    orchestrator.next_request()
    registry, follower = SchemaRegistry(), orchestrator.broker.follower(orchestrator.topics.schemas)
    for record in follower.catch_up():
        registry.learn(record)
    follower.close()
    assert registry.get(body_of(ORDER, "purchase").schema_id) == avro_schema(Order, "purchase")


def test_a_saga_that_returns_nothing_gives_none(orchestrator: Orchestrator, client: Client) -> None:
    handle = client.submit(silent, ORDER)
    request = orchestrator.next_request()
    orchestrator.tell(answer(request), completed(handle.id, None))
    assert handle.outcome(30) is None


def test_a_compensated_saga_raises_its_rejection(orchestrator: Orchestrator, client: Client) -> None:
    handle = client.submit(purchase, ORDER)
    orchestrator.next_request()
    orchestrator.tell(
        compensated(handle.id, "billing.Declined", body_of(Declined(why="limit"), "billing"), "charge was rejected")
    )
    with pytest.raises(Compensated, match="charge was rejected") as caught:
        handle.outcome(30)
    assert caught.value.rejection == Declined(why="limit")
    assert caught.value.rejection_type == "billing.Declined"


def test_a_cancelled_saga_raises_without_rejection(orchestrator: Orchestrator, client: Client) -> None:
    handle = client.submit(purchase, ORDER)
    orchestrator.next_request()
    orchestrator.tell(compensated(handle.id, None, None, "cancelled"))
    with pytest.raises(Compensated, match="cancelled") as caught:
        handle.outcome(30)
    assert caught.value.rejection is None


@pytest.mark.parametrize(
    ("result", "error"),
    [("conflict", Conflict), ("unknown_definition", UnknownDefinition), ("refused", RequestRefused)],
)
def test_a_no_is_raised_by_start_and_by_outcome(
    orchestrator: Orchestrator, client: Client, result: RequestResult, error: type[Exception]
) -> None:
    handle = client.submit(purchase, ORDER)
    orchestrator.tell(answer(orchestrator.next_request(), result, "because of the moon"))
    with pytest.raises(error, match="because of the moon"):
        handle.answered(30)
    with pytest.raises(error, match="because of the moon"):
        handle.outcome(30)


def test_without_an_orchestrator_a_start_ends_with_a_hint(orchestrator: Orchestrator, client: Client) -> None:
    with pytest.raises(OutcomeTimeout, match="saga run"):
        client.start(purchase, ORDER, timeout=0.2)
    assert isinstance(orchestrator.next_request(), StartSaga)


def test_an_outcome_that_is_late_is_asked_for_again(orchestrator: Orchestrator, client: Client) -> None:
    handle = client.submit(purchase, ORDER)
    orchestrator.tell(answer(orchestrator.next_request()))
    with pytest.raises(OutcomeTimeout, match="goes on"):
        handle.outcome(0.3)
    orchestrator.tell(completed(handle.id))
    assert handle.outcome(30) == INVOICE


def test_the_outcome_of_a_saga_that_ended_long_ago_is_found(orchestrator: Orchestrator, client: Client) -> None:
    first = client.submit(purchase, ORDER, id="old")
    orchestrator.tell(answer(orchestrator.next_request()), completed("old"))
    others = [client.submit(purchase, ORDER) for _ in range(150)]
    for _ in others:
        request = orchestrator.next_request()
        orchestrator.tell(answer(request), completed(request.saga_id, Invoice(total=Decimal(1))))
    assert first.outcome(30) == INVOICE
    with Client(orchestrator.settings) as later:
        again = later.submit(purchase, ORDER, id="old")
        orchestrator.tell(answer(orchestrator.next_request(), "already"))
        assert again.answered(30) == "already"
        assert again.outcome(30) == INVOICE
        assert later.handle(purchase, "old").outcome(30) == INVOICE


def test_the_outcome_of_a_saga_that_somebody_else_started_is_waited_for(
    orchestrator: Orchestrator, client: Client
) -> None:
    client.submit(purchase, ORDER, id="theirs")
    request = orchestrator.next_request()
    with Client(orchestrator.settings) as other:
        handle = other.handle(purchase, "theirs")
        with pytest.raises(OutcomeTimeout):
            handle.outcome(1)
        orchestrator.tell(answer(request), completed("theirs"))
        assert handle.outcome(30) == INVOICE


def test_thousands_are_in_flight_and_each_gets_its_own(
    orchestrator: Orchestrator, client: Client, aside: Aside
) -> None:
    count = 2000
    told: list[str] = []

    def serve() -> None:
        requests = [orchestrator.next_request() for _ in range(count)]
        orchestrator.tell(*[answer(request) for request in requests])
        orchestrator.tell(*[completed(r.saga_id, Invoice(total=Decimal(r.saga_id))) for r in reversed(requests)])

    handles = [client.submit(purchase, ORDER, id=str(number)) for number in range(count)]
    aside(serve)
    for handle in handles:
        handle.add_done_callback(lambda done: told.append(done.id))
    assert [handle.outcome(60).total for handle in handles] == [Decimal(number) for number in range(count)]
    assert sorted(told, key=int) == [str(number) for number in range(count)]


def test_who_is_not_waited_for_is_forgotten(orchestrator: Orchestrator, client: Client) -> None:
    handles = [client.submit(purchase, ORDER) for _ in range(100)]
    connection = client._requests._connected()
    assert len(connection.watches) == 100
    kept = handles[0]
    handles.clear()
    connection._sender.close()  # what is not sent yet is held until it is
    gc.collect()
    assert len(connection.watches) == 1
    for _ in range(100):
        orchestrator.tell(completed(orchestrator.next_request().saga_id))
    assert kept.outcome(30) == INVOICE


@pytest.mark.parametrize("operation", ["cancel", "retry"])
def test_operations_wait_for_their_answers(
    orchestrator: Orchestrator, client: Client, aside: Aside, operation: str
) -> None:
    def serve() -> None:
        for result in ("accepted", "refused"):
            request = orchestrator.next_request()
            assert isinstance(request, CancelSaga if operation == "cancel" else RetrySaga)
            orchestrator.tell(answer(request, result, "its pivot is done"))

    aside(serve)
    assert getattr(client, operation)("s") == "accepted"
    with pytest.raises(RequestRefused, match="its pivot is done"):
        getattr(client, operation)("s")


def test_ids_are_given_made_or_made_of_a_key(orchestrator: Orchestrator, client: Client) -> None:
    with pytest.raises(ValueError, match="'a/b'"):
        client.submit(purchase, ORDER, id="a/b")
    with pytest.raises(ValueError, match="both"):
        client.submit(purchase, ORDER, id="a", key="b")
    first, second = client.submit(purchase, ORDER), client.submit(purchase, ORDER)
    assert first.id != second.id
    keyed = client.submit(purchase, ORDER, key="order 7")
    assert keyed.id == keyed_saga_id(orchestrator.topics.namespace, "purchase", "order 7")


def test_a_saga_is_started_by_name_with_json(orchestrator: Orchestrator, client: Client, aside: Aside) -> None:
    with pytest.raises(UnknownDefinition, match="none at all"):
        client.start_named("purchase", "{}")
    deploy([purchase.compile()], orchestrator.settings, create_topics=True)
    with pytest.raises(MessageRejected, match="amount"):
        client.start_named("purchase", '{"number": "7"}')

    def serve() -> None:
        request = orchestrator.next_request()
        assert isinstance(request, StartSaga)
        assert request.input == body_of(ORDER, "purchase")
        orchestrator.tell(answer(request), completed(request.saga_id))
        rejected = orchestrator.next_request()
        body = body_of(Declined(why="limit"), "billing")
        orchestrator.tell(answer(rejected), compensated(rejected.saga_id, "billing.Declined", body, "rejected"))

    aside(serve)
    expected = {"total": "12.5"}
    handle = client.start_named("purchase", '{"number": "7", "amount": "12.5"}', id="named")
    assert handle.outcome(30) == expected
    assert client.handle_named("named").outcome(30) == expected
    with pytest.raises(Compensated) as caught:
        client.start_named("purchase", '{"number": "7", "amount": "12.5"}').outcome(30)
    assert isinstance(caught.value.rejection, PlainRejection)
    assert caught.value.rejection.fields == {"why": "limit"}
    assert str(caught.value.rejection) == "why=limit"


def test_a_namespace_without_topics_is_named(kafka: str, namespace: str) -> None:
    with Client(Settings(kafka=kafka, namespace=namespace)) as client, pytest.raises(TopicMismatch, match="--create-"):
        client.submit(purchase, ORDER)


def test_an_unreachable_kafka_is_unavailable() -> None:
    begun = time.monotonic()
    with Client(Settings(kafka="127.0.0.1:1")) as client, pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        client.submit(purchase, ORDER)
    assert time.monotonic() - begun < 10


def test_who_waits_when_the_client_is_closed_is_told(orchestrator: Orchestrator, client: Client, aside: Aside) -> None:
    handle = client.submit(purchase, ORDER)
    orchestrator.tell(answer(orchestrator.next_request()))
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        with pytest.raises(Unavailable, match="closed"):
            handle.outcome()

    aside(wait)
    assert waiting.wait(30)
    client.close()
    client.close()
