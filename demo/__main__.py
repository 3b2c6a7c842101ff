"""`python -m demo`: runs, kills, counts, and says whether every promise was kept.

Ends with a line for scripts and status 0, or 1 if any of it is false. Starts everything itself and ends it again.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo import accounts
from demo.audit import Audit, audit
from demo.drive import IN_FLIGHT_MIN, Drive, Ride
from demo.program import exit_status
from demo.show import Show
from demo.system import EXAMPLE, READY_S, Service, System, SystemOptions
from demo.watcher import Watcher
from orchestrator.client.client import Client

SHARDS: Final = 4
SESSION_MS: Final = 2_000
"""How long Kafka waits for a killed orchestrator: 6,000 by default, shorter than a broker allows unless it is told."""
KAFKA_SETTINGS: Final = {"group.min.session.timeout.ms": str(SESSION_MS)}
COMMANDS: Final = "bank.commands"
CREATED: Final = "created topic "


@dataclass(frozen=True, slots=True)
class Result:
    """What is shown at the end, and whether all of it is as promised."""

    transfers: int
    ride: Ride
    audit: Audit
    money: list[str]
    """What is wrong with it."""
    ends: list[str]
    """Transfers that ended as they must not."""

    def count(self, status: str) -> int:
        """How many transfers ended so."""
        return sum(outcome == status for outcome in self.audit.outcomes.values())

    @property
    def kills(self) -> int:
        """How often the orchestrator was killed."""
        return int(self.ride.killed_s is not None)

    @property
    def promised(self) -> bool:
        """Whether all of it is as it was promised."""
        return (
            self.audit.passed
            and not self.money
            and not self.ends
            and self.count("completed") + self.count("compensated") == self.transfers
            and self.audit.journal.incidents == 0
            and self.kills == 1
            and self.ride.in_flight_at_kill >= IN_FLIGHT_MIN
        )

    @property
    def line(self) -> str:
        """The same for scripts."""
        findings = self.audit.findings
        return (
            f"demo: transfers={self.transfers} completed={self.count('completed')} "
            f"compensated={self.count('compensated')} lost={len(findings.lost)} doubled={len(findings.doubled)} "
            f"money_conserved={'no' if self.money else 'yes'} kills={self.kills} "
            f"in_flight_at_kill={self.ride.in_flight_at_kill}"
        )


def main() -> int:
    """Run the demo; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--transfers", type=int, default=1_000, help="how many (1,000)")
    parser.add_argument("--rate", type=float, default=100.0, help="how many a second (100)")
    arguments = parser.parse_args()
    if not 2 * IN_FLIGHT_MIN <= arguments.transfers <= accounts.TRANSFERS_MAX or arguments.rate <= 0:
        parser.error(f"expected {2 * IN_FLIGHT_MIN} to {accounts.TRANSFERS_MAX} --transfers and a --rate above 0")
    show = Show("demo")

    def run(directory: Path) -> bool:
        result = _run(show, directory, arguments.transfers, arguments.rate)
        _report(show, result)
        return result.promised

    return exit_status(show, run)


def _run(show: Show, directory: Path, count: int, rate: float) -> Result:
    show.title(
        "money transfers, exactly once",
        [
            f"{count:,} transfers at {rate:g}/s through a real Kafka and a real Postgres on this computer.",
            "One in ten goes to a closed account and must be refunded; some ask for more than there is.",
            "In the middle the orchestrator is killed with [bold]kill -9[/] and started again.",
            "A read_committed consumer watches all topics: was anything lost, was anything done twice?",
        ],
    )
    options = SystemOptions(shards=SHARDS, session_timeout_ms=SESSION_MS, kafka_settings=KAFKA_SETTINGS)
    with show.step("a real Kafka and a real Postgres") as details:
        system = System(directory, options)
        system.start()
        details.append(f"kafka {system.stack.kafka}   {system.stack.database}")
    with system:
        database = system.stack.create_database("bank")
        _prepare(show, system, database)
        before = accounts.balances(database)
        with Watcher(system.stack.kafka, _watched(system)) as watcher:
            bank, orchestrator = _start(show, system, database, watcher)
            orders = {f"transfer-{number:05}": order for number, order in enumerate(accounts.plan(count), 1)}
            ride = _drive(show, system, (bank, orchestrator), orders, rate)
            with show.step("all is stopped politely, and the watcher reads to the end"):
                orchestrator.stop()
                bank.stop()
                watcher.finish()
        found = audit(watcher.records, system.topics, COMMANDS, orders.keys())
        done = [orders[name].transfer for name, status in found.outcomes.items() if status == "completed"]
        wrong = accounts.wrong_money(before, accounts.balances(database), done)
    return Result(count, ride, found, wrong, accounts.wrong_ends(orders, found.outcomes))


def _prepare(show: Show, system: System, database: str) -> None:
    """The tables, the saga, the accounts."""
    with show.step("saga migrate") as details:
        details.extend(system.saga("migrate").splitlines())
    with show.step("saga deploy examples/money_transfer/saga.py --create-topics") as details:
        said = system.saga("deploy", str(EXAMPLE / "saga.py"), "--create-topics").splitlines()
        created = [line.removeprefix(CREATED) for line in said if line.startswith(CREATED)]
        details.append(f"created {len(created)} topics: {', '.join(created)}")
        details.extend(line for line in said if not line.startswith(CREATED))
    accounts.open_accounts(database)


def _start(show: Show, system: System, database: str, watcher: Watcher) -> tuple[Service, Service]:
    """The bank and the orchestrator, ready."""
    bank = system.service("bank", [sys.executable, str(EXAMPLE / "bank.py")], {"BANK_DATABASE": database})
    orchestrator = system.orchestrator()
    with show.step("python examples/money_transfer/bank.py, and saga run") as details:
        bank.start()
        orchestrator.start()
        system.wait_until_assigned("bank", system.partitions(COMMANDS), bank)
        watcher.wait_for(system.topics.journal, SHARDS, READY_S)
        details.append(f"bank: process {bank.pid}, {accounts.ACCOUNTS} accounts of {accounts.BALANCE:,.2f}")
        details.append(f"orchestrator: process {orchestrator.pid}, {SHARDS} shards, session {SESSION_MS / 1000:g} s")
        details.append("(6 s by default: shorter here, so that the take-over is quick to see)")
    return bank, orchestrator


def _watched(system: System) -> dict[str, int]:
    topics = system.topics
    names = (COMMANDS, topics.replies, topics.journal, topics.outcomes, topics.quarantine)
    return {name: system.partitions(name) for name in names}


def _drive(
    show: Show, system: System, services: tuple[Service, Service], orders: dict[str, accounts.Order], rate: float
) -> Ride:
    bank, orchestrator = services
    with Client(system.settings) as client, show.transfers(len(orders)) as bar:
        drive = Drive(client, orders, rate)

        def kill(in_flight: int) -> None:
            before = orchestrator.pid
            orchestrator.kill()
            orchestrator.start()
            show.event(
                f"[bold]kill -9 {before}[/]  after {drive.ride.outcomes_at_kill} outcomes, with {in_flight} transfers "
                f"in flight; started again as process {orchestrator.pid}"
            )

        def tell(ended: int, in_flight: int) -> None:
            bank.require_running()
            orchestrator.require_running()
            bar.tell(ended, in_flight)

        return drive.run(kill, tell)


def _report(show: Show, result: Result) -> None:
    found, ride, journal = result.audit, result.ride, result.audit.journal
    latencies = ride.latencies_ms
    show.table(
        [
            ("completed", f"{result.count('completed'):,}"),
            ("compensated", f"{result.count('compensated'):,}"),
            ("incidents", f"{journal.incidents:,}"),
            ("commands sent twice", f"{found.commands_doubled:,} of {found.commands:,}"),
            ("replies lost", f"{found.replies_lost:,} of {found.replies:,}"),
            ("transfers/s", f"{ride.per_second:,.0f}"),
            ("p50", f"{_quantile(latencies, 0.5):,.0f} ms"),
            ("p99, the kill included", f"{_quantile(latencies, 0.99):,.0f} ms"),
            ("without an orchestrator", f"{ride.pause_s:,.1f} s"),
        ]
    )
    findings = found.findings
    watched = f"{found.commands:,} commands, {found.replies:,} replies, {journal.events:,} events"
    show.check(f"nothing is lost [dim]({watched}, {len(found.outcomes):,} outcomes)[/]", findings.lost)
    show.check("nothing was done twice", findings.doubled)
    show.check("the order was kept, for every saga and every shard", findings.disordered)
    show.check("not a cent is missing, in no account", result.money)
    show.check("every transfer ended as it must", result.ends)
    show.last_line(result.line)


def _quantile(values: list[float], part: float) -> float:
    """Of sorted ``values``."""
    return values[min(int(len(values) * part), len(values) - 1)] if values else 0.0


if __name__ == "__main__":
    sys.exit(main())
