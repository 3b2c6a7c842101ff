"""`make soak-simulation STEPS=… SEED=…`: runs from a seed on until so many steps are done, and what was found."""

import argparse
import sys
from collections import Counter
from typing import Final

import structlog

from tests.simulation.scheduler import run

TELL_EVERY: Final = 500
"""Runs between two lines."""
SILENT: Final = 50
"""Of the log: servers that fail on purpose are no news."""


def tell(line: str) -> None:
    """One line, at once, whoever reads it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Status 1 when an oracle was violated."""
    parser = argparse.ArgumentParser(prog="make soak-simulation")
    parser.add_argument("--steps", type=int, required=True, help="stop after the run in which so many are done")
    parser.add_argument("--seed", type=int, default=1, help="of the first run (1); each one after it has the next")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))
    runs = steps = violations = 0
    faults: Counter[str] = Counter()
    while not runs or steps < asked.steps:
        report = run(asked.seed + runs)
        runs, steps, faults = runs + 1, steps + report.steps, faults + report.faults
        violations += len(report.violations)
        for text in report.violations:
            tell(f"violated, `make soak-simulation SEED={report.seed} STEPS=1`: {text}")
        if runs % TELL_EVERY == 0:
            tell(f"seed={report.seed} steps={steps}")
    for fault, count in sorted(faults.items()):
        tell(f"{count:>10}  {fault}")
    tell(f"simulation: runs={runs} steps={steps} violations={violations}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
