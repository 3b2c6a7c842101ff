"""What one process tells of itself, as a line of JSON to its supervisor, and what several reports say together."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import Metric

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
GAUGE: Final = "gauge"

Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, Labels, float]
"""Name, labels in the order of their names, value."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with its samples."""

    name: str
    kind: str
    """``counter``, ``histogram`` or ``gauge``."""
    help: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One process, at one moment."""

    process: int
    """From 1."""
    unhealthy: tuple[str, ...] = ()
    """What will not mend itself: threads that are stuck."""
    unready: tuple[str, ...] = ()
    """Why it does not do all of its share at present."""
    families: tuple[Family, ...] = ()


Reports: TypeAlias = Callable[[], Sequence[Report]]
"""Gives those of now, one for each process: of itself, or of the children of a supervisor. Any thread may call it."""


def dumps(report: Report) -> str:
    """One line."""
    fields = {
        "process": report.process,
        "unhealthy": report.unhealthy,
        "unready": report.unready,
        "families": [
            {"name": each.name, "kind": each.kind, "help": each.help, "samples": each.samples}
            for each in report.families
        ],
    }
    return json.dumps(fields, separators=(",", ":"))


def loads(text: str) -> Report:
    """The report of ``dumps``. Raises ``ValueError`` for anything else: half a line, the output of a library."""
    try:
        found: dict[str, Any] = json.loads(text)
        families = tuple(
            Family(each["name"], each["kind"], each["help"], tuple(map(_sample, each["samples"])))
            for each in found["families"]
        )
        return Report(int(found["process"]), tuple(found["unhealthy"]), tuple(found["unready"]), families)
    except (KeyError, TypeError) as error:
        raise ValueError(f"expected a report as JSON, got {text[:100]!r}") from error


def _sample(found: Sequence[Any]) -> Sample:
    name, labels, value = found
    return str(name), tuple((str(label), str(text)) for label, text in labels), float(value)


def merged(families: Iterable[Family]) -> tuple[Family, ...]:
    """One family for each name: counts are added up; of a gauge that two processes tell, the highest counts.

    Two processes have the same gauge only while a shard moves from one to the other.
    """
    kinds: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, Labels], float]] = {}
    for family in families:
        kinds.setdefault(family.name, family)
        known = values.setdefault(family.name, {})
        for name, labels, value in family.samples:
            before = known.get((name, labels))
            if before is not None:
                value = max(before, value) if family.kind == GAUGE else before + value  # noqa: PLW2901 - the same one, merged
            known[name, labels] = value
    return tuple(
        Family(name, kind.kind, kind.help, tuple((*key, value) for key, value in values[name].items()))
        for name, kind in kinds.items()
    )


def counts(families: Iterable[Family]) -> tuple[Family, ...]:
    """Those that outlive the process: what happened happened."""
    return tuple(family for family in families if family.kind != GAUGE)


@dataclass(frozen=True, slots=True)
class _Collected:
    """What prometheus_client's text is made from."""

    families: Sequence[Family]

    def collect(self) -> Iterator[Metric]:
        for family in self.families:
            metric = Metric(family.name, family.help, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, dict(labels), value)
            yield metric


def text(reports: Sequence[Report]) -> bytes:
    """Prometheus' text of all processes together."""
    return generate_latest(_Collected(merged(family for report in reports for family in report.families)))
