"""Whoever does what the README says, and nothing else, gets what it says: every listing is executed."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGTERM

import pytest

from orchestrator.blueprint.model import Step
from orchestrator.definition.decorator import SagaDefinition
from orchestrator.local.processes import Command, ServerProcess
from tests.page import ROOT, Page
from tests.program import bare_environment
from tests.servers import new_directory

README = Page("README.md")
PYTHON, HANDLER = README.listings("python")
OWN_SERVERS = "export SAGA_KAFKA="
"""How the listing begins that is for other servers than those of `saga dev`."""


def lines(*texts: str) -> list[str]:
    return [line.split("#")[0].strip() for text in texts for line in text.splitlines()]


SHELL = lines(*(text for text in README.listings() if not text.startswith(OWN_SERVERS)))
OWN = lines(*(text for text in README.listings() if text.startswith(OWN_SERVERS)))
COMMAND_S = 60
READY_S = 60


def listed(start: str) -> str:
    """The only line of the README's listings that begins so."""
    found = [line for line in SHELL if line.startswith(start)]
    assert len(found) == 1, f"expected one line that begins with {start!r}, got {found}"
    return found[0]


def test_the_saga_of_the_first_page_compiles(tmp_path: Path) -> None:
    (tmp_path / "first_page.py").write_text(PYTHON)
    definition = runpy.run_path(str(tmp_path / "first_page.py"), run_name="first_page")["money_transfer"]
    assert isinstance(definition, SagaDefinition)
    assert [node.name for node in definition.compile().nodes if isinstance(node, Step)] == ["withdraw", "deposit"]


def test_the_handler_of_the_first_page_is_the_banks() -> None:
    assert HANDLER in (ROOT / "examples" / "money_transfer" / "bank.py").read_text()


def test_the_make_targets_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = set(re.findall(r"make ([a-z-]+)", README.text))
    assert {"demo", "test", "test-unit", "check", "bench"} <= named <= set(targets)


class Shell:
    """A directory in which the README is followed, and the terminals that stay open."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.exported: dict[str, str] = {}
        self._stack = stack
        self._path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(self, line: str) -> str:
        """A command that ends; gives what it printed."""
        done = subprocess.run(
            shlex.split(line), cwd=self.directory, env=self._environment(), capture_output=True, text=True,
            check=False, timeout=COMMAND_S,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def keep_running(self, name: str, line: str, ready: str) -> None:
        """A terminal of its own; returns when it has printed ``ready``."""
        log = self.directory / f"{name}.log"
        assignments = [f"{name}={value}" for name, value in {"PATH": self._path, **self.exported}.items()]
        command = Command(name, ["/usr/bin/env", *assignments, *shlex.split(line)], self.directory, log, SIGTERM)
        process = ServerProcess(command)
        process.start()
        self._stack.callback(process.stop)
        tail = subprocess.run(
            ["/bin/sh", "-c", f"tail -n +1 -F {shlex.quote(str(log))} | grep -q -m 1 -- {shlex.quote(ready)}"],
            check=False, timeout=READY_S, capture_output=True,
        )  # fmt: skip
        assert tail.returncode == 0, log.read_text()

    def _environment(self) -> dict[str, str]:
        return {**bare_environment(), "PATH": self._path, **self.exported}


@pytest.fixture
def shell() -> Generator[Shell]:
    with new_directory() as directory, ExitStack() as stack:
        (directory / "examples").symlink_to(ROOT / "examples")
        yield Shell(directory, stack)


@pytest.mark.integration
def test_your_own_saga(shell: Shell) -> None:
    shell.keep_running("dev", listed("saga dev"), "saga migrate")
    assert '"name":"money_transfer"' in shell.run(listed("saga compile")).replace(": ", ":")
    shell.run(listed("saga migrate"))
    shell.run(listed("saga deploy"))
    shell.keep_running("run", listed("saga run"), "shard owned")
    database = json.loads((shell.directory / ".saga" / "addresses.json").read_text())["database"]
    server = database.removesuffix("/saga")
    shell.run(listed("python -c").replace("postgresql://...", server))
    bank = listed("BANK_DATABASE=postgresql://...").replace("postgresql://...", server)
    shell.keep_running("bank", bank.replace("BANK_DATABASE", "/usr/bin/env BANK_DATABASE", 1), "answers")
    assert "12.5" in shell.run(listed("saga start"))  # what bob has now
    shown = shell.run(listed("saga show"))
    assert "withdraw" in shown
    assert "completed" in shown
    refused = subprocess.run(
        ["saga", "start", "money_transfer", "--id", "t-2", "--input",
         '{"source": "alice", "target": "nobody", "amount": "1"}', "--wait"],
        cwd=shell.directory, env=shell._environment(), capture_output=True, text=True, check=False, timeout=COMMAND_S,
    )  # fmt: skip
    assert refused.returncode == 3
    assert "t-2" in shell.run(listed("saga list"))
    assert "t-" not in shell.run(listed("saga incidents"))


@pytest.mark.integration
def test_your_own_servers(shell: Shell) -> None:
    shell.keep_running("dev", listed("saga dev"), "saga migrate")
    there = json.loads((shell.directory / ".saga" / "addresses.json").read_text())
    export, *commands, run = OWN
    exported = dict(word.split("=", 1) for word in shlex.split(export)[1:])
    shell.exported = {**exported, "SAGA_KAFKA": there["kafka"], "SAGA_DATABASE": there["database"]}
    assert set(shell.exported) == {"SAGA_KAFKA", "SAGA_DATABASE", "SAGA_SHARDS"}
    said = [shell.run(command) for command in commands]
    assert "16 shards: made the tables" in said[0]
    assert "money_transfer" in said[1]
    shell.keep_running("run", run, "shard owned")
