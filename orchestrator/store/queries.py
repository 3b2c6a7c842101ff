"""Loads `queries.sql`: every query has a name and a line that says what it is for."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^--.*\n", re.MULTILINE)


def parse(text: str) -> Mapping[str, bytes]:
    """Queries by name, without their comments; bytes, which psycopg takes as code and not as a value.

    Raises ValueError for a name that stands twice and for a query without purpose or without text.
    """
    queries: dict[str, bytes] = {}
    parts = _NAME.split(text)[1:]
    for name, part in zip(parts[::2], parts[1::2], strict=True):
        if name in queries:
            raise ValueError(f"expected one query {name!r}, got two")
        if not part.startswith("\n-- "):
            raise ValueError(f"expected a line that says what {name!r} is for, below its name")
        query = " ".join(_COMMENT.sub("", part).split()).removesuffix(";")
        if not query:
            raise ValueError(f"expected a query below {name!r}, got none")
        queries[name] = query.encode()
    return queries


@cache
def load() -> Mapping[str, bytes]:
    """The product's queries."""
    return parse(files("orchestrator.store").joinpath("queries.sql").read_text("utf-8"))
