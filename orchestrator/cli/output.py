"""What commands print where no terminal is asked of: JSON, and columns of plain text."""

import json
import re
import sys
from collections.abc import Sequence
from typing import Final

from orchestrator.blueprint.model import Json

GAP: Final = "  "
_COMMANDS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal obeys, or turns around: control characters, and those that change the direction of a text."""


def visible(text: str) -> str:
    """One line of anybody's text as a terminal may have it: what it would obey is shown as an escape."""
    return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def print_json(value: Json) -> None:
    """One object or one array, on one line unless a person reads it."""
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def print_columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under their headings, aligned."""
    lines = [headings, *([visible(text) for text in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(headings))]
    for row in lines:
        print(GAP.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
