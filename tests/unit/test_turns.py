import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from orchestrator.turns import computing, is_idle, waiting

ANSWER_S = 10.0


class Other:
    """A thread that computes as soon as it may, and says so."""

    def __init__(self) -> None:
        self.computes: SimpleQueue[str] = SimpleQueue()
        self.release = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with computing():
            self.computes.put("now")
            assert self.release.wait(ANSWER_S)

    def end(self) -> None:
        self.release.set()
        self.thread.join(ANSWER_S)


@pytest.fixture
def others() -> Iterator[list[Other]]:
    made: list[Other] = []
    yield made
    for other in made:
        other.end()
    assert is_idle()


def test_one_thread_computes_at_a_time(others: list[Other]) -> None:
    with computing():
        others.append(Other())
        assert others[0].computes.empty()
        assert not is_idle()
    assert others[0].computes.get(timeout=ANSWER_S) == "now"


def test_who_waits_lets_another_compute_and_goes_on_after_it(others: list[Other]) -> None:
    with computing():
        others.append(Other())
        with waiting():
            assert others[0].computes.get(timeout=ANSWER_S) == "now"
            others[0].release.set()
        assert not is_idle()
        others.append(Other())
        assert others[1].computes.empty()


def test_waiting_is_nothing_for_who_does_not_compute(others: list[Other]) -> None:
    others.append(Other())
    others[0].computes.get(timeout=ANSWER_S)
    with waiting(), waiting():
        assert not is_idle()


def test_waiting_in_waiting_gives_the_turn_back_once() -> None:
    with computing():
        with waiting(), waiting():
            assert is_idle()
        assert not is_idle()
    assert is_idle()


def test_the_turn_ends_with_an_error() -> None:
    with pytest.raises(ValueError, match="planted"), computing(), waiting():
        raise ValueError("planted")
    assert is_idle()


def test_a_turn_within_a_turn_is_a_mistake_of_ours() -> None:
    with computing():
        with pytest.raises(AssertionError, match=r"got computing\(\) within computing\(\)"), computing():
            raise AssertionError("entered")
        assert not is_idle()
    assert is_idle()


def test_who_waits_may_take_a_turn() -> None:
    with computing(), waiting():
        with computing():
            assert not is_idle()
        assert is_idle()
