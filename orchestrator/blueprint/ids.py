"""Names and ids: how they are built, and which are refused. The same on the wire, in Postgres and in Python."""

import unicodedata
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

LENGTH_MAX = 200
_NOT_IN_NAMES = frozenset("/~[]")
_NOT_IN_IDS = frozenset("/~")


def fault_of_name(name: str) -> str | None:
    """Why ``name`` cannot name a saga, a step or a participant; None when it can."""
    return _fault(name, _NOT_IN_NAMES)


def fault_of_saga_id(saga_id: str) -> str | None:
    """Why a caller may not use ``saga_id``; None when it may."""
    return _fault(saga_id, _NOT_IN_IDS)


def _fault(text: str, refused: frozenset[str]) -> str | None:
    if not 1 <= len(text) <= LENGTH_MAX:
        return f"expected 1 to {LENGTH_MAX} characters, got {len(text)}"
    if text.isprintable() and refused.isdisjoint(text):  # no control character is printable
        return None
    for character in text:
        if character in refused:
            return f"the character {character!r} is not allowed, it separates the parts of an id"
        if unicodedata.category(character) in ("Cc", "Cs"):
            return f"the control character {character!r} is not allowed"
    return None


def command_id(saga_id: str, path: str, generation: int, role: Literal["do", "undo", "probe"]) -> str:
    """``{saga id}/{path}/{generation}/{role}``: a participant repeats its first answer to it."""
    return f"{saga_id}/{path}/{generation}/{role}"


def keyed_saga_id(namespace: str, saga: str, key: str) -> str:
    """The saga id that an idempotency key always gives, so that a repeat meets the same shard."""
    return str(uuid5(uuid5(NAMESPACE_URL, namespace), f"{saga}\n{key}"))


def no_such_saga(saga_id: str) -> str:
    """What a request for a saga that nobody started is refused with; whoever asked knows it by this text."""
    return f"no saga has the id {saga_id}"
