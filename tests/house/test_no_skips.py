"""A test that is skipped or expected to fail fails the run, wherever it says so; so does `.ci/run`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SKIPS = {
    "a mark": "import pytest\n@pytest.mark.skip(reason='later')\ndef test_it(): pass\n",
    "a call": "import pytest\ndef test_it(): pytest.skip('later')\n",
    "a fixture": "import pytest\n@pytest.fixture\ndef it(): pytest.skip('later')\ndef test_it(it): pass\n",
    "a module": "import pytest\npytest.skip('later', allow_module_level=True)\n",
    "a missing package": "import pytest\npytest.importorskip('no_such_package', reason='later')\n",
    "an expected failure": "import pytest\n@pytest.mark.xfail(reason='later')\ndef test_it(): assert False\n",
    "an unexpected pass": "import pytest\n@pytest.mark.xfail(reason='later')\ndef test_it(): pass\n",
}


def run_pytest(directory: Path, text: str) -> "subprocess.CompletedProcess[str]":
    (directory / "test_it.py").write_text(text)
    (directory / "pytest.toml").write_text("[pytest]\nstrict = true\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.no_skips", "-p", "no:cacheprovider", str(directory)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("how", SKIPS)
def test_a_skip_fails_the_run(tmp_path: Path, how: str) -> None:
    result = run_pytest(tmp_path, SKIPS[how])
    assert result.returncode != 0
    closing = result.stdout.splitlines()[-1]
    assert "1 failed" in closing or "1 error" in closing
    assert "skipped" not in closing
    assert "xfailed" not in closing


def test_a_passing_test_passes(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, "def test_it(): pass\n")
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout.splitlines()[-1]


CLOSING_LINES = {
    "===== 12 passed in 3.21s =====": 0,
    "===== 812 passed in 321.07s (0:05:21) =====": 0,
    "===== 12 passed, 1 skipped in 3.21s =====": 1,
    "===== 12 passed, 1 xfailed in 3.21s =====": 1,
    "===== 12 passed, 1 xpassed in 3.21s =====": 1,
    "===== 12 passed, 3 deselected in 3.21s =====": 1,
    "===== no tests ran in 0.01s =====": 1,
    "": 1,
}


TARGETS = ["check", "test-systems", "test"]


def up_to(target: str) -> list[str]:
    """What is run when this one fails."""
    return TARGETS[: TARGETS.index(target) + 1]


@pytest.fixture
def ci(tmp_path: Path) -> Path:
    """`.ci/run` in a repository whose `make` is ours: it notes its target, and prints a file."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text('#!/bin/sh\necho "$1" >> targets\n[ ! -e "fail-$1" ] || exit 2\n[ "$1" = check ] || cat "$1"\n')
    make.chmod(0o755)
    for target in TARGETS[1:]:
        (tmp_path / target).write_text("collected 12 items\n\n===== 12 passed in 3.21s =====\n")
    return tmp_path


def run_ci(directory: Path) -> "subprocess.CompletedProcess[str]":
    path = f"{directory / 'bin'}:{os.environ['PATH']}"
    command = [directory / ".ci" / "run"]
    return subprocess.run(command, env={"PATH": path}, cwd="/", capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", TARGETS[1:])
@pytest.mark.parametrize("closing", CLOSING_LINES)
def test_ci_wants_a_closing_line_with_passed_tests_alone(ci: Path, closing: str, target: str) -> None:
    (ci / target).write_text(f"collected 12 items\n\n{closing}\n")
    result = run_ci(ci)
    assert result.returncode == CLOSING_LINES[closing]
    if result.returncode == 0:
        assert result.stdout.splitlines()[-1] == (
            closing if target == TARGETS[-1] else "===== 12 passed in 3.21s ====="
        )
    else:
        assert result.stderr.startswith("expected ")
    ran = TARGETS if result.returncode == 0 else up_to(target)
    assert (ci / "targets").read_text().split() == ran


@pytest.mark.parametrize("failing", TARGETS)
def test_ci_fails_when_a_target_fails(ci: Path, failing: str) -> None:
    (ci / f"fail-{failing}").touch()
    assert run_ci(ci).returncode == 2
    assert (ci / "targets").read_text().split() == up_to(failing)
