"""JSON as people write it: no number goes through a float, no key may stand twice, nothing is guessed."""

import json
from decimal import Decimal
from typing import NoReturn, TypeAlias, cast

Tree: TypeAlias = "bool | int | str | Decimal | list[Tree] | dict[str, Tree] | None"
"""A JSON value as it was read: a number with a fraction or an exponent is a Decimal."""


def parse_json(text: bytes) -> Tree:
    """The value of a JSON document in UTF-8. Raises ``ValueError`` for anything else, too deep nesting included."""
    try:
        return cast("Tree", _decoder.decode(text.decode()))
    except RecursionError:
        raise ValueError("nested too deep") from None
    except ArithmeticError:
        raise ValueError("a number beyond all bounds") from None


def _object(pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {double[:60]!r} twice")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text}, which is no JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal, parse_constant=_refuse_constant)
