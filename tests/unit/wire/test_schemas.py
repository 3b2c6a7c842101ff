"""The orchestrator's own schemas: released ones never change."""

import json
from importlib.resources import files
from pathlib import Path

import fastavro
import pytest

from orchestrator.wire.avro import Codec
from orchestrator.wire.schemas import NAMES, own_schema

FOLDER = Path(__file__).parents[3] / "schemas"


def fingerprints() -> dict[str, dict[str, str]]:
    return json.loads((FOLDER / "fingerprints.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_the_one_that_was_released(name: str) -> None:
    codec = Codec(own_schema(name))
    assert {"schema_id": codec.schema_id, "crc64_avro": codec.prefix[2:].hex()} == fingerprints()[name]


def test_every_file_is_known_and_has_its_fingerprint() -> None:
    stems = sorted(path.stem for path in FOLDER.glob("*.avsc"))
    assert stems == sorted(NAMES) == sorted(fingerprints())


def test_the_package_finds_the_files_where_the_wheel_puts_them() -> None:
    assert files("orchestrator").joinpath("schemas", "entry.avsc").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_other_implementations_read_the_files(name: str) -> None:
    fastavro.parse_schema(json.loads((FOLDER / f"{name}.avsc").read_text()))


def test_the_readme_names_every_file() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert [name for name in NAMES if f"`{name}.avsc`" not in readme] == []
