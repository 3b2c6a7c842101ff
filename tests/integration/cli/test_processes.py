"""`saga run --processes N`: one port for all of them, one killed, all restarted under load, and nothing lost."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil
import psycopg

from orchestrator import Client, Settings
from tests.integration.cli.conftest import PATIENCE_S, SHARDS, Bank
from tests.waiting import until

if TYPE_CHECKING:
    from orchestrator.blueprint.model import Json
    from orchestrator.client.handle import Handle

PROCESSES = 2
SESSION_MS = "1500"


class Running:
    """`saga run` with its log, and its endpoint when it has said where that is."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    def events(self, name: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if line["event"] == name]

    def ask(self, path: str) -> tuple[int, str]:
        (told,) = self.events("metrics")
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/metrics", str(told["url"]))
        assert found is not None
        connection = HTTPConnection("127.0.0.1", int(found.group(1)), timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def ready(self) -> bool:
        return bool(self.events("metrics")) and self.ask("/readyz")[0] == 200

    def figures(self) -> dict[str, float]:
        lines = [line.rpartition(" ") for line in self.ask("/metrics")[1].splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    def children(self) -> list[int]:
        """Those that were started last, in the order of their numbers."""
        last = {str(told["process"]): int(str(told["pid"])) for told in self.events("process started")}
        return [last[number] for number in sorted(last)]


@contextmanager
def saga_run(tmp_path: Path, *arguments: str) -> Generator[Running]:
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "orchestrator.cli.main", "run", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=output,
            env={**os.environ, "SAGA_SESSION_TIMEOUT_MS": SESSION_MS},
        ) as process,
    ):
        try:
            yield Running(process, log)
        finally:
            process.kill()


class Load:
    """Transfers, one after the other and without end, each from an account of its own."""

    def __init__(self, settings: Settings, bank: Bank) -> None:
        self._settings = settings
        self.started = 0
        self.enough = threading.Event()
        self.steps = Counter[tuple[str, str]]()
        self.results: list[object] = []
        self._bank = bank
        bank.withdraw, bank.deposit, bank.refund = self._step("withdraw"), self._step("deposit"), self._step("refund")
        self._thread = threading.Thread(target=self._run)

    def _step(self, name: str) -> Callable[[Any], object]:
        def handle(command: Any) -> object:
            self.steps[name, command.account] += 1
            return self._bank.messages.Receipt(balance=Decimal(1))

        return handle

    def _run(self) -> None:
        with Client(self._settings) as client:
            handles: list[Handle[Json]] = []
            while not self.enough.is_set():
                given = {"source": f"from-{self.started}", "target": f"to-{self.started}", "amount": "1"}
                handles.append(client.start_named("money_transfer", json.dumps(given), timeout=PATIENCE_S))
                self.started += 1
            self.results = [handle.outcome(PATIENCE_S) for handle in handles]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.enough.set()
        self._thread.join(2 * PATIENCE_S)
        assert not self._thread.is_alive()
        assert len(self.results) == self.started > 0, "a transfer was lost"
        expected = {("withdraw", f"from-{number}"): 1 for number in range(self.started)}
        expected |= {("deposit", f"to-{number}"): 1 for number in range(self.started)}
        assert self.steps == expected, "a command was lost, or came twice"

    def more(self, count: int = 5) -> None:
        """Wait until so many more were started, and accepted by the orchestrator."""
        wanted = self.started + count
        until(lambda: self.started >= wanted or not self._thread.is_alive())
        assert self._thread.is_alive(), "the load has ended"


def ended(pid: int) -> bool:
    """Whether it is gone, or waits for nobody but whoever reaps it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_processes_are_killed_and_restarted_under_load_and_nothing_is_lost(
    deployed: Settings, bank: Bank, tmp_path: Path
) -> None:
    with saga_run(tmp_path, "--processes", str(PROCESSES), "--metrics-port", "0") as saga:
        until(saga.ready)
        first = saga.children()
        assert len(first) == PROCESSES
        assert saga.ask("/healthz") == (200, "ok\n")
        with Load(deployed, bank) as load:
            load.more()
            os.kill(first[0], signal.SIGKILL)
            until(lambda: saga.children()[0] != first[0] and saga.ready())
            load.more()
            second = saga.children()
            assert second[1] == first[1]
            saga.process.send_signal(signal.SIGUSR1)
            until(lambda: bool(saga.events("every process was restarted")))
            assert not set(saga.children()) & set(second)
            load.more()
        until(lambda: saga.figures()["saga_transaction_seconds_count"] > 0)
        owned = {f'saga_shard_owned{{shard="{shard}"}}' for shard in range(SHARDS)}
        until(lambda: all(saga.figures().get(name) == 1 for name in owned))  # the last one has joined
        figures = saga.figures()
        assert {figures[f'saga_shard_owned{{shard="{shard}"}}'] for shard in range(SHARDS)} == {1}
        assert figures["saga_batch_inputs_sum"] >= load.started
        assert figures["saga_commit_seconds_count"] == figures["saga_batch_inputs_count"] > 0
        assert figures['saga_process_restarts_total{process="1"}'] == 2
        assert figures['saga_process_restarts_total{process="2"}'] == 1
        until(lambda: not any(value for name, value in saga.figures().items() if "lag" in name or "outbox" in name))
        last = saga.children()
        saga.process.send_signal(signal.SIGTERM)
        assert saga.process.wait(PATIENCE_S) == 0
        assert all(map(ended, last))
    assert [told["process"] for told in saga.events("stopped")[-3:-1]] in ([1, 2], [2, 1])


def test_a_process_ends_when_its_supervisor_is_killed_and_one_that_waits_for_an_operator_says_why(
    deployed: Settings, tmp_path: Path, database: str
) -> None:
    with saga_run(tmp_path, "--processes", "1", "--metrics-port", "0") as saga:
        until(saga.ready)
        saga.process.kill()
        saga.process.wait(PATIENCE_S)
        until(lambda: bool(saga.events("stopped")))
        (child,) = saga.children()
        until(lambda: ended(child))
    with psycopg.connect(database) as connection:  # as if an older backup had been restored
        connection.execute("delete from saga.outbox where shard = 1")
        connection.execute("update saga.shards set seq = 0, chain = decode(repeat('00', 32), 'hex') where shard = 1")
    with saga_run(tmp_path, "--metrics-port", "0") as saga:
        until(lambda: bool(saga.events("metrics")) and "DatabaseBehind" in saga.ask("/readyz")[1])
        status, why = saga.ask("/readyz")
        assert (status, saga.ask("/healthz")) == (503, (200, "ok\n"))
        assert "process 1: shard 1 is not owned: DatabaseBehind: shard 1: the database is at seq 0" in why
