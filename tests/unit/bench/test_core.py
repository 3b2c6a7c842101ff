import pytest

from bench import core


def test_a_core_without_servers_runs_transfers_to_their_end_and_times_each_part() -> None:
    found = core.measure(20)

    assert set(found) == {
        "client: start",
        "orchestrator: decide and encode",
        "orchestrator: seal",
        "participant: answer",
        "client: outcome",
        "in all",
    }
    assert found["in all"] == pytest.approx(sum(found.values()) - found["in all"], abs=0.1)
    assert min(found.values()) >= 0
