"""The only Kafka broker is restarted again and again under load, politely and by kill -9 in turns."""

from collections.abc import Generator

import pytest

from chaos.listeners import ALMOST_ALWAYS_LED
from tests.acceptance.faults.town import Stage, Town, stage_in
from tests.servers import new_directory
from tests.waiting import until

RESTARTS = 5


@pytest.fixture(scope="module")
def stage() -> Generator[Stage]:
    """Its own: nobody else's topics are on a broker that is killed."""
    with new_directory() as directory, stage_in(directory, ALMOST_ALWAYS_LED) as stage:
        yield stage


@pytest.mark.timeout(600)  # a busy machine takes half a minute for one restart
def test_kafka_restarted_again_and_again_under_load(town: Town) -> None:
    town.orchestrator("owner")
    kafka = town.stage.system.stack.kafka_broker
    for number in range(RESTARTS):
        begun = town.transfer(30)
        until(lambda begun=begun: any(town.handles[name].done() for name in begun))
        if number % 2:
            kafka.kill()
        kafka.restart()
    town.settle()
    town.prove()
