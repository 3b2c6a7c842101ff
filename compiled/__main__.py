"""Make the compiled copy: ``python -m compiled`` leaves it in ``build/compiled``, ready to be worked in.

Needs a C compiler, and takes a minute or two.
"""

import argparse
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from mypyc.build import mypycify
from setuptools import Distribution

from compiled.constructors import with_constructors

ROOT: Final = Path(__file__).parents[1]
TARGET: Final = ROOT / "build" / "compiled"

FOLDERS: Final = ("engine",)
"""Compiled whole."""
MODULES: Final = (
    "blueprint/ids",
    "blueprint/values",
    "shard/batch",
    "shard/decider",
    "shard/limits",
    "shard/records",
    "shard/sagas",
    "store/port",
    "wire/avro",
    "wire/body",
    "wire/chain",
    "wire/command",
    "wire/composite",
    "wire/headers",
    "wire/journal",
    "wire/outbox",
    "wire/outcome",
    "wire/record",
    "wire/reply",
    "wire/request",
    "wire/scalar",
    "wire/shape",
    "wire/tree",
)
"""What each saga passes through; beyond, compiling gains nothing that could be measured."""

_CONFIG: Final = """
[mypy]
python_version = 3.11
follow_imports = silent
disable_error_code = attr-defined, no-any-return, str-bytes-safe
"""
"""The sources are held by pyright; mypy need only know each type, and its opinion of these is another."""


def main() -> None:
    """Copy what is tracked, give the dataclasses constructors, compile in place."""
    parser = argparse.ArgumentParser(prog="python -m compiled", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--opt-level", choices=["0", "1", "2", "3"], default="2", help="of the C compiler (2)")
    arguments = parser.parse_args()
    shutil.rmtree(TARGET, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607 - the developer's own git
    for name in listed.stdout.splitlines():
        copy = TARGET / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy, follow_symlinks=False)
    package = Path("orchestrator")
    folders = [path for folder in FOLDERS for path in sorted((TARGET / package / folder).glob("*.py"))]
    chosen = [path.relative_to(TARGET) for path in folders if path.stem != "__init__"]
    chosen += [package / f"{module}.py" for module in MODULES]
    for module in chosen:
        path = TARGET / module
        path.write_text(with_constructors(path.read_text()))
    config = TARGET / "build" / "mypy.ini"
    config.parent.mkdir()
    config.write_text(_CONFIG)
    os.chdir(TARGET)  # mypyc names modules by their paths from here
    extensions = mypycify(
        ["--config-file", str(config), *map(str, chosen)],
        opt_level=arguments.opt_level,
        debug_level="0",
        group_name="saga",
    )
    command = Distribution({"name": "saga-compiled", "ext_modules": extensions}).get_command_obj("build_ext")
    command.inplace = True
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    main()
