"""The broker's jars: fetched once from Maven Central, checked against `jars.lock`, kept in a cache.

A jar whose checksum differs from the lock never reaches a class path, so an interrupted or falsified download is
fetched again. With a complete cache this needs no network and does not import `jgo`.
"""

import fcntl
import hashlib
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from orchestrator.errors import ConfigError, Unavailable

LOCK_FILE = Path(__file__).with_name("jars.lock")
MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock: a Maven artifact, its size in bytes and its checksum in hex."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def path(self) -> str:
        """Where it lies in a Maven repository, and in the cache."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.artifact}-{self.version}.jar"

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version} {self.size} {self.sha256}"

    @classmethod
    def parse(cls, line: str) -> "Jar":
        """Read one line of the lock, as `str` writes it."""
        coordinate, size, sha256 = line.split()
        group, artifact, version = coordinate.split(":")
        return cls(group, artifact, version, int(size), sha256)


def locked() -> list[Jar]:
    """What the broker needs, in the order of its class path."""
    return [Jar.parse(line) for line in LOCK_FILE.read_text(encoding="utf-8").splitlines()]


def kafka_version() -> str:
    """The version of the broker that the lock names."""
    return next(jar.version for jar in locked() if jar.artifact.startswith("kafka_"))


def cache_directory() -> Path:
    """Where the jars of every project of this user are kept."""
    return Path.home() / ".cache" / "saga-orchestrator" / "jars"


def class_path(cache: Path | None = None) -> list[Path]:
    """Give the jars' files, all present and checked; what the cache lacks is fetched, with a progress bar on stderr.

    Several processes may call it at once: one fetches, the others wait for it. Raises `Unavailable`, which names what
    is missing, where it was looked for and what to do, when something must be fetched and cannot be.
    """
    directory = cache_directory() if cache is None else cache
    jars = locked()
    if missing(directory, jars):
        with _fetching_alone(directory):
            # Whoever held the lock before may have fetched them.
            fetch(directory, missing(directory, jars))
    return [directory / jar.path for jar in jars]


def missing(directory: Path, jars: Iterable[Jar]) -> list[Jar]:
    """Name the jars that are not in the cache, or not whole."""
    return [jar for jar in jars if not _is_whole(directory / jar.path, jar)]


def _is_whole(file: Path, jar: Jar) -> bool:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return False
    return hashlib.sha256(content).hexdigest() == jar.sha256


@contextmanager
def _fetching_alone(directory: Path) -> Generator[None]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("a")
    except OSError as error:
        message = (
            f"expected a directory for the Kafka broker's jars that can be written, got `{error}`: "
            f"make {directory} writable"
        )
        raise ConfigError(message) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fetch(directory: Path, jars: Sequence[Jar]) -> None:
    """Fetch these jars into the cache; raises `Unavailable` when one cannot be had."""
    if not jars:
        return
    size = sum(jar.size for jar in jars)
    console = Console(stderr=True)
    console.print(
        f"fetching Apache Kafka {kafka_version()}, once: {len(jars)} jars, {size / 1e6:.0f} MB, to {directory}",
        soft_wrap=True,
        highlight=False,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    # One after the other: with four at once it took twice as long, since each request sets up TLS in Python.
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("jars of the broker", total=size)
        for jar in jars:
            _fetch_one(directory, jar)
            progress.advance(task, jar.size)


def _fetch_one(directory: Path, jar: Jar) -> None:
    from jgo.config import GlobalSettings  # noqa: PLC0415 - costs 0.3 s, for once in the life of a computer
    from jgo.maven import MavenContext  # noqa: PLC0415 - the same

    # A company's mirror, when jgo's configuration names one, is asked before Maven Central.
    repositories = {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL}
    (directory / jar.path).unlink(missing_ok=True)
    context = MavenContext(repo_cache=directory, remote_repos=repositories)
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    try:
        file = component.artifact().resolve()
    except (OSError, RuntimeError) as error:
        # The exceptions of `requests` are OSErrors.
        message = (
            f"expected {jar.path} in {directory} or at {', '.join(repositories.values())}, got `{error}`: "
            f"the local Kafka needs it once, so connect to the network, or copy the directory {directory} from a "
            "computer that has run `saga dev`"
        )
        raise Unavailable(message) from error
    if not _is_whole(file, jar):
        file.unlink()
        message = (
            f"expected {jar.path} with the SHA-256 {jar.sha256}, got another one from "
            f"{', '.join(repositories.values())}: try again, and if it stays, the repository serves another file"
        )
        raise Unavailable(message)


if __name__ == "__main__":
    class_path()
