"""The house's rules that no checker knows: each a search through the repository's own files."""

import ast
import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.main import COMMANDS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CODE_FOLDERS = ("bench", "chaos", "compiled", "connectors", "examples", "orchestrator", "tests")
MODULE_LINES = 400  # "about 300": where a second noun is surely hiding
FUNCTION_LINES = 60


def repository_files() -> list[Path]:
    """What is tracked, and what would be: not what .gitignore leaves out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / line for line in result.stdout.splitlines()]
    return [file for file in files if file.is_file()]


FILES = repository_files()
MODULES = [
    file
    for file in FILES
    if file.suffix == ".py" and file.relative_to(ROOT).parts[0] in CODE_FOLDERS and "planted" not in file.parts
]


def place(file: Path, line: int) -> str:
    return f"{file.relative_to(ROOT)}:{line}"


def matches(files: list[Path], pattern: str) -> list[str]:
    found: list[str] = []
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            # A picture or an archive.
            continue
        found += [
            f"{place(file, number)} {line.strip()}" for number, line in enumerate(lines, 1) if re.search(pattern, line)
        ]
    return found


def nodes(file: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(file.read_text(encoding="utf-8"), filename=str(file)))


def test_the_files_are_found() -> None:
    assert Path(__file__) in MODULES
    assert ROOT / "orchestrator" / "settings.py" in MODULES


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"base", "common", "helpers", "manager", "misc", "util", "utils"}
    assert [str(file.relative_to(ROOT)) for file in MODULES if file.stem in empty or file.parent.name in empty] == []


# The first reads it; the second hands it on to a process of its own, with another hash seed.
ENVIRONMENT_READERS = {ROOT / "orchestrator" / "settings.py", ROOT / "orchestrator" / "definition" / "loading.py"}


def test_only_the_settings_read_the_environment() -> None:
    readers: list[str] = []
    for file in MODULES:
        if file.relative_to(ROOT).parts[0] not in ("connectors", "orchestrator") or file in ENVIRONMENT_READERS:
            continue
        readers += [
            place(file, node.lineno)
            for node in nodes(file)
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "getenvb"}
        ]
    assert readers == []


def test_a_module_is_one_noun() -> None:
    long = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in MODULES}
    assert {name: lines for name, lines in long.items() if lines > MODULE_LINES} == {}


def test_a_function_fits_on_a_screen() -> None:
    long: dict[str, int] = {}
    for file in MODULES:
        for node in nodes(file):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long[f"{place(file, node.lineno)} {node.name}"] = lines
    assert long == {}


DIRECTIVE = r"#\s*(?:noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|(?:type|pyright|mypy): ignore\[[\w, -]+\])"


def test_every_exception_to_a_checker_has_its_reason() -> None:
    """Behind it or on the line before; once in a module for the same exception."""
    bare: list[str] = []
    for file in MODULES:
        unexplained: dict[str, str] = {}
        explained: set[str] = set()
        lines = ["", *file.read_text(encoding="utf-8").splitlines()]
        for number, (before, line) in enumerate(itertools.pairwise(lines), 1):
            for found in re.finditer(DIRECTIVE, line):
                if re.search(r"\w", re.sub(DIRECTIVE, "", line[found.end() :])) or before.strip().startswith("#"):
                    explained.add(found.group())
                else:
                    unexplained[found.group()] = f"{place(file, number)} {line.strip()}"
        bare += [where for directive, where in unexplained.items() if directive not in explained]
    assert bare == []


def test_an_exception_to_a_checker_says_to_which_rule() -> None:
    assert matches(MODULES, r"#\s*(noqa|(type|pyright|mypy): ignore)(?![:\[])") == []


def test_no_test_waits_by_sleeping() -> None:
    tests = [file for file in MODULES if file.is_relative_to(ROOT / "tests") and file != Path(__file__)]
    assert matches(tests, r"\b(time|asyncio)\.sleep\(|from time import .*\bsleep\b") == []


COMMAND_NAMED = re.compile(r"(?:`| \(|^  +|: )saga ([a-z-]+)(?=`|\)|$| [A-Z{<-])", re.MULTILINE)
"""``saga X`` where a person is told to run it: quoted, in parentheses, indented, behind a colon."""


def commands_named(file: Path) -> Iterator[tuple[int, str]]:
    for node in nodes(file):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            text = "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        yield from ((node.lineno, found) for found in COMMAND_NAMED.findall(text))


def test_every_command_that_a_text_names_exists() -> None:
    named = {
        (place(file, line), command)
        for file in MODULES
        if file.relative_to(ROOT).parts[0] == "orchestrator"
        for line, command in commands_named(file)
    }
    assert {"deploy", "migrate", "retry", "show"} <= {command for _, command in named}
    assert sorted((where, command) for where, command in named if command not in COMMANDS) == []


def test_a_command_that_is_named_with_an_option_can_be_typed() -> None:
    told = [file for file in FILES if file.relative_to(ROOT).parts[0] not in {"tests", ".ci"}]
    assert matches(told, r"saga (deploy|acls|compile|diagram|schemas|start|show|cancel|retry) --") == []


@pytest.mark.parametrize("elsewhere", ["work", "home", "root", "Users"])
def test_no_file_names_a_path_of_somebodys_computer(elsewhere: str) -> None:
    files = [file for file in FILES if file != Path(__file__)]
    assert matches(files, rf"(?<![\w.~/-])/{elsewhere}/\w") == []
