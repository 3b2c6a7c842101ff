"""Values that the type checkers hold immutable, at the price of ones that are not.

A frozen dataclass sets each of its fields through ``object.__setattr__``: 0.81 microseconds for seven fields, where
plain slots take 0.18. About sixty of them are made for each saga, so the freezing alone cost a tenth of its time.
Both checkers refuse an assignment to what is decorated here (``tests/typing``); Python itself does not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def frozen(kind: type[T], /) -> type[T]: ...
@overload
def frozen(*, kw_only: bool) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: type[T] | None = None, /, *, kw_only: bool = False) -> type[T] | Callable[[type[T]], type[T]]:
    """Make a class such a value: a dataclass with slots, compared by its fields."""

    def made(kind: type[T]) -> type[T]:
        return dataclass(slots=True, kw_only=kw_only)(kind)

    return made if kind is None else made(kind)
