"""A blueprint made ready to run: expressions compiled, steps found by name, and what each step's place means for it.

Made once for a blueprint and kept by its hash; values and closures only, so any thread may use it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, TypeAlias, assert_never

from orchestrator.blueprint.expression import Evaluate, EvaluationError, Scope, compile_expression
from orchestrator.blueprint.model import Answer, Blueprint, Expression, Fail, Label, Message, Node, Require, Step
from orchestrator.blueprint.values import Data
from orchestrator.engine.events import Role
from orchestrator.engine.state import SagaState

Manner: TypeAlias = Literal["step", "query", "pivot", "ensure"]
"""How the engine treats a step: its kind, but behind the pivot everything is ensured, for there is no way back."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A command or query, ready to be made from a saga's data."""

    message: Message
    body: Evaluate
    key: Evaluate | None


@dataclass(frozen=True, slots=True)
class PreparedStep:
    """A step and its messages."""

    index: int
    """Its place in the blueprint's nodes."""
    name: str
    step: Step
    manner: Manner
    do: PreparedMessage
    undo: PreparedMessage | None
    probe: PreparedMessage | None


@dataclass(frozen=True, slots=True)
class PreparedAnswer:
    """The rejection with which a saga ends by its own word; ``at`` is the node's ``file:line``."""

    answer: Answer
    body: Evaluate
    at: str


@dataclass(frozen=True, slots=True)
class PreparedRequire:
    """Go on only if."""

    condition: Evaluate
    otherwise: PreparedAnswer


@dataclass(frozen=True, slots=True)
class PreparedFail:
    """End here."""

    why: PreparedAnswer


@dataclass(frozen=True, slots=True)
class PreparedLabel:
    """Set search attributes."""

    attributes: tuple[tuple[str, Evaluate], ...]


PreparedNode: TypeAlias = PreparedStep | PreparedRequire | PreparedFail | PreparedLabel


@dataclass(frozen=True, slots=True)
class Program:
    """One blueprint, ready to run."""

    blueprint: Blueprint
    nodes: tuple[PreparedNode, ...]
    steps: Mapping[str, PreparedStep]
    pivot: int
    """Index of the pivot; the number of nodes when there is none. Behind it nothing is undone."""
    result: Evaluate | None

    def at(self, node: int) -> str:
        """Where a node is written, for people."""
        nodes = self.blueprint.nodes
        return nodes[node].at if node < len(nodes) else f"the result of {self.blueprint.name}"


def prepare(blueprint: Blueprint) -> Program:
    """Compile the blueprint's expressions; raises what ``compile_expression`` raises for a tree it does not know."""
    pivots = [index for index, node in enumerate(blueprint.nodes) if isinstance(node, Step) and node.kind == "pivot"]
    pivot = pivots[0] if pivots else len(blueprint.nodes)
    nodes = tuple(_prepared(node, index, pivot) for index, node in enumerate(blueprint.nodes))
    return Program(
        blueprint=blueprint,
        nodes=nodes,
        steps={node.name: node for node in nodes if isinstance(node, PreparedStep)},
        pivot=pivot,
        result=None if blueprint.result is None else compile_expression(blueprint.result),
    )


def _prepared(node: Node, index: int, pivot: int) -> PreparedNode:
    match node:
        case Step():
            return PreparedStep(
                index=index,
                name=node.name,
                step=node,
                manner=node.kind if index <= pivot else "ensure",
                do=_message(node.command),
                undo=None if node.undo is None else _message(node.undo),
                probe=None if node.probe is None else _message(node.probe),
            )
        case Require():
            return PreparedRequire(compile_expression(node.condition), _answer(node.otherwise, node.at))
        case Fail():
            return PreparedFail(_answer(node.why, node.at))
        case Label():
            return PreparedLabel(tuple((name, compile_expression(tree)) for name, tree in node.attributes.items()))
        case _:
            assert_never(node)


def _message(message: Message) -> PreparedMessage:
    return PreparedMessage(message, compile_expression(message.body), _optional(message.key))


def _optional(tree: Expression | None) -> Evaluate | None:
    return None if tree is None else compile_expression(tree)


def _answer(answer: Answer, at: str) -> PreparedAnswer:
    return PreparedAnswer(answer, compile_expression(answer.body), at)


# ---------------------------------------------------------------- evaluating


def scope_of(state: SagaState) -> Scope:
    """What an expression of this saga can see now."""
    origin = state.origin
    return Scope(
        input=origin.input,
        replies=dict(state.done),
        id=origin.saga_id,
        started_at=_moment(origin.started_ms),
    )


@lru_cache(maxsize=1_024)
def _moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def evaluate(compiled: Evaluate, scope: Scope) -> Data:
    """The expression's value; raises ``EvaluationError``, whatever is wrong with the saga's data."""
    try:
        return compiled(scope)
    except EvaluationError:
        raise
    except Exception as problem:
        # Data that another version of a schema let through may fail in any way; it is this saga's trouble alone.
        raise EvaluationError(f"{type(problem).__name__}: {problem}") from problem


def message_of(step: PreparedStep, role: Role) -> PreparedMessage:
    """The message of a step's command in this role."""
    match role:
        case "do":
            return step.do
        case "undo":
            message = step.undo
        case "probe":
            message = step.probe
        case _:
            assert_never(role)
    assert message is not None, f"step {step.name} has no {role}"
    return message
