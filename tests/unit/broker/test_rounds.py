"""Rounds: what is posted while one is under way leaves together in the next."""

import threading
import time
from collections.abc import Sequence

import pytest

from orchestrator.broker import rounds as module
from orchestrator.broker.rounds import Rounds

LONG_S = 60.0


class Road:
    """Takes note of rounds; one that holds ``stop`` waits until ``go``."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []
        self.stopped, self.go, self.left = threading.Event(), threading.Event(), threading.Semaphore(0)

    def send(self, items: Sequence[str]) -> None:
        if not items:
            return
        self.rounds.append(list(items))
        if "stop" in items:
            self.stopped.set()
            assert self.go.wait(LONG_S)
        if "break" in items:
            raise OSError("broken")
        self.left.release()

    def wait_for_round(self) -> None:
        assert self.left.acquire(timeout=LONG_S)


def test_what_is_posted_during_a_round_leaves_together_in_the_next() -> None:
    road = Road()
    rounds = Rounds("test", road.send, LONG_S)
    rounds.start()
    rounds.post("stop")
    rounds.hurry()
    assert road.stopped.wait(LONG_S)
    for item in "abc":
        rounds.post(item)
    assert len(rounds) == 3
    rounds.hurry()
    road.go.set()
    road.wait_for_round()
    road.wait_for_round()
    rounds.close()
    assert road.rounds == [["stop"], ["a", "b", "c"]]


def test_who_is_in_no_hurry_waits_for_others_only_so_long() -> None:
    road, begun = Road(), time.monotonic()
    rounds = Rounds("test", road.send, 0.05)
    rounds.post("a")
    rounds.post("b")
    rounds.start()
    road.wait_for_round()
    assert 0.05 <= time.monotonic() - begun < LONG_S
    rounds.close()
    assert road.rounds == [["a", "b"]]


def test_what_was_posted_is_sent_before_the_end() -> None:
    road = Road()
    rounds = Rounds("test", road.send, LONG_S)
    rounds.start()
    rounds.post("a")
    rounds.close()
    rounds.close()
    assert road.rounds == [["a"]]


def test_there_are_empty_rounds_when_nothing_is_posted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_S", 0.001)
    empty = threading.Event()
    rounds = Rounds[str]("test", lambda items: None if items else empty.set(), LONG_S)
    rounds.start()
    assert empty.wait(LONG_S)
    rounds.close()
    assert rounds.failure is None


def test_what_ends_the_thread_is_told() -> None:
    road = Road()
    rounds = Rounds("test", road.send, LONG_S)
    rounds.start()
    rounds.post("break")
    rounds.hurry()
    rounds.close()
    assert str(rounds.failure) == "broken"
