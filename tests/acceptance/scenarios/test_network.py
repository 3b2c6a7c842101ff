"""Slow and broken ways to both servers: a round trip takes half a second, one connection in ten is cut or stalls."""

import random
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from chaos.proxy import PostgresProxy, proxy_to
from tests.acceptance.faults.kafka_proxy import KafkaProxy
from tests.acceptance.faults.town import ALL, Town
from tests.waiting import until

EACH_WAY_S: Final = 0.25
SHARE: Final = 0.1
ROUNDS: Final = 12
SEED: Final = 10
HALF_OPEN_S: Final = 180.0
"""librdkafka takes a minute (its ``socket.timeout.ms``) to give up a connection that stalls."""
SLOW_S: Final = 200.0
"""A transfer needs some twenty round trips, a take-over more."""
pytestmark = pytest.mark.timeout(1200)


@dataclass(frozen=True, slots=True)
class Ways:
    """From an orchestrator to its servers."""

    postgres: PostgresProxy
    kafka: KafkaProxy
    environment: dict[str, str]


@contextmanager
def ways(town: Town) -> Generator[Ways]:
    with proxy_to(town.settings.need_database()) as postgres:
        kafka = town.stage.kafka_proxy
        try:
            yield Ways(postgres, kafka, {"SAGA_DATABASE": postgres.dsn, "SAGA_KAFKA": town.stage.proxied_kafka})
        finally:
            kafka.delay_s = 0.0


def test_half_a_second_of_latency_to_both_servers(town: Town) -> None:
    with ways(town) as slow:
        # The default session; one of a second is too short for a heartbeat on these ways.
        environment = {**slow.environment, "SAGA_SESSION_TIMEOUT_MS": "6000"}
        owner = town.orchestrator("owner", environment)
        until(lambda: owner.owned() == ALL)
        slow.postgres.delay_s = slow.kafka.delay_s = EACH_WAY_S
        town.transfer(10)
        town.settle(SLOW_S)
        owner.kill()
        other = town.orchestrator("other", environment)
        until(lambda: other.owned() == ALL, SLOW_S)
        town.prove()


def test_one_connection_in_ten_is_cut_or_stalls_again_and_again(town: Town) -> None:
    chance = random.Random(SEED)
    with ways(town) as broken:
        owners = [town.orchestrator(name, broken.environment) for name in ("one", "other")]
        until(lambda: owners[0].owned() | owners[1].owned() == ALL)
        for _ in range(ROUNDS):
            begun = town.transfer(10)
            broken.postgres.disturb(SHARE, chance)
            broken.kafka.disturb(SHARE, chance)
            until(lambda begun=begun: any(town.handles[name].done() for name in begun), HALF_OPEN_S)
        town.settle(HALF_OPEN_S)
        assert broken.postgres.lost.is_set()
        assert broken.kafka.lost.is_set()
        town.prove()
