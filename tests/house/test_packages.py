"""Wheel and sdist hold what the code reads at run time: the schemas, the jars' list, the SQL, the marker of types."""

import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SCHEMAS = sorted(file.name for file in (ROOT / "schemas").glob("*.avsc"))


def build(source: Path, kind: str, target: Path) -> Path:
    """Build with the backend itself, which needs no network."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module", params=["checkout", "sdist"])
def wheel(request: pytest.FixtureRequest, sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = ROOT
    if request.param == "sdist":
        unpacked = tmp_path_factory.mktemp("unpacked")
        subprocess.run(["tar", "-xzf", sdist, "-C", unpacked], check=True)
        (source,) = unpacked.iterdir()
    return build(source, "wheel", tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_data_files_once(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert len(names) == len(set(names))
    held = {f"orchestrator/schemas/{name}" for name in SCHEMAS}
    held |= {"orchestrator/py.typed", "orchestrator/local/jars.lock", "orchestrator/store/schema.sql"}
    assert held <= set(names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "orchestrator",
        "orchestrator_connectors",
        "saga_orchestrator",
    }


def test_the_wheel_says_what_it_needs_and_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
        (scripts,) = [name for name in archive.namelist() if name.endswith("/entry_points.txt")]
        assert archive.read(scripts).decode() == "[console_scripts]\nsaga = orchestrator.cli.main:main\n"
    base = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [line.partition("<")[0].partition(">")[0] for line in base] == ["confluent-kafka", "fastavro", "structlog"]
    assert (metadata["Name"], metadata["License-Expression"]) == ("saga-orchestrator", "MIT")
    assert (metadata["Requires-Python"], metadata.get_all("Provides-Extra")) == (
        ">=3.11",
        ["dev", "http", "local", "postgres", "server"],
    )
    drivers = {line.partition(";")[0] for line in metadata.get_all("Requires-Dist", []) if line.startswith("psycopg")}
    assert len(drivers) == 1, "an inbox and the orchestrator have the same driver"


# As wire reads them; the working directory comes first on the path, so that this is the wheel's own code.
READ_SCHEMAS = """
import json, pathlib
from importlib.resources import files
import orchestrator
assert pathlib.Path(orchestrator.__file__).is_relative_to(pathlib.Path.cwd()), orchestrator.__file__
for file in (files("orchestrator") / "schemas").iterdir():
    if file.name.endswith(".avsc"):
        json.loads(file.read_text())
        print(file.name)
"""


def test_the_schemas_are_read_from_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    result = subprocess.run(
        [sys.executable, "-c", READ_SCHEMAS], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert sorted(result.stdout.split()) == SCHEMAS


def test_the_schemas_are_read_from_a_checkout() -> None:
    result = subprocess.run([sys.executable, "-c", READ_SCHEMAS], cwd=ROOT, check=True, capture_output=True, text=True)
    assert sorted(result.stdout.split()) == SCHEMAS
    assert SCHEMAS


def test_the_sdist_holds_what_the_wheel_is_built_from(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "Makefile", f"schemas/{SCHEMAS[0]}"} <= names
    assert not any(name.startswith((".venv", ".saga", ".git/")) for name in names)
