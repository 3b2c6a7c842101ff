"""What hatchling calls for each wheel: with SAGA_COMPILE=1 it compiles, and the wheel is one of this platform."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileHook(BuildHookInterface[Any]):
    """Off unless asked for: then it does nothing, and needs nothing."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What compiling needs besides hatchling and a C compiler."""
        return [*self.config["requires"]] if _asked_for() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the extension modules beside their sources. Raises ``ValueError`` for an editable install."""
        if not _asked_for():
            return
        if version == "editable":
            raise ValueError(
                "expected a wheel with SAGA_COMPILE=1, got an editable install, whose compiled modules would not "
                "follow its sources: install without --editable, or without SAGA_COMPILE"
            )
        self._made = tempfile.TemporaryDirectory(prefix="saga-wheel-")
        made = Path(self._made.name)
        subprocess.run([sys.executable, "-m", "compiled", str(made)], cwd=self.root, check=True)
        build_data["force_include"] |= {str(each): str(each.relative_to(made)) for each in made.rglob("*.so")}
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is written."""
        del version, build_data, artifact_path
        if _asked_for():
            self._made.cleanup()


def _asked_for() -> bool:
    found = os.environ.get("SAGA_COMPILE", "")
    if found not in ("", "0", "1"):
        raise ValueError(f"expected SAGA_COMPILE to be 1 or 0, got {found!r}")
    return found == "1"
