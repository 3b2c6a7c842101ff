"""How an author's class becomes immutable data, and how it behaves while a saga is traced.

Outside of tracing such a class is a plain dataclass. Which classes there are, and what they mean, is in ``messages``.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from orchestrator.definition.meaning import anything
from orchestrator.definition.trace import Place, Trace, current
from orchestrator.definition.traced import Traced, carries

_OURS: Final = (__name__, "orchestrator.definition.messages")

_definitions: dict[type, tuple[Place, object]] = {}
"""Every message class -> where it stands, and the parameters of the dataclass that its base made of it."""


def place_of(kind: type) -> Place | None:
    """Where a message class is defined; None for a dataclass of the author's own."""
    return _definitions[kind][0] if kind in _definitions else None


def is_redecorated(kind: type) -> bool:
    """Whether somebody applied ``@dataclass`` to a message, which is one already."""
    return kind in _definitions and _definitions[kind][1] is not kind.__dict__["__dataclass_params__"]


def make_dataclass(kind: type, *, frozen: bool) -> None:
    """Make a dataclass of ``kind``, keyword-only; called by the base, right after the author's class statement."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") in _OURS:  # out to the class statement
        frame = frame.f_back
    assert frame is not None
    made: Any = kind
    if "__post_init__" in kind.__dict__:
        made.__post_init__ = _on_known_values_only(made.__post_init__)
    dataclass(frozen=frozen, kw_only=True)(kind)
    made.__init__ = _traceable(made.__init__)
    made.__eq__ = _known_only(made.__eq__)
    _definitions[kind] = Place(frame.f_code.co_filename, frame.f_lineno), made.__dataclass_params__


def _on_known_values_only(validate: Callable[[Any], None]) -> Callable[[Any], None]:
    """Validation needs real values: it runs where they are, never while tracing."""

    @functools.wraps(validate)
    def post_init(self: object) -> None:
        if current() is None or not carries(self):
            validate(self)

    return post_init


def _traceable(initialize: Callable[..., None]) -> Callable[..., None]:
    """The dataclass's own ``__init__``; while tracing, mistakes in its arguments are reported, not raised."""

    @functools.wraps(initialize)
    def init(self: object, *positional: object, **values: object) -> None:
        trace = current()
        if trace is None:
            initialize(self, *positional, **values)
            return
        initialize(self, **_arguments(type(self), trace, positional, values))
        trace.made(self)

    return init


def _arguments(kind: type, trace: Trace, positional: tuple[object, ...], given: dict[str, object]) -> dict[str, object]:
    """Arguments with which ``kind`` can be made; what does not fit is reported, and something that fits stands in."""
    fields = {field.name: field for field in dataclasses.fields(cast("Any", kind)) if field.init}
    required = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    unknown, missing = given.keys() - fields.keys(), [name for name in required if name not in given]
    if positional:
        example = ", ".join(f"{name}=…" for name in fields)
        trace.report(f"{kind.__name__} takes its fields by name: write {kind.__name__}({example})")
    for name in sorted(unknown):
        trace.report(f"{kind.__name__} has no field {name!r}; it has {', '.join(fields) or 'none'}")
    if missing and not positional and not unknown:
        trace.report(f"{kind.__name__} lacks {', '.join(missing)}: write {missing[0]}=…")
    kept = {name: value for name, value in given.items() if name in fields}
    return kept | {name: Traced(anything(trace)) for name in missing}


def _known_only(compare: Callable[[Any, object], bool]) -> Callable[[Any, object], bool]:
    @functools.wraps(compare)
    def equal(self: object, other: object) -> bool:  # tuples of fields would take identity for equality
        if refused("`==` of whole messages is decided while compiling: compare their fields", self, other):
            return False
        return compare(self, other)

    return equal


def refused(text: str, *messages: object) -> bool:
    """Report ``text`` if one of the messages holds what is not known yet."""
    trace = current()
    if trace is None or not any(map(carries, messages)):
        return False
    trace.report(text)
    return True
