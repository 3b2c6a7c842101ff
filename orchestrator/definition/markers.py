"""What an annotation of a message's field can say beyond its Python type."""

from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from orchestrator.blueprint.decimals import DEFAULT_PRECISION, DEFAULT_SCALE, PRECISION_MAX

_K = TypeVar("_K")


@dataclass(frozen=True, slots=True)
class KeyMark:
    """Inside ``Key[…]``."""


Key = Annotated[_K, KeyMark()]
"""``order: Key[str]``: a command's partition key instead of the saga's id; a plain ``str`` to the checkers."""


@dataclass(frozen=True, slots=True)
class Digits:
    """``Money = Annotated[Decimal, Digits(18, scale=2)]``; a bare Decimal is ``Digits(38, scale=9)``.

    Raises ValueError for more than 38 digits, or more after the point than in all.
    """

    precision: int
    scale: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.precision <= PRECISION_MAX or not 0 <= self.scale <= self.precision:
            raise ValueError(
                f"expected Digits(1 to {PRECISION_MAX}, scale=0 to the number of digits), "
                f"got Digits({self.precision}, scale={self.scale})"
            )


DEFAULT_DIGITS: Final = Digits(DEFAULT_PRECISION, scale=DEFAULT_SCALE)
