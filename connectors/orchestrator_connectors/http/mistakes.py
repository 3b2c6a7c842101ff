"""Mistakes of a configuration, told together."""

from collections.abc import Generator
from contextlib import contextmanager

from orchestrator.errors import ConfigError


class Mistakes:
    """Collects the mistakes of one file."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def note(self, text: str) -> None:
        """One more."""
        self._texts.append(text)

    @contextmanager
    def noted(self) -> Generator[None]:
        """A part of the file whose ``ConfigError`` is noted, so that the next part is checked, too."""
        try:
            yield
        except ConfigError as mistake:
            self.note(str(mistake))

    def told(self) -> None:
        """Raise ``ConfigError`` with all that were noted, if there are any."""
        if len(self._texts) > 1:
            raise ConfigError("\n  ".join([f"{len(self._texts)} mistakes", *self._texts]))
        if self._texts:
            raise ConfigError(self._texts[0])
