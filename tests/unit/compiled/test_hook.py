"""The hook of the wheel, asked in each way; what it makes is tested by ``make test-compiled``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


def dependencies() -> list[str]:
    return WheelBuilder(str(ROOT)).config.dependencies


@pytest.mark.parametrize("asked", [None, "", "0"])
def test_a_wheel_of_plain_python_needs_no_compiler(asked: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGA_COMPILE", raising=False)
    if asked is not None:
        monkeypatch.setenv("SAGA_COMPILE", asked)
    assert dependencies() == []


def test_a_compiled_wheel_is_built_with_pinned_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_COMPILE", "1")
    assert [each.partition("==")[0] for each in dependencies()] == ["mypy", "setuptools"]


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_COMPILE", "yes")
    with pytest.raises(ValueError, match="expected SAGA_COMPILE to be 1 or 0, got 'yes'"):
        dependencies()


def test_an_editable_install_is_refused(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-c", f"import hatchling.build; hatchling.build.build_editable({str(tmp_path)!r})"],
        cwd=ROOT,
        env={**os.environ, "SAGA_COMPILE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode != 0
    assert "got an editable install, whose compiled modules would not follow its sources" in built.stderr
