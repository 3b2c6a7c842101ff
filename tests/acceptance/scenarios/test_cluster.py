"""Three brokers, each a leader, a coordinator and a controller: one is killed, stopped or restarted, or all are away.

The bank and the clients use the cluster, too; ``prove`` holds that nothing is lost, doubled or out of order.
"""

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from enum import Enum
from typing import Final

import pytest
from confluent_kafka.admin import AdminClient

from orchestrator.broker.kafka import KafkaBroker
from orchestrator.errors import Unavailable
from orchestrator.local.kafka import KafkaBroker as Server
from orchestrator.local.leaders import await_leaders
from tests.acceptance.faults.kafka_proxy import HeldBack
from tests.acceptance.faults.stage import Stage, stage_in
from tests.acceptance.faults.town import ALL, Town, town_on
from tests.servers import new_directory
from tests.waiting import PATIENCE_S, until

BROKERS: Final = 3
HALF_OPEN_S: Final = 180.0
"""librdkafka gives a broker that is stopped, and so says nothing, a minute (its ``socket.timeout.ms``)."""
ENDED: Final = 0
"""No error: what a coordinator answers to the end of a transaction that it has written down."""
TRANSACTION_S: Final = 10.0
"""How long a transaction of a relay may be open: ``transaction_timeout_ms`` of ``orchestrator/broker/kafka.py``."""
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def stage() -> Generator[Stage]:
    with new_directory() as directory, stage_in(directory, brokers=BROKERS) as stage:
        yield stage


@pytest.fixture
def town(stage: Stage) -> Generator[Town]:
    """A new namespace; all brokers run afterwards."""
    stage.towns += 1
    with town_on(stage, f"town{stage.towns}") as town:
        try:
            yield town
        finally:
            for broker in brokers(town):
                broker.resume() if broker.pid else start(town, broker)


def brokers(town: Town) -> Sequence[Server]:
    return town.stage.system.stack.brokers


def leads_the_journal(town: Town) -> int:
    topic = town.topics.journal
    return AdminClient({"bootstrap.servers": town.stage.kafka}).list_topics(topic).topics[topic].partitions[0].leader


def coordinates_the_group(town: Town) -> int:
    admin = AdminClient({"bootstrap.servers": town.stage.kafka})
    return admin.describe_consumer_groups([town.topics.group])[town.topics.group].result().coordinator.id


def starts(town: Town) -> int:
    """How many requests Kafka has."""
    with closing(KafkaBroker(town.stage.kafka, town.topics)) as broker:
        return sum(broker.input_ends(shard).next_requests for shard in ALL)


def start(town: Town, broker: Server) -> None:
    """Again, until it and the others lead what they are to lead."""
    broker.restart()
    await_leaders(town.stage.kafka)


def an_end_is_held_back(town: Town) -> tuple[Server, HeldBack]:
    """The coordinator that is not told the end of a transaction, and what it is not told."""
    proxies = town.stage.kafka_proxies
    for proxy in proxies:
        proxy.hold()
    town.transfer(20)
    until(lambda: any(proxy.held for proxy in proxies))
    taken = [(broker, proxy.take()) for broker, proxy in zip(brokers(town), proxies, strict=True)]
    (broker, held), *others = [(broker, held) for broker, held in taken if held is not None]
    for _, lost in others:  # of the other shard's transaction: its client asks again
        lost.server.close()
    return broker, held


def test_a_broker_that_is_away_keeps_nobody_from_asking_the_others(town: Town) -> None:
    names = [town.topics.requests]
    with closing(KafkaBroker(town.stage.kafka, town.topics)) as asked:

        def answers() -> bool:
            try:
                return names == list(asked.topics(names))
            except Unavailable:
                return False

        for broker in brokers(town):  # one of them is the one that librdkafka asks
            assert answers()
            broker.kill()
            until(answers)
            start(town, broker)


class End(Enum):
    """What becomes of an EndTxn whose coordinator moves to another broker."""

    LOST = "its coordinator is killed before it arrives"
    UNKNOWN = "its coordinator is killed as it arrives"
    LATE = "its coordinator is stopped, and reads it when another broker has taken its place"


@pytest.mark.parametrize("end", End, ids=lambda end: end.name.lower())
def test_an_end_of_transaction_whose_coordinator_moves_has_one_outcome(town: Town, end: End) -> None:
    owner = town.orchestrator("owner", {"SAGA_KAFKA": town.stage.proxied_kafka})
    until(lambda: owner.owned() == ALL)
    for _ in range(1 if end is End.LATE else 2):  # a minute each, see above
        coordinator, held = an_end_is_held_back(town)
        with held.server:
            match end:
                case End.LOST:
                    coordinator.kill()
                case End.UNKNOWN:
                    held.send()
                    coordinator.kill()
                case End.LATE:
                    coordinator.pause()
                    held.send()
            town.transfer(20)
            town.settle(HALF_OPEN_S)
            if end is End.LATE:
                coordinator.resume()
                assert held.answered() != ENDED
            else:
                start(town, coordinator)
    town.transfer(20)
    town.settle()
    town.prove()


@pytest.mark.parametrize("role", [leads_the_journal, coordinates_the_group], ids=lambda role: role.__name__)
def test_a_broker_that_is_killed_is_replaced_by_another(town: Town, role: Callable[[Town], int]) -> None:
    town.orchestrator("owner")
    for _ in range(2):
        begun = town.transfer(30)
        until(lambda begun=begun: any(town.handles[name].done() for name in begun))
        (broker,) = (each for each in brokers(town) if each.node_id == role(town))
        broker.kill()
        town.transfer(30)
        town.settle()
        start(town, broker)
    town.settle()
    town.prove()


def test_brokers_restarted_one_after_the_other_under_load(town: Town) -> None:
    town.orchestrator("owner")
    for number, broker in enumerate(brokers(town)):
        begun = town.transfer(30)
        until(lambda begun=begun: any(town.handles[name].done() for name in begun))
        if number % 2:
            broker.kill()
        start(town, broker)
    town.settle()
    town.prove()


def test_all_brokers_away_for_longer_than_a_transaction_may_be_open(town: Town) -> None:
    owner = town.orchestrator("owner", {"SAGA_KAFKA": town.stage.proxied_kafka})
    until(lambda: owner.owned() == ALL)
    _, held = an_end_is_held_back(town)
    until(lambda: starts(town) >= len(town.orders))  # what a client could not send may be asked for twice
    with held.server, ThreadPoolExecutor(BROKERS) as threads:
        list(threads.map(Server.kill, brokers(town)))
        away_s = time.monotonic()
        until(lambda: time.monotonic() - away_s > TRANSACTION_S + 2, PATIENCE_S)  # the outage itself
        list(threads.map(Server.restart, brokers(town)))
    await_leaders(town.stage.kafka)
    town.transfer(20)
    town.settle()
    town.prove()
