"""Values that are not known until the saga runs. To type checkers they are the real ones; here they record expressions.

What Python would decide now is refused: a problem is noted, and something plausible is handed back, so that the rest of
the definition is checked too. Nothing of it is ever compiled: one problem is enough to refuse the whole.
"""

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar, cast, get_args, get_origin
from uuid import UUID

from orchestrator.definition import operators, syntax
from orchestrator.definition.kinds import (
    Kind,
    bare,
    fields_of,
    is_enum,
    is_record,
    may_be_none,
    members,
    name_of,
)
from orchestrator.definition.meaning import TRACED_TEXT, Meaning, anything, constant
from orchestrator.definition.trace import Trace, current

_Number = TypeVar("_Number", int, float, complex)
_SLOT: Final = "_Traced__meaning"
_PLAIN: Final = (str, bytes, Decimal, int, bool, datetime, date, timedelta, UUID)


class Traced:
    """A value that is not known until the saga runs."""

    __slots__ = ("__meaning",)  # by a name that no field of the author's has

    def __init__(self, meaning: Meaning) -> None:
        object.__setattr__(self, _SLOT, meaning)

    # ---------------------------------------------------------------- what gives an expression

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # poses as the field's type
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        of = _touched(self)
        if of.is_anything:
            return self
        if may_be_none(of.kind):
            return _refuse(of, f"`{of}` may be None, so `.{name}` is not always there: write default({of}, …)")
        hints = [fields_of(bare(member)).get(name) for member in members(of.kind)]
        if all(hint is not None for hint in hints):
            if any(hint != hints[0] for hint in hints):
                return _refuse(of, f"`{of}.{name}` is of another type in each class of {name_of(of.kind)}")
            return Traced(Meaning({"op": "field", "of": of.tree, "name": name}, hints[0], of.trace))
        return _attribute(self, of, name)

    def __getitem__(self, index: object) -> Any:  # noqa: ANN401  # poses as the element's type
        of = _touched(self)
        if of.is_anything:
            return self
        if may_be_none(of.kind):
            return _refuse(of, operators.maybe_none_text(of))
        if get_origin(bare(of.kind)) is not list:
            return _refuse(of, f"`{of}[…]` needs the value, which is not known until the saga runs")
        if type(index) is not int:
            return _refuse(of, f"`{of}[…]` takes a literal position")
        tree = {"op": "item", "of": of.tree, "index": index}
        return Traced(Meaning(cast("Any", tree), get_args(bare(of.kind))[0], of.trace))

    def __neg__(self) -> "Traced":
        return Traced(operators.negated(_touched(self)))

    def __pos__(self) -> "Traced":
        return self

    def __round__(self, digits: object = None) -> "Traced":
        return Traced(operators.rounded(_touched(self), digits))

    # ---------------------------------------------------------------- what Python would decide now

    def __bool__(self) -> bool:
        of = _touched(self)
        frame = of.trace.author_frame()
        construct = syntax.construct_at(frame) if frame else syntax.UNKNOWN_CONSTRUCT
        _refuse(
            of,
            f"{construct.name} is decided while compiling, but `{of}` is not known until the saga runs: "
            f"{construct.instead}",
        )
        return _answer(of.trace, frame, construct)

    def __iter__(self) -> Iterator[Any]:
        of = _touched(self)
        _refuse(
            of,
            f"iterating `{of}`: its elements are not known until the saga runs, and this version has no loops: "
            "send the whole to a participant",
        )
        return iter([self[0] if get_origin(bare(of.kind)) is list else Traced(anything(of.trace))])

    def __len__(self) -> int:
        of = _touched(self)
        _refuse(of, f"len({of}) is not known until the saga runs: write length({of})")
        return 1

    def __contains__(self, _: object) -> bool:
        of = _touched(self)
        _refuse(of, f"`in` of `{of}` is decided while compiling: compute it in a participant")
        return True

    def __format__(self, _: str) -> str:
        of = _touched(self)
        _refuse(of, f'`{of}` inside an f-string or format(): write text("… {{}} …", {of})')
        return "?"

    def __str__(self) -> str:
        of = _touched(self)
        _refuse(of, f'str({of}) is not known until the saga runs: write text("{{}}", {of})')
        return "?"

    def __repr__(self) -> str:
        of = meaning_of(self)
        frame = inspect.currentframe()
        caller = frame.f_back if frame else None
        if caller is not None and current() is of.trace and of.trace.is_authors(caller.f_code.co_filename):
            _refuse(of, f'repr({of}) is not known until the saga runs: write text("{{}}", {of})')
        return f"{TRACED_TEXT}{of}>"  # for a debugger; a text with it in it is refused where it is used

    def __hash__(self) -> int:
        of = _touched(self)
        _refuse(
            of,
            f"`{of}` as a dict key or set member: its value is not known until the saga runs: "
            "let a participant look it up",
        )
        return id(self)

    def __int__(self) -> int:
        return _number(self, 1)

    def __index__(self) -> int:
        return _number(self, 1)

    def __float__(self) -> float:
        return _number(self, 1.0)

    def __complex__(self) -> complex:
        return _number(self, 1j)

    @property
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]  # isinstance() and `match` ask
        of = meaning_of(self)
        if current() is of.trace and _asked_by_author(of.trace):
            of = _touched(self)
            frame = of.trace.author_frame()
            if frame is None or not syntax.in_match(frame):  # `match` is refused as a whole
                _refuse(of, f"isinstance() of `{of}` would be decided while compiling: {syntax.NO_BRANCHES}")
        return Traced

    def __setattr__(self, name: str, _: object) -> None:
        of = _touched(self)
        _refuse(of, f"`{of}.{name} = …`: messages do not change; make a new one")

    def __delattr__(self, name: str) -> None:
        of = _touched(self)
        _refuse(of, f"`del {of}.{name}`: messages do not change; make a new one")

    def __call__(self, *_: object, **__: object) -> "Traced":
        """Refused."""
        of = _touched(self)
        return _refuse(of, f"`{of}` cannot be called")

    def __copy__(self) -> "Traced":
        return self.__deepcopy__()

    def __deepcopy__(self, _: object = None) -> "Traced":
        of = _touched(self)
        _refuse(of, f"`{of}` cannot be copied or pickled: it is not known until the saga runs")
        return self

    def __reduce_ex__(self, _: object) -> tuple[Any, ...]:
        self.__deepcopy__()
        return str, ("",)

    def __and__(self, _: object) -> "Traced":
        return _refuse(_touched(self), "`&` on conditions: write all_of(a, b)")

    def __or__(self, _: object) -> "Traced":
        return _refuse(_touched(self), "`|` on conditions: write any_of(a, b)")

    def __xor__(self, _: object) -> "Traced":
        return _refuse(_touched(self), "`^` on conditions: write a != b")

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> "Traced":
        return _refuse(_touched(self), "`~` on a condition: write not_(a)")


def _binary(op: str, *, reflected: bool = False) -> Callable[[Traced, object], Traced]:
    compute = operators.comparison if op in ("eq", "ne", "lt", "le", "gt", "ge") else operators.arithmetic

    def operate(self: Traced, other: object) -> Traced:
        mine = _touched(self)
        its = meaning_of(other) if is_traced(other) else constant(other, mine.trace)
        return Traced(compute(op, its, mine) if reflected else compute(op, mine, its))

    return operate


for _method, _op in (
    ("add", "add"),
    ("sub", "subtract"),
    ("mul", "multiply"),
    ("truediv", "divide"),
    ("floordiv", "floor_divide"),
    ("mod", "modulo"),
):
    setattr(Traced, f"__{_method}__", _binary(_op))
    setattr(Traced, f"__r{_method}__", _binary(_op, reflected=True))
for _op in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Traced, f"__{_op}__", _binary(_op))


def is_traced(value: object) -> bool:
    """Whether ``value`` is not known until the saga runs."""
    return type(value) is Traced


def meaning_of(value: object) -> Meaning:
    """What a traced value means; of another saga's, which is reported, something that fits everywhere.

    Raises TypeError while nothing is compiled.
    """
    of: Meaning = object.__getattribute__(value, _SLOT)
    trace = current()
    if trace is None:
        raise TypeError(f"`{of}` stands for a value of a saga in the making: it is only used while that is compiled")
    if trace is not of.trace:
        trace.report(f"`{of}` is of saga {of.trace.saga}: a saga knows its own input and replies only")
        return anything(trace)
    return of


def carries(value: object, depth: int = 2) -> bool:
    """Whether ``value`` is traced, or holds what is, within ``depth`` levels of containers and attributes."""
    if is_traced(value):
        return True
    if depth == 0 or isinstance(value, type | types.ModuleType | types.FunctionType):
        return False
    return any(carries(part, depth - 1) for part in _inside(value))


def _inside(value: object) -> Iterable[object]:
    match value:
        case dict():
            return cast("dict[object, object]", value).values()
        case list() | tuple() | set() | frozenset():
            return cast("Iterable[object]", value)
        case _:
            return cast("dict[str, object]", getattr(value, "__dict__", {})).values()


def _touched(value: Traced) -> Meaning:
    of = meaning_of(value)
    of.trace.touch()
    return of


def _refuse(of: Meaning, text: str) -> Traced:
    if not of.is_anything:
        of.trace.report(text)
    return Traced(anything(of.trace))


def _number(value: Traced, instead: _Number) -> _Number:
    of = _touched(value)
    _refuse(of, f"`{of}` is not known until the saga runs: it cannot be turned into a Python number or index")
    return instead


def _attribute(value: Traced, of: Meaning, name: str) -> Any:  # noqa: ANN401  # whatever the author's class has
    """A property or method of the author's class, run on the traced value; anything else is refused."""
    kind: Kind = bare(of.kind)
    member: Any = inspect.getattr_static(kind, name, None) if is_record(kind) else None
    match member:
        case property(fget=types.FunctionType() as compute):
            return compute(value)
        case functools.cached_property(func=compute):
            return cast("Callable[[object], object]", compute)(value)
        case types.FunctionType():
            return types.MethodType(member, value)
        case classmethod() | staticmethod():
            return getattr(kind, name)
        case _ if (
            member is not None and not inspect.ismethoddescriptor(member) and not inspect.isdatadescriptor(member)
        ):
            return member  # a constant of the class
        case _:
            pass
    if kind in _PLAIN or is_enum(kind) or get_origin(kind) in (list, dict):
        return _refuse(
            of,
            f"`{of}.{name}` needs the value, which is not known until the saga runs: "
            "compute it in a participant, or in whoever starts the saga",
        )
    if len(members(kind)) > 1:
        return _refuse(of, f"not every one of {name_of(kind)} has the field {name!r}")
    return _refuse(of, f"{name_of(kind)} has no field {name!r}; it has {', '.join(fields_of(kind)) or 'none'}")


def _answer(trace: Trace, frame: types.FrameType | None, construct: syntax.Construct) -> bool:
    """True the first time, so that a body is seen, then False, so that a loop ends; an ``or`` takes its fallback."""
    if construct.name == "`or`":
        return False
    asking = (frame.f_code, frame.f_lineno, construct.name) if frame else (None, 0, construct.name)
    first = asking not in trace.asked
    trace.asked.add(asking)
    return first


def _asked_by_author(trace: Trace) -> bool:
    """Whether the author's own isinstance() asks, also about an abstract class; not our modules, nor Python itself."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    abstract = frame is not None and frame.f_globals.get("__name__") == "abc"
    if abstract and frame is not None:
        frame = frame.f_back
    if frame is None or not trace.is_authors(frame.f_code.co_filename):
        return False
    return not abstract or syntax.asks_class(frame)
