"""A namespace of its own for each test: commands called as a shell would call them, against the real servers."""

import contextlib
import importlib.util
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestrator import Participant, Settings, settings
from orchestrator.cli.main import main
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.service import Service, build

PATIENCE_S = 60
SHARDS = 2
SAGA = """
from decimal import Decimal

from orchestrator import Command, Record, Rejection, RetryPolicy, Saga, saga, seconds


class Transfer(Record):
    source: str
    target: str
    amount: Decimal


class Receipt(Record):
    balance: Decimal


class AccountNotFound(Rejection):
    account: str


class Withdraw(Command[Receipt, AccountNotFound], to="{bank}"):
    account: str
    amount: Decimal


class Refund(Command[Receipt], to="{bank}"):
    account: str
    amount: Decimal


class Deposit(Command[Receipt, AccountNotFound], to="{bank}"):
    account: str
    amount: Decimal


@saga(timeout=seconds(30), undo_retry=RetryPolicy(maximum_attempts=1))
def money_transfer(s: Saga, transfer: Transfer) -> Receipt:
    s.label(customer=transfer.source)
    s.step(
        "withdraw",
        Withdraw(account=transfer.source, amount=transfer.amount),
        undo=Refund(account=transfer.source, amount=transfer.amount),
    )
    return s.pivot("deposit", Deposit(account=transfer.target, amount=transfer.amount))
"""


@dataclass(frozen=True, slots=True)
class Called:
    """What a command did."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Shell:
    """Calls `saga` in this process."""

    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Called:
        self.capture.readouterr()
        try:
            status = main(list(arguments))
        except SystemExit as wrong_call:  # argparse's way of telling
            status = wrong_call.code if isinstance(wrong_call.code, int) else 1
        out, err = self.capture.readouterr()
        return Called(status, out, err)


@dataclass
class Bank:
    """A participant whose answers a test decides on."""

    messages: ModuleType
    participant: Participant[None]
    withdraw: Callable[[Any], object]
    refund: Callable[[Any], object]
    deposit: Callable[[Any], object]


@pytest.fixture
def environment(kafka: str, database: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The test's own namespace and database, as the environment names them."""
    for name, value in {
        "SAGA_KAFKA": kafka,
        "SAGA_DATABASE": database,
        "SAGA_NAMESPACE": namespace,
        "SAGA_SHARDS": str(SHARDS),
    }.items():
        monkeypatch.setenv(name, value)
    return settings.load()


@pytest.fixture
def saga(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def bank_name(namespace: str) -> str:
    """A participant that no other test has."""
    return f"{namespace}bank"


@pytest.fixture
def file(bank_name: str, tmp_path: Path) -> Path:
    """A file with a money transfer, to a bank of this test alone."""
    path = tmp_path / "transfer.py"
    path.write_text(SAGA.replace("{bank}", bank_name))
    return path


@pytest.fixture
def deployed(environment: Settings, saga: Shell, file: Path) -> Settings:
    """Tables, topics and definition are there."""
    assert saga("migrate").status == 0
    assert saga("deploy", str(file), "--create-topics").status == 0
    return environment


@pytest.fixture
def bank(namespace: str, bank_name: str, file: Path, deployed: Settings) -> Generator[Bank]:
    """Answers every command with a receipt, unless the test says otherwise."""
    messages = imported(file, f"transfer_{namespace}")

    def receipt(command: Any) -> object:
        return messages.Receipt(balance=command.amount)

    bank = Bank(messages, Participant(bank_name), receipt, receipt, receipt)
    bank.participant.handles(messages.Withdraw)(lambda command, _: bank.withdraw(command))
    bank.participant.handles(messages.Refund)(lambda command, _: bank.refund(command))
    bank.participant.handles(messages.Deposit)(lambda command, _: bank.deposit(command))
    with bank.participant.running(deployed):
        yield bank


@pytest.fixture
def orchestrator(deployed: Settings) -> Iterator[Service]:
    with running(deployed) as service:
        yield service


@contextmanager
def running(settings: Settings, crash_point: CrashPoint = nowhere) -> Generator[Service]:
    """A service in a thread of its own; what ends it too early fails the test."""
    with contextlib.closing(build(settings, crash_point)) as service:
        failed: list[BaseException] = []

        def run() -> None:
            try:
                service.run()
            except BaseException as error:  # noqa: BLE001 - told to the test, below
                failed.append(error)

        thread = threading.Thread(target=run, name="service")
        thread.start()
        try:
            yield service
        finally:
            service.stop()
            thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert not failed, failed


def imported(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
