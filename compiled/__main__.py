"""Compile: ``python -m compiled TARGET`` leaves the extension modules in TARGET, laid out as the wheel has them.

Needs mypy, setuptools and a C compiler; it takes two minutes. Run from the top of the repository or of the sdist.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from mypyc.build import mypycify
from setuptools import Distribution

from compiled.constructors import with_constructors
from compiled.hazards import hazards
from compiled.modules import compiled_modules, source_of

ROOT: Final = Path(__file__).parents[1]
GROUP: Final = "saga_orchestrator"
"""One library holds all modules, ``saga_orchestrator__mypyc``, so that they call one another directly."""

_CONFIG: Final = """
[mypy]
follow_imports = silent
ignore_missing_imports = True
no_site_packages = True
disable_error_code = attr-defined, no-any-return, str-bytes-safe, untyped-decorator
"""
"""The sources are held by pyright; mypy need only know each type, and its opinion of these is another.

Other packages are not looked at: what is built must not differ by what happens to be installed beside it.
"""


def main() -> None:
    """Copy the package, give the dataclasses constructors, compile, and keep what was made."""
    parser = argparse.ArgumentParser(prog="python -m compiled", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("target", type=Path, help="a folder; made if it is not there")
    parser.add_argument("--opt-level", choices=["0", "1", "2", "3"], default="1", help="of the C compiler (1)")
    arguments = parser.parse_args()
    target = arguments.target.resolve()
    with tempfile.TemporaryDirectory(prefix="saga-compiled-") as folder:
        _compile(Path(folder), arguments.opt_level)
        for built in sorted((Path(folder) / "lib").rglob("*.so")):
            kept = target / built.relative_to(Path(folder) / "lib")
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(built, kept)


def _compile(work: Path, opt_level: str) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "schemas")
    shutil.copytree(ROOT / "orchestrator", work / "orchestrator", ignore=ignored)
    chosen = [source_of(work, module) for module in compiled_modules(work)]
    for path in chosen:
        if found := hazards(path.read_text()):
            raise SystemExit(f"{path.relative_to(work)}: {'; '.join(found)}")
        path.write_text(with_constructors(path.read_text()))
    config = work / "mypy.ini"
    config.write_text(_CONFIG)
    os.chdir(work)  # mypyc names modules by their paths from here
    extensions = mypycify(
        ["--config-file", str(config), *(str(path.relative_to(work)) for path in chosen)],
        opt_level=opt_level,
        debug_level="0",
        group_name=GROUP,
    )
    distribution = Distribution({"name": GROUP, "ext_modules": extensions})
    command = distribution.get_command_obj("build_ext")
    command.build_lib = "lib"
    command.build_temp = "temp"
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    main()
