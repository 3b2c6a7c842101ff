"""A Dockerfile, run as a script where no Docker engine is: its steps, in folders that stand for the images.

Every absolute path is taken below one folder, `root`, a link to the folder of the stage that is built or run: so what a
stage has written works under the same path in the next. RUN has this computer's programs, in the directory and with the
variables that the Dockerfile gives it; it names paths through variables alone, for a path in its text would be real.
"""

import json
import os
import re
import shutil
import string
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

STEP_S = 120
FASTER = {"PIP_NO_COMPILE": "1"}
"""Modules are compiled when they are imported, if they are; an image has it done."""


@dataclass
class Stage:
    """One FROM and what follows."""

    base: str
    folder: Path
    directory: str = "/"
    environment: dict[str, str] = field(default_factory=dict[str, str])
    entrypoint: list[str] = field(default_factory=list[str])
    command: list[str] = field(default_factory=list[str])
    user: str = "root"
    stop_signal: str = ""


class Build:
    """Runs the steps of one Dockerfile; `image` is the last stage."""

    def __init__(self, dockerfile: str, context: Path, folder: Path, path: str) -> None:
        self.root = folder / "root"
        self._context = context
        self._folder = folder
        self._path = path
        self._stages: dict[str, Stage] = {}
        joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE))
        for line in filter(None, map(str.strip, joined.splitlines())):
            name, arguments = line.split(maxsplit=1)
            self._step(name, arguments)

    def variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """Of a process in the image."""
        return {"PATH": self._path, "HOME": os.environ["HOME"], **self.image.environment, **given}

    def _step(self, name: str, arguments: str) -> None:
        match name:
            case "FROM":
                base, *alias = re.split(r"\s+AS\s+", arguments)
                self.image = Stage(base, self._folder / f"stage-{len(self._stages)}")
                self._stages[alias[0] if alias else str(len(self._stages))] = self.image
                self.image.folder.mkdir()
                self.root.unlink(missing_ok=True)
                self.root.symlink_to(self.image.folder)
            case "WORKDIR":
                self.image.directory = arguments
                self._inside(arguments).mkdir(parents=True, exist_ok=True)
            case "ENV":
                variable, value = arguments.split("=", 1)
                known = {"PATH": self._path, **self.image.environment}
                placed = re.sub(r"(^|:)/", rf"\1{self.root}/", value)
                self.image.environment[variable] = string.Template(placed).substitute(known)
            case "COPY":
                self._copy(arguments)
            case "RUN":
                assert not re.search(r"""(^|[\s="'])/""", arguments), f"expected paths in variables, got {arguments}"
                subprocess.run(
                    ["/bin/sh", "-ec", arguments], cwd=self._inside(self.image.directory), check=True,
                    env=self.variables(FASTER), timeout=STEP_S,
                )  # fmt: skip
            case "ENTRYPOINT":
                self.image.entrypoint = json.loads(arguments)
            case "CMD":
                self.image.command = json.loads(arguments)
            case "USER":
                self.image.user = arguments
            case "STOPSIGNAL":
                self.image.stop_signal = arguments
            case _:
                raise AssertionError(f"expected a step that this knows, got {name} {arguments}")

    def _copy(self, arguments: str) -> None:
        found = re.fullmatch(r"(?:--from=(\S+) )?(\S+) (\S+)", arguments)
        assert found is not None, f"expected COPY [--from=STAGE] SOURCE TARGET, got {arguments}"
        stage, source, target = found.groups()
        origin = self._context / source if stage is None else self._stages[stage].folder / source.lstrip("/")
        # Linked: a copy of what pip installs takes two seconds, and nothing here writes into a file that is there.
        shutil.copytree(
            origin, self._inside(self.image.directory, target), symlinks=True, copy_function=os.link, dirs_exist_ok=True
        )

    def _inside(self, *parts: str) -> Path:
        return self.root / Path("/", *parts).relative_to("/")
