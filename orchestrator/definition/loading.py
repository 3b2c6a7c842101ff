"""Compiles the sagas of a file, in processes of their own, twice: what differs between hash seeds is refused.

The file is the author's program: importing it may do anything, print, or never end. So it is not imported here.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from orchestrator.blueprint import canonical
from orchestrator.blueprint.model import Blueprint, Json
from orchestrator.errors import ConfigError, DefinitionError, Problem

HASH_SEEDS: Final = ("1", "2")
"""Any two: the order of a set of texts differs with them."""
IMPORT_SECONDS_MAX: Final = 60.0
"""For importing and compiling one file."""
_START: Final = (
    "import json, sys; path, *rest = sys.argv[1:]; sys.path[:] = json.loads(path); "
    "from orchestrator.definition.isolated import main; main(*rest)"
)
"""With this process's own path, so that the same packages are found."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """One saga of a file, as one process compiled it."""

    name: str
    variable: str
    """What the file calls it."""
    file: str
    line: int
    blueprint: Blueprint | None
    problems: tuple[Problem, ...]


def compile_file(path: str | Path, name: str | None = None) -> list[Blueprint]:
    """The blueprints of the sagas that the file ``path`` defines, in its order; of ``name`` alone when it is given.

    Raises DefinitionError with every problem of every saga asked for, ConfigError when there is no such file or saga,
    when the file cannot be imported (with the author's own line), or does not end to be within a minute.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise ConfigError(f"expected a Python file with a saga, got {str(path)!r}, where there is none")
    if file.suffix != ".py":
        raise ConfigError(f"expected a Python file, whose name ends in .py, got {str(path)!r}")
    first, second = (_chosen(found, file, name) for found in _compile_twice(file))
    if failed := [each for each in first if each.problems] or [each for each in second if each.problems]:
        problems = [problem for each in failed for problem in each.problems]
        raise DefinitionError(", ".join(each.name for each in failed), problems)
    _check_equal(first, second)
    return [cast("Blueprint", each.blueprint) for each in first]


def _chosen(found: Sequence[Compiled], file: Path, name: str | None) -> list[Compiled]:
    names = [each.name for each in found]
    if not found:
        raise ConfigError(f"expected a saga in {file.name}, got none: decorate a function with @saga")
    if twice := next((each for each in names if names.count(each) > 1), None):
        raise ConfigError(f"expected each saga of {file.name} to have its own name, got {twice} twice")
    chosen = [each for each in found if name is None or name in (each.name, each.variable)]
    if not chosen:
        raise ConfigError(f"expected a saga {name} in {file.name}, got {', '.join(names)}")
    return chosen


def _check_equal(first: Sequence[Compiled], second: Sequence[Compiled]) -> None:
    """Refuse what depends on the hash seed: it would be another blueprint at every deploy."""
    problems = [
        Problem(mine.file, line, "the order of a set, or a hash, decides what is here: write a list, or sorted(…)")
        for mine, other in zip(first, second, strict=True)
        if (line := _difference(mine, other)) is not None
    ]
    if problems:
        raise DefinitionError(", ".join(each.name for each in first), problems)


def _difference(mine: Compiled, other: Compiled) -> int | None:
    """The line of the first node that differs; None when the blueprints are the same."""
    a, b = cast("Blueprint", mine.blueprint), cast("Blueprint", other.blueprint)
    if a.hash == b.hash:
        return None
    for left, right in zip(a.nodes, b.nodes, strict=False):
        if left != right:
            return int(left.at.rpartition(":")[2])
    return mine.line


# ---------------------------------------------------------------- the two processes


def _compile_twice(file: Path) -> list[list[Compiled]]:
    with tempfile.TemporaryDirectory(prefix="saga-compile-") as folder, ExitStack() as stack:
        results = [Path(folder) / f"{seed}.json" for seed in HASH_SEEDS]
        processes = [
            stack.enter_context(_process(file, seed, result)) for seed, result in zip(HASH_SEEDS, results, strict=True)
        ]
        outputs = [_output(process, processes, file) for process in processes]
        sys.stderr.write(outputs[0])  # what the author's file says on its own; the second says the same
        return [
            _read(result, file, output, process.returncode)
            for result, output, process in zip(results, outputs, processes, strict=True)
        ]


def _process(file: Path, seed: str, result: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _START, json.dumps(sys.path), str(file), str(result)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
    )


def _output(process: "subprocess.Popen[str]", processes: Sequence["subprocess.Popen[str]"], file: Path) -> str:
    try:
        return process.communicate(timeout=IMPORT_SECONDS_MAX)[0]
    except subprocess.TimeoutExpired:
        for each in processes:
            each.kill()
        raise ConfigError(
            f"expected {file.name} to be imported within {IMPORT_SECONDS_MAX:g} s, but it still runs: put what it does "
            'under if __name__ == "__main__"'
        ) from None


def _read(result: Path, file: Path, output: str, status: int) -> list[Compiled]:
    if not result.exists():
        last = output.strip().rpartition("\n")[2]
        raise ConfigError(f"expected {file.name} to be imported, but it ended Python with status {status}: {last}")
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if found["error"]:
        raise ConfigError(found["error"])
    return [_compiled(each) for each in found["sagas"]]


def _compiled(found: dict[str, Any]) -> Compiled:
    blueprint: dict[str, Json] | None = found["blueprint"]
    return Compiled(
        name=found["name"],
        variable=found["variable"],
        file=found["file"],
        line=found["line"],
        blueprint=None if blueprint is None else canonical.from_json(blueprint),
        problems=tuple(Problem(*problem) for problem in found["problems"]),
    )
