"""Path templates: ``/accounts/{account}/withdrawals?currency={currency}``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final
from urllib.parse import quote

from orchestrator.blueprint.values import Data, plain
from orchestrator.errors import ConfigError

_LITERAL: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")
"""Characters of a path and a query, RFC 3986, appendix A."""


class UnfitValue(ValueError):
    """A field's value cannot stand in a path: the request would go to another resource."""


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """Texts, each followed by a field of the command, the last by none."""

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str, where: str) -> "PathTemplate":
        """The template in ``text``. Raises ``ConfigError``, which says that it was in ``where``."""
        expected = f"expected a path like /accounts/{{account}} as path, got {text!r}, in {where}"
        if not text.startswith("/") or text.startswith("//"):
            raise ConfigError(f"{expected}: it begins with one slash, the host stands in url")
        try:
            found = list(Formatter().parse(text))
        except ValueError as error:
            raise ConfigError(f"{expected}: {error}") from error
        parts: list[tuple[str, str | None]] = []
        for literal, name, form, conversion in found:
            if not _LITERAL.fullmatch(literal):
                raise ConfigError(f"{expected}: {literal!r} has characters that must be percent-encoded")
            if name is not None and (not name.isidentifier() or form or conversion):
                raise ConfigError(f"{expected}: between braces stands the name of a field, and nothing else")
            parts.append((literal, name))
        return cls(tuple(parts))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it names."""
        return tuple(name for _, name in self.parts if name is not None)

    def fill(self, data: Mapping[str, Data]) -> str:
        """The path with the values of ``data``, percent-encoded. Raises ``UnfitValue``."""
        made: list[str] = []
        for literal, name in self.parts:
            made.append(literal)
            if name is None:
                continue
            value = _text(data[name])
            if not value and "?" not in "".join(made):
                raise UnfitValue(f"expected a value in the path, got an empty one, in {name}")
            made.append(quote(value, safe=""))
        path = "".join(made)
        if any(segment in (".", "..") for segment in path.partition("?")[0].split("/")):
            raise UnfitValue(f"expected the name of a resource, got . or .., in the path {path}")
        return path


def _text(value: Data) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(plain(value))
