"""The tracing of one saga's function, as values and messages inside it see it: whom to tell of a problem, and where.

While a thread traces, ``current()`` is its trace; everywhere else, in participants for example, it is None and messages
are plain data. Nothing is decided here about what is right in a definition.
"""

import inspect
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.errors import Problem


class Place(NamedTuple):
    """A line of the author's source."""

    file: str
    line: int


class Ended(BaseException):
    """The traced function is left by ``fail``.

    A BaseException, so that no ``except Exception`` of the author hides it.
    """


def _untouched(_: types.FrameType) -> None:
    """Before the guard watches."""


@dataclass(eq=False)
class Trace:
    """One tracing: its problems, and what it needs to know of the author's code."""

    saga: str
    input_name: str
    """The name that the author gave the input: texts show expressions with it."""
    is_authors: Callable[[str], bool]
    """Whether a file name is of the author's project, neither ours nor a library's."""
    on_touch: Callable[[types.FrameType], None] = _untouched
    """Told of each function of the author's that uses a value which is not known yet."""
    problems: list[Problem] = field(default_factory=list[Problem])
    made_at: dict[int, tuple[object, Place]] = field(default_factory=dict[int, tuple[object, Place]])
    """id of a message made while tracing -> the message (kept, so that its id stays its own), and where."""

    asked: set[tuple[object, int, str]] = field(default_factory=set[tuple[object, int, str]])
    """Who asked for the truth of what is not known (code, line, construct), so that a second time ends a loop."""
    excused: set[Place] = field(default_factory=set[Place])
    """Lines with a problem that explains whatever else is wrong there."""

    def report(self, text: str, place: Place | None = None) -> None:
        """Note a problem at ``place``, or where the author's code is now; of one kind only the first on a line."""
        place = place or self.here()
        if place in self.excused:
            return
        opening = text.split(" ", 1)[0]
        if not any((p.file, p.line) == place and p.text.split(" ", 1)[0] == opening for p in self.problems):
            self.problems.append(Problem(*place, text))

    def here(self) -> Place:
        """The line of the author's code that runs now."""
        frame = self.author_frame()
        return Place(frame.f_code.co_filename, frame.f_lineno) if frame else Place("<unknown>", 0)

    def author_frame(self) -> types.FrameType | None:
        """The innermost frame that is the author's."""
        frame = inspect.currentframe()
        while frame is not None and not self.is_authors(frame.f_code.co_filename):
            frame = frame.f_back
        return frame

    def touch(self) -> None:
        """The author's code uses a value that is not known yet."""
        frame = self.author_frame()
        if frame is not None:
            self.on_touch(frame)

    def has_problem_at(self, place: Place) -> bool:
        """Whether something was already said about this line."""
        return any((problem.file, problem.line) == place for problem in self.problems)

    def made(self, message: object) -> None:
        """Remember where a message was made, for problems that are found when it is used."""
        self.made_at[id(message)] = message, self.here()

    def place_of(self, message: object) -> Place | None:
        """Where ``message`` was made; None if it was not made while tracing."""
        found = self.made_at.get(id(message))
        return found[1] if found else None


class _Active(threading.local):
    trace: Trace | None = None


_active = _Active()


def current() -> Trace | None:
    """The trace of this thread; None when it traces nothing."""
    return _active.trace


def activate(trace: Trace | None) -> None:
    """Make ``trace`` the current one of this thread; None ends it."""
    _active.trace = trace
