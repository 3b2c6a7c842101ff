"""One secured stack for these modules; each test has users, rights and a namespace of its own."""

import argparse
import shlex
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from orchestrator import Settings
from orchestrator.client.deployment import deploy
from orchestrator.definition.loading import compile_file
from orchestrator.store.migrate import migrate
from tests.integration.cli.conftest import SAGA, SHARDS, Called, Shell
from tests.integration.security.secured import Secured, secured_stack

Environment = Mapping[str, str]
As = Callable[..., Called]


@pytest.fixture(scope="package")
def secured() -> Generator[Secured]:
    with secured_stack() as secured:
        yield secured


@pytest.fixture
def file(namespace: str, tmp_path: Path) -> Path:
    """A file with a money transfer, to a bank of this test alone."""
    path = tmp_path / "transfer.py"
    path.write_text(SAGA.replace("{bank}", f"{namespace}bank"))
    return path


@pytest.fixture
def saga_as(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, namespace: str) -> As:
    """Calls `saga` with these settings."""

    def call(environment: Environment, *arguments: str) -> Called:
        with monkeypatch.context() as patch:
            for name, value in {"SAGA_NAMESPACE": namespace, "SAGA_SHARDS": str(SHARDS), **environment}.items():
                patch.setenv(name, value)
            return Shell(capsys)(*arguments)

    return call


@dataclass(frozen=True, slots=True)
class Prepared:
    """A namespace with its topics, tables and definition, for tests that get no further than a refusal."""

    namespace: str
    bank: str
    """The participant."""
    database: str


@pytest.fixture(scope="package")
def prepared(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    namespace, bank = "prepared", "preparedbank"
    path = tmp_path_factory.mktemp(namespace) / "transfer.py"
    path.write_text(SAGA.replace("{bank}", bank))
    administrator = Settings(kafka=secured.stack.kafka, namespace=namespace, shards=SHARDS)
    deploy(compile_file(path), administrator, create_topics=True)
    database = secured.stack.create_database(namespace)
    migrate(database, namespace, SHARDS)
    return Prepared(namespace, bank, database)


@pytest.fixture
def administrator(secured: Secured, own_database: str) -> Environment:
    """May do everything, without TLS."""
    return {"SAGA_KAFKA": secured.stack.kafka, "SAGA_DATABASE": own_database}


@pytest.fixture
def own_database(secured: Secured, namespace: str) -> str:
    """The owner's way to a new database of the secured Postgres, which is gone with the stack."""
    return secured.stack.create_database(namespace)


@pytest.fixture
def user() -> str:
    """A name that no other test has."""
    return f"user-{uuid.uuid4().hex[:8]}"


def bindings(printed: str) -> list[AclBinding]:
    """What `kafka-acls` would make of the commands that `saga acls` printed."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for option in ("--bootstrap-server", "--command-config", "--allow-principal", "--resource-pattern-type"):
        parser.add_argument(option)
    for option in ("--operation", "--topic", "--group", "--transactional-id"):
        parser.add_argument(option, action="append", default=[])
    for option in ("--add", "--cluster"):
        parser.add_argument(option, action="store_true")
    found: list[AclBinding] = []
    for line in printed.splitlines():
        if line.startswith("kafka-acls "):
            given = parser.parse_args(shlex.split(line)[1:])
            pattern = ResourcePatternType[(given.resource_pattern_type or "literal").upper()]
            resources = [
                *((ResourceType.TOPIC, name) for name in given.topic),
                *((ResourceType.GROUP, name) for name in given.group),
                *((ResourceType.TRANSACTIONAL_ID, name) for name in given.transactional_id),
                *([(ResourceType.BROKER, "kafka-cluster")] if given.cluster else []),
            ]
            found += [
                AclBinding(
                    kind,
                    name,
                    pattern,
                    given.allow_principal,
                    "*",
                    AclOperation[operation],
                    AclPermissionType.ALLOW,
                )
                for kind, name in resources
                for operation in given.operation
            ]
    return found


@pytest.fixture
def owner(own_database: str) -> Generator[psycopg.Connection]:
    """The connection of who owns the database."""
    with psycopg.connect(own_database, autocommit=True) as connection:
        yield connection
