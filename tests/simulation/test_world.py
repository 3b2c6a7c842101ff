"""What clients of the simulator ask for again: nothing that the product says not to."""

from typing import TYPE_CHECKING

from orchestrator.wire.request import StartSaga
from tests.simulation import oracles
from tests.simulation.process import RETENTION_MS
from tests.simulation.scheduler import HOUR_MS, Scheduler
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS_MAX = 100


class Town:
    """A world without faults, whose first transfer was asked for longer ago than the retention, and runs."""

    def __init__(self) -> None:
        self.world = World(1)
        self.scheduler = Scheduler(self.world)
        self.scheduler._heal()
        self.world.ask()
        [start] = self.world.asked
        assert isinstance(start, StartSaga)
        self.start = start
        self.go_on(lambda: self.rows == [None])
        self.world.now_ms += RETENTION_MS

    @property
    def rows(self) -> list[int | None]:
        """When the sagas of the database ended."""
        return [saga.ended_ms for each in self.world.database._database.tables.values() for saga in each.sagas.values()]

    def go_on(self, until: "Callable[[], bool]") -> None:
        """Step the orchestrators and the bank, while time passes, until something is so."""
        for _ in range(ROUNDS_MAX):
            if until():
                return
            self.scheduler._round()
            self.world.now_ms += RETENTION_MS // 10
        raise AssertionError(f"expected it within {ROUNDS_MAX} rounds: {self.rows}")

    def repeated(self) -> int:
        """How often its start was published again, after one more attempt."""
        self.world._repeat(self.start)
        return len(self.world.asked) - 1


def test_the_start_of_a_saga_that_runs_is_repeated() -> None:
    assert Town().repeated() == 1


def test_the_start_of_a_saga_that_runs_is_repeated_while_a_copy_is_to_be_recovered() -> None:
    town = Town()
    town.world.replace_database(town.world.database.copy(), old_lives=True)
    assert town.repeated() == 1
    town.go_on(lambda: not oracles.open_ends(town.world))
    assert oracles.judge(town.world) == []


def test_the_start_of_a_saga_that_was_trimmed_is_not_repeated_because_a_copy_shows_it_as_running() -> None:
    town = Town()
    copy = town.world.database.copy()
    town.go_on(lambda: town.rows == [])
    town.world.replace_database(copy, old_lives=True)
    assert town.rows == [None]
    assert town.repeated() == 0
    town.world.replace_database(copy.copy(), old_lives=False)
    assert town.repeated() == 0
    town.go_on(lambda: town.world.intact and not oracles.open_ends(town.world))
    town.world.now_ms += HOUR_MS
    assert oracles.judge(town.world) == []


def test_the_start_of_a_saga_is_not_repeated_because_a_recovery_has_read_only_its_beginning() -> None:
    town = Town()
    town.world.database.set_state("recovering")
    assert town.repeated() == 0
