"""The only Kafka broker is restarted again and again under load, politely and by kill -9 in turns."""

import os
from collections.abc import Generator

import pytest

from chaos.listeners import ALMOST_ALWAYS_LED
from orchestrator.errors import OutcomeTimeout
from tests.acceptance.faults.orchestrator_process import Orchestrator
from tests.acceptance.faults.stage import Stage, stage_in
from tests.acceptance.faults.town import COMMANDS, Town
from tests.servers import new_directory
from tests.waiting import until

RESTARTS = max(2, int(os.environ.get("SAGA_TEST_REPEAT", "1")))
"""Politely and by kill -9 in turns: `make test-restarts REPEAT=5`."""
SKIPPED = "these partitions are likely deleted already and hence can be skipped"
"""What Kafka says when it leaves out a marker."""


@pytest.fixture(scope="module")
def stage() -> Generator[Stage]:
    """Its own: nobody else's topics are on a broker that is killed."""
    with new_directory() as directory, stage_in(directory, ALMOST_ALWAYS_LED) as stage:
        yield stage


@pytest.mark.timeout(600)  # a busy machine takes half a minute for one restart
def test_kafka_restarted_again_and_again_under_load(town: Town) -> None:
    owner = town.orchestrator("owner")
    kafka = town.stage.system.stack.kafka_broker
    for number in range(RESTARTS):
        begun = town.transfer(30)
        until(lambda begun=begun: any(town.handles[name].done() for name in begun))
        if number % 2:
            kafka.kill()
        kafka.restart()
    try:
        town.settle()
    except OutcomeTimeout:
        refused_for_a_lost_marker(town, owner)
    else:
        town.prove()


def refused_for_a_lost_marker(town: Town, owner: Orchestrator) -> None:
    """What may be instead: Kafka says that it left a marker out, the shard what it waits for; nothing is doubled."""
    assert "JournalUnsettled" in owner.reasons()
    assert SKIPPED in town.stage.system.stack.kafka_broker.log.read_text(encoding="utf-8", errors="replace")
    seen = [record for record in list(town.watcher.records) if record.topic == COMMANDS]
    sequences = [dict(record.headers)["ce_sequence"] for record in seen]
    assert len(sequences) == len(set(sequences))
