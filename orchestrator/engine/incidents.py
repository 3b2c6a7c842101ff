"""What needs an operator's eye: opened once for a step and a reason, closed by whatever ends its object.

A sequential saga is at one place, so whatever moves it on from there ends every open incident.
"""

from orchestrator.engine import events as e
from orchestrator.engine.turn import Turn


def open_incident(turn: Turn, step: str | None, reason: e.IncidentReason, text: str) -> bool:
    """Open an incident unless one is open for the same step and reason; tell whether it was opened."""
    if any(known.step == step and known.reason == reason for known in turn.state.open_incidents):
        return False
    number = len(turn.state.incidents) + 1
    text = text.replace("\0", "\N{SYMBOL FOR NULL}")  # a participant's words may have one, and no database's text may
    turn.record(e.IncidentOpened(number=number, step=step, reason=reason, text=text, at_ms=turn.now_ms))
    return True


def close_incidents(turn: Turn, text: str) -> None:
    """Close whatever is open; ``text`` says why."""
    if not turn.state.incidents:
        return
    for incident in turn.state.open_incidents:
        turn.record(e.IncidentClosed(number=incident.number, text=text, at_ms=turn.now_ms))


def evaluation_failed(turn: Turn, node: int, step: str | None, problem: str) -> None:
    """An expression gave no value: the saga waits, at this node, for an operator."""
    where = turn.program.at(node)
    turn.record(e.EvaluationFailed(node=node, step=step, text=problem, at_ms=turn.now_ms))
    text = (
        f"{where}: {problem}. Nothing was sent and the saga waits here: cancel it, if its pivot is not done, or retry "
        "with an orchestrator that can evaluate it"
    )
    open_incident(turn, step, "evaluation", text)
