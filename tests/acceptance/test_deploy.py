"""deploy/: the Dockerfile's steps make an image's content that runs, and compose.yaml makes a system of it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest
import yaml

from orchestrator.local import kafka as local_kafka
from orchestrator.local.jars import kafka_version
from orchestrator.local.ports import free_port
from orchestrator.local.processes import Command, ServerProcess
from tests.acceptance.dockerfile import Build
from tests.servers import Servers, new_directory

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "saga-orchestrator"]
IGNORED = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
ENDS_S = 60


@pytest.fixture(scope="module")
def build() -> Generator[Build]:
    """The Dockerfile's steps, run over what Git has or would have."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    with new_directory() as folder:
        context = folder / "context"
        for file in filter(lambda name: (ROOT / name).exists(), files):
            (context / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, context / file, follow_symlinks=False)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        yield Build((DEPLOY / "Dockerfile").read_text(), context, folder, path)


def test_the_context_leaves_out_what_git_does() -> None:
    ignored = {line.removeprefix("**/") for line in IGNORED}
    assert {line for line in (ROOT / ".gitignore").read_text().splitlines() if line} <= ignored
    assert ".git" in ignored


def test_the_image_has_the_command_and_no_root(build: Build) -> None:
    saga = subprocess.run(
        [*build.image.entrypoint, "--version"],
        env=build.variables({}), capture_output=True, text=True, check=True, timeout=ENDS_S,
    )  # fmt: skip
    assert re.fullmatch(r"saga \d+\.\d+\.\d+\S*\n", saga.stdout)
    found = shutil.which("saga", path=build.variables({})["PATH"])
    assert found is not None
    assert Path(found).is_relative_to(build.root)
    assert (build.image.user, build.image.stop_signal) == ("10001:10001", "SIGTERM")
    assert not (build.root / "build").exists(), "the sources stay in the stage that builds"
    assert not list(build.root.glob("opt/saga/lib/*/site-packages/pip")), "nothing is installed in what runs"


def test_the_image_has_a_python_that_we_support(build: Build) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = build.image.base.removeprefix("python:").removesuffix("-slim")
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def test_kafka_in_compose_has_the_settings_of_the_local_one() -> None:
    expected = {
        **local_kafka.SETTINGS,
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": "PLAINTEXT://kafka:9092",
        "controller.quorum.voters": f"{local_kafka.NODE_ID}@kafka:9093",
        "log.dirs": SERVICES["kafka"]["volumes"][0].partition(":")[2],
    }
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka_version()}"
    assert SERVICES["kafka"]["environment"] == {
        f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in expected.items()
    }


def test_postgres_in_compose_is_the_one_that_is_asked_for() -> None:
    given = SERVICES["postgres"]["environment"]
    address = f"postgresql://{given['POSTGRES_USER']}:{given['POSTGRES_PASSWORD']}@postgres:5432/{given['POSTGRES_DB']}"
    for name in OURS:
        assert SERVICES[name]["environment"]["SAGA_DATABASE"] == address
    assert SERVICES["bank"]["environment"]["BANK_DATABASE"] == address


class Host:
    """Runs the services of compose.yaml that are ours, as processes of the image's content."""

    def __init__(
        self, build: Build, addresses: dict[str, str], namespace: str, examples: Path, stack: ExitStack
    ) -> None:
        self._build = build
        self._addresses = addresses
        self._namespace = namespace
        self._examples = examples
        self._stack = stack
        self.ended: set[str] = set()

    def up(self, name: str) -> None:
        """To its end when another waits for that; else until the test ends."""
        awaited = {
            condition["condition"]
            for service in SERVICES.values()
            for other, condition in service.get("depends_on", {}).items()
            if other == name
        }
        for other, condition in SERVICES[name]["depends_on"].items():
            assert other in ("kafka", "postgres") or other in self.ended, (
                f"{name} would start before {other}: {condition}"
            )
        command = self._command(name)
        if awaited == {"service_completed_successfully"}:
            self.run(name, command)
            self.ended.add(name)
            return
        log = self._examples.parent / f"{name}.log"
        assignments = [f"{variable}={value}" for variable, value in self._variables(name).items()]
        process = ServerProcess(
            Command(name, ["/usr/bin/env", "-i", *assignments, *command], self._examples.parent, log, SIGTERM)
        )
        process.start()
        self._stack.callback(process.stop)

    def run(self, name: str, command: list[str]) -> str:
        """A command with a service's settings; gives what it printed."""
        done = subprocess.run(
            command, cwd=self._examples.parent, env=self._variables(name), capture_output=True, text=True, check=False,
            timeout=ENDS_S,
        )  # fmt: skip
        assert done.returncode == 0, f"{name}: {command}: {done.stdout}{done.stderr}"
        return done.stdout

    def _command(self, name: str) -> list[str]:
        service, image = SERVICES[name], self._build.image
        words = [*service.get("entrypoint", image.entrypoint), *service.get("command", image.command)]
        return self._placed(name, words)

    def check(self, name: str) -> None:
        """The service's own check of its health, which must pass."""
        kind, *words = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        port: str = SERVICES[name]["environment"]["SAGA_METRICS_PORT"]
        self.run(name, self._placed(name, [word.replace(port, self._addresses[port]) for word in words]))

    def _placed(self, name: str, words: list[str]) -> list[str]:
        program = shutil.which(words[0], path=self._variables(name)["PATH"])
        assert program is not None, words
        return [program, *(word.replace("/examples", str(self._examples)) for word in words[1:])]

    def _variables(self, name: str) -> dict[str, str]:
        given: dict[str, str] = SERVICES[name]["environment"]
        placed = {variable: self._addresses.get(value, value) for variable, value in given.items()}
        return self._build.variables({**placed, "SAGA_NAMESPACE": self._namespace})


def test_compose_brings_up_a_system_that_transfers(
    build: Build, servers: Servers, database: str, kafka: str, namespace: str
) -> None:
    addresses = {
        "kafka:9092": kafka,
        "postgresql://saga:saga@postgres:5432/saga": database,
        SERVICES["orchestrator"]["environment"]["SAGA_METRICS_PORT"]: str(free_port()),
    }
    start = re.search(r"exec orchestrator (saga start .*)", (DEPLOY / "compose.yaml").read_text())
    assert start is not None
    with new_directory() as folder, ExitStack() as stack:
        # A bank and a namespace that no other test has, where all share one Kafka.
        examples = shutil.copytree(ROOT / "examples", folder / "examples")
        for file, before in (("saga.py", 'to="bank"'), ("bank.py", 'Participant("bank"')):
            path = examples / "money_transfer" / file
            assert before in path.read_text()
            path.write_text(path.read_text().replace(before, before.replace("bank", f"{namespace}bank")))
        host = Host(build, addresses, namespace, examples, stack)
        for name in OURS:
            host.up(name)
        out = host.run("orchestrator", [str(build.root / "opt/saga/bin/saga"), *shlex.split(start[1])[1:], "--json"])
        assert json.loads(out)["output"] == {"balance": "12.5"}
        host.check("orchestrator")
