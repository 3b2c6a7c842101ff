import os
import socket
from collections.abc import Generator

import pytest

from orchestrator.errors import ConfigError
from orchestrator.local.ports import HOST, RANGE, free_port, is_free, require_free


@pytest.fixture
def taken_port() -> Generator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_refused_with_its_number_its_purpose_and_its_holder(taken_port: int) -> None:
    with pytest.raises(ConfigError) as refusal:
        require_free(taken_port, "Kafka")
    assert str(refusal.value).startswith(f"expected port {taken_port} to be free for Kafka, got ")
    assert f"(process {os.getpid()}) on it" in str(refusal.value)


def test_a_free_port_is_given_back() -> None:
    port = free_port()
    assert require_free(port, "Kafka") == port


def test_the_preferred_port_is_chosen_while_it_is_free() -> None:
    port = free_port()
    assert free_port(port) == port


def test_another_port_is_chosen_when_the_preferred_one_is_taken(taken_port: int) -> None:
    chosen = free_port(taken_port)
    assert chosen in RANGE
    assert is_free(chosen)
