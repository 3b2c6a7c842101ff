"""Bugs of the engine."""

from typing import Any

import pytest

from orchestrator.engine import attempts, replies, sending
from orchestrator.engine.decision import Command
from tests.simulation.seeded.registry import bug


@bug
def tombstone_under_wrong_key(patch: pytest.MonkeyPatch) -> None:
    """An undo names itself as what it undoes."""

    def command(**of: Any) -> Command:
        return Command(**{**of, "undoes": of["undoes"] and of["command_id"]})

    patch.setattr(sending, "Command", command)


@bug
def retry_under_new_id(patch: pytest.MonkeyPatch) -> None:
    """An attempt that was not answered is sent again as another command."""

    def send_again(turn: Any, exchange: Any) -> None:
        step = turn.program.steps[exchange.step]
        sending.send(turn, step, exchange.role, generation=exchange.generation + 1, attempt=exchange.attempt + 1)

    patch.setattr(attempts, "send_again", send_again)


@bug
def any_answer_counts(patch: pytest.MonkeyPatch) -> None:
    """A late answer to an earlier command is taken for the one that is awaited."""
    right = replies._completed
    received = replies.reply_received

    def reply_received(turn: Any, reply: Any) -> None:
        exchange = turn.state.exchange
        if exchange is not None and reply.outcome == "completed":
            right(turn, exchange, reply)
        else:
            received(turn, reply)

    patch.setattr(replies, "reply_received", reply_received)
