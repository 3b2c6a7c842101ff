"""Around a run: its exit status, and a directory that stays only when somebody must look into it."""

import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from demo.program import exit_status
from demo.show import Show
from orchestrator.errors import Unavailable


@pytest.fixture(autouse=True)
def handler() -> Generator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def kept(_: Path) -> bool:
    return True


def broken(_: Path) -> bool:
    return False


def without_server(_: Path) -> bool:
    raise Unavailable("no server")


def interrupted(_: Path) -> bool:
    signal.raise_signal(signal.SIGTERM)
    raise AssertionError


@pytest.mark.parametrize(
    ("run", "status", "said"),
    [
        (kept, 0, ()),
        (broken, 1, ("the logs and the data of this run are in ", "; its seed is 7")),
        (without_server, 1, ("no server", "the logs and the data of this run are in ", "; its seed is 7")),
        (interrupted, 130, ()),
    ],
)
def test_a_run_that_failed_keeps_its_directory_and_says_where(
    run: Callable[[Path], bool],
    status: int,
    said: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert exit_status(Show("show"), run, "; its seed is 7") == status
    errors = capsys.readouterr().err.replace("\n", "")
    assert bool(errors) == bool(said)
    assert all(text in errors for text in said)
    assert [each.name.startswith("saga-show-") for each in tmp_path.iterdir()] == [True] * (status == 1)
