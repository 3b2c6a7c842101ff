"""The start of a saga, once: the same id with the same name and input is the same saga, anything else a conflict."""

import json

from orchestrator.blueprint import values
from orchestrator.blueprint.ids import fault_of_saga_id
from orchestrator.blueprint.values import Data
from orchestrator.engine.decision import Decision, RequestAnswer, RequestResult
from orchestrator.engine.events import SagaStarted
from orchestrator.engine.evolve import evolve
from orchestrator.engine.forward import advance
from orchestrator.engine.inputs import StartSaga
from orchestrator.engine.program import Program
from orchestrator.engine.state import SagaState
from orchestrator.engine.turn import Turn

_SHOWN = 80
"""Characters of a value that a text shows."""


def start(program: Program | None, state: SagaState | None, request: StartSaga) -> Decision:
    """Start the saga on ``program``, or answer what there is."""
    if state is not None:
        return _started_before(state, request)
    if program is None:
        return _unchanged(
            request, "unknown_definition", f"no saga {request.saga!r} is deployed: deploy it, then start again"
        )
    fault = fault_of_saga_id(request.saga_id)
    if fault is not None:
        return _unchanged(request, "refused", f"the saga id {request.saga_id[:_SHOWN]!r}: {fault}")
    started = SagaStarted(
        saga_id=request.saga_id,
        saga=request.saga,
        blueprint=program.blueprint.hash,
        input=request.input,
        request_id=request.request_id,
        at_ms=request.now_ms,
    )
    turn = Turn(program, evolve(None, started), request.now_ms, [started], [])
    advance(turn, 0)
    turn.answer = RequestAnswer(request_id=request.request_id, saga_id=request.saga_id, result="accepted", text="")
    return turn.decision()


def _started_before(state: SagaState, request: StartSaga) -> Decision:
    origin = state.origin
    differs = _difference("saga", origin.saga, request.saga) or _difference("input", origin.input, request.input)
    if differs is not None:
        return _unchanged(request, "conflict", f"the saga {origin.saga_id!r} exists and {differs}", state)
    if request.request_id == origin.request_id:
        return _unchanged(request, "accepted", "", state)
    return _unchanged(request, "already", f"started at {origin.started_ms} by another request", state)


def _unchanged(request: StartSaga, result: RequestResult, text: str, state: SagaState | None = None) -> Decision:
    answer = RequestAnswer(request_id=request.request_id, saga_id=request.saga_id, result=result, text=text)
    return Decision(answer=answer, ignored=text or "a repeated request", state=state)


def _difference(path: str, was: Data, wanted: Data) -> str | None:
    """Where the two differ first, in words; None when they are equal."""
    if isinstance(was, dict) and isinstance(wanted, dict):
        for name in sorted(was.keys() | wanted.keys()):
            here = f"{path}.{name}"
            if name not in wanted:
                return f"was started with {here}, which is missing now"
            if name not in was:
                return f"was started without {here}"
            differs = _difference(here, was[name], wanted[name])
            if differs is not None:
                return differs
        return None
    if isinstance(was, list) and isinstance(wanted, list) and len(was) == len(wanted):
        pairs = enumerate(zip(was, wanted, strict=True))
        differences = (_difference(f"{path}[{index}]", *pair) for index, pair in pairs)
        return next((differs for differs in differences if differs is not None), None)
    if type(was) is type(wanted) and was == wanted:
        return None
    return f"was started with {path} = {_shown(was)}, not {_shown(wanted)}"


def _shown(value: Data) -> str:
    text = json.dumps(values.plain(value), ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
