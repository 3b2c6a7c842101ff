"""Whether the package that is imported here is the compiled one, whole: ``python -m compiled.installed``.

Exits with an error when a module of ``modules.py`` is plain Python, or is not there. Run where the package is installed
and no sources of it stand.
"""

import importlib
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import orchestrator
from compiled.modules import compiled_modules


def plain_modules() -> list[str]:
    """The modules that are to be compiled, and are not. Imports each of them."""
    root = Path(orchestrator.__file__).parents[1]
    found = {module: str(importlib.import_module(module).__file__) for module in compiled_modules(root)}
    return [module for module, file in found.items() if not file.endswith(tuple(EXTENSION_SUFFIXES))]


def main() -> None:
    """Tell."""
    root = Path(orchestrator.__file__).parents[1]
    if plain := plain_modules():
        raise SystemExit(f"expected compiled modules under {root}, got Python for {', '.join(plain)}: build it again")
    sys.stdout.write(f"{len(compiled_modules(root))} modules under {root} are compiled\n")


if __name__ == "__main__":
    main()
