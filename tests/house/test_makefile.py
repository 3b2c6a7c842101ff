"""Setting up, on a computer whose Pythons are ours: small scripts that say what a real one would."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TOOLS = ["make", "sh", "touch", "mkdir", "cp", "dirname", "cat", "chmod", "echo"]
TARGETS = [
    "demo",
    "test",
    "test-unit",
    "test-integration",
    "test-systems",
    "test-scenarios",
    "test-crash",
    "test-recovery",
    "test-restarts",
    "chaos",
    "test-simulation",
    "soak-simulation",
    "check",
    "format",
    "bench",
    "compiled",
    "test-compiled",
    "bench-compiled",
]
# A Python of a version: notes what it is asked for, and makes environments whose Python is like itself.
PYTHON = """#!/bin/sh
echo "$(basename "$0") $*" >> "{log}"
case "$1" in
-c) exit {too_old} ;;
--version) echo "Python {version}" ;;
esac
case "$2" in
venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
esac
"""


class Computer:
    def __init__(self, directory: Path) -> None:
        self.repository = directory / "repository"
        self.path = directory / "bin"
        self.log = directory / "log"
        (self.repository / "orchestrator" / "local").mkdir(parents=True)
        self.path.mkdir()
        shutil.copy(ROOT / "Makefile", self.repository)
        for file in ("pyproject.toml", "orchestrator/local/jars.lock"):
            (self.repository / file).touch()
        for tool in [*TOOLS, "basename"]:
            found = shutil.which(tool)
            assert found is not None
            (self.path / tool).symlink_to(found)

    def install(self, name: str, version: str, *, too_old: bool = False) -> None:
        script = self.path / name
        script.write_text(PYTHON.format(log=self.log, version=version, too_old=int(too_old)))
        script.chmod(0o755)

    def make(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": str(self.path), "HOME": os.environ["HOME"]}
        command = [str(self.path / "make"), f"SYSTEM_PYTHON={self.path / 'system'}", *arguments]
        return subprocess.run(
            command, cwd=self.repository, env=environment, capture_output=True, text=True, check=False
        )

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


def test_setup_makes_the_environment_with_the_extras_and_the_jars_once(computer: Computer) -> None:
    computer.install("python3.11", "3.11.9")
    result = computer.make("setup")
    assert (result.returncode, result.stdout, result.stderr) == (0, "setting up .venv with Python 3.11.9, once\n", "")
    install = "python -m pip install --quiet --disable-pip-version-check"
    assert computer.asked[-4:] == [
        "python3.11 -m venv .venv",
        f"{install} --upgrade pip>=25",
        f"{install} --editable .[server,local,http,dev]",
        "python -m orchestrator.local.jars",
    ]
    computer.log.unlink()
    computer.make("setup")
    assert not computer.log.exists()


def test_a_python_that_is_too_old_is_passed_over(computer: Computer) -> None:
    computer.install("python3", "3.9.2", too_old=True)
    computer.install("python3.12", "3.12.1")
    assert computer.make("setup").stdout == "setting up .venv with Python 3.12.1, once\n"


def test_the_distributions_python_comes_before_those_on_the_path(computer: Computer) -> None:
    computer.install("python3.11", "3.11.9")
    computer.install("system", "3.11.2")
    assert computer.make("setup").stdout == "setting up .venv with Python 3.11.2, once\n"


def test_a_python_can_be_named(computer: Computer) -> None:
    computer.install("system", "3.11.2")
    computer.install("special", "3.13.0")
    result = computer.make("setup", f"PYTHON={computer.path / 'special'}")
    assert result.stdout == "setting up .venv with Python 3.13.0, once\n"


def test_without_a_python_it_says_what_is_missing_and_makes_nothing(computer: Computer) -> None:
    computer.install("python3", "3.9.2", too_old=True)
    result = computer.make("test")
    assert result.returncode != 0
    assert result.stderr.startswith("expected Python 3.11 or newer on the path, got none: install one, or name it: ")
    assert not (computer.repository / ".venv").exists()


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_sets_itself_up(computer: Computer, target: str) -> None:
    computer.install("python3", "3.11.9")
    assert "setting up .venv" in computer.make("--dry-run", target).stdout


def test_make_alone_names_the_targets(computer: Computer) -> None:
    said = computer.make().stdout
    for target in TARGETS:
        assert f"make {target} " in said
