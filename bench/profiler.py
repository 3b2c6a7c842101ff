"""Where the orchestrator's Python time goes: samples of whoever holds the interpreter lock, by component.

``py-spy`` samples from outside, so the threads run as they do without it. Install it (``pip install py-spy``); it is
no dependency, for nobody but us needs it.
"""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import psutil

SAMPLES_PER_SECOND: Final = 250
TOP: Final = 40
_THREAD: Final = re.compile(r'^Thread (\d+) \(\w+\): "(.*)"', re.MULTILINE)
"""As ``py-spy dump`` names threads."""

COMPONENTS: Final[Sequence[tuple[str, str]]] = (
    ("wait for input", "wait (orchestrator/broker/inputs.py"),
    ("read: records from Kafka", "poll (orchestrator/broker/inputs.py"),
    ("intake: headers", "open (orchestrator/shard/intake.py"),
    ("intake: start, input", "start (orchestrator/shard/intake.py"),
    ("intake: reply, body", "reply (orchestrator/shard/intake.py"),
    ("sagas: load", "load (orchestrator/shard/sagas.py"),
    ("engine: decide", "decide (orchestrator/engine/decide.py"),
    ("events: canonical JSON", "encode (orchestrator/engine/events.py"),
    ("events: journal record", "entry_record (orchestrator/wire/journal.py"),
    ("commands: record", "command (orchestrator/shard/records.py"),
    ("outcomes: record", "outcome (orchestrator/shard/records.py"),
    ("answers: record", "answer (orchestrator/shard/records.py"),
    ("limits: size and topic", "problem (orchestrator/shard/limits.py"),
    ("sagas: rows, state as JSON", "rows (orchestrator/shard/sagas.py"),
    ("seal: frames and chain", "seal (orchestrator/shard/batch.py"),
    ("append: Postgres", "append (orchestrator/store/postgres.py"),
    ("outbox: trim", "trim_outbox (orchestrator/store/postgres.py"),
    ("timers", "due (orchestrator/shard/timers.py"),
    ("relay: produce", "produce (orchestrator/broker/producer.py"),
    ("relay: commit", "commit (orchestrator/broker/producer.py"),
    ("housekeeping", "step (orchestrator/shard/housekeeping.py"),
    ("decider, the rest", "decide (orchestrator/shard/decider.py"),
    ("loop, the rest", "step (orchestrator/shard/loop.py"),
    ("relay, the rest", "step (orchestrator/shard/relay.py"),
)
"""What a sample counts for: the first of these that is on its stack, looked for from the innermost frame outwards."""


class Profiler:
    """Samples a process from ``start`` to ``stop`` into a file of collapsed stacks, which speedscope.app shows."""

    def __init__(self, pid: int, file: Path) -> None:
        """Starts nothing. Raises ``SystemExit`` when py-spy is not installed."""
        beside = Path(sys.executable).with_name("py-spy")
        found = str(beside) if beside.exists() else shutil.which("py-spy")
        if found is None:
            raise SystemExit("expected py-spy for --profile, found none: pip install py-spy")
        rate = str(SAMPLES_PER_SECOND)
        self._file = file
        self._line = [found, "record", "--gil", "-f", "raw", "-r", rate, "-o", str(file), "--full-filenames"]
        self._line += ["--pid", str(pid)]
        self._pid = pid
        self._process: subprocess.Popen[bytes] | None = None
        self._threads: dict[int, float] = {}
        self._began = 0.0

    def start(self) -> None:
        """Begin to sample."""
        self._threads, self._began = thread_ms(self._pid), time.perf_counter()
        self._process = subprocess.Popen(self._line, stdout=subprocess.DEVNULL)

    def stop(self) -> str:
        """Stop sampling, write the file, and give a report of it."""
        assert self._process is not None, "not started"
        seconds, threads = time.perf_counter() - self._began, thread_ms(self._pid)
        self._process.send_signal(signal.SIGINT)
        if self._process.wait(60) != 0 or not self._file.exists():
            raise SystemExit(f"expected py-spy to write {self._file}, got status {self._process.returncode}")
        used, names = Counter[str](), self._names()
        for thread, spent in threads.items():
            name = names.get(thread) or _system_name(self._pid, thread)
            used[name] += round(spent - self._threads.get(thread, 0.0))
        return report(self._file.read_text(encoding="utf-8").splitlines(), used, seconds)

    def _names(self) -> dict[int, str]:
        """The names that Python gives its threads, by the system's ids."""
        said = subprocess.run(
            [self._line[0], "dump", "--pid", str(self._pid)], capture_output=True, text=True, check=True
        )
        return {int(found[1]): found[2] for found in _THREAD.finditer(said.stdout)}


def components(lines: Iterable[str]) -> Counter[str]:
    """Samples by component, of collapsed stacks (``frame;frame;frame count``, the innermost frame last)."""
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        found[_component(frames)] += int(count)
    return found


def functions(lines: Iterable[str]) -> Counter[str]:
    """Samples by innermost function."""
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        found[_short(stack.split(";")[-1]).rpartition(":")[0] + ")"] += int(count)
    return found


def thread_ms(pid: int) -> dict[int, float]:
    """Processor time of a process's threads, in milliseconds."""
    return {thread.id: (thread.user_time + thread.system_time) * 1000 for thread in psutil.Process(pid).threads()}


def _system_name(pid: int, thread: int) -> str:
    """On Linux; librdkafka's begin with ``rdk:``."""
    try:
        return Path(f"/proc/{pid}/task/{thread}/comm").read_text(encoding="utf-8").strip()
    except OSError:  # it has ended, or there is no /proc
        return "another thread"


def _component(frames: Sequence[str]) -> str:
    for frame in reversed(frames):
        short = _short(frame)
        for name, marker in COMPONENTS:
            if short.startswith(marker):
                return name
    return _short(frames[0])


def _short(frame: str) -> str:
    """``function (orchestrator/shard/loop.py:12)``, of a frame with its class and the whole path."""
    name, _, place = frame.partition(" (")
    for package in ("orchestrator/", "site-packages/"):
        _, found, after = place.rpartition(package)
        if found:
            place = f"{package if package == 'orchestrator/' else ''}{after}"
            break
    return f"{name.rpartition('.')[2]} ({place}"


def report(lines: Sequence[str], threads: Counter[str], seconds: float) -> str:
    """Tables of a profile: processor time by thread; parts of the samples by component and by innermost function."""
    parts = components(lines)
    total = max(sum(parts.values()), 1)
    said = [f"{'ms':>7}  processor time of threads, in {seconds:.1f} s"]
    said += [f"{used:>7}  {name}" for name, used in threads.most_common(TOP)]
    said += ["", f"the interpreter lock was held in {total} samples: {total / SAMPLES_PER_SECOND / seconds:.0%}"]
    for title, counts in (("component", parts), ("innermost function", functions(lines))):
        said += ["", f"{'%':>7}  {title}"]
        said += [f"{count / total:>7.1%}  {name}" for name, count in counts.most_common(TOP)]
    return "\n".join(said)
