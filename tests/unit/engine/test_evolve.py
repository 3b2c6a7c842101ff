"""The fold of released events. ``golden/histories.json`` is what it has always given: never edit an entry, add one."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.blueprint import values
from orchestrator.blueprint.values import Data
from orchestrator.engine.events import Reason, RequestDeclined, SagaStarted, StepUndone, decode
from orchestrator.engine.evolve import evolve
from orchestrator.engine.state import (
    REQUESTS_KEPT,
    AnsweredRequest,
    Blocked,
    Cancelling,
    Cause,
    Compensated,
    Compensating,
    Completed,
    Exchange,
    Incident,
    Origin,
    Running,
    SagaState,
    dumps,
    loads,
)
from tests.unit.blueprint.test_values import KEYS, SMALL_DATA

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


EXCHANGES = st.none() | st.builds(Exchange)
CAUSES = st.builds(Cause, reason=st.sampled_from(Reason.__args__), rejection=SMALL_DATA)
PHASES = st.one_of(
    st.builds(Running, EXCHANGES),
    st.builds(Blocked),
    st.builds(Cancelling, EXCHANGES),
    st.builds(Compensating, EXCHANGES, CAUSES),
    st.builds(Completed, SMALL_DATA),
    st.builds(Compensated, CAUSES),
)
STATES = st.builds(
    SagaState,
    origin=SMALL_DATA.flatmap(
        lambda data: st.builds(Origin, input=st.just(data), input_text=st.just(values.dumps(data)))
    ),
    phase=PHASES,
    done=st.lists(st.tuples(st.text(), SMALL_DATA), max_size=3).map(tuple),
    labels=st.dictionaries(KEYS, SMALL_DATA, max_size=3),
    incidents=st.lists(st.builds(Incident), max_size=2).map(tuple),
    requests=st.lists(st.builds(AnsweredRequest), max_size=2).map(tuple),
)


@settings(max_examples=100, deadline=None)
@given(STATES)
def test_what_is_written_by_hand_is_the_canonical_json_of_the_state(state: SagaState) -> None:
    found = cast("dict[str, Any]", values.loads(dumps(state)))
    assert values.dumps(found) == dumps(state)
    phase = found.pop("phase")
    assert phase.pop("is") == type(state.phase).__name__.lower()
    assert phase == as_read(asdict(state.phase))
    wanted = asdict(state)
    del wanted["phase"]
    origin = wanted.pop("origin")
    assert origin.pop("input_text") == values.dumps(origin["input"])
    assert found == as_read(origin | wanted)
    assert loads(dumps(state)) == state


def as_read(value: Data) -> Data:
    """With lists for tuples, as JSON has them."""
    if isinstance(value, dict):
        return {name: as_read(part) for name, part in value.items()}
    return [as_read(part) for part in value] if isinstance(value, list | tuple) else value
