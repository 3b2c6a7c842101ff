"""A child tells its supervisor how it is, and notices when it is alone."""

import os
import threading
from collections.abc import Iterator

import pytest

from orchestrator.operations import child
from orchestrator.operations.report import Report, loads

PATIENCE_S = 30


@pytest.fixture
def pipes() -> Iterator[list[int]]:
    """Lifeline to read and to write, reports to read and to write; a test may close any of them."""
    ends = [*os.pipe(), *os.pipe()]
    yield ends
    for end in ends:
        if end >= 0:
            os.close(end)


def close(pipes: list[int], index: int) -> None:
    os.close(pipes[index])
    pipes[index] = -1


def test_it_reports_at_once_and_at_its_end(pipes: list[int]) -> None:
    reports, orphaned = iter(range(1, 1000)), threading.Event()
    with (
        os.fdopen(os.dup(pipes[2]), "rb") as lines,
        child.reporting(lambda: Report(next(reports)), orphaned.set, pipes[0], pipes[3]),
    ):
        assert loads(lines.readline().decode()).process == 1
    last = next(reports) - 1
    close(pipes, 3)
    with os.fdopen(os.dup(pipes[2]), "rb") as lines:
        assert [loads(line.decode()).process for line in lines][-1] == last >= 2
    assert not orphaned.is_set()


def test_it_drains_when_the_supervisor_is_gone(pipes: list[int]) -> None:
    orphaned = threading.Event()
    with child.reporting(lambda: Report(1), orphaned.set, pipes[0], pipes[3]):
        close(pipes, 2)
        close(pipes, 1)
        assert orphaned.wait(PATIENCE_S)
