"""The fold of released events. ``golden/histories.json`` is what it has always given: never edit an entry, add one."""

import json
from pathlib import Path

import pytest

from orchestrator.engine.events import RequestDeclined, SagaStarted, StepUndone, decode
from orchestrator.engine.evolve import evolve
from orchestrator.engine.state import REQUESTS_KEPT, SagaState, dumps, loads

HISTORIES = json.loads((Path(__file__).parent / "golden" / "histories.json").read_text())
STARTED = SagaStarted(saga_id="s1", saga="demo", blueprint="hash-1", input=None, request_id="r1", at_ms=0)


@pytest.mark.parametrize("name", sorted(HISTORIES))
def test_released_histories_fold_to_the_same_state(name: str) -> None:
    state: SagaState | None = None
    for kind, data in HISTORIES[name]["events"]:
        state = evolve(state, decode(kind, data))
    assert state is not None
    assert dumps(state) == HISTORIES[name]["state"]
    assert loads(HISTORIES[name]["state"]) == state


def test_a_history_begins_with_its_start_and_has_no_other() -> None:
    with pytest.raises(AssertionError, match="expected SagaStarted as a saga's first event"):
        evolve(None, StepUndone(step="a", at_ms=1))
    with pytest.raises(AssertionError, match="got it as number 2"):
        evolve(evolve(None, STARTED), STARTED)


def test_only_the_newest_requests_are_remembered() -> None:
    state = evolve(None, STARTED)
    for number in range(REQUESTS_KEPT + 5):
        state = evolve(state, RequestDeclined(request_id=f"r{number}", result="refused", text="no", at_ms=number))
    assert [request.request_id for request in state.requests] == [f"r{number}" for number in range(5, 37)]


def test_what_is_not_needed_after_the_end_is_forgotten() -> None:
    ended = [state for state in (loads(history["state"]) for history in HISTORIES.values()) if state.ended_ms]
    assert len(ended) > 3
    assert all(state.done == () for state in ended)
