"""What every schedule of faults is tried on: a namespace and its database, on servers and a bank that all share.

The oracle is the demo's: a read_committed watcher of every topic, and the audit of what it saw.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import psycopg

from chaos.listeners import Listeners
from chaos.verdict import zombies
from demo import accounts
from demo.audit import Audit, audit
from demo.system import EXAMPLE, SAGA, Service, System, SystemOptions
from demo.watcher import Watcher
from examples.money_transfer.saga import Receipt, money_transfer
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.topology import command_topic
from orchestrator.client.client import Client
from orchestrator.client.deployment import deploy
from orchestrator.client.handle import Handle
from orchestrator.definition.decorator import AnySaga
from orchestrator.errors import Compensated, Unavailable
from orchestrator.local.ports import HOST
from orchestrator.settings import Settings
from orchestrator.store.migrate import migrate
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.topics import Topics
from tests.acceptance.faults.cluster import cluster_in
from tests.acceptance.faults.kafka_proxy import KafkaProxy, kafka_proxy

SHARDS = 2
ALL = frozenset(range(SHARDS))
SESSION_MS = 1_000
COMMANDS = "bank.commands"
PATIENCE_S = 60.0
FENCED = {47, 90}
"""Kafka's INVALID_PRODUCER_EPOCH and PRODUCER_FENCED."""


@dataclass
class Stage:
    """The servers, the bank, and a second way to Kafka that can hold things back."""

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


@dataclass
class Town:
    """One namespace; see the module."""

    stage: Stage
    settings: Settings
    client: Client
    watcher: Watcher
    before: dict[str, Decimal]
    orders: dict[str, accounts.Order] = field(default_factory=dict[str, accounts.Order])
    handles: dict[str, Handle[Receipt]] = field(default_factory=dict[str, Handle[Receipt]])
    orchestrators: "list[Orchestrator]" = field(default_factory=list["Orchestrator"])

    @property
    def topics(self) -> Topics:
        return Topics(self.settings.namespace)

    def orchestrator(
        self, name: str, environment: Mapping[str, str] | None = None, saga: Sequence[str] = SAGA
    ) -> "Orchestrator":
        """Start ``saga run``; ``environment`` is where it differs from others, ``saga`` how the command is called."""
        own = {
            "SAGA_NAMESPACE": self.settings.namespace,
            "SAGA_DATABASE": self.settings.need_database(),
            **(environment or {}),
        }
        service = self.stage.system.service(f"{self.settings.namespace}-{name}", [*saga, "run"], own)
        service.start()
        self.orchestrators.append(Orchestrator(service))
        return self.orchestrators[-1]

    def saga(self, *arguments: str, database: str | None = None, crash_at: str = "") -> str:
        """Run the command ``saga`` on this namespace to its end; gives what it printed.

        ``crash_at``: a crash point and its pass, where it is killed.
        """
        own = {
            "SAGA_NAMESPACE": self.settings.namespace,
            "SAGA_DATABASE": database or self.settings.need_database(),
            **({"SAGA_TEST_CRASH_AT": crash_at} if crash_at else {}),
        }
        return self.stage.system.saga(*arguments, environment=own)

    def deploy(self, definition: AnySaga) -> None:
        """Deploy another saga beside the transfers."""
        deploy([definition.compile()], self.settings, create_topics=True)

    def transfer(self, count: int) -> list[str]:
        """Start so many transfers; most can be done, every tenth must be refunded. Gives their ids."""
        first = len(self.orders)
        for number, order in enumerate(accounts.plan(first + count)[first:], first):
            name = f"{self.settings.namespace}-{number:03}"
            self.orders[name] = order
            self.handles[name] = self.client.submit(money_transfer, order.transfer, id=name)
        return list(self.orders)[first:]

    def settle(self, patience_s: float = PATIENCE_S) -> None:
        """Wait for the outcomes of all transfers, for each so long; each must end as its order says."""
        for name, handle in self.handles.items():
            done = self._is_done(name, handle, patience_s)
            assert done is self.orders[name].possible, f"{name}: completed is {done}"
        self.handles.clear()

    def _is_done(self, name: str, handle: Handle[Receipt], patience_s: float) -> bool:
        until_s = time.monotonic() + patience_s
        while True:
            try:
                handle.outcome(patience_s)
                return True
            except Compensated:
                return False
            except Unavailable:  # its start was not written in time: "try again later"
                assert time.monotonic() < until_s
                handle = self.client.submit(money_transfer, self.orders[name].transfer, id=name)

    def records(self) -> list[IncomingRecord]:
        """What the watcher saw of this namespace, read to the end."""
        self.watcher.finish()
        return [record for record in self.watcher.records if record.topic != COMMANDS or self._is_ours(record)]

    def _is_ours(self, record: IncomingRecord) -> bool:
        return dict(record.headers)["ce_subject"].decode().startswith(f"{self.settings.namespace}-")

    def prove(self, *, but_for: str = "\n") -> Audit:
        """Nothing lost, nothing doubled, order kept, no cent missing, and the tables say what the journal says.

        ``but_for`` is the saga of which something may be found.
        """
        records = self.records()
        found = audit(records, self.topics, COMMANDS, self.orders.keys())
        wrong = [sentence for sentence in found.findings.all if but_for not in sentence]
        assert not wrong, "\n".join(wrong)
        outcomes = {name: status for name, status in found.outcomes.items() if but_for not in name}
        assert outcomes.keys() == self.orders.keys()
        done = [self.orders[name].transfer for name, status in outcomes.items() if status == "completed"]
        assert accounts.wrong_money(self.before, accounts.balances(self.stage.database), done) == []
        assert self.ask("select count(*) from saga.events") == [(found.journal.events - found.journal.trimmed,)]
        assert zombies(records, self.topics.journal) == []
        return found

    def ask(self, query: str, database: str | None = None) -> list[tuple[object, ...]]:
        """What the namespace's database says, or another one."""
        with psycopg.connect(database or self.settings.need_database()) as connection:
            return connection.execute(query.encode()).fetchall()

    def heads(self, database: str | None = None) -> list[tuple[object, ...]]:
        """Where the shards' chains and their inputs stand."""
        return self.ask("select shard, seq, chain, next_requests, next_replies from saga.shards order by 1", database)


class Orchestrator:
    """``saga run`` as its log shows it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._forget = 0
        self._ended = False

    def log(self) -> list[dict[str, object]]:
        """Its lines, but for those that a test has forgotten."""
        lines = [line for line in self.service.log.read_text().splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines if line.endswith("}")][self._forget :]

    def forget(self) -> None:
        """Look only at what it says from now on."""
        self._forget += len(self.log())

    def signal(self, number: signal.Signals) -> None:
        """Stop it where it is, or let it go on."""
        os.kill(self.service.pid, number)

    def kill(self) -> None:
        """End it at once; safe to call twice."""
        if not self._ended:
            self._ended = True
            self.service.kill()

    def stop(self) -> None:
        """End it politely."""
        self._ended = True
        self.service.stop()

    def owned(self) -> frozenset[int]:
        """The shards that it owns."""
        found: set[int] = set()
        for line in self.log():
            if line["event"] == "shard owned":
                found.add(int(str(line["shard"])))
            elif line["event"] in ("shard not owned", "shard revoked"):
                found.discard(int(str(line["shard"])))
        return frozenset(found)

    def reasons(self) -> set[object]:
        """Why it did not own a shard, if it said so."""
        return {line["reason"] for line in self.log() if line["event"] == "shard not owned"}


def founded(settings: Settings) -> None:
    """Make the tables and the topics of a namespace, and deploy the saga."""
    migrate(settings.need_database(), settings.namespace, settings.shards)
    deploy([money_transfer.compile()], settings, create_topics=True)


@contextmanager
def town_on(stage: Stage, name: str, found: Callable[[Settings], None] = founded) -> Generator[Town]:
    """A namespace that ``found`` makes."""
    database = stage.system.stack.create_database(name)
    settings = Settings(kafka=stage.kafka, database=database, namespace=name, shards=SHARDS)
    found(settings)
    topics = Topics(name)
    watched = dict.fromkeys((COMMANDS, topics.replies, topics.journal, topics.outcomes, topics.quarantine), SHARDS)
    with Watcher(stage.kafka, watched) as watcher, Client(settings) as client:
        client.handle(money_transfer, "")  # connects
        town = Town(stage, settings, client, watcher, accounts.balances(stage.database))
        try:
            yield town
        finally:
            for orchestrator in town.orchestrators:
                orchestrator.kill()
