"""The system that is disturbed: both servers and the ways to them, a bank, and places for orchestrators."""

import json
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGSTOP, SIGTERM
from typing import Final

from chaos.listeners import ALMOST_ALWAYS_LED, Listeners
from chaos.plan import SLOTS
from chaos.proxy import PostgresProxy, Proxy
from demo import accounts
from demo.system import EXAMPLE, SAGA, Service, System, SystemOptions
from orchestrator.exit_code import ExitCode
from orchestrator.local.ports import HOST

SHARDS: Final = 4
SESSION_MS: Final = 2_000
COMMANDS: Final = "bank.commands"
NO_SERVER: Final = frozenset({int(ExitCode.UNAVAILABLE)})
"""Exit statuses of a program of ours that had to end for want of a server."""
TRACEBACK: Final = 1
"""The example's bank connects to its database before it runs, and does not catch what that raises."""
KAFKA_SETTINGS: Final = {
    **ALMOST_ALWAYS_LED,
    "group.min.session.timeout.ms": str(SESSION_MS),
    # Transactions of who was killed are ended soon after their time.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}


class Process:
    """A place for a process that is started again and again."""

    def __init__(self, name: str, make: Callable[[Mapping[str, str]], Service], excused: frozenset[int]) -> None:
        """``make`` is given an environment; ``excused`` are exit statuses for a server that is away."""
        self.name = name
        self.excused = excused
        self._make = make
        self._service: Service | None = None

    @property
    def there(self) -> bool:
        """Whether it was started and not ended by us."""
        return self._service is not None

    @property
    def status(self) -> int | None:
        """Its exit status, if it has ended by itself."""
        return None if self._service is None else self._service.status

    @property
    def pid(self) -> int:
        """It must be there."""
        return self._running().pid

    def start(self, crash_at: str = "") -> None:
        """In the place of what was there before, if anything is left of it."""
        self.end()
        self._service = self._make({"SAGA_TEST_CRASH_AT": crash_at} if crash_at else {})
        self._service.start()

    def kill(self) -> None:
        """End it this very moment."""
        self._running().kill()
        self._service = None

    def end(self) -> None:
        """See that nothing is left of it."""
        if self._service is not None:
            self.kill()

    def pause(self) -> None:
        """Stop it where it is."""
        self._running().signal(SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._running().signal(SIGCONT)

    def ask_to_end(self) -> None:
        """Politely, and without waiting for it."""
        self._running().signal(SIGTERM)

    def stop(self) -> None:
        """Politely, and wait for it."""
        if self._service is not None:
            self._service.stop()
            self._service = None

    def _running(self) -> Service:
        assert self._service is not None, f"{self.name} is not there"
        return self._service


@dataclass(frozen=True, slots=True)
class City:
    """All of it."""

    system: System
    bank_database: str
    participant: Process
    orchestrators: list[Process]
    way_to_postgres: Proxy
    way_to_kafka: Proxy

    def unsettled(self) -> dict[int, str]:
        """By shard, why its last owner refuses it, if Kafka left a transaction in its journal open."""
        last: dict[int, tuple[str, str, str]] = {}
        for log in sorted(self.system.directory.glob("orchestrator-*/log")):
            lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
            for line in map(_parsed, lines):
                if "shard" in line and line["event"] in ("shard owned", "shard not owned"):
                    said = str(line["timestamp"]), str(line.get("reason", "")), str(line.get("text", ""))
                    shard = int(str(line["shard"]))
                    last[shard] = max(last.get(shard, said), said)
        return {shard: text for shard, (_, reason, text) in sorted(last.items()) if reason == "JournalUnsettled"}


def _parsed(line: str) -> dict[str, object]:
    try:
        return json.loads(line)
    except json.JSONDecodeError:  # a line of somebody else, or cut off by a kill
        return {}


@contextmanager
def city_in(directory: Path) -> Generator[City]:
    """Start the servers, make the tables, the topics and the accounts; no process runs yet."""
    listeners = Listeners()
    options = SystemOptions(
        shards=SHARDS,
        session_timeout_ms=SESSION_MS,
        kafka_port=listeners.open,
        kafka_settings={**KAFKA_SETTINGS, **listeners.settings},
    )
    with (
        System(directory, options).start() as system,
        closing(Proxy((HOST, listeners.hidden), listeners.proxied)) as kafka,
    ):
        kafka.start()
        with closing(PostgresProxy(system.stack.database)) as postgres:
            postgres.start()
            bank_database = system.stack.create_database("bank")
            system.saga("migrate")
            system.saga("deploy", str(EXAMPLE / "saga.py"), "--create-topics")
            accounts.open_accounts(bank_database)
            ways = {"SAGA_KAFKA": f"{HOST}:{listeners.proxied}", "SAGA_DATABASE": postgres.dsn}
            bank = {**ways, "BANK_DATABASE": postgres.way_to(bank_database)}

            def process(name: str, line: list[str], environment: Mapping[str, str], excused: frozenset[int]) -> Process:
                return Process(name, lambda own: system.service(name, line, {**environment, **own}), excused)

            participant = process(
                "participant", [sys.executable, str(EXAMPLE / "bank.py")], bank, NO_SERVER | {TRACEBACK}
            )
            orchestrators = [process(f"orchestrator-{slot}", [*SAGA, "run"], ways, NO_SERVER) for slot in range(SLOTS)]
            try:
                yield City(system, bank_database, participant, orchestrators, postgres, kafka)
            finally:  # politely they would wait for servers that are being stopped
                for each in (*orchestrators, participant):
                    each.end()
