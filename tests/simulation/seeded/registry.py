"""Bugs that the simulator must find: each breaks one rule of the product that looks as if it could be left out.

The names of most are those of the protocol's model, whose shortest counter-examples say why the rule is there.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import pytest

Bug: TypeAlias = Callable[[pytest.MonkeyPatch], None]
BUGS: Final[dict[str, Bug]] = {}
"""By name; filled by the modules beside this one."""
SOUGHT: Final[dict[str, Bug]] = {}
"""Those that the simulator has not found yet: no test waits for them, and docs/reliability.md names them."""


def bug(plant: Bug) -> Bug:
    """Makes it one of ``BUGS``."""
    BUGS[plant.__name__] = plant
    return plant


def sought(plant: Bug) -> Bug:
    """Makes it one of ``SOUGHT``."""
    SOUGHT[plant.__name__] = plant
    return plant
