"""The servers that tests run against: real ones, always.

In this order: addresses in the environment (`SAGA_TEST_KAFKA` and `SAGA_TEST_DATABASE`), containers where a Docker
engine answers, the local stack. A test that asks for one of these fixtures is marked `integration`; so is every test in
the folder of that name, where some start servers of their own.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from psycopg import sql

from orchestrator.local import kafka as local_kafka
from orchestrator.local.jars import kafka_version
from orchestrator.local.ports import free_port
from orchestrator.local.stack import LocalStack, StackOptions

KAFKA_VARIABLE = "SAGA_TEST_KAFKA"
DATABASE_VARIABLE = "SAGA_TEST_DATABASE"
DOCKER_SECONDS = 5
KAFKA_SETTINGS = {
    **local_kafka.FAST_ABORT,
    # Tests wait for a killed process's shards to be taken over.
    "group.min.session.timeout.ms": "1000",
}
POSTGRES_SETTINGS = {"max_connections": "300"}
STACK_OPTIONS = StackOptions(kafka_settings=KAFKA_SETTINGS, postgres_settings=POSTGRES_SETTINGS)
SERVER_FIXTURES = {"servers", "own_stack"}
WITH_SERVERS = [Path(__file__).with_name(name) for name in ("integration", "acceptance")]


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers of this test run answer: Kafka as `host:port`, Postgres as a URL."""

    kafka: str
    database: str


class Source(Enum):
    ENVIRONMENT = "addresses in the environment"
    CONTAINERS = "containers"
    LOCAL_STACK = "the local stack"


def choose(environment: Mapping[str, str], engine_answers: Callable[[], bool]) -> Source:
    """Say where the servers come from; half an environment is a mistake, not a reason to start others."""
    given = [name for name in (KAFKA_VARIABLE, DATABASE_VARIABLE) if environment.get(name)]
    if len(given) == 1:
        message = (
            f"expected both {KAFKA_VARIABLE} and {DATABASE_VARIABLE}, or none, got {given[0]} alone: set the other"
        )
        raise pytest.UsageError(message)
    if given:
        return Source.ENVIRONMENT
    return Source.CONTAINERS if engine_answers() else Source.LOCAL_STACK


def docker_answers() -> bool:
    # In a process of its own: without an engine the client leaves a socket open, which pytest would report.
    ping = f"import docker; docker.from_env(timeout={DOCKER_SECONDS}).ping()"
    return subprocess.run([sys.executable, "-c", ping], capture_output=True, check=False).returncode == 0


@contextmanager
def serve(source: Source, environment: Mapping[str, str]) -> Generator[Servers]:
    match source:
        case Source.ENVIRONMENT:
            yield Servers(environment[KAFKA_VARIABLE], environment[DATABASE_VARIABLE])
        case Source.CONTAINERS:
            with _containers() as servers:
                yield servers
        case Source.LOCAL_STACK:
            with local_stack() as stack:
                yield Servers(stack.kafka, stack.database)


@contextmanager
def local_stack(options: StackOptions = STACK_OPTIONS) -> Generator[LocalStack]:
    """A stack of its own in a new directory, gone with its data afterwards."""
    with new_directory() as directory, LocalStack(directory, options) as stack:
        yield stack


@contextmanager
def new_directory() -> Generator[Path]:
    """A directory outside of pytest's own, whose parents another run of pytest would close to Postgres' user."""
    directory = Path(tempfile.mkdtemp(prefix="saga-tests-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@contextmanager
def _containers() -> Generator[Servers]:
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.docker_client import DockerClient

    settings = " ".join(f"-c {name}={value}" for name, value in POSTGRES_SETTINGS.items())
    host, port = DockerClient().host(), free_port()
    broker = DockerContainer(f"apache/kafka:{kafka_version()}", env=container_environment(host, port))
    with (
        PostgresContainer("postgres:18", driver=None, command=f"postgres {settings}") as postgres,
        broker.with_bind_ports(port, port) as kafka,
    ):
        if not local_kafka.wait_until_it_serves(host, port, lambda: True):
            message = f"expected Kafka in a container to answer on {host}:{port}, got:\n{kafka.get_logs()}"
            raise RuntimeError(message)
        yield Servers(f"{host}:{port}", postgres.get_connection_url())


def container_environment(host: str, port: int) -> dict[str, str]:
    """The local broker's settings, as variables of the image `apache/kafka`."""
    settings = {
        **local_kafka.SETTINGS,
        **KAFKA_SETTINGS,
        "listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://localhost:9093",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "controller.quorum.voters": f"{local_kafka.NODE_ID}@localhost:9093",
    }
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        asks = isinstance(item, pytest.Function) and SERVER_FIXTURES & set(item.fixturenames)
        if asks or any(item.path.is_relative_to(folder) for folder in WITH_SERVERS):
            item.add_marker("integration")


@pytest.fixture(scope="session")
def servers() -> Generator[Servers]:
    """The servers of this run, shared by its tests: name your topics after `namespace`, take `database` for tables."""
    with serve(choose(os.environ, docker_answers), os.environ) as servers:
        yield servers


@pytest.fixture
def database(servers: Servers) -> Generator[str]:
    """The URL of a new, empty database of this test alone."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(servers.database, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
    yield urlsplit(servers.database)._replace(path=f"/{name}").geturl()
    with psycopg.connect(servers.database, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def namespace() -> str:
    """A name that no other test has: begin the names of topics, groups and participants with it."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def kafka(servers: Servers, namespace: str) -> Generator[str]:
    """Kafka's address; the topics whose names begin with `namespace` are deleted after the test."""
    yield servers.kafka
    admin = AdminClient({"bootstrap.servers": servers.kafka})
    topics = [topic for topic in admin.list_topics(timeout=30).topics if topic.startswith(namespace)]
    for deleted in admin.delete_topics(topics).values() if topics else ():
        deleted.result()


@pytest.fixture(scope="module")
def own_stack() -> Generator[LocalStack]:
    """A stack of this module alone, for tests that kill, pause and restart servers; leave both running."""
    with local_stack() as stack:
        yield stack
