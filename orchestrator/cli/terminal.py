"""Tables and coloured marks on a terminal; plain text wherever else the output goes."""

import sys
from collections.abc import Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from orchestrator.cli.output import print_columns, visible

COLOURS: Final = {
    "mark.done": "green",
    "mark.undone": "yellow",
    "mark.bad": "bold red",
    "mark.waiting": "cyan",
    "mark.unknown": "bold magenta",
    "mark.pending": "dim italic",
}


class _Marks(RegexHighlighter):
    """Names what is coloured as in ``COLOURS``."""

    base_style = "mark."
    highlights = (
        r"(?P<done>✓)|(?P<undone>↩)|(?P<bad>[✗⚠])|(?P<waiting>…)|(?P<unknown>\? )|(?P<pending>not yet published)",
    )


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under their headings; only the last column may be broken into lines."""
    if not sys.stdout.isatty():
        print_columns(headings, rows)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=index < len(headings) - 1)
    for row in rows:
        table.add_row(*(Text(visible(text)) for text in row))
    Console().print(table)


def print_text(text: str) -> None:
    """Lines whose marks a terminal shows in colour."""
    text = "\n".join(map(visible, text.split("\n")))
    if sys.stdout.isatty():
        Console(theme=Theme(COLOURS), highlighter=_Marks()).print(text, markup=False, soft_wrap=True)
    else:
        print(text)
