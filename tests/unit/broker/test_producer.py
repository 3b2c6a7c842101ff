"""The end of a transaction beside threads that compute: what is timed, and how deliveries are heard of."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from orchestrator.broker import producer as module
from orchestrator.broker.configuration import SLOW_COMMIT_MS, Connection
from orchestrator.broker.port import Commit
from orchestrator.broker.producer import KafkaProducer
from orchestrator.turns import computing


class Kafka:
    """A transaction of three records, delivered when somebody looks; it ends at once."""

    def __init__(self) -> None:
        self.undelivered = 3
        self.asked: list[str] = []

    def __len__(self) -> int:
        return self.undelivered

    def poll(self, _timeout: float) -> None:
        self.asked.append("poll")
        self.undelivered = 0

    def flush(self, _timeout: float) -> None:
        self.asked.append("flush")
        self.undelivered = 0

    def commit_transaction(self, _timeout: float) -> None:
        self.asked.append("commit")


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()

    def made(*_: object) -> Kafka:
        return kafka

    monkeypatch.setattr(module, "made", made)
    return kafka


def committed() -> Commit:
    return KafkaProducer(Connection("localhost:1", {}), "saga.0", "saga.journal", 10_000).commit()


def test_deliveries_are_waited_for_in_the_library_when_nobody_else_computes(kafka: Kafka) -> None:
    with computing():
        assert committed() is Commit.CLEAN
    assert kafka.asked == ["flush", "commit"]


def test_deliveries_are_taken_together_beside_a_thread_that_computes(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_idle", lambda: False)
    assert committed() is Commit.CLEAN
    assert kafka.asked == ["poll", "commit"]


def test_a_commit_is_clean_however_long_others_compute_after_it(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]

    @contextmanager
    def waiting() -> Generator[None]:
        yield
        now_s[0] += 10 * SLOW_COMMIT_MS / 1000

    def clock(**_: Any) -> float:
        return now_s[0]

    monkeypatch.setattr(module, "waiting", waiting)
    monkeypatch.setattr(module.time, "monotonic", clock)
    assert committed() is Commit.CLEAN
    assert kafka.asked[-1] == "commit"
