"""A process between us and a server: it ends the server when we die, however we die.

Run as a file of its own (`python -I guardian.py STOP_SIGNAL GRACE_SECONDS USER COMMAND…`) by `processes.py`, with our
end of a pipe as its standard input; USER is empty when the server runs as whoever we are. It starts the server, writes
the server's process id as its first line, and waits. At the end of the pipe, which also comes when we are killed by
SIGKILL, it stops the server politely and then by force. When the server ends by itself, it ends with its status.

It imports nothing of the orchestrator, because it must start fast and stay small, and never handles data.
"""

import os
import pwd
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import TypedDict

import psutil

# A child that we forked without `exec` holds our end of the pipe open after our death: the parent's id tells, too.
PARENT_CHECK_SECONDS = 0.5
POLL_SECONDS = 0.01


def main(arguments: list[str]) -> int:
    """Guard one server until it ends; gives its exit status, 128 + n when signal n ended it."""
    stop_signal, grace_seconds, user, *command = arguments
    parent = os.getppid()
    child_ended, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup)
    signal.signal(signal.SIGCHLD, _wake_up)
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True, **identity(user or None)
    )
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    while server.poll() is None and os.getppid() == parent:
        ready, _, _ = select.select([sys.stdin, child_ended], [], [], PARENT_CHECK_SECONDS)
        if sys.stdin in ready:
            break
        if child_ended in ready:
            os.read(child_ended, select.PIPE_BUF)
    status = _end(server, int(stop_signal), float(grace_seconds))
    return status if status >= 0 else 128 - status


class Identity(TypedDict, total=False):
    """The part of `subprocess.Popen`'s arguments that says whom a process runs as."""

    user: int
    group: int
    extra_groups: list[int]


def identity(user: str | None) -> Identity:
    """Give the arguments that run a process as this user, in no other groups than the user's own; None: as we are."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _wake_up(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: that there is a handler makes the signal arrive in the wake-up pipe."""


def _end(server: "subprocess.Popen[bytes]", stop_signal: int, grace_seconds: float) -> int:
    """End the server and everything it started; gives its status."""
    tree = family(server.pid)
    if server.poll() is None:
        # A server stopped by SIGSTOP would not see the polite signal.
        signal_all(tree, signal.SIGCONT)
        server.send_signal(stop_signal)
        try:
            server.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            server.kill()
    signal_all(tree, signal.SIGKILL)
    wait_gone(tree, grace_seconds)
    return server.wait()


def family(pid: int) -> list[psutil.Process]:
    """Give a process and everything it started, itself first; empty when there is no such process."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def signal_all(processes: list[psutil.Process], number: int) -> None:
    """Send a signal to those of the processes that still exist."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def wait_gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until the processes have ended, at most so long; gives those that have not.

    An orphan's parent is process 1, which may be in no hurry to ask for its status: it counts as gone before that.
    """
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return alive


def is_alive(process: psutil.Process) -> bool:
    """Whether a process has not ended; one whose parent has not yet asked for its status has."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
