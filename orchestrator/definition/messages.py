"""The bases of everything that is sent or answered: immutable data with named fields, one Avro record each.

A class that derives from them becomes a dataclass with keyword-only fields; names are identity on the wire and in
Python. While a saga is traced, messages may hold values that are not known yet; that is checked here, and only then.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, cast, dataclass_transform

from orchestrator.definition.kinds import NoneType, members
from orchestrator.definition.records import make_dataclass, refused

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar  # PEP 696; both checkers bundle the stub

RESERVED_FIELDS = frozenset(("args", "add_note", "with_traceback"))
"""Names that Python gives to every exception."""

_participants: dict[type, str] = {}
"""``to=`` of every command and query class."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Record:
    """Immutable data with named fields, one Avro record: inputs, replies, and whatever is nested in them."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        make_dataclass(cls, frozen=True)

    def __bool__(self) -> bool:
        refused("the truth of a message is decided while compiling: compare its fields", self)
        return True


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Rejection(Exception):
    """A declared business answer, 'no, and nothing happened': data on the wire, an exception in a participant.

    Its fields cannot be changed; what Python itself writes to exceptions (traceback, notes, cause) can.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        make_dataclass(cls, frozen=False)
        if clash := RESERVED_FIELDS & _field_names(cls):
            raise TypeError(f"{cls.__name__}: field {min(clash)!r} belongs to Python's exceptions: name it otherwise")
        cls.__hash__ = Rejection.__hash__  # a dataclass that is not frozen made it None

    def __setattr__(self, name: str, value: object) -> None:
        # Not `frozen=True`: a frozen exception dies in any context manager, and the answer is lost.
        if name in self.__dict__ and name in _field_names(type(self)):
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in _field_names(type(self)):
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super().__delattr__(name)

    def __hash__(self) -> int:
        return hash(type(self))  # agrees with equality, and never fails on a field that is a list

    def __bool__(self) -> bool:
        refused("the truth of a rejection is decided while compiling: compare its fields", self)
        return True

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in field_values(self).items())

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), field_values(self))


def _field_names(kind: type) -> frozenset[str]:
    return frozenset(getattr(kind, "__dataclass_fields__", ()))


def field_values(message: object) -> dict[str, Any]:
    """The fields of a dataclass instance, not copied."""
    return {each.name: getattr(message, each.name) for each in dataclasses.fields(cast("Any", message))}


def _remake(kind: Callable[..., object], values: dict[str, object]) -> object:
    return kind(**values)


# ---------------------------------------------------------------- commands and queries

Reply = TypeVar("Reply")
if TYPE_CHECKING:
    Rejections = DefaultTypeVar("Rejections", bound=Rejection, default=Never)

    class _Answered(Generic[Reply, Rejections]): ...

    class _Asked(Generic[Reply]): ...
else:
    Rejections = TypeVar("Rejections", bound=Rejection)

    class _Answered:
        """`Command[Receipt]` and `Command[Receipt, Refused]` both: without PEP 696 in Python itself."""

        __class_getitem__ = classmethod(types.GenericAlias)

    _Asked = _Answered


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answers a command or query, and with what."""

    participant: str
    reply: Any
    """A kind; None: a completed answer has no body."""
    rejections: tuple[type[Rejection], ...]


class AnyCommand(Record):
    """Any command, whatever it is answered with: what ``undo=`` takes."""


class Command(AnyCommand, _Answered[Reply, Rejections]):
    """``class Withdraw(Command[Receipt, AccountNotFound | InsufficientFunds], to="bank")``."""

    def __init_subclass__(cls, *, to: str) -> None:
        super().__init_subclass__()
        _participants[cls] = to


class Query(Record, _Asked[Reply]):
    """A question without effect: needs no undo, is never rejected, may be asked again at will."""

    def __init_subclass__(cls, *, to: str) -> None:
        super().__init_subclass__()
        _participants[cls] = to


def is_message(kind: object) -> bool:
    """Whether ``kind`` is a command's or query's class."""
    return isinstance(kind, type) and kind in _participants


def answers_of(message: type) -> Answers:
    """Who answers a command or query class, with which reply and rejections.

    Raises TypeError for a class that is neither, or that does not say what it is answered with.
    """
    participant = _participants.get(message)
    if participant is None:
        raise TypeError(f"expected a Command or Query class, got {message!r}")
    reply, *others = _arguments(message)
    rejections = members(others[0]) if others and others[0] is not Never else ()
    for rejection in rejections:
        if not (isinstance(rejection, type) and issubclass(rejection, Rejection)):
            raise TypeError(f"{message.__name__}: expected rejections after its reply, got {rejection!r}")
    return Answers(participant, None if reply is NoneType else reply, rejections)


def _arguments(message: type) -> tuple[Any, ...]:
    """The brackets of the nearest class in the line of bases that has any."""
    for kind in message.__mro__:
        for base in kind.__dict__.get("__orig_bases__", ()):
            if typing.get_origin(base) in (Command, Query):
                return typing.get_args(base)
    base = "Query" if issubclass(message, Query) else "Command"
    raise TypeError(f"{message.__name__}: expected its reply in brackets: write {base}[Reply], or {base}[None]")


def full_name(kind: type, namespace: str | None = None) -> str:
    """The Avro full name of a message class, ``{participant}.{Class}``; of any other in ``namespace``."""
    if namespace is None:
        namespace = answers_of(kind).participant
    return f"{namespace}.{kind.__name__}"
