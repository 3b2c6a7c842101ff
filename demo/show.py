"""What the demo shows: steps that are done, a progress bar, a table, checks. Plain lines where no terminal is."""

import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

PLAIN_EVERY: Final = 10
"""Without a terminal, how often the progress is told: in parts of the whole."""


class Show:
    """Everything that is printed, in order; the last line is for scripts, and always plain."""

    def __init__(self, name: str) -> None:
        """``name`` is the program's."""
        self.name = name
        self._console = Console(highlight=False)
        unicode = (self._console.encoding or "").lower().startswith("utf")
        self._good = "[green]✓[/]" if unicode else "[green]ok[/]"
        self._bad = "[bold red]✗[/]" if unicode else "[bold red]FAILED[/]"
        self._kill = "[bold red]⚡[/]" if unicode else "[bold red]![/]"

    def title(self, title: str, lines: Sequence[str]) -> None:
        """What is about to happen."""
        self._console.print(Panel("\n".join(lines), title=f"[bold]{title}[/]", title_align="left", padding=(1, 2)))

    @contextmanager
    def step(self, text: str) -> Generator[list[str]]:
        """A step that takes a while; what is put into the list is told when it is done."""
        began, details = time.perf_counter(), list[str]()
        with self._console.status(text):
            yield details
        took = time.perf_counter() - began
        self._console.print(f"{self._good} {text} [dim]{took:.1f} s[/]")
        for detail in details:
            self._console.print(f"    [dim]{escape(detail)}[/]")

    @contextmanager
    def transfers(self, total: int) -> Generator["Bar"]:
        """The progress of the transfers."""
        if self._console.is_terminal:
            columns = (
                TextColumn("  transfers"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TextColumn("[cyan]{task.fields[in_flight]:>4} in flight[/]"),
                TimeElapsedColumn(),
            )
            with Progress(*columns, console=self._console) as progress:
                yield Bar(total, self, progress)
        else:
            yield Bar(total, self, None)

    def event(self, text: str) -> None:
        """Something dramatic."""
        self._console.print(f"{self._kill} {text}")

    def line(self, text: str) -> None:
        """A plain line."""
        self._console.print(text)

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names and numbers."""
        table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 3, 0, 2))
        table.add_column(style="bold")
        table.add_column(justify="right")
        for name, value in rows:
            table.add_row(name, value)
        self._console.print()
        self._console.print(table)
        self._console.print()

    def check(self, text: str, faults: Sequence[str], shown_max: int = 5) -> None:
        """Whether what ``text`` claims is so, and the first reasons why not."""
        self._console.print(f"{self._bad if faults else self._good} {text}")
        for fault in faults[:shown_max]:
            self._console.print(f"    [red]{escape(fault)}[/]")
        if len(faults) > shown_max:
            self._console.print(f"    [red]and {len(faults) - shown_max} more[/]")

    def error(self, text: str) -> None:
        """Why it cannot go on."""
        Console(stderr=True, highlight=False).print(f"{self._bad} {self.name}: {escape(text)}")

    def last_line(self, text: str) -> None:
        """For scripts."""
        sys.stdout.write(f"\n{text}\n")


class Bar:
    """The transfers' progress: a bar on a terminal, else a line now and then."""

    def __init__(self, total: int, show: Show, progress: Progress | None) -> None:
        self._total = total
        self._show = show
        self._progress = progress
        self._task = None if progress is None else progress.add_task("", total=total, in_flight=0)
        self._told = (0, 0)

    def tell(self, ended: int, in_flight: int) -> None:
        """How far it is; may be called often."""
        if (ended, in_flight) == self._told:
            return
        before, self._told = self._told[0], (ended, in_flight)
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=ended, in_flight=in_flight)
        elif ended * PLAIN_EVERY // self._total > before * PLAIN_EVERY // self._total:
            self._show.line(f"  {ended:>6,} of {self._total:,} transfers ended, {in_flight} in flight")
