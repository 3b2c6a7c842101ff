"""Transfers a second, how long one takes, what one costs: ``python -m bench.transfer --sagas 20000 --json``.

Everything on this machine: broker, Postgres, one orchestrator process, one participant process, and the driver in this
one. The last line is one JSON object; progress goes to stderr. The machine's own floors are measured in the same run.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self, cast

import psycopg

from bench import floors
from bench.load import ACCOUNTS, REFUND_EVERY, as_many_as_go, at_rate, one_at_a_time
from bench.meters import KafkaMeter, ProcessMeter, read_postgres
from bench.profiler import Profiler
from demo.system import EXAMPLE, Service, System, SystemOptions
from orchestrator import Client

WARM_UP: Final = 500
COMMANDS: Final = "bank.commands"
TRANSACTIONS_A_SAGA: Final = 3
"""One after the other until a transfer has ended: it starts, the first reply, the second reply."""
MESSAGES_A_SAGA: Final = 3
"""One after the other, outside of transactions: the request and two replies."""

Figures = dict[str, object]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.transfer", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sagas", type=int, default=20_000, help="how many at the peak rate (20,000)")
    parser.add_argument("--window", type=int, default=2_000, help="how many of them are in flight at a time (2,000)")
    parser.add_argument("--alone", type=int, default=300, help="how many one at a time (300)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long at half of the peak rate (10)")
    parser.add_argument("--inbox", choices=["postgres", "none"], default="none", help="of the participant (none)")
    parser.add_argument("--shards", type=int, default=4, help="(4)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line, and nothing else")
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="sample the orchestrator at the peak rate (py-spy)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saga-bench-") as directory:
        figures = measure(Path(directory), arguments)
    if arguments.json:
        print(json.dumps(figures))
    else:
        _print(figures)


def measure(directory: Path, arguments: argparse.Namespace) -> Figures:
    """Every figure, on servers of its own."""
    options = SystemOptions(shards=arguments.shards, postgres_settings={"max_connections": "100"})
    with System(directory, options).start() as system:
        say("servers are up")
        found = floors.measure(system.stack.kafka, system.stack.create_database("floors"))
        say("floors are measured")
        bank, orchestrator = start_services(system, arguments.inbox)
        with Client(system.settings) as client:
            figures = _load(system, client, (bank, orchestrator), arguments)
        orchestrator.stop()
        bank.stop()
    return {**figures, "floors": found, "ratios": _ratios(figures, found)}


def start_services(system: System, inbox: str) -> tuple[Service, Service]:
    """Deploy the transfer; start bank and orchestrator, in this order, and wait until they have their partitions."""
    system.saga("migrate")
    system.saga("deploy", str(EXAMPLE / "saga.py"), "--create-topics")
    if inbox == "postgres":
        database = system.stack.create_database("bank")
        _open_accounts(database)
        bank = system.service("bank", [sys.executable, str(EXAMPLE / "bank.py")], {"BANK_DATABASE": database})
    else:
        bank = system.service("bank", [sys.executable, "-m", "bench.bank"])
    orchestrator = system.orchestrator()
    bank.start()
    orchestrator.start()
    system.wait_until_assigned("bank", system.partitions(COMMANDS), bank)
    system.wait_until_assigned(system.topics.group, system.settings.shards, orchestrator)
    return bank, orchestrator


def _open_accounts(database: str) -> None:
    """Every account of the load, with more than it will ever need."""
    with psycopg.connect(database) as connection:
        connection.execute((EXAMPLE / "accounts.sql").read_bytes())
        for number in range(ACCOUNTS):
            connection.execute("insert into accounts values (%s, 1000000000)", (f"account-{number:04}",))


def _load(system: System, client: Client, services: tuple[Service, Service], arguments: argparse.Namespace) -> Figures:
    bank, orchestrator = services
    stack = system.stack
    assert stack.kafka_broker.pid is not None
    assert stack.postgres.pid is not None
    pids = {"kafka": stack.kafka_broker.pid, "postgres": stack.postgres.pid}
    processes = ProcessMeter({"orchestrator": orchestrator.pid, "participant": bank.pid, **pids})

    def check(_: int) -> None:
        bank.require_running()
        orchestrator.require_running()

    as_many_as_go(client, WARM_UP, 50, check)
    memory = [processes.memory_mb("orchestrator")]
    say(f"{WARM_UP} transfers to warm up; {arguments.alone} one at a time")
    alone = one_at_a_time(client, arguments.alone)
    say(f"{arguments.sagas} transfers, {arguments.window} in flight")
    cost = Cost(system, processes, arguments.profile)
    with cost:

        def tell(done: int) -> None:
            check(done)
            if done * 10 // arguments.sagas >= len(memory):
                memory.append(processes.memory_mb("orchestrator"))
                say(f"{done} of {arguments.sagas}, the orchestrator has {memory[-1]:.0f} MB")

        peak = as_many_as_go(client, arguments.sagas, arguments.window, tell)
    half_rate = peak.per_second / 2
    say(f"{peak.per_second:.0f} a second; now {half_rate:.0f} a second for {arguments.seconds:g} s")
    half = at_rate(client, max(int(half_rate * arguments.seconds), 1), half_rate, check)
    memory.append(processes.memory_mb("orchestrator"))
    expected = arguments.sagas // REFUND_EVERY
    if peak.compensated != expected:
        raise SystemExit(f"expected {expected} transfers to be refunded, got {peak.compensated}")
    return {
        "sagas": arguments.sagas,
        "shards": arguments.shards,
        "inbox": arguments.inbox,
        "compensated": peak.compensated,
        "sagas_per_second": round(peak.per_second, 1),
        "messages_per_second": round(cost.messages / peak.seconds, 1),
        "p50_ms_at_1": alone.quantile_ms(0.5),
        "p99_ms_at_1": alone.quantile_ms(0.99),
        "half_rate": round(half_rate, 1),
        "p50_ms_at_half": half.quantile_ms(0.5),
        "p99_ms_at_half": half.quantile_ms(0.99),
        "p50_ms_at_peak": peak.quantile_ms(0.5),
        **cost.by_saga(arguments.sagas),
        "memory_mb_start": memory[0],
        "memory_mb_middle": memory[len(memory) // 2],
        "memory_mb_end": memory[-1],
    }


class Cost:
    """What a load costs, between the beginning and the end of a block."""

    def __init__(self, system: System, processes: ProcessMeter, profile: Path | None) -> None:
        topics = system.topics
        names = (COMMANDS, topics.requests, topics.replies, topics.journal, topics.outcomes, topics.quarantine)
        partitions = {name: system.partitions(name) for name in names}
        self._topics = topics
        self._kafka = KafkaMeter(system.stack.kafka, partitions, system.directory / "kafka" / "data")
        self._database = system.stack.database
        self._processes = processes
        self._profiler = None if profile is None else Profiler(processes.pid("orchestrator"), profile)

    def __enter__(self) -> Self:
        self._ends, self._postgres = self._kafka.ends(), read_postgres(self._database)
        if self._profiler is not None:
            self._profiler.start()
        self._cpu_s = self._processes.cpu_s()
        return self

    def __exit__(self, *_: object) -> None:
        cpu_s = self._processes.cpu_s()
        if self._profiler is not None:
            sys.stderr.write(self._profiler.stop() + "\n")
        ends, postgres = self._kafka.ends(), read_postgres(self._database)
        self.cpu_s = {name: used - self._cpu_s[name] for name, used in cpu_s.items()}
        self.messages = sum(ends.values()) - sum(self._ends.values())
        self.transactions = self._kafka.transactions_between(self._topics.journal, self._ends, ends)
        self.kafka_bytes = self._kafka.bytes_between(self._ends, ends)
        self.postgres_transactions = postgres.transactions - self._postgres.transactions
        self.postgres_bytes = postgres.wal_bytes - self._postgres.wal_bytes

    def by_saga(self, sagas: int) -> Figures:
        """Everything divided by the number of sagas."""
        return {
            "kafka_messages_per_saga": round(self.messages / sagas, 2),
            "kafka_transactions_per_saga": round(self.transactions / sagas, 4),
            "kafka_bytes_per_saga": round(self.kafka_bytes / sagas),
            "postgres_transactions_per_saga": round(self.postgres_transactions / sagas, 4),
            "postgres_wal_bytes_per_saga": round(self.postgres_bytes / sagas),
            "cpu_ms_per_saga": {name: round(used * 1000 / sagas, 3) for name, used in self.cpu_s.items()},
        }


def _ratios(figures: Figures, floor: Mapping[str, float]) -> Figures:
    """Our figures by the machine's own."""
    one = TRANSACTIONS_A_SAGA * floor["kafka_transaction_spaced_ms"] + MESSAGES_A_SAGA * floor["kafka_message_ms"]
    messages = floor["kafka_transaction_messages_per_second_5000"]
    return {
        "p50_at_1_by_floor": round(float(str(figures["p50_ms_at_1"])) / one, 2),
        "messages_per_second_by_floor": round(float(str(figures["messages_per_second"])) / messages, 3),
    }


def say(text: str) -> None:
    """Tell how far it is, on stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def _print(figures: Mapping[str, object], indent: str = "") -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            sys.stdout.write(f"{indent}{name}\n")
            _print(cast("dict[str, object]", value), indent + "  ")
        else:
            sys.stdout.write(f"{indent}{name:{48 - len(indent)}} {value!s:>14}\n")


if __name__ == "__main__":
    main()
