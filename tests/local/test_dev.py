"""`saga dev` as a person runs it: in a terminal of its own, ended by Ctrl-C or worse."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from orchestrator import settings
from orchestrator.cli import dev
from orchestrator.exit_code import ExitCode
from orchestrator.local.guardian import wait_gone
from tests.servers import new_directory

pytestmark = pytest.mark.integration
SECONDS = 60


@contextmanager
def saga_dev(directory: Path, *arguments: str) -> Generator["subprocess.Popen[str]"]:
    """Run `saga dev` in a directory; end it by force if the test did not."""
    command = [sys.executable, "-m", "orchestrator.cli.main", "dev", *arguments]
    with subprocess.Popen(
        command,
        cwd=directory,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"HOME": str(Path.home())},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_up(process: "subprocess.Popen[str]") -> str:
    """Read what `saga dev` says until it is up."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("Ctrl-C"):
            return said
    assert process.stderr is not None
    pytest.fail(f"saga dev ended: {said}{process.stderr.read()}")


def servers(directory: Path) -> list[psutil.Process]:
    """Give the guardians and the servers that run in a directory."""
    records = [json.loads(file.read_text()) for file in sorted(directory.glob(".saga/*/processes.json"))]
    processes = [psutil.Process(entry["pid"]) for record in records for entry in record]
    assert len(processes) == 4
    return processes


def test_it_prints_addresses_that_answer_and_ends_both_servers_on_ctrl_c() -> None:
    with new_directory() as directory, saga_dev(directory) as process:
        said = wait_until_up(process)
        found = settings.load({}, directory)
        running = servers(directory)
        assert found.database is not None
        psycopg.connect(found.database).close()
        assert AdminClient({"bootstrap.servers": found.kafka}).list_topics(timeout=SECONDS).brokers
        assert f"Kafka     {found.kafka}\nPostgres  {found.database}\n" in said
        assert "saga deploy FILE" in said
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
        assert (process.returncode, errors) == (ExitCode.OK, "")
        assert wait_gone(running, 0) == []
        assert not (directory / ".saga" / "addresses.json").exists()


def test_killed_it_takes_both_servers_with_it_and_starts_again_in_the_same_directory() -> None:
    with new_directory() as directory:
        with saga_dev(directory) as process:
            wait_until_up(process)
            running = servers(directory)
            process.kill()
            assert wait_gone(running, SECONDS) == []
        with saga_dev(directory) as process:
            wait_until_up(process)
            process.terminate()
            assert process.wait(SECONDS) == ExitCode.OK


def test_killed_together_with_the_guardians_it_starts_again_in_the_same_directory() -> None:
    with new_directory() as directory:
        with saga_dev(directory) as process:
            wait_until_up(process)
            running = servers(directory)
            process.send_signal(signal.SIGSTOP)
            for guardian in running[::2]:
                guardian.kill()
            process.kill()
        orphans = running[1::2]
        assert [orphan.is_running() for orphan in orphans] == [True, True]
        with saga_dev(directory) as process:
            wait_until_up(process)
            assert wait_gone(orphans, 0) == []
            process.terminate()
            assert process.wait(SECONDS) == ExitCode.OK


def test_a_second_one_in_the_same_directory_says_who_holds_it() -> None:
    with new_directory() as directory, saga_dev(directory) as first:
        wait_until_up(first)
        with saga_dev(directory) as second:
            said, errors = second.communicate(timeout=SECONDS)
        assert (second.returncode, said) == (ExitCode.USAGE, "")
        assert errors == (
            f"saga: expected {directory / '.saga'} to be free for a local stack, got process {first.pid} "
            "(`main.py dev`) holding it: use that stack, end that process, or choose another --directory\n"
        )
        first.terminate()
        assert first.wait(SECONDS) == ExitCode.OK


def test_a_taken_port_is_one_line_and_a_status() -> None:
    with new_directory() as directory, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with saga_dev(directory, "--postgres-port", str(port)) as process:
            said, errors = process.communicate(timeout=SECONDS)
        assert (process.returncode, said) == (ExitCode.USAGE, "")
        assert errors.startswith(f"saga: expected port {port} to be free for Postgres, got ")
        assert errors.count("\n") == 1


def living_in(directory: Path) -> list[psutil.Process]:
    """Processes that were given the directory, or work in it: what initdb starts is only known by that."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if any(str(directory) in word for word in (process.cwd(), *process.cmdline())):
                found.append(process)
    return found


def test_ctrl_c_during_the_start_leaves_nothing_running() -> None:
    with new_directory() as directory:
        with saga_dev(directory) as process:
            record = directory / ".saga" / "kafka" / "processes.json"
            while not record.exists():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == ExitCode.INTERRUPTED
        while living := living_in(directory):
            assert wait_gone(living, SECONDS) == []


def test_it_ends_with_the_servers_log_when_a_server_dies() -> None:
    with new_directory() as directory, saga_dev(directory) as process:
        wait_until_up(process)
        postmaster = servers(directory)[3]
        assert postmaster.name() == "postgres"
        postmaster.kill()
        _, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == ExitCode.UNAVAILABLE
        assert errors.startswith("saga: expected Postgres to run until it is stopped, got exit status 137:\n")


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "٣"])
def test_a_port_is_a_number_from_1_to_65535(text: str) -> None:
    with pytest.raises(Exception, match=f"expected a port from 1 to 65535, got '{text}'"):
        dev._port(text)
