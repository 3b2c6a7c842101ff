"""Where the servers of a test run come from, in which order, and which tests need them."""

import re
from collections.abc import Callable

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from tests.page import ROOT
from tests.servers import (
    DATABASE_VARIABLE,
    KAFKA_VARIABLE,
    WITH_SERVERS,
    Source,
    choose,
    container_environment,
    serve,
)

BOTH = {KAFKA_VARIABLE: "kafka:9092", DATABASE_VARIABLE: "postgresql://postgres"}


def engine(*, answers: bool) -> Callable[[], bool]:
    return lambda: answers


def no_engine() -> bool:
    raise AssertionError


def test_addresses_in_the_environment_come_first_and_no_engine_is_asked() -> None:
    assert choose(BOTH, no_engine) is Source.ENVIRONMENT


def test_containers_come_second_where_an_engine_answers() -> None:
    assert choose({}, engine(answers=True)) is Source.CONTAINERS


def test_the_local_stack_comes_last() -> None:
    assert choose({}, engine(answers=False)) is Source.LOCAL_STACK


@pytest.mark.parametrize("given", BOTH)
def test_half_an_environment_is_refused(given: str) -> None:
    with pytest.raises(pytest.UsageError, match=f"got {given} alone: set the other"):
        choose({given: BOTH[given]}, no_engine)


def test_addresses_in_the_environment_are_taken_as_they_are() -> None:
    with serve(Source.ENVIRONMENT, BOTH) as servers:
        assert (servers.kafka, servers.database) == tuple(BOTH.values())


def test_a_broker_in_a_container_has_the_settings_of_the_local_one() -> None:
    variables = container_environment("docker.host", 29_000)
    assert variables["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://docker.host:29000"
    assert variables["KAFKA_LISTENERS"] == "PLAINTEXT://0.0.0.0:29000,CONTROLLER://localhost:9093"
    assert variables["KAFKA_CONTROLLER_QUORUM_VOTERS"] == "1@localhost:9093"
    assert variables["KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS"] == "1000"
    assert variables["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_the_folders_that_make_test_unit_passes_over_are_those_whose_tests_are_marked() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (folders,) = re.findall(r"^WITH_SERVERS := (.*)$", makefile, re.MULTILINE)
    assert [ROOT / folder for folder in folders.split()] == WITH_SERVERS


@pytest.mark.integration
def test_the_local_stack_serves_and_leaves_nothing_behind() -> None:
    with serve(Source.LOCAL_STACK, {}) as servers:
        psycopg.connect(servers.database).close()
        assert AdminClient({"bootstrap.servers": servers.kafka}).list_topics(timeout=30).brokers
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(servers.database)


def test_each_test_has_an_empty_database_of_its_own(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("create table left_behind ()")
        found = connection.execute("select relname from pg_class where relnamespace = 'public'::regnamespace")
        assert found.fetchall() == [("left_behind",)]


def test_another_test_does_not_see_it(database: str) -> None:
    with psycopg.connect(database) as connection:
        found = connection.execute("select relname from pg_class where relnamespace = 'public'::regnamespace")
        assert found.fetchall() == []
