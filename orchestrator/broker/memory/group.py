"""The consumer group of a namespace: members, sessions, and who should own which partition.

As with the cooperative protocols, a partition moves only after its former owner has given it up, has left, or was
silent for its session; the others keep theirs meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Member:
    """One membership."""

    session_ms: int
    seen_ms: int
    owned: set[int] = field(default_factory=set[int])


class Group:
    """Not safe for threads: the cluster's lock is held."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._members: dict[int, Member] = {}
        """By the order of joining, which also decides who gets what."""
        self._joined = 0

    def join(self, session_ms: int) -> int:
        """A new member, which owns nothing until it polls."""
        self._joined += 1
        self._members[self._joined] = Member(session_ms, self._now_ms())
        return self._joined

    def poll(self, member_id: int, partitions: int) -> frozenset[int] | None:
        """Heartbeat: give up what should be another's, take what is free. None: the session is over, join again."""
        self._expire()
        member = self._members.get(member_id)
        if member is None:
            return None
        member.seen_ms = self._now_ms()
        ids = list(self._members)
        place = ids.index(member_id)
        target = {partition for partition in range(partitions) if partition % len(ids) == place}
        member.owned &= target
        member.owned |= target - self._owned_by_others(member_id)
        return frozenset(member.owned)

    def leave(self, member_id: int) -> None:
        """Its partitions are free at once."""
        self._members.pop(member_id, None)

    def _owned_by_others(self, member_id: int) -> set[int]:
        owned: set[int] = set()
        for other, member in self._members.items():
            if other != member_id:
                owned |= member.owned
        return owned

    def _expire(self) -> None:
        now_ms = self._now_ms()
        for member_id, member in list(self._members.items()):
            if now_ms - member.seen_ms > member.session_ms:
                del self._members[member_id]
