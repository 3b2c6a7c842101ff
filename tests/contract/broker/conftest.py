from collections.abc import Callable, Generator
from contextlib import ExitStack, closing

import pytest

from orchestrator.broker.port import Broker, InputPosition, Inputs, Membership, Producer
from tests.contract.broker.clusters import Cluster, InKafka, InMemory


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.integration)])
def cluster(request: pytest.FixtureRequest) -> Generator[Cluster]:
    """Each broker in turn: one suite for both, so that the one in memory can stand for the real one."""
    if request.param == "memory":
        yield InMemory()
        return
    bootstrap: str = request.getfixturevalue("kafka")
    with closing(InKafka(bootstrap, request.getfixturevalue("namespace"))) as real:
        yield real


@pytest.fixture
def broker(cluster: Cluster) -> Broker:
    return cluster.process()


@pytest.fixture
def opened() -> Generator[ExitStack]:
    """What is closed after the test."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def reader(broker: Broker, opened: ExitStack) -> Callable[..., Inputs]:
    """Inputs of shard 1 from an offset of the requests on, closed after the test."""

    def make(next_requests: int = 0, next_replies: int = 0, shard: int = 1) -> Inputs:
        return opened.enter_context(closing(broker.inputs(shard, InputPosition(next_requests, next_replies))))

    return make


@pytest.fixture
def relay(cluster: Cluster, opened: ExitStack) -> Callable[..., Producer]:
    """An initialised producer of shard 1 in a process of its own, closed after the test."""

    def make(transaction_timeout_ms: int = 10_000) -> Producer:
        producer = opened.enter_context(closing(cluster.process(transaction_timeout_ms).producer(1)))
        producer.init()
        return producer

    return make


@pytest.fixture
def member(cluster: Cluster, opened: ExitStack) -> Callable[[], Membership]:
    """One more process in the group, closed after the test."""
    return lambda: opened.enter_context(closing(cluster.process().membership()))
