"""The jars' cache, with small jars in place of the broker's and a repository on this computer."""

import functools
import hashlib
import http.server
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.errors import Unavailable
from orchestrator.local import jars
from orchestrator.local.jars import Jar

CONTENT = b"one jar"
JAR = Jar("org.example", "one", "1.0", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "jars.lock"
    broker = Jar("org.example", "kafka_2.13", "9.9", JAR.size, JAR.sha256)
    file.write_text(f"{broker}\n{JAR}\n")
    monkeypatch.setattr(jars, "LOCK_FILE", file)


class Repository:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.requests: list[str] = []

    def hold(self, content: bytes) -> None:
        for jar in jars.locked():
            file = self.directory / jar.path
            file.parent.mkdir(parents=True)
            file.write_bytes(content)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: None) -> Generator[Repository]:
    repository = Repository(tmp_path / "repository")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            if not self.path.endswith(".sha1"):
                repository.requests.append(f"{code:d} {self.path}")

        def log_error(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has it
            """Say nothing: the requests are recorded."""

    repository.directory.mkdir()
    handler = functools.partial(Handler, directory=str(repository.directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        monkeypatch.setattr(jars, "MAVEN_CENTRAL", f"http://127.0.0.1:{server.server_port}")
        yield repository
        server.shutdown()
        serving.join()


def test_the_lock_names_a_broker_and_nothing_twice() -> None:
    locked = jars.locked()
    assert jars.kafka_version().startswith("4.")
    assert len({(jar.group, jar.artifact) for jar in locked}) == len(locked)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in locked)


def test_a_line_of_the_lock_reads_back() -> None:
    assert Jar.parse(str(JAR)) == JAR


def test_what_the_cache_lacks_is_fetched_once(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.hold(CONTENT)
    cache = tmp_path / "cache"
    first = jars.class_path(cache)
    assert [file.read_bytes() for file in first] == [CONTENT, CONTENT]
    assert jars.class_path(cache) == first
    assert sorted(repository.requests) == [f"200 /{jar.path}" for jar in jars.locked()]
    assert "fetching Apache Kafka 9.9, once: 2 jars" in capsys.readouterr().err


def test_a_broken_jar_in_the_cache_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    repository.hold(CONTENT)
    cache = tmp_path / "cache"
    broken = jars.class_path(cache)[1]
    broken.write_bytes(CONTENT[:3])
    assert [file.read_bytes() for file in jars.class_path(cache)] == [CONTENT, CONTENT]
    assert len(repository.requests) == 3


def test_a_falsified_jar_is_refused_and_not_kept(repository: Repository, tmp_path: Path) -> None:
    repository.hold(b"another jar")
    cache = tmp_path / "cache"
    with pytest.raises(Unavailable, match=r"expected org/example/.* with the SHA-256 \w{64}, got another one from"):
        jars.class_path(cache)
    assert list(cache.rglob("*.jar")) == []


def test_without_network_and_cache_it_says_what_is_missing_and_what_to_do(
    lock: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "MAVEN_CENTRAL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable) as refusal:
        jars.class_path(tmp_path)
    text = str(refusal.value)
    assert f"in {tmp_path} or at http://127.0.0.1:9, got " in text
    assert "connect to the network, or copy the directory" in text


def test_two_who_need_the_jars_at_once_fetch_them_once(repository: Repository, tmp_path: Path) -> None:
    repository.hold(CONTENT)
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(jars.class_path, cache) for _ in range(2)]
    assert both[0].result() == both[1].result()
    assert len(repository.requests) == 2
