"""Servers, a bank, and a second way to Kafka that can hold things back: what all towns of a stage share."""

import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.listeners import Listeners
from demo import accounts
from demo.system import EXAMPLE, Service, System, SystemOptions
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.topology import command_topic
from orchestrator.local.ports import HOST
from orchestrator.wire.topics import Topics
from tests.acceptance.faults.cluster import cluster_in
from tests.acceptance.faults.kafka_proxy import KafkaProxy, kafka_proxy

SHARDS = 2
SESSION_MS = 1_000


@dataclass
class Stage:
    """See the module."""

    system: System
    bank: Service
    database: str
    kafka_proxies: Sequence[KafkaProxy]
    """To each broker one."""
    towns: int = 0

    @property
    def kafka(self) -> str:
        return self.system.stack.kafka

    @property
    def kafka_proxy(self) -> KafkaProxy:
        """That of the only broker."""
        (proxy,) = self.kafka_proxies
        return proxy

    @property
    def proxied_kafka(self) -> str:
        return ",".join(f"{HOST}:{proxy.port}" for proxy in self.kafka_proxies)


@contextmanager
def stage_in(
    directory: Path,
    kafka_settings: Mapping[str, str] | None = None,
    *,
    postgres_settings: Mapping[str, str] | None = None,
    brokers: int = 1,
) -> Generator[Stage]:
    """Start everything; each broker has two listeners, of which one leads through its proxy.

    ``kafka_settings`` and ``postgres_settings`` are the servers' beside ours. Of three brokers each has a copy of
    everything.
    """
    places = [Listeners() for _ in range(brokers)]
    settings = {
        **places[0].settings,
        "group.min.session.timeout.ms": str(SESSION_MS),
        # The protocol of KIP-848 takes its session from the broker.
        "group.consumer.min.session.timeout.ms": str(SESSION_MS),
        "group.consumer.session.timeout.ms": str(2 * SESSION_MS),
        "group.consumer.min.heartbeat.interval.ms": "200",
        "group.consumer.heartbeat.interval.ms": "300",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        **(kafka_settings or {}),
    }
    options = SystemOptions(
        shards=SHARDS,
        session_timeout_ms=SESSION_MS,
        kafka_port=places[0].open,
        kafka_settings=settings,
        postgres_settings=postgres_settings or {},
        brokers=cluster_in(directory, places, settings) if brokers > 1 else (),
    )
    with ExitStack() as opened:
        proxies = [opened.enter_context(kafka_proxy((HOST, place.hidden), place.proxied)) for place in places]
        system = opened.enter_context(System(directory, options).start())
        database = system.stack.create_database("bank")
        accounts.open_accounts(database)
        with closing(KafkaBroker(system.stack.kafka, Topics("bank"))) as broker:
            broker.create([command_topic("bank", SHARDS)])
        bank = system.service("bank", [sys.executable, str(EXAMPLE / "bank.py")], {"BANK_DATABASE": database})
        bank.start()
        yield Stage(system, bank, database, proxies)
