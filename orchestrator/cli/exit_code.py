"""What the command line's exit status says, for scripts."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit statuses of `saga`; part of its public interface."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    COMPENSATED = 3
    NOT_FOUND = 4
    UNAVAILABLE = 5
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it
