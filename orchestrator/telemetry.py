"""Logging, set up once by a process's entry point; a library never configures it."""

import logging
import sys
from contextlib import suppress

import structlog
from structlog.typing import EventDict, WrappedLogger


class _Stderr(structlog.PrintLogger):
    """stderr as it is when the logger is made; a line that it does not take is lost, and nothing but the line.

    It does not when the disk is full, or whoever read it has gone. A thread that logs must not end for that: its
    process would keep its shards and run none of them.
    """

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


def configure(*, json: bool | None = None, level: int = logging.INFO, process: int | None = None) -> None:
    """Log to stderr: JSON lines, or readable lines where stderr is a terminal (``json=None`` decides by that).

    ``process``: each line names this one of several that write to the same stderr.
    """

    def named(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if process is not None:
            event.setdefault("process", process)
        return event

    as_json = not sys.stderr.isatty() if json is None else json
    # Plain: rich's tracebacks print the locals of each frame, among them the author's messages.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer = structlog.processors.JSONRenderer() if as_json else console
    structlog.configure(
        processors=[
            named,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # stderr as it is when something is logged: whoever replaces it replaces it for this, too.
        logger_factory=lambda *_: _Stderr(sys.stderr),
    )


def logger(component: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines name ``component``."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(component=component)
    return bound
