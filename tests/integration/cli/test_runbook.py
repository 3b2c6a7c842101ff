"""docs/runbook.md, its commands typed as they stand, beside a running orchestrator; all but those of Kafka's tools."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import Producer

from orchestrator import Settings
from orchestrator.local.ports import free_port
from orchestrator.local.postgres import binary
from orchestrator.wire.partition import partition_of
from tests.integration.cli.conftest import PATIENCE_S, SHARDS, Shell
from tests.integration.cli.test_orchestrator_process import INPUT, owns_all, saga_run
from tests.page import Page
from tests.waiting import until

LINES = [line for listing in Page("docs/runbook.md").listings() for line in listing.splitlines()]
OURS = [line for line in LINES if not line.startswith("kafka-")]
CURL = """#!{python}
import sys
from urllib.request import urlopen

with urlopen(sys.argv[-1], timeout=10) as answer:
    sys.stdout.write(answer.read().decode())
"""
"""Not every machine has one."""


@pytest.fixture
def programs(tmp_path: Path) -> str:
    """A PATH on which the page's programs are."""
    folder = tmp_path / "programs"
    folder.mkdir()
    curl = folder / "curl"
    curl.write_text(CURL.replace("{python}", sys.executable))
    curl.chmod(0o755)
    places = [folder, Path(sys.executable).parent, Path(binary("psql")).parent]
    return ":".join([*map(str, places), os.environ["PATH"]])


def poisoned(deployed: Settings, saga: Shell) -> str:
    """A saga t-1 with an open incident, because of a reply that is in quarantine; gives its place."""
    assert saga("start", "money_transfer", "--id", "t-1", "--input", INPUT).status == 0
    headers = {
        "ce_subject": "t-1",
        "ce_commandid": "t-1/withdraw/0/do",
        "ce_attempt": "1",
        "ce_outcome": "completed",
        "content-type": "application/avro",
        "ce_dataschema": "0" * 64,
    }
    producer = Producer({"bootstrap.servers": deployed.kafka})
    partition = partition_of("t-1", SHARDS)
    producer.produce(f"{deployed.namespace}.replies", b"\xc3\x01", b"t-1", partition, headers={**headers})
    assert producer.flush(PATIENCE_S) == 0
    until(lambda: json.loads(saga("incidents", "--json").out))
    (found,) = json.loads(saga("quarantine", "list", "--json").out)
    assert found["reason"] == "unknown_schema"
    return found["place"]


def asks(line: str) -> bool:
    """Whether it asks a person, and so is refused where nobody is."""
    words = shlex.split(line)
    return words[:2] == ["saga", "quarantine"] and words[2] in ("redrive", "discard") and "--yes" not in words


def typed(line: str, environment: Mapping[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def test_every_command_of_the_page_does_what_it_is_there_for(
    deployed: Settings, saga: Shell, file: Path, tmp_path: Path, programs: str
) -> None:
    port = free_port()
    with saga_run(tmp_path / "log", {"SAGA_METRICS_PORT": str(port)}):
        until(lambda: owns_all(tmp_path / "log"))
        place = poisoned(deployed, saga)
        said: dict[str, str] = {}
        for line in OURS:
            mine = line.replace("sagas.py", str(file)).replace(" 3/17", f" {place}").replace("9464", str(port))
            called = typed(mine, {"PATH": programs}, tmp_path)
            assert called.returncode == (2 if asks(line) else 0), f"{mine}\n{called.stdout}{called.stderr}"
            said[line] = called.stdout
    assert "t-1" in said["saga incidents"]
    assert place in said["saga quarantine list --since 2h"]
    assert said["saga verify"].endswith("equal\n")
    assert (tmp_path / "before.sql").stat().st_size > 0
    assert "redriven by" in said["saga quarantine list --all"]
    assert "redriven" in said["saga quarantine redrive --reason unknown_schema --since 2h --yes"]
