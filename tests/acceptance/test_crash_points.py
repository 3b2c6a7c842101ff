"""kill -9 of the orchestrator at every named crash point, on real servers: nothing lost, nothing doubled, order kept.

One system for all of them: a bank with accounts in Postgres, and a read_committed consumer that reads every topic
while orchestrators die and are started again. What it saw is audited at the end, once, for all kills together.
"""

import os
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from decimal import Decimal

import psutil
import pytest

from demo import accounts
from demo.audit import audit
from demo.system import EXAMPLE, SAGA, Service, System, SystemOptions
from demo.watcher import Watcher
from examples.money_transfer.saga import money_transfer
from orchestrator.client.client import Client
from orchestrator.crashpoints import OF_A_RUN
from orchestrator.errors import Compensated
from tests.servers import new_directory

SHARDS = 2
TRANSFERS = 20
"""For each crash point: enough for several batches in both shards."""
REPEAT = int(os.environ.get("SAGA_TEST_REPEAT", "1"))
"""How often each crash point is tried: `make test-crash REPEAT=5`."""
KILLS = len(OF_A_RUN) * REPEAT
SESSION_MS = 1_000
DEATH_S = 60.0
OUTCOME_S = 60.0


@dataclass
class Ride:
    """What the kills share."""

    system: System
    client: Client
    watcher: Watcher
    database: str
    bank: Service
    before: dict[str, Decimal]
    """What was in each account."""
    plan: list[accounts.Order] = field(default_factory=lambda: accounts.plan(TRANSFERS * KILLS))
    orders: dict[str, accounts.Order] = field(default_factory=dict[str, accounts.Order])

    def start(self, name: str) -> dict[str, bool]:
        """Start the next transfers; gives their ids, and whether each can be done."""
        first = len(self.orders)
        made = {f"{name}-{place:02}": self.plan[first + place] for place in range(TRANSFERS)}
        self.orders |= made
        self.handles = {
            each: self.client.submit(money_transfer, order.transfer, id=each) for each, order in made.items()
        }
        return {each: order.possible for each, order in made.items()}

    def outcomes(self) -> dict[str, bool]:
        """Whether each of the transfers started last completed; waits for all of them."""
        ended: dict[str, bool] = {}
        for name, handle in self.handles.items():
            try:
                handle.outcome(OUTCOME_S)
                ended[name] = True
            except Compensated:
                ended[name] = False
        return ended


@pytest.fixture(scope="module")
def ride() -> Generator[Ride]:
    settings = {
        "group.min.session.timeout.ms": str(SESSION_MS),
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    }
    options = SystemOptions(shards=SHARDS, session_timeout_ms=SESSION_MS, kafka_settings=settings)
    with new_directory() as directory, System(directory, options).start() as system:
        database = system.stack.create_database("bank")
        system.saga("migrate")
        system.saga("deploy", str(EXAMPLE / "saga.py"), "--create-topics")
        accounts.open_accounts(database)
        bank = system.service("bank", [sys.executable, str(EXAMPLE / "bank.py")], {"BANK_DATABASE": database})
        bank.start()
        topics = system.topics
        names = ("bank.commands", topics.replies, topics.journal, topics.outcomes, topics.quarantine)
        watched = {name: system.partitions(name) for name in names}
        with Watcher(system.stack.kafka, watched) as watcher, Client(system.settings) as client:
            yield Ride(system, client, watcher, database, bank, accounts.balances(database))


def wait_for_death(service: Service) -> None:
    """Return when the process has ended by itself."""
    try:
        psutil.Process(service.pid).wait(DEATH_S)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        pytest.fail(f"not killed within {DEATH_S} s: {service.log.read_text()[-2_000:]}")


@pytest.mark.parametrize("time", range(1, REPEAT + 1))
@pytest.mark.parametrize("name", OF_A_RUN)
def test_killed_at(ride: Ride, name: str, time: int, request: pytest.FixtureRequest) -> None:
    own = {"SAGA_TEST_CRASH_AT": f"{name}:1"} | ({"SAGA_RETENTION": "1s"} if name.startswith("trim.") else {})
    doomed = ride.system.service(f"doomed-{name}-{time}", [*SAGA, "run"], own)
    survivor = ride.system.service(f"survivor-{name}-{time}", [*SAGA, "run"])
    request.addfinalizer(survivor.stop)
    doomed.start()
    expected = ride.start(f"{name}-{time}")
    wait_for_death(doomed)
    survivor.start()
    assert ride.outcomes() == expected


def test_what_was_seen_during_all_the_kills(ride: Ride) -> None:
    ride.bank.stop()
    ride.watcher.finish()
    found = audit(ride.watcher.records, ride.system.topics, "bank.commands", ride.orders.keys())
    assert not found.findings.all
    assert len(found.outcomes) == TRANSFERS * KILLS
    done = [ride.orders[name].transfer for name, status in found.outcomes.items() if status == "completed"]
    assert accounts.wrong_money(ride.before, accounts.balances(ride.database), done) == []
