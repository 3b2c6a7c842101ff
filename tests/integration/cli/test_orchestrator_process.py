"""`saga run` as a process, and what commands say when the servers are not as they need them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from orchestrator import Settings
from orchestrator.local.ports import free_port
from tests.integration.cli.conftest import PATIENCE_S, SHARDS, Bank, Shell
from tests.waiting import until

START_S = 10
INPUT = '{"source": "alice", "target": "bob", "amount": "12.5"}'


@contextmanager
def saga_run(
    log: Path, more: Mapping[str, str] | None = None, directory: Path | None = None
) -> Generator["subprocess.Popen[bytes]"]:
    """`saga run` in a process of its own, killed at the end if it is still there."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "orchestrator.cli.main", "run"],
            stdout=subprocess.DEVNULL,
            stderr=output,
            cwd=directory,
            env={**os.environ, **(more or {})},
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def events(log: Path) -> list[str]:
    """What the process has logged so far: the names of its lines."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
    return [json.loads(line)["event"] for line in lines]


def owns_all(log: Path) -> bool:
    return events(log).count("shard owned") == SHARDS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_leaves(deployed: Settings, tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log"
    with saga_run(log) as process:
        until(lambda: owns_all(log))
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
    assert events(log)[-1] == "stopped"


def test_a_killed_orchestrator_loses_nothing(deployed: Settings, bank: Bank, saga: Shell, tmp_path: Path) -> None:
    quick = {"SAGA_SESSION_TIMEOUT_MS": "1500"}
    with saga_run(tmp_path / "log", {**quick, "SAGA_TEST_CRASH_AT": "append.after_commit:2"}) as process:
        first = saga("start", "money_transfer", "--input", INPUT, "--id", "t1")
        assert first.status == 0
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
    with saga_run(tmp_path / "again", quick):
        ended = saga("start", "money_transfer", "--input", INPUT, "--id", "t1", "--wait")
        assert (ended.status, ended.out) == (0, "t1 completed: balance=12.5\n")


def test_a_crash_point_that_does_not_exist_is_refused(
    deployed: Settings, saga: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGA_TEST_CRASH_AT", "relay.somewhere:1")
    called = saga("run")
    assert (called.status, called.out) == (2, "")
    assert "expected a crash point" in called.err


# ---------------------------------------------------------------- servers that are not as they must be


def test_each_command_names_the_one_before_it(environment: Settings, saga: Shell, file: Path) -> None:
    for arguments, status, text in [
        (("list",), 2, "run `saga migrate`"),
        (("incidents",), 2, "run `saga migrate`"),
        (("show", "t1"), 2, "run `saga migrate`"),
        (("run",), 1, "run `saga deploy FILE --create-topics`"),
        (("start", "money_transfer", "--input", INPUT), 1, "--create-topics"),
        (("cancel", "t1"), 1, "--create-topics"),
        (("deploy", str(file)), 1, "`saga deploy FILE --create-topics`"),
    ]:
        called = saga(*arguments)
        assert (arguments, called.status, called.out) == (arguments, status, "")
        assert text in called.err
        assert called.err.startswith("saga: ")
    assert saga("deploy", str(file), "--create-topics").status == 0
    unmigrated = saga("run")
    assert unmigrated.status == 2
    assert "run `saga migrate`" in unmigrated.err


def test_a_namespace_has_one_database_and_one_number_of_shards(
    deployed: Settings, saga: Shell, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGA_SHARDS", "3")
    refused = saga("run")
    assert refused.status == 1
    assert f"expected 3 partitions, got {SHARDS}" in refused.err

    other = f"{deployed.namespace}x"
    monkeypatch.setenv("SAGA_NAMESPACE", other)
    monkeypatch.setenv("SAGA_SHARDS", str(SHARDS))
    assert saga("deploy", str(file), "--create-topics").status == 0
    for arguments in [("run",), ("migrate",), ("list",), ("show", "t1"), ("incidents",)]:
        refused = saga(*arguments)
        assert (arguments, refused.status, refused.out) == (arguments, 2, "")
        assert f"expected the database of namespace {other!r} in SAGA_DATABASE" in refused.err


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("cancel", "t1"), ("deploy", "FILE")],
)
def test_an_unreachable_kafka_is_told_soon_and_in_one_line(
    environment: Settings, saga: Shell, file: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("SAGA_KAFKA", address)
    started = time.monotonic()
    called = saga(*(str(file) if argument == "FILE" else argument for argument in arguments))
    assert time.monotonic() - started < START_S
    assert (called.status, called.out) == (5, "")
    assert called.err.startswith(f"saga: expected Kafka at {address} to answer")
    assert called.err.count("\n") == 1


def test_an_unreachable_database_is_told_soon_and_in_one_line(
    deployed: Settings, saga: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGA_DATABASE", f"postgresql://postgres@127.0.0.1:{free_port()}/saga")
    for arguments in [("run",), ("list",), ("show", "t1"), ("incidents",), ("migrate",)]:
        started = time.monotonic()
        called = saga(*arguments)
        assert time.monotonic() - started < START_S
        assert (arguments, called.status, called.out) == (arguments, 5, "")
        assert called.err.startswith("saga: Postgres at 127.0.0.1:")
        assert called.err.count("\n") == 1


# ---------------------------------------------------------------- against `saga dev`


@pytest.fixture
def recorded(
    kafka: str, database: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder where `saga dev` seems to run: it has recorded these servers."""
    folder = tmp_path / "project"
    (folder / ".saga").mkdir(parents=True)
    (folder / ".saga" / "addresses.json").write_text(json.dumps({"kafka": kafka, "database": database}))
    monkeypatch.chdir(folder)
    for name in ("SAGA_KAFKA", "SAGA_DATABASE", "SAGA_SHARDS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SAGA_NAMESPACE", namespace)
    yield folder
    shutil.rmtree(folder)


def test_against_saga_dev_topics_and_tables_are_made_and_it_is_said_once(
    recorded: Path, saga: Shell, file: Path, tmp_path: Path, namespace: str
) -> None:
    deployed = saga("deploy", str(file))
    assert deployed.status == 0
    assert f"created topic {namespace}.requests" in deployed.out
    assert deployed.err.count("using `saga dev` in .saga") == 1
    log = tmp_path / "log"
    with saga_run(log, directory=recorded) as process:
        until(lambda: events(log).count("shard owned") == 4)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert "the database was empty and got its tables" in events(log)
    assert "not durable" not in events(log)
    listed = saga("list", "--json")
    assert (listed.status, listed.out) == (0, "[]\n")
    assert listed.err.count("using `saga dev` in .saga") == 1


def test_a_named_database_is_never_migrated_by_itself(
    environment: Settings, saga: Shell, file: Path, database: str
) -> None:
    assert saga("deploy", str(file), "--create-topics").status == 0
    assert saga("run").status == 2
    with psycopg.connect(database) as connection:
        assert connection.execute("select to_regnamespace('saga')").fetchone() == (None,)
