"""``s``, the first argument of a saga's function: everything on it is durable and shown in the timeline.

Only the signatures are here, which the type checkers read; what happens is in ``tracer``.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString, Never, NoReturn, TypeAlias, TypeVar
from uuid import UUID

from orchestrator.definition.compensation import Written
from orchestrator.definition.meaning import anything
from orchestrator.definition.messages import AnyCommand, Command, Query, Rejection, Rejections, Reply
from orchestrator.definition.policies import RetryPolicy
from orchestrator.definition.traced import Traced
from orchestrator.definition.tracer import Budget, Tracer

Attribute: TypeAlias = str | int | Decimal | bool | datetime | date | UUID | Enum
"""What can be searched for."""
Compensation: TypeAlias = AnyCommand | Callable[[Reply], AnyCommand] | None
OnUnknown: TypeAlias = Literal["undo", "incident"]

_Class = TypeVar("_Class", bound=type)
_METHODS: Final = ("step", "query", "pivot", "ensure", "require", "fail", "label")


def _reporting(scope: _Class) -> _Class:
    """Make calls that Python itself would refuse problems like any other, so that the rest is checked too."""
    for name in _METHODS:
        setattr(scope, name, _reported(scope.__dict__[name]))
    return scope


def _reported(method: Callable[..., Any]) -> Callable[..., Any]:
    parameters = list(inspect.signature(method).parameters.values())[1:]

    @functools.wraps(method)
    def call(self: "Saga", *positional: object, **named: object) -> object:
        problem = _misfit(parameters, positional, named)
        if problem:
            return self._refuse(f"s.{method.__name__}(…) {problem}")  # pyright: ignore[reportPrivateUsage]  # ours
        return method(self, *positional, **named)

    return call


def _misfit(
    parameters: Sequence[inspect.Parameter], positional: tuple[object, ...], named: Mapping[str, object]
) -> str | None:
    """Why a call with these arguments fails; None when it does not."""
    in_order = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    by_name = [each.name for each in parameters if each.kind is not each.VAR_KEYWORD]
    given = {*in_order[: len(positional)], *named}
    if len(positional) > len(in_order):
        return f"takes {', '.join(in_order) or 'nothing'} in order, the rest by name"
    if len(by_name) == len(parameters) and (unknown := [name for name in named if name not in by_name]):
        return f"has no {unknown[0]}=; it has {', '.join(by_name)}"
    missing = [each.name for each in parameters if each.default is each.empty and each.name in {*by_name} - given]
    if not missing:
        return None
    or_none = ", or undo=None for what needs none" if missing[0] == "undo" else ""
    return f"lacks {', '.join(missing)}: write {missing[0]}=…{or_none}"


@_reporting
class Saga:
    """What a saga can do, beside computing; its function is called once, to compile it."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @property
    def id(self) -> str:
        """The id of this saga."""
        return self._tracer.expression({"op": "id"}, str)

    @property
    def started_at(self) -> datetime:
        """When this saga started, recorded once; UTC."""
        return self._tracer.expression({"op": "started_at"}, datetime)

    def step(  # noqa: PLR0913  # all that can be said of a step, by name
        self,
        name: LiteralString,
        command: Command[Reply, Rejections],
        *,
        undo: Compensation[Reply],
        probe: Query[Reply | None] | None = None,
        on_unknown: OnUnknown | None = None,
        retry: RetryPolicy | None = None,
        timeout: timedelta | None = None,
    ) -> Reply:
        """Do it; if a later step cannot be done, undo it. A rejection undoes the whole saga.

        ``undo`` is a command, a function that makes one from the reply, or None. When no answer ever comes, the step is
        undone too; for an undo made from the reply, ``probe`` asks what became of it, or ``on_unknown="incident"``
        leaves it to a person. ``timeout`` is that of one attempt.
        """
        written = Written(undo, probe, on_unknown)
        return self._tracer.send("step", name, command, Budget(retry, timeout), written)

    def query(
        self,
        name: LiteralString,
        query: Query[Reply],
        *,
        retry: RetryPolicy | None = None,
        timeout: timedelta | None = None,
    ) -> Reply:
        """Ask something that changes nothing: there is no undo."""
        return self._tracer.send("query", name, query, Budget(retry, timeout))

    def pivot(
        self,
        name: LiteralString,
        command: Command[Reply, Rejections],
        *,
        retry: RetryPolicy | None = None,
        timeout: timedelta | None = None,
    ) -> Reply:
        """The point of no return: sent until it is answered; done: nothing is undone any more; rejected: all is."""
        return self._tracer.send("pivot", name, command, Budget(retry, timeout))

    def ensure(
        self,
        name: LiteralString,
        command: Command[Reply, Never],
        *,
        retry: RetryPolicy | None = None,
        timeout: timedelta | None = None,
    ) -> Reply:
        """After the pivot: sent until it is done; cannot be rejected, is never undone."""
        return self._tracer.send("ensure", name, command, Budget(retry, timeout))

    def require(self, condition: bool, otherwise: Rejection) -> None:  # noqa: FBT001  # reads as a sentence
        """Go on only if the condition holds, else ``fail`` with this answer."""
        self._tracer.require(condition, otherwise)

    def fail(self, why: Rejection) -> NoReturn:
        """End here with this answer: everything done is undone."""
        self._tracer.fail(why)

    def label(self, **attributes: Attribute | None) -> None:
        """Search attributes: ``s.label(customer=order.customer)``."""
        self._tracer.label(dict(attributes))

    def _refuse(self, text: str) -> Traced:
        trace = self._tracer.trace
        trace.report(text)
        return Traced(anything(trace))

    if not TYPE_CHECKING:  # the checkers know what there is

        def __getattr__(self, name: str) -> Traced:
            if name.startswith("_"):
                raise AttributeError(name)
            return self._refuse(f"there is no s.{name} in this version: s has {', '.join(_METHODS)}, id and started_at")
