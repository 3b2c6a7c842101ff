"""Every choice of a run, made by its seed alone; what was chosen, as a hash; and which faults, by kind."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from random import Random
from typing import Final, TypeVar
from uuid import UUID

RATES: Final = {
    # at a place where a process meets a server, or where the code names a crash point
    "killed at a crash point": 0.02,
    "killed while it trims": 0.25,
    "killed at a call": 0.003,
    "others go on within a step": 0.06,
    "Kafka: a call fails": 0.006,
    "Postgres: a call fails": 0.004,
    # at one call
    "COMMIT: answer lost": 0.06,
    "COMMIT: late": 0.05,
    "COMMIT: disk full": 0.04,
    "COMMIT: batch refused": 0.05,
    "EndTxn: answer lost": 0.05,
    "EndTxn: held back": 0.06,
    "EndTxn: lost": 0.04,
    "EndTxn: slow": 0.06,
    "reply: doubled": 0.15,
    "reply: lost": 0.06,
    "request: doubled": 0.2,
    "saga: cancelled": 0.15,
    # between two steps
    "killed between steps": 0.008,
    "paused": 0.006,
    "rebalance": 0.012,
    "clock jumps": 0.006,
    "much time passes": 0.01,
    "bank: killed": 0.01,
    "command: delivered again": 0.02,
    "Kafka away": 0.003,
    "Postgres away": 0.003,
    "database lost": 0.0015,
    "database restored from a copy": 0.002,
    "database forked": 0.0015,
    "recover without need": 0.0015,
}
"""How probable each fault is where it can happen, in a run that has it."""
SHARES: Final = (0.0, 0.0, 0.5, 1.0, 3.0)
"""Of a rate, in one run: a run that has every fault all the time hides what two of them do together."""

T = TypeVar("T")


class Chance:
    """One run's choices."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._trace = sha256()
        self._rates = {fault: rate * self._random.choice(SHARES) for fault, rate in RATES.items()}
        self.steps = 0
        """Steps of anything so far, those inside of another one included."""
        self.faults: Counter[str] = Counter()
        """By kind: how often it happened."""
        self.calm = False
        """Faults have stopped."""

    def hit(self, fault: str) -> bool:
        """Whether this fault happens here and now."""
        rate = self._rates[fault]
        if self.calm or not rate or self._random.random() >= rate:
            return False
        self.faults[fault] += 1
        self.note(fault)
        return True

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[int(self._random.random() * len(options))]

    def weighted(self, options: Sequence[T], weights: Sequence[float]) -> T:
        """One of them, ``weights`` to one another."""
        return self._random.choices(options, weights)[0]

    def number(self, low: int, high: int) -> int:
        """From ``low`` to ``high``, both included."""
        return self._random.randint(low, high)

    def even(self) -> bool:
        """One way or the other."""
        return self._random.random() < 0.5

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """All of them, in some order."""
        return self._random.sample(options, len(options))

    def uuid(self) -> UUID:
        """As ``uuid4``, from the seed."""
        return UUID(int=self._random.getrandbits(128), version=4)

    def note(self, text: str) -> None:
        """Make ``text`` part of the trace."""
        self._trace.update(text.encode())
        self._trace.update(b"\n")

    @property
    def trace(self) -> str:
        """The hash of everything noted so far: equal for equal seeds."""
        return self._trace.hexdigest()
