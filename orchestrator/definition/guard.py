"""Watches the author's code while it is traced: a profile hook sees every call, helpers and methods included.

It finds what no value can refuse: constructs that call nothing (``is``, ``try``, ``raise``), and whatever is another in
every run: the clock, randomness, the environment, files.
"""

import gc
import site
import sys
import sysconfig
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from orchestrator.definition import syntax
from orchestrator.definition.trace import Place, Trace
from orchestrator.definition.traced import carries

_CLOCK, _CHANCE, _AROUND, _FILE = "the clock", "randomness", "the environment", "a file"
_ADVICE: Final = {
    _CLOCK: "use s.started_at, or let a participant answer it",
    _CHANCE: "use s.id, or let a participant answer it",
    _AROUND: "pass it in the saga's input",
    _FILE: "pass what is in it in the saga's input",
}
_SYSTEM: Final = ("posix", "nt")
_READS: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]] = (
    (_CLOCK, ("time",), ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")),
    (_CLOCK, ("time",), ("process_time", "localtime", "gmtime", "strftime", "ctime", "clock_gettime")),
    (_CLOCK, ("datetime", "date"), ("now", "today", "utcnow")),
    (_CHANCE, (*_SYSTEM, "Random", "SystemRandom", "_uuid"), ("urandom", "getrandom", "getrandbits", "random")),
    (_CHANCE, ("_uuid",), ("generate_time_safe",)),
    (_AROUND, (*_SYSTEM, "_socket", "builtins"), ("getpid", "getppid", "getcwd", "uname", "gethostname", "input")),
    (_FILE, (*_SYSTEM, "_io", "io", "builtins"), ("open", "listdir", "scandir")),
)
"""What is read, modules or types in C, and their functions that read it."""
_IMPURE: Final = {(owner, name): what for what, owners, names in _READS for owner in owners for name in names}

_HARMLESS: Final = frozenset(
    (
        "linecache",
        "tokenize",
        "importlib._bootstrap",
        "importlib._bootstrap_external",
        "logging",
        "warnings",
        "traceback",
    )
)
"""Modules of Python that read files and clocks without handing them to whoever called."""


def project_of(function: types.FunctionType) -> Callable[[str], bool]:
    """Whether a file is of the project of ``function``: neither ours, nor Python's, nor a library's.

    A function that is itself installed as a library makes its own folder part of the project.
    """
    source = function.__code__.co_filename
    paths = sysconfig.get_paths()
    libraries = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    libraries |= {*site.getsitepackages(), site.getusersitepackages()}
    foreign = (_folder(str(Path(__file__).parent)), *(f"{Path(path)}/" for path in libraries))
    own = _folder(source)
    exception = (own if own not in foreign else source) if own.startswith(foreign) else None

    def is_authors(filename: str) -> bool:
        if filename.startswith("<"):
            return False
        if filename.startswith(foreign):
            return exception is not None and filename.startswith(exception)
        return True

    return is_authors


def _folder(filename: str) -> str:
    return f"{Path(filename).parent}/"


class Guard:
    """The profile hook of one tracing, in the one thread of that tracing."""

    def __init__(self, trace: Trace, function: types.CodeType) -> None:
        self._trace = trace
        self._function = function
        self._checked: set[types.CodeType] = set()
        self.returned_at: Place | None = None
        """The line on which the saga's function returned."""

    def __call__(self, frame: types.FrameType, event: str, argument: Any) -> None:  # noqa: ANN401  # as Python calls it
        """See one call."""
        if event == "call":
            self._called(frame)
        elif event == "c_call":
            self._called_c(frame, argument)
        elif event == "return" and frame.f_code is self._function:
            self.returned_at = Place(frame.f_code.co_filename, frame.f_lineno)

    def check(self, frame: types.FrameType) -> None:
        """Look at the source of the author's function of ``frame``, once."""
        code = frame.f_code
        if code in self._checked or not self._trace.is_authors(code.co_filename):
            return
        self._checked.add(code)
        if syntax.unread(code):
            self._trace.report("the source cannot be read, so nothing can be checked: write the saga to a file")
        for place, text in syntax.refused_in(code):
            self._trace.report(text, place)

    def _called(self, frame: types.FrameType) -> None:
        code = frame.f_code
        if code.co_name in ("__getitem__", "__iter__") and frame.f_globals.get("__name__") == "os":
            self._impure(_AROUND, frame)
        elif self._trace.is_authors(code.co_filename) and any(map(carries, frame.f_locals.values())):
            self.check(frame)

    def _called_c(self, frame: types.FrameType, function: Any) -> None:  # noqa: ANN401  # any function in C
        name = getattr(function, "__name__", "")
        if name in ("is_", "is_not") and getattr(function, "__module__", "") == "_operator":
            self._trace.report("`operator.is_` is decided while compiling: write present(…)")
        owner = getattr(function, "__self__", None)
        module = owner.__name__ if isinstance(owner, types.ModuleType | type) else type(owner).__name__
        what = _IMPURE.get((module, name))
        if what is not None:
            self._impure(what, frame)

    def _impure(self, what: str, frame: types.FrameType) -> None:
        if self._is_harmless(frame):
            return
        self._trace.report(f"{what} is read while compiling and would be the same in every saga: {_ADVICE[what]}")
        self._trace.excused.add(self._trace.here())

    def _is_harmless(self, frame: types.FrameType) -> bool:
        """Whether nobody who could tell the author reads it: Python in between, or a module that keeps it to itself."""
        caller: types.FrameType | None = frame
        inside = True
        while caller is not None and caller.f_code is not self._function:
            inside = inside and not self._trace.is_authors(caller.f_code.co_filename)
            if _interrupts(caller.f_code) or (inside and caller.f_globals.get("__name__") in _HARMLESS):
                return True
            caller = caller.f_back
        return False


def _interrupts(code: types.CodeType) -> bool:
    """Whether Python itself called, between two of the author's instructions: a finalizer, a callback of its gc."""
    return code.co_name == "__del__" or any(getattr(each, "__code__", None) is code for each in gc.callbacks)


def watch(guard: Guard | None) -> None:
    """Let ``guard`` see every call of this thread; None ends it. Other threads keep their profilers."""
    sys.setprofile(guard)
