"""The handlers of a participant, checked when they are registered: by type checkers, and by their annotations.

What an annotation does not say is checked when the handler answers; nothing here calls one.
"""

import inspect
import types
import typing
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast, overload

from orchestrator.definition.conversion import Answers, answers_of
from orchestrator.definition.kinds import Kind, bare, members, name_of
from orchestrator.definition.messages import Command, Query, Rejections, Reply
from orchestrator.errors import HandlerRefused
from orchestrator.participant.context import Connection, Context

Handled_co = TypeVar("Handled_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Handler:
    """What answers one kind of command."""

    kind: type
    """The command's or query's class."""
    answers: Answers
    function: Callable[[Any, Any], object]
    is_async: bool


class Handles(Generic[Handled_co, Connection]):
    """``@bank.handles(Withdraw)``: the function takes a Withdraw and returns its reply, or a declared rejection.

    Rejections may be returned or raised. Without an inbox the function may be async.
    """

    def __init__(self, register: Callable[[Callable[..., object]], None]) -> None:
        self._register = register

    @overload
    def __call__(
        self: "Handles[Command[Reply, Rejections] | Query[Reply], Connection]",
        handler: Callable[[Handled_co, Context[Connection]], Reply | Rejections],
        /,
    ) -> Callable[[Handled_co, Context[Connection]], Reply | Rejections]: ...
    @overload
    def __call__(
        self: "Handles[Command[Reply, Rejections] | Query[Reply], None]",
        handler: Callable[[Handled_co, Context[None]], Coroutine[Any, Any, Reply | Rejections]],
        /,
    ) -> Callable[[Handled_co, Context[None]], Coroutine[Any, Any, Reply | Rejections]]: ...
    def __call__(self, handler: Callable[..., object], /) -> Callable[..., object]:
        """Register ``handler`` and give it back. Raises ``HandlerRefused``."""
        self._register(handler)
        return handler


def checked(participant: str, kind: type, function: Callable[..., object], *, inbox: bool = False) -> Handler:
    """``function`` as the handler of ``kind``; ``inbox``: whether there is one.

    Raises ``HandlerRefused`` that says what does not fit, and where.
    """
    answers = answers_of_message(participant, kind)
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    fault = _fault(kind, answers, function)
    if fault is None and is_async and inbox:
        fault = (
            "expected a plain function, got an async one: the inbox's connection is one for threads, and would hold up "
            "the event loop; write def, or make the participant without inbox"
        )
    if fault is not None:
        code = function.__code__ if isinstance(function, types.FunctionType) else None
        where = f"{code.co_filename.rsplit('/', 1)[-1]}:{code.co_firstlineno}  " if code else ""
        raise HandlerRefused(f"{where}@{participant}.handles({kind.__name__}): {fault}")
    return Handler(kind, answers, function, is_async)


def answers_of_message(participant: str, kind: type) -> Answers:
    """How ``kind`` may be answered. Raises ``HandlerRefused`` unless it is a message to ``participant``."""
    if not issubclass(kind, Command | Query):
        raise HandlerRefused(f"@{participant}.handles({kind.__name__}): expected a Command or a Query")
    answers = answers_of(cast("type[Any]", kind))
    if answers.participant != participant:
        raise HandlerRefused(
            f"@{participant}.handles({kind.__name__}): {kind.__name__} is sent to {answers.participant!r}, this "
            f"participant is {participant!r}"
        )
    return answers


def _fault(kind: type, answers: Answers, function: Callable[..., object]) -> str | None:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return f"expected a function of (command, context), got one of {inspect.signature(function)}"
    annotations = _annotations(function)
    taken = annotations.get(next(iter(inspect.signature(function).parameters)), Any)
    if taken is not Any and isinstance(taken, type) and not issubclass(kind, taken):
        return f"the handler takes {name_of(taken)}, expected {kind.__name__}"
    allowed = (*members(answers.reply), *answers.rejections)
    for member in members(annotations.get("return", Any)):
        if member not in (Any, typing.Never, typing.NoReturn) and not _is_one_of(member, allowed):
            return f"the handler returns {name_of(member)}, expected {' | '.join(map(name_of, allowed))}"
    return None


def _annotations(function: Callable[..., object]) -> Mapping[str, Any]:
    """Those annotations that can be evaluated: a name imported for type checkers alone is left to them."""
    found: dict[str, Any] = {}
    namespace = getattr(function, "__globals__", {})
    for name, annotation in inspect.get_annotations(function).items():
        one = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            found[name] = typing.get_type_hints(one, globalns=namespace)[name]
        except NameError:
            continue
    return found


def _is_one_of(member: Kind, allowed: Collection[Kind]) -> bool:
    """Whether ``member`` is allowed, or a subclass of what is; ``Annotated`` says nothing here."""
    plain = [bare(kind) for kind in allowed]
    classes = tuple(kind for kind in plain if isinstance(kind, type))
    return bare(member) in plain or (isinstance(bare(member), type) and issubclass(bare(member), classes))
