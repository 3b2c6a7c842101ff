"""What the exit status of a program of ours says, for scripts."""

from enum import IntEnum

from orchestrator.errors import (
    AccessDenied,
    Compensated,
    ConfigError,
    NotQuarantined,
    OrchestratorError,
    OutcomeTimeout,
    SagaNotFound,
    Unavailable,
    UnknownDefinition,
)


class ExitCode(IntEnum):
    """Exit statuses of `saga` and of participants; part of their public interface."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    COMPENSATED = 3
    NOT_FOUND = 4
    UNAVAILABLE = 5
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def exit_code(error: OrchestratorError) -> ExitCode:
    """Say which exit status an error has: by who must act, as the tree of errors is sorted."""
    match error:
        case Unavailable() | OutcomeTimeout() | AccessDenied():
            return ExitCode.UNAVAILABLE
        case ConfigError():
            return ExitCode.USAGE
        case Compensated():
            return ExitCode.COMPENSATED
        case SagaNotFound() | UnknownDefinition() | NotQuarantined():
            return ExitCode.NOT_FOUND
        case _:
            return ExitCode.REFUSED
