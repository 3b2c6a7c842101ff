"""Both type checkers, strict, find exactly the mistakes that `planted/handlers.py` marks."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PLANTED = Path(__file__).parent / "planted" / "handlers.py"
ROOT = Path(__file__).parents[3]
MARKED = {number for number, line in enumerate(PLANTED.read_text().splitlines(), 1) if "# T" in line and "@" in line}


def pyright(directory: Path) -> set[int]:
    # In a project of its own: ours leaves planted mistakes out.
    shutil.copy(PLANTED, directory)
    settings = {"extraPaths": [str(ROOT)], "typeCheckingMode": "strict", "pythonVersion": "3.11"}
    (directory / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--project", str(directory)]
    command += ["--pythonpath", sys.executable]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(found.stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    return {each["range"]["start"]["line"] + 1 for each in report["generalDiagnostics"]}


def mypy(_: Path) -> set[int]:
    command = [sys.executable, "-m", "mypy", "--strict", str(PLANTED)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "checked 1 source file" in found.stdout
    return {int(line) for line in re.findall(r"handlers\.py:(\d+): error", found.stdout)}


@pytest.mark.slow
@pytest.mark.parametrize("checker", [pyright, mypy])
def test_the_checker_reports_the_planted_lines_and_no_other(
    checker: Callable[[Path], set[int]], tmp_path: Path
) -> None:
    assert len(MARKED) == 7
    assert checker(tmp_path) == MARKED
