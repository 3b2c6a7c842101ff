"""Asking a person before something is done that cannot be taken back."""

import sys

from orchestrator.errors import ConfigError


def ask(told: str, question: str, command: str) -> None:
    """Say what will be done, and go on with a yes alone; ``command`` is what to type where nobody can be asked.

    Raises ``ConfigError`` without a yes.
    """
    if not sys.stdin.isatty():
        raise ConfigError(f"{told}: expected a yes, got nobody to ask: `{command}`")
    print(told, file=sys.stderr)
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise ConfigError("expected a yes, got none: nothing was changed")
