"""What each method on ``s`` does while a saga is traced: it checks its arguments and adds a node to the blueprint.

The rules are those of a sequential saga. A problem never stops the tracing: all of a definition are reported together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NoReturn
from uuid import UUID

from orchestrator.blueprint.ids import fault_of_name
from orchestrator.blueprint.model import Expression, Fail, Label, Node, Require, Retry, Step, StepKind
from orchestrator.definition import operators
from orchestrator.definition.compensation import NO_COMPENSATION, Compensations, Written
from orchestrator.definition.exchanges import Exchanges
from orchestrator.definition.kinds import NoneType, bare, is_enum, members, with_article
from orchestrator.definition.meaning import TRACED_TEXT, Meaning, anything, constant, traced_text
from orchestrator.definition.messages import Query, Rejection, is_message
from orchestrator.definition.policies import DEFAULT_RETRY, RetryPolicy, milliseconds, retry_of
from orchestrator.definition.trace import Ended, Trace
from orchestrator.definition.traced import Traced, is_traced, meaning_of

_LABELS: Final = (str, int, Decimal, bool, datetime, date, UUID, NoneType)
_KNOWN_FALSE: Final[Expression] = {"op": "literal", "value": False}


@dataclass(frozen=True)
class Budget:
    """How long and how often a step is tried; nothing of it is checked yet."""

    retry: object = None
    timeout: object = None


class Tracer:
    """One saga in the making."""

    def __init__(self, trace: Trace, given: Traced, retry: RetryPolicy, timeout: timedelta) -> None:
        self.trace = trace
        self.given = given
        """The input; also what marks a function that holds ``s`` as one that is looked at."""
        self.exchanges = Exchanges(trace)
        self.nodes: list[Node] = []
        self._compensations = Compensations(trace, self.exchanges, self._call_undo)
        self._retry, self._timeout = retry, timeout
        self._lines: dict[str, int] = {}
        self._pivot: str | None = None
        self._undoing: str | None = None
        self._failed = False

    def expression(self, tree: Expression, kind: type) -> Any:  # noqa: ANN401  # poses as the kind
        """A traced value of this saga."""
        return Traced(Meaning(tree, kind, self.trace))

    # ------------------------------------------------------------ steps

    def send(self, kind: StepKind, name: str, message: object, budget: Budget, written: Written | None = None) -> Any:  # noqa: ANN401  # poses as the reply
        """One exchange with a participant; gives its reply. ``written`` is the undoing of a ``step``."""
        if self._is_misplaced(f"s.{kind}"):
            return Traced(anything(self.trace))
        line = self.trace.here()
        name = self._named(name)
        self._in_order(kind, name)
        problem = _wrong_message(kind, message)
        if problem:
            self.trace.report(f'"{name}": {problem}')
            return Traced(anything(self.trace))
        answers, command = self.exchanges.answers(type(message)), self.exchanges.message(message)
        if answers is None or command is None:
            return Traced(anything(self.trace))
        if kind == "ensure" and answers.rejections:
            rejections = ", ".join(each.__name__ for each in answers.rejections)
            self.trace.report(
                f'"{name}": {type(message).__name__} may be rejected ({rejections}), after the pivot nothing may be'
            )
        reply = None
        if answers.reply is not None:
            reply = Traced(Meaning({"op": "reply", "step": name}, answers.reply, self.trace))
        compensation = NO_COMPENSATION
        if written is not None:
            compensation = self._compensations.of(name, type(message), command, (answers.reply, reply), written)
        retry, timeout_ms = self._budget(name, budget)
        self.nodes.append(
            Step(
                name=name,
                kind=kind,
                command=command,
                undo=compensation.undo,
                undo_uses_reply=compensation.undo_uses_reply,
                probe=compensation.probe,
                on_unknown=compensation.on_unknown,
                retry=retry,
                timeout_ms=timeout_ms,
                at=_at(line.file, line.line),
            )
        )
        return reply

    def _named(self, name: object) -> str:
        if type(name) is not str:
            self.trace.report("a step's name is its identity across versions: write it as a literal")
            return "?"
        if TRACED_TEXT in name:
            self.trace.report(traced_text(name))
        fault = fault_of_name(name)
        if fault:
            self.trace.report(f'"{name}" cannot name a step: {fault}')
        if name in self._lines:
            self.trace.report(f'"{name}" is named twice (first on line {self._lines[name]})')
        self._lines.setdefault(name, self.trace.here().line)
        return name

    def _in_order(self, kind: StepKind, name: str) -> None:
        """One pivot; no step after it, nothing that is ensured before it."""
        if kind == "step" and self._pivot is not None:
            self.trace.report(f'"{name}" comes after the pivot, where nothing is undone any more: write s.ensure(…)')
        elif kind == "ensure" and self._pivot is None:
            self.trace.report(f'"{name}": s.ensure is for after the pivot; before it, write s.step(…, undo=…)')
        elif kind == "pivot":
            if self._pivot is not None:
                self.trace.report(f'"{name}": there is a pivot before this one: write s.ensure(…)')
            self._pivot = name

    def _budget(self, name: str, budget: Budget) -> tuple[Retry, int]:
        policy = self._retry if budget.retry is None else budget.retry
        if not isinstance(policy, RetryPolicy) or is_traced(policy):
            self.trace.report(f'"{name}": retry= is a RetryPolicy(…), got {with_article(type(policy))}')
            policy = DEFAULT_RETRY
        timeout: Any = self._timeout if budget.timeout is None else budget.timeout
        try:
            return retry_of(policy), milliseconds("timeout", timeout)
        except (TypeError, ValueError) as error:
            self.trace.report(f'"{name}": {error}')
            return retry_of(policy), 1

    def _call_undo(self, name: str, make: Callable[[], object]) -> object:
        outer, self._undoing = self._undoing, name
        try:
            return make()
        except Ended:
            return Traced(anything(self.trace))
        finally:
            self._undoing = outer

    # ------------------------------------------------------------ ending, and what only shows

    def require(self, condition: object, otherwise: object) -> None:
        """Go on only if the condition holds."""
        if self._is_misplaced("s.require") or self._is_after_pivot("s.require"):
            return
        here = self.trace.here()
        tree = self._condition(condition)
        if not isinstance(otherwise, Rejection) or is_traced(otherwise):
            self.trace.report(f"s.require takes a Rejection after its condition, got {_article_of(otherwise)}")
            return
        answer = self.exchanges.answer(otherwise)
        self.nodes.append(Require(condition=tree, otherwise=answer, at=_at(here.file, here.line)))

    def fail(self, why: object) -> NoReturn:
        """End here; raises Ended."""
        here = self.trace.here()
        if not self._is_misplaced("s.fail") and not self._is_after_pivot("s.fail"):
            if isinstance(why, Rejection) and not is_traced(why):
                self.nodes.append(Fail(why=self.exchanges.answer(why), at=_at(here.file, here.line)))
            else:
                self.trace.report(f"s.fail takes a Rejection, got {_article_of(why)}")
        self._failed = self._undoing is None
        raise Ended

    def label(self, attributes: dict[str, object]) -> None:
        """Search attributes."""
        if self._is_misplaced("s.label"):
            return
        here = self.trace.here()
        trees = {name: self._label(name, value) for name, value in attributes.items()}
        self.nodes.append(Label(attributes=trees, at=_at(here.file, here.line)))

    def _label(self, name: str, value: object) -> Expression:
        if TRACED_TEXT in name:
            self.trace.report(traced_text(name))
        if is_traced(value):
            of = meaning_of(value)
            kinds = [bare(member) for member in members(of.kind)]
            if of.is_anything or all(kind in _LABELS or is_enum(kind) for kind in kinds):
                return of.tree
            self.trace.report(f"label {name}: {of.described()}, which nobody can search for: use its fields")
            return of.tree
        return constant(value, self.trace).tree

    def _condition(self, condition: object) -> Expression:
        if is_traced(condition):
            return operators.condition(meaning_of(condition), "s.require").tree
        if type(condition) is not bool:
            self.trace.report(f"s.require takes a condition, got {_article_of(condition)}")
        return {"op": "literal", "value": condition} if type(condition) is bool else _KNOWN_FALSE

    def _is_after_pivot(self, what: str) -> bool:
        if self._pivot is None:
            return False
        self.trace.report(
            f'{what} comes after the pivot "{self._pivot}", where nothing is undone any more: put it before'
        )
        return True

    def _is_misplaced(self, what: str) -> bool:
        """Whether something durable stands where only values are computed, or where nothing comes any more."""
        if self._undoing is not None:
            self.trace.report(f'{what} inside the undo of "{self._undoing}": an undo is one command, given back')
        elif self._failed:
            self.trace.report(f"{what} comes after s.fail(…), which ended the saga")
        return self._undoing is not None or self._failed


def _wrong_message(kind: StepKind, message: object) -> str | None:
    """Why ``s.{kind}`` cannot send ``message``; None when it can."""
    expected = "query" if kind == "query" else "command"
    if is_traced(message):
        return f"expected a {expected}, got a value that is not known yet"
    if isinstance(message, type):
        return f"expected a {expected}, got the class {message.__name__}: write {message.__name__}(…)"
    name, is_query = type(message).__name__, isinstance(message, Query)
    if not is_message(type(message)):
        return f"expected a {expected}, got {name}"
    if kind == "query":
        return None if is_query else f"{name} is a command: write s.step(…, undo=…)"
    return f"{name} is a Query: write s.query(…)" if is_query else None


def _article_of(value: object) -> str:
    return "a value that is not known yet" if is_traced(value) else with_article(type(value))


def _at(file: str, line: int) -> str:
    return f"{file.rpartition('/')[2]}:{line}"
