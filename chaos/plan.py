"""What will be broken, and in which order: drawn from a seed before anything runs.

Takes numbers, gives values; ``storm.py`` does it.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from orchestrator.crashpoints import OF_A_RUN

T = TypeVar("T")

SLOTS: Final = 3
"""Places for orchestrators; the last one is empty from time to time."""
SECONDS_MIN: Final = 0.2
SECONDS_MAX: Final = 4.0
"""How long something is away, stopped, slow or silent: on both sides of a session of 2 s."""
PASSES_MAX: Final = 3
"""At which pass of its crash point a process is killed, at most."""


class Target(Enum):
    """What is broken."""

    ORCHESTRATOR = "an orchestrator"
    PARTICIPANT = "the participant"
    POSTGRES = "Postgres"
    KAFKA = "Kafka"
    WAY_TO_POSTGRES = "the way to Postgres"
    WAY_TO_KAFKA = "the way to Kafka"


class Deed(Enum):
    """How it is broken."""

    KILLED = "killed (SIGKILL)"
    KILLED_AT_A_POINT = "killed, its successor at a crash point"
    STOPPED = "stopped (SIGSTOP), and continued"
    RESTARTED = "restarted politely"
    MOVED = "joins or leaves"
    CUT = "all connections cut"
    DELAYED = "delayed"
    HALF_OPEN = "half open: silent, and later cut"


Kind = tuple[Target, Deed]

KILLS: Final[Mapping[Kind, int]] = {
    (Target.ORCHESTRATOR, Deed.KILLED_AT_A_POINT): 6,
    (Target.ORCHESTRATOR, Deed.KILLED): 3,
    (Target.PARTICIPANT, Deed.KILLED): 2,
    (Target.POSTGRES, Deed.KILLED): 2,
    (Target.KAFKA, Deed.KILLED): 1,  # rarely: a lone broker that restarts may lose a marker
}
"""How many of each in 20 kills."""
OTHERS: Final[Mapping[Kind, int]] = {
    (Target.ORCHESTRATOR, Deed.MOVED): 4,
    (Target.ORCHESTRATOR, Deed.STOPPED): 3,
    (Target.ORCHESTRATOR, Deed.RESTARTED): 2,
    (Target.PARTICIPANT, Deed.STOPPED): 1,
    (Target.PARTICIPANT, Deed.RESTARTED): 1,
    (Target.POSTGRES, Deed.STOPPED): 1,
    (Target.POSTGRES, Deed.RESTARTED): 1,
    (Target.KAFKA, Deed.STOPPED): 1,
    (Target.KAFKA, Deed.RESTARTED): 1,
    (Target.WAY_TO_POSTGRES, Deed.CUT): 1,
    (Target.WAY_TO_POSTGRES, Deed.DELAYED): 1,
    (Target.WAY_TO_POSTGRES, Deed.HALF_OPEN): 1,
    (Target.WAY_TO_KAFKA, Deed.CUT): 1,
    (Target.WAY_TO_KAFKA, Deed.DELAYED): 1,
    (Target.WAY_TO_KAFKA, Deed.HALF_OPEN): 1,
}
"""How many of each in 21 faults that kill nobody."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them."""

    target: Target
    deed: Deed
    slot: int
    """Of an orchestrator: which place; the next one that is there, if that is empty."""
    seconds: float
    """How long it lasts, or how long nobody takes the place of who was killed."""
    crash_at: str = ""
    """A crash point and its pass, as SAGA_TEST_CRASH_AT has them."""

    @property
    def kills(self) -> int:
        """How many processes it kills."""
        return {Deed.KILLED: 1, Deed.KILLED_AT_A_POINT: 2}.get(self.deed, 0)


def draw(seed: int, kills: int) -> list[Fault]:
    """Faults that kill ``kills`` times in all, and as many others between them; the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311 - the same faults for the same seed, no secrets
    points = _bag(dice, dict.fromkeys(OF_A_RUN, 1))
    deadly, harmless = _bag(dice, KILLS), _bag(dice, OTHERS)
    found: list[Fault] = []
    while (left := kills - sum(fault.kills for fault in found)) > 0:
        kind = next(deadly)
        if left == 1 and kind[1] is Deed.KILLED_AT_A_POINT:
            kind = Target.ORCHESTRATOR, Deed.KILLED
        point = f"{next(points)}:{dice.randint(1, PASSES_MAX)}" if kind[1] is Deed.KILLED_AT_A_POINT else ""
        found.append(_fault(dice, kind, point))
    found += [_fault(dice, next(harmless)) for _ in range(kills)]
    dice.shuffle(found)
    return found


def _fault(dice: random.Random, kind: Kind, point: str = "") -> Fault:
    return Fault(*kind, dice.randrange(SLOTS), dice.uniform(SECONDS_MIN, SECONDS_MAX), point)


def _bag(dice: random.Random, counts: Mapping[T, int]) -> Iterator[T]:
    """Each as often as it is there before any comes more often, in a new order each time."""
    while True:
        filled = [each for each, count in counts.items() for _ in range(count)]
        dice.shuffle(filled)
        yield from filled
