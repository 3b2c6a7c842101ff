"""What pyright and mypy, both strict, say of right and wrong definitions: exactly the marked lines, and no others."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = Path(__file__).parent / "planted"
ROOT = Path(__file__).parents[2]
RIGHT = ("right.py", "shop.py")

pytestmark = pytest.mark.slow


def marked(checker: str) -> set[int]:
    """The lines of mistakes.py that this checker (``P`` or ``M``) must report."""
    lines = (PLANTED / "mistakes.py").read_text(encoding="utf-8").splitlines()
    marks = {number: re.search(r"#((?: [TPMC])+)(?: |$)", line) for number, line in enumerate(lines, 1) if number > 3}
    return {number for number, mark in marks.items() if mark and {"T", checker} & set(mark[1].split())}


def test_pyright_reports_every_planted_mistake_and_nothing_else(tmp_path: Path) -> None:
    for name in ("mistakes.py", *RIGHT):  # copied, because pyright takes no file outside of its configuration's folder
        shutil.copy(PLANTED / name, tmp_path)
    config = tmp_path / "pyrightconfig.json"
    config.write_text(
        json.dumps({"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": ["."], "extraPaths": [str(ROOT)]})
    )
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    found = [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"])
        for each in json.loads(done.stdout)["generalDiagnostics"]
        if each["severity"] == "error"
    ]
    assert [each for each in found if each[0] in RIGHT] == []
    assert {line for file, line, _ in found if file == "mistakes.py"} == marked("P")
    assert len(marked("P")) >= 28


def test_mypy_reports_every_planted_mistake_and_nothing_else(tmp_path: Path) -> None:
    environment = {**os.environ, "MYPYPATH": f"{ROOT}{os.pathsep}{PLANTED}"}
    options = ["--strict", "--follow-imports=silent", "--config-file=", f"--cache-dir={tmp_path}", "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *options, "mistakes.py", *RIGHT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PLANTED, env=environment)
    found = [(m[1], int(m[2]), m[3]) for m in re.finditer(r"(?m)^(\S+?):(\d+): error: (.*)$", done.stdout)]
    assert done.stderr == ""
    assert [each for each in found if each[0] in RIGHT] == []
    assert {line for file, line, _ in found if file == "mistakes.py"} == marked("M")
    assert len(marked("M")) >= 26
