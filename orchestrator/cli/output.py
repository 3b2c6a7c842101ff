"""What commands print where no terminal is asked of: JSON, and columns of plain text."""

import json
import sys
from collections.abc import Sequence
from typing import Final

from orchestrator.blueprint.model import Json

GAP: Final = "  "


def print_json(value: Json) -> None:
    """One object or one array, on one line unless a person reads it."""
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def print_columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under their headings, aligned."""
    widths = [max(len(row[index]) for row in [headings, *rows]) for index in range(len(headings))]
    for row in [headings, *rows]:
        print(GAP.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
