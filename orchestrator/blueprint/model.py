"""The compiled saga as data: what the compiler makes, the engine runs, and everything else is derived from.

A blueprint is values only: no author's class, no code. Expressions are JSON trees (see ``expression``); bodies are
made by evaluating them. Every message carries the ids of its schemas, which the blueprint contains.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Json: TypeAlias = bool | int | str | list["Json"] | dict[str, "Json"] | None
"""A JSON value without floats."""

Expression: TypeAlias = dict[str, Json]
"""``{"op": …, …}``: see ``orchestrator.blueprint.expression`` for every operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When an unanswered command is sent again; ``attempts_max`` 0 is no limit."""

    initial_ms: int
    coefficient: str
    """A decimal number as text: a blueprint has no floats."""
    maximum_ms: int
    attempts_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A command or query to a participant: what to send, and what may come back."""

    type: str
    """Avro full name, ``{participant}.{Class}``: the ``ce_type`` on the wire."""
    participant: str
    schema: str
    """Schema id of the body."""
    body: Expression
    key: Expression | None
    """The field marked ``Key``, as text on the wire; None: the saga's id."""
    reply: str | None
    """Schema id of a completed answer's body; None: it has no body."""
    rejections: Mapping[str, str]
    """Avro full name of each declared rejection -> its schema id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The rejection with which ``require`` and ``fail`` end a saga."""

    type: str
    schema: str
    body: Expression


StepKind: TypeAlias = Literal["step", "query", "pivot", "ensure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One exchange with a participant."""

    name: str
    """Unique in the blueprint, and its path."""
    kind: StepKind
    command: Message
    undo: Message | None
    undo_uses_reply: bool
    probe: Message | None
    on_unknown: Literal["undo", "incident"]
    retry: Retry
    timeout_ms: int
    """For one attempt."""
    at: str
    """``file:line`` of the definition; not part of the hash."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """What the participants may be sent for it: its command, then undo and probe where it has them."""
        return tuple(message for message in (self.command, self.undo, self.probe) if message is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Require:
    """Go on only if the condition holds, else end with ``otherwise`` and undo everything."""

    condition: Expression
    otherwise: Answer
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """End here with ``why`` and undo everything."""

    why: Answer
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Search attributes, set when the saga comes by."""

    attributes: Mapping[str, Expression]
    at: str


Node: TypeAlias = Step | Require | Fail | Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """One saga, compiled; ``hash`` is its version."""

    format: int
    name: str
    input: str
    """Schema id of the input."""
    output: str | None
    """Schema id of the output; None: the saga returns nothing."""
    result: Expression | None
    """What the saga returns, evaluated when the last node is passed."""
    nodes: tuple[Node, ...]
    undo_retry: Retry
    schemas: Mapping[str, Json]
    """Schema id -> canonical Avro schema, of everything above."""
    hash: str
    """sha256 (hex) of the canonical JSON without ``hash`` and ``at``."""
