"""What the status of a response means for its command."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Rejected:
    """A declared business answer: nothing happened."""

    name: str
    """Avro full name of the rejection."""


Meaning: TypeAlias = Literal["completed", "none", "retry", "failed"] | Rejected
"""``none``: done, and there is nothing to tell; for queries that may find nothing. ``retry``: the same command is sent
again. ``failed``: it is not, and may have happened."""

DEFAULTS: Final[Mapping[str, Meaning]] = {
    "2xx": "completed",
    "3xx": "failed",  # not followed: what it leads to is not what the operator has named
    "4xx": "failed",
    "408": "retry",  # RFC 9110, section 15.5.9: the client may repeat the request
    "425": "retry",  # RFC 8470: too early
    "429": "retry",  # RFC 6585: too many requests
    "5xx": "retry",
}


@dataclass(frozen=True, slots=True)
class StatusMap:
    """Meanings by status or class of statuses, ``409`` or ``4xx``; every class has one."""

    meanings: Mapping[str, Meaning]

    def meaning(self, status: int) -> Meaning:
        """Of a status from 200 to 599; those beyond are no HTTP, and mean ``failed``."""
        exact = self.meanings.get(str(status))
        return exact if exact is not None else self.meanings.get(f"{status // 100}xx", "failed")
