"""A test that is skipped or expected to fail fails the run, wherever it says so; so does `.ci/run`."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.waiting import until

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
PASSED = "===== 12 passed in 3.21s ====="
SECONDS = 60
MAKE = """#!/bin/sh
echo "$1" >> targets
[ ! -e "fail-$1" ] || exit 2
case "$1" in
test-systems) : > meeting ;;
test) : < meeting ;;
esac
[ ! -e "hang-$1" ] || exec sleep 3600
[ ! -e "interrupt-$1" ] || kill -INT $$
[ "$1" = check ] || cat "$1"
"""
"""Notes its target, and prints a file; the two that run side by side meet at a pipe, where one alone would wait."""


@pytest.fixture
def ci(tmp_path: Path) -> Path:
    """`.ci/run` in a repository whose `make` is ours."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text(MAKE)
    make.chmod(0o755)
    os.mkfifo(tmp_path / "meeting")
    for target in TARGETS[1:]:
        (tmp_path / target).write_text(f"collected by {target}\n\n{PASSED}\n")
    return tmp_path


def start_ci(directory: Path) -> "subprocess.Popen[str]":
    path = f"{directory / 'bin'}:{os.environ['PATH']}"
    command = [directory / ".ci" / "run"]
    return subprocess.Popen(
        command, env={"PATH": path}, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_ci(directory: Path) -> tuple[int, str, str]:
    """Its exit status, what it printed, and its errors."""
    process = start_ci(directory)
    printed, errors = process.communicate(timeout=SECONDS)
    return process.returncode, printed, errors


@pytest.mark.parametrize("target", TARGETS[1:])
@pytest.mark.parametrize("closing", CLOSING_LINES)
def test_ci_wants_a_closing_line_with_passed_tests_alone(ci: Path, closing: str, target: str) -> None:
    (ci / target).write_text(f"collected by {target}\n\n{closing}\n")
    status, printed, errors = run_ci(ci)
    assert status == CLOSING_LINES[closing]
    if status == 0:
        assert printed.splitlines()[-1] == (closing if target == "test" else PASSED)
    else:
        assert errors.startswith("expected ")
    assert sorted((ci / "targets").read_text().split()) == sorted(TARGETS)


def test_ci_shows_both_logs_one_after_the_other(ci: Path) -> None:
    shown = [f"make {target}:\ncollected by {target}\n\n{PASSED}\n" for target in TARGETS[1:]]
    assert run_ci(ci)[1].endswith(f"{''.join(shown)}{PASSED}\n")


def test_ci_goes_no_further_than_a_check_that_fails(ci: Path) -> None:
    (ci / "fail-check").touch()
    assert run_ci(ci)[0] == 2
    assert (ci / "targets").read_text().split() == ["check"]


@pytest.mark.parametrize("failing", TARGETS[1:])
def test_ci_fails_when_either_target_fails_and_shows_the_other_too(ci: Path, failing: str) -> None:
    (other,) = {*TARGETS[1:]} - {failing}
    (ci / f"fail-{failing}").touch()
    (ci / "meeting").unlink()
    (ci / "meeting").touch()  # one of them does not come
    status, printed, errors = run_ci(ci)
    assert (status, errors) == (2, f"expected make {failing} to succeed, got exit status 2\n")
    assert f"collected by {other}" in printed


@pytest.mark.parametrize("target", TARGETS[1:])
def test_what_ci_runs_can_be_interrupted_as_tests_do_with_programs(ci: Path, target: str) -> None:
    (ci / f"interrupt-{target}").touch()
    assert run_ci(ci)[::2] == (130, f"expected make {target} to succeed, got exit status 130\n")


def test_ci_that_is_ended_leaves_nothing_running(ci: Path) -> None:
    for target in TARGETS[1:]:
        (ci / f"hang-{target}").touch()
    process = start_ci(ci)
    bash = psutil.Process(process.pid)
    until(lambda: [child.name() for child in bash.children()] == ["sleep", "sleep"])
    children = bash.children()
    process.terminate()
    process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    assert psutil.wait_procs(children, SECONDS)[1] == []
