"""A page of documentation as tests read it: its listings, its tables, where its links lead."""

import re
from itertools import takewhile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

_LISTING: Final = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


class Page:
    """A Markdown file, named from the top of the repository."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = (ROOT / name).read_text(encoding="utf-8")

    def listings(self, language: str = "") -> list[str]:
        """What stands between fences of this language; those of none are for the shell, or of settings."""
        return [text for info, text in _LISTING.findall(self.text) if info == language]

    def named_listings(self, language: str) -> dict[str, str]:
        """The listings whose language is followed by a name, by that name."""
        found = [(info.partition(" "), text) for info, text in _LISTING.findall(self.text)]
        return {name: text for (kind, _, name), text in found if kind == language and name}

    def table(self, heading: str) -> list[list[str]]:
        """The rows of the table whose first line begins so, cell by cell."""
        lines = self.text.splitlines()
        (start,) = (number for number, line in enumerate(lines) if line.startswith(heading))
        rows = takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
        return [[cell.strip() for cell in re.split(r"(?<= )\|(?= )", row[1:-1])] for row in rows]

    def links(self) -> list[str]:
        """Where they lead, but for the place in a page."""
        return _LINK.findall(self.text)


def codes(cell: str) -> list[str]:
    """What is written as code in a cell."""
    return re.findall(r"`([^`]+)`", cell)
