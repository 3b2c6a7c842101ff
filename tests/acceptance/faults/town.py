"""What every schedule of faults is tried on: a namespace and its database, on a stage.

The oracle is the demo's: a read_committed watcher of every topic, and the audit of what it saw.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import psycopg

from chaos.verdict import zombies
from demo import accounts
from demo.audit import Audit, audit
from demo.system import SAGA
from demo.watcher import Watcher
from examples.money_transfer.saga import Receipt, money_transfer
from orchestrator.client.client import Client
from orchestrator.client.deployment import deploy
from orchestrator.client.handle import Handle
from orchestrator.definition.decorator import AnySaga
from orchestrator.errors import Compensated, Unavailable
from orchestrator.settings import Settings
from orchestrator.store.migrate import migrate
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.topics import Topics
from tests.acceptance.faults.orchestrator_process import Orchestrator
from tests.acceptance.faults.stage import SHARDS, Stage
from tests.waiting import PATIENCE_S

ALL = frozenset(range(SHARDS))
COMMANDS = "bank.commands"
FENCED = {47, 90}
"""Kafka's INVALID_PRODUCER_EPOCH and PRODUCER_FENCED."""


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
    orchestrators: list[Orchestrator] = field(default_factory=list[Orchestrator])

    @property
    def topics(self) -> Topics:
        return Topics(self.settings.namespace)

    def orchestrator(
        self, name: str, environment: Mapping[str, str] | None = None, saga: Sequence[str] = SAGA
    ) -> Orchestrator:
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
