"""`saga connector http` against a running orchestrator: docs/connectors.md as it stands, and a server that fails."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Event, Lock

import pytest

from orchestrator.local.ports import free_port
from tests.http_server import Fault, HttpServer, Part, Received, response, running
from tests.integration.cli.conftest import PATIENCE_S, Shell
from tests.page import ROOT, Page

PAGE = Page("docs/connectors.md")
(CONFIGURATION,) = PAGE.listings("toml")
(SERVER,) = PAGE.listings("python")
(SHELL,) = PAGE.listings()
EXPORT, CHECK, RUN = SHELL.splitlines()
SAGA = (ROOT / "examples" / "money_transfer" / "saga.py").read_text()


@pytest.fixture
def file(bank_name: str, tmp_path: Path) -> Path:
    """The example's saga, to a bank of this test alone, impatient enough for a test."""
    path = tmp_path / "saga.py"
    text = SAGA.replace('to="bank"', f'to="{bank_name}"').replace("import Command,", "import Command, RetryPolicy,")
    soon = "RetryPolicy(initial_interval=seconds(0.05), maximum_interval=seconds(0.1))"
    path.write_text(text.replace("timeout=seconds(10)", f"timeout=seconds(60), retry={soon}, undo_retry={soon}"))
    return path


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page exports."""
    name, _, value = EXPORT.removeprefix("export ").partition("=")
    monkeypatch.setenv(name, value)


def written(folder: Path, bank: str, url: str) -> list[str]:
    """The page's file, to another server; how `saga` is called with it."""
    configuration = folder / "bank.toml"
    text = CONFIGURATION.replace("http://127.0.0.1:8080", url).replace('"bank', f'"{bank}')
    configuration.write_text(text.replace("timeout_s = 5", "timeout_s = 0.5"))
    return [str(configuration) if word == "bank.toml" else word for word in RUN.split()[1:]]


@contextmanager
def started(command: list[str], ready: str, log: Path) -> Generator["subprocess.Popen[str]"]:
    """A process in a terminal of its own, once it has said that it is ready."""
    with log.open("w") as out, subprocess.Popen(command, env=os.environ, stderr=out, stdout=out, text=True) as process:
        try:
            tail = ["/bin/sh", "-c", f"tail -n +1 -F '{log}' | grep -q -m 1 -- '{ready}'"]
            waited = subprocess.run(tail, check=False, timeout=PATIENCE_S, capture_output=True)
            assert waited.returncode == 0, log.read_text()
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@contextmanager
def connector(arguments: list[str], folder: Path) -> Generator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "orchestrator.cli.main", *arguments]
    with started(command, "the participant answers", folder / "connector.log") as process:
        yield process


def start(saga: Shell, saga_id: str, source: str, target: str, amount: str) -> int:
    given = json.dumps({"source": source, "target": target, "amount": amount})
    return saga("start", "money_transfer", "--id", saga_id, "--input", given, "--wait").status


@pytest.mark.usefixtures("deployed", "orchestrator", "secret")
def test_the_page_as_it_stands(bank_name: str, saga: Shell, tmp_path: Path) -> None:
    (tmp_path / "bank_server.py").write_text(SERVER)
    port = free_port()
    run = written(tmp_path, bank_name, f"http://127.0.0.1:{port}")
    assert f"{RUN} --check" == CHECK
    checked = saga(*run, "--check")
    assert (checked.status, checked.out.split(": ")[-1]) == (0, f"3 commands to http://127.0.0.1:{port}\n")
    with connector(run, tmp_path) as process:
        # The first saga finds nobody at the port, and goes on as soon as there is somebody.
        given = json.dumps({"source": "alice", "target": "bob", "amount": "12.50"})
        assert saga("start", "money_transfer", "--id", "first", "--input", given).status == 0
        waits = "grep -q -m 1 'nothing was sent'"
        tail = ["/bin/sh", "-c", f"tail -n +1 -F '{tmp_path / 'connector.log'}' | {waits}"]
        assert subprocess.run(tail, check=False, timeout=PATIENCE_S).returncode == 0
        server = [sys.executable, "-u", str(tmp_path / "bank_server.py"), str(port)]
        with started(["/bin/sh", "-c", 'echo on; exec "$@"', "sh", *server], "on", tmp_path / "server.log"):
            assert start(saga, "first", "alice", "bob", "12.50") == 0
            assert start(saga, "second", "alice", "nobody", "10") == 3
            assert start(saga, "third", "alice", "bob", "1000") == 3
            assert start(saga, "last", "alice", "bob", "87.5") == 0, "what was withdrawn for nobody was put back"
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


class Bank:
    """Does each thing once, and first fails in every way for each of them; answers as the page's server does."""

    def __init__(self) -> None:
        self.accounts = {"alice": Decimal(1000), "bob": Decimal(0)}
        self.attempts: dict[str, int] = {}
        self.done: dict[str, list[Part]] = {}
        self.under_way = Event()
        """A dozen requests came: some are done and not answered."""
        self._lock = Lock()

    def answer(self, request: Received) -> Iterable[Part]:
        with self._lock:
            key = request.headers["idempotency-key"]
            self.attempts[key] = attempt = self.attempts.get(key, 0) + 1
            if sum(self.attempts.values()) >= 12:
                self.under_way.set()
            before = [response(503), response(429, None, {"Retry-After": "0"}), [Fault.RESET]]
            if attempt <= len(before):
                return before[attempt - 1]
            if key not in self.done:
                self.done[key] = self._do(request)
            whole = self.done[key]
            after = [[Fault.SILENCE], [*whole[:1], b"{", Fault.RESET], [Fault.CLOSE], response(200, b"<html>")]
            return [*after, whole][min(attempt - len(before) - 1, len(after))]

    def _do(self, request: Received) -> list[Part]:
        _, _, account, action = request.path.split("/")
        if account not in self.accounts:
            return response(404, {"account": account})
        amount = Decimal(request.json()["amount"])
        self.accounts[account] += -amount if action == "withdrawals" else amount
        return response(200, {"balance": str(self.accounts[account]), "unknown": [1.5]})


@pytest.fixture
def failing() -> Generator[tuple[HttpServer, Bank]]:
    with running() as server:
        found = Bank()
        server.answer = found.answer
        yield server, found


@pytest.mark.usefixtures("deployed", "orchestrator", "secret")
def test_a_server_that_fails_in_every_way_does_each_thing_once_also_when_the_connector_is_killed(
    bank_name: str, saga: Shell, tmp_path: Path, failing: tuple[HttpServer, Bank], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, found = failing
    monkeypatch.setenv("SAGA_SESSION_TIMEOUT_MS", "1000")  # how long Kafka waits for the one that was killed
    arguments = written(tmp_path, bank_name, server.url)
    given = json.dumps({"source": "alice", "target": "bob", "amount": "10"})
    undone = json.dumps({"source": "alice", "target": "nobody", "amount": "7"})
    with connector(arguments, tmp_path) as killed:
        for number in range(5):
            saga("start", "money_transfer", "--id", f"s-{number}", "--input", given)
            saga("start", "money_transfer", "--id", f"u-{number}", "--input", undone)
        assert found.under_way.wait(PATIENCE_S)
        killed.kill()
    with connector(arguments, tmp_path):
        for number in range(5):
            assert start(saga, f"s-{number}", "alice", "bob", "10") == 0
            assert start(saga, f"u-{number}", "alice", "nobody", "7") == 3
    assert found.accounts == {"alice": Decimal(950), "bob": Decimal(50)}
    assert len(found.done) == 5 * 2 + 5 * 3, "withdraw and deposit, or withdraw, a refused deposit and refund"
    assert min(found.attempts.values()) == 8


@pytest.mark.usefixtures("deployed", "secret")
def test_nothing_is_sent_for_a_file_that_does_not_fit(
    bank_name: str, saga: Shell, tmp_path: Path, failing: tuple[HttpServer, Bank]
) -> None:
    arguments = written(tmp_path, bank_name, failing[0].url)
    configuration = Path(arguments[-1])
    configuration.write_text(configuration.read_text().replace("AccountNotFound", "AccountMissing"))
    called = saga(*arguments)
    assert (called.status, called.out) == (2, "")
    assert f"got '{bank_name}.AccountMissing': there is {bank_name}.AccountNotFound" in called.err
    assert failing[0].received == []


@pytest.mark.usefixtures("deployed", "secret")
def test_a_file_that_lacks_a_command_does_not_fit(bank_name: str, saga: Shell, tmp_path: Path) -> None:
    arguments = written(tmp_path, bank_name, "http://127.0.0.1:1")
    configuration = Path(arguments[-1])
    text = configuration.read_text()
    configuration.write_text(text[: text.index(f'[[command]]\nname = "{bank_name}.Deposit"')])
    called = saga(*arguments, "--check")
    assert (called.status, called.out) == (2, "")
    assert f"got none for {bank_name}.Deposit, in {configuration}" in called.err


@pytest.mark.usefixtures("environment", "secret")
def test_a_namespace_without_sagas_is_told_to_deploy_one(bank_name: str, saga: Shell, tmp_path: Path) -> None:
    called = saga(*written(tmp_path, bank_name, "http://127.0.0.1:1"))
    assert called.status == 1
    assert "deploy a saga that sends to" in called.err
