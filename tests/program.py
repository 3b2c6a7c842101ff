"""A program of this repository, run as a stranger runs it: at the top of the checkout, without settings of ours."""

import os
import subprocess
import sys

from tests.page import ROOT


def bare_environment() -> dict[str, str]:
    """This process's environment without the product's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SAGA_")}


def run_module(module: str, *arguments: str, timeout_s: float) -> "subprocess.CompletedProcess[str]":
    """`python -m module` to its end, with what it printed."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )
