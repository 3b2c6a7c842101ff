"""`saga crashpoints`: every crash point that there is, and of which command."""

import json

import pytest

from orchestrator.cli.main import main
from orchestrator.crashpoints import NAMES, OF_A_RUN


def test_every_crash_point_is_listed_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crashpoints"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "reached", "by"]
    assert [line.split(maxsplit=1) for line in lines] == [
        [name, "saga run" if name in OF_A_RUN else "saga recover"] for name in NAMES
    ]


def test_programs_get_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crashpoints", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": name, "command": "run" if name in OF_A_RUN else "recover"} for name in NAMES
    ]
