"""What pyright and mypy, both strict, say of right and wrong definitions: exactly the marked lines, and no others."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

PLANTED = Path(__file__).parent / "planted"
ROOT = Path(__file__).parents[2]
RIGHT = ("right.py", "shop.py")

Reports: TypeAlias = Callable[..., list[tuple[str, int, str]]]

pytestmark = pytest.mark.slow


def marked(checker: str, file: str = "mistakes.py") -> set[int]:
    """The lines of a planted file that this checker (``P`` or ``M``) must report."""
    lines = (PLANTED / file).read_text(encoding="utf-8").splitlines()
    marks = {number: re.search(r"#((?: [TPMC])+)(?: |$)", line) for number, line in enumerate(lines, 1) if number > 3}
    return {number for number, mark in marks.items() if mark and {"T", checker} & set(mark[1].split())}


def pyright_reports(tmp_path: Path, *files: str) -> list[tuple[str, int, str]]:
    """File, line and text of each error."""
    for name in files:  # copied, because pyright takes no file outside of its configuration's folder
        shutil.copy(PLANTED / name, tmp_path)
    config = tmp_path / "pyrightconfig.json"
    config.write_text(
        json.dumps({"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": ["."], "extraPaths": [str(ROOT)]})
    )
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    return [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"])
        for each in json.loads(done.stdout)["generalDiagnostics"]
        if each["severity"] == "error"
    ]


def mypy_reports(tmp_path: Path, *files: str) -> list[tuple[str, int, str]]:
    """File, line and text of each error."""
    environment = {**os.environ, "MYPYPATH": f"{ROOT}{os.pathsep}{PLANTED}"}
    options = ["--strict", "--follow-imports=silent", "--config-file=", f"--cache-dir={tmp_path}", "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *options, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PLANTED, env=environment)
    assert done.stderr == ""
    return [(m[1], int(m[2]), m[3]) for m in re.finditer(r"(?m)^(\S+?):(\d+): error: (.*)$", done.stdout)]


def test_pyright_reports_every_planted_mistake_and_nothing_else(tmp_path: Path) -> None:
    found = pyright_reports(tmp_path, "mistakes.py", *RIGHT)
    assert [each for each in found if each[0] in RIGHT] == []
    assert {line for file, line, _ in found if file == "mistakes.py"} == marked("P")
    assert len(marked("P")) >= 28


def test_mypy_reports_every_planted_mistake_and_nothing_else(tmp_path: Path) -> None:
    found = mypy_reports(tmp_path, "mistakes.py", *RIGHT)
    assert [each for each in found if each[0] in RIGHT] == []
    assert {line for file, line, _ in found if file == "mistakes.py"} == marked("M")
    assert len(marked("M")) >= 26


@pytest.mark.parametrize(("reports", "checker"), [(pyright_reports, "P"), (mypy_reports, "M")])
def test_both_refuse_to_change_a_frozen_value(reports: Reports, checker: str, tmp_path: Path) -> None:
    assert {line for _, line, _ in reports(tmp_path, "frozen.py")} == marked(checker, "frozen.py")
    assert len(marked(checker, "frozen.py")) == 7
