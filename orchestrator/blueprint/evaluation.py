"""What an expression is evaluated with, and how that fails."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias

from orchestrator.blueprint.frozen import frozen
from orchestrator.blueprint.values import Data


class EvaluationError(ValueError):
    """No value: a division by zero, an overflow, a None in a value's place, a decimal that does not fit its field.

    The text names the expression; the saga's author, or whoever sent the values, must act.
    """


@frozen
class Scope:
    """What is known of one saga when an expression of its blueprint is evaluated."""

    input: Data
    replies: Mapping[str, Data]
    """Step name -> its reply."""
    id: str
    started_at: datetime


Evaluate: TypeAlias = Callable[[Scope], Data]
"""A compiled expression; raises EvaluationError."""
