"""Each import contract of pyproject.toml is seen to fail: a forbidden import, planted in a copy, breaks it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CONTRACTS: dict[str, str] = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

# Contract: imports that break it and no other, by the module they are planted in.
PLANTS: list[tuple[str, str, str]] = [
    ("engine", "engine/planted.py", "import orchestrator.definition.policies"),
    ("engine", "engine/planted.py", "import orchestrator.wire.topics"),
    ("pure", "engine/planted.py", "import time"),
    ("pure", "blueprint/planted.py", "from threading import Lock"),
    ("pure", "blueprint/planted.py", "import random"),
    ("ports", "store/planted.py", "import orchestrator.engine"),
    ("ports", "broker/planted.py", "import orchestrator.definition"),
    ("adapters", "shard/planted.py", "import psycopg"),
    ("adapters", "shard/planted.py", "def later():\n    import confluent_kafka"),
    ("adapters", "wire/planted.py", "import confluent_kafka"),
    ("assembled", "shard/planted.py", "from orchestrator.broker.kafka import KafkaBroker"),
    ("assembled", "shard/planted.py", "import orchestrator.store.postgres"),
    ("store", "store/planted.py", "import confluent_kafka"),
    ("participant", "participant/planted.py", "import psycopg"),
    ("participant", "client/planted.py", "import orchestrator.store"),
    ("participant", "broker/planted.py", "import rich"),
    ("threads", "shard/planted.py", "import time"),
    ("threads", "shard/planted.py", "from orchestrator.clock import now_ms"),
    ("threads", "shard/planted.py", "from concurrent.futures import ThreadPoolExecutor"),
    ("connectors", "participant/planted.py", "import orchestrator_connectors"),
    ("outside", "../connectors/orchestrator_connectors/planted.py", "import orchestrator.engine"),
    ("outside", "../connectors/orchestrator_connectors/planted.py", "import psycopg"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__", "schemas", "planted.py")
    for folder in ("orchestrator", "connectors"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    return tmp_path


def lint(directory: Path) -> tuple[dict[str, bool], str]:
    """Run import-linter in a directory: for each contract whether it holds, and what was said."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": "connectors"}  # before the checkout's own, which is installed
    result = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    said = re.sub(r"\s+", " ", result.stdout)
    verdicts = {
        identifier: found.group(1) == "KEPT"
        for identifier, name in CONTRACTS.items()
        if (found := re.search(re.escape(name) + " (KEPT|BROKEN)", said))
    }
    assert verdicts.keys() == CONTRACTS.keys(), result.stdout + result.stderr
    assert (result.returncode == 0) == all(verdicts.values())
    return verdicts, said


def test_every_contract_has_a_planted_import() -> None:
    assert {identifier for identifier, _, _ in PLANTS} | {"arrows"} == CONTRACTS.keys()


def test_the_code_keeps_every_contract(copy: Path) -> None:
    verdicts, said = lint(copy)
    assert all(verdicts.values()), said


@pytest.mark.parametrize(("contract", "module", "statement"), PLANTS)
def test_a_forbidden_import_breaks_its_contract_alone(copy: Path, contract: str, module: str, statement: str) -> None:
    (copy / "orchestrator" / module).write_text(f'"""Planted."""\n\n{statement}\n')
    verdicts, _ = lint(copy)
    assert {identifier for identifier, kept in verdicts.items() if not kept} == {contract}


# Each layer, and what stands directly above it.
ARROWS: Mapping[str, tuple[str, ...]] = {
    "operations": ("cli",),
    "local": ("operations",),
    "service": ("operations",),
    "participant": ("local",),
    "client": ("local",),
    "shard": ("participant", "client"),
    "store": ("shard", "broker"),
    "broker": ("shard", "store"),
    "engine": ("store", "broker"),
    "wire": ("engine",),
    "definition": ("wire",),
    "blueprint": ("definition",),
    "settings": ("blueprint", "telemetry", "crashpoints"),
    "telemetry": ("blueprint", "settings", "crashpoints"),
    "errors": ("settings", "telemetry", "crashpoints"),
}


def test_an_import_from_each_layer_to_the_one_above_breaks_the_arrows(copy: Path) -> None:
    for lower, uppers in ARROWS.items():
        place = copy / "orchestrator" / lower
        file = place / "planted.py" if place.is_dir() else place.with_suffix(".py")
        statements = "".join(f"\nimport orchestrator.{upper}\n" for upper in uppers)
        file.write_text((file.read_text() if file.exists() else '"""Planted."""\n') + statements)
    verdicts, said = lint(copy)
    assert not verdicts["arrows"]
    refused = set(re.findall(r"orchestrator\.(\w+) is not allowed to import orchestrator\.(\w+):", said))
    expected = {(lower, upper) for lower, uppers in ARROWS.items() for upper in uppers}
    assert expected <= refused


def test_a_new_part_of_the_product_must_be_given_its_layer(copy: Path) -> None:
    (copy / "orchestrator" / "planted.py").write_text('"""Planted."""\n')
    verdicts, said = lint(copy)
    assert {identifier for identifier, kept in verdicts.items() if not kept} == {"arrows"}
    assert "planted" in said
