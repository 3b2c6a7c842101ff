"""The only reader of the environment: what every command and library entry point needs to know.

``SAGA_KAFKA``, ``SAGA_DATABASE`` and the rest of ``VARIABLES`` come from the environment. Without servers there, the
stack that ``saga dev`` recorded in ``.saga/`` is used, and ``Settings.source`` says so.
"""

import difflib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.errors import ConfigError

LOCAL_DIRECTORY: Final = ".saga"
ADDRESSES_FILE: Final = "addresses.json"
"""Below the local directory: ``{"kafka": …, "database": …}``, written by ``orchestrator.local``."""

SHARDS: Final = 16
SHARDS_LOCAL: Final = 4


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting, as a person reads about it and as it is checked."""

    meaning: str
    default: str = ""
    """As it is written in the environment; empty: there is none."""
    bounds: tuple[int, int] | None = None
    """Of a whole number, both included."""
    options: tuple[str, ...] = ()
    """Of a choice, the default first."""
    durations: tuple[str, str] | None = None
    """Of a duration, the shortest and the longest."""

    @property
    def allowed(self) -> str:
        """Which values are taken; empty: a text."""
        bounds = self.bounds or self.durations
        return " to ".join(map(str, bounds)) if bounds else " or ".join(self.options)

    @property
    def described(self) -> str:
        """Meaning and default on one line."""
        return f"{self.meaning} ({self.default})" if self.default else self.meaning


VARIABLES: Final[Mapping[str, Variable]] = {
    "SAGA_KAFKA": Variable("bootstrap servers, host:port,host:port"),
    "SAGA_DATABASE": Variable("Postgres, postgresql://user:password@host:port/name"),
    "SAGA_NAMESPACE": Variable("prefix of the orchestrator's topics", "saga"),
    "SAGA_SHARDS": Variable(
        f"number of shards, fixed for a namespace; {SHARDS_LOCAL} with saga dev", str(SHARDS), bounds=(1, 1024)
    ),
    "SAGA_GROUP_PROTOCOL": Variable(
        "how orchestrators share the shards: classic, or consumer (KIP-848)", "classic", options=("classic", "consumer")
    ),
    "SAGA_SESSION_TIMEOUT_MS": Variable(
        "how long a silent orchestrator keeps its shards", "6000", bounds=(500, 600_000)
    ),
    "SAGA_BATCH_MAX": Variable("inputs decided in one batch", "500", bounds=(1, 100_000)),
    "SAGA_RELAY_BACKLOG_MAX": Variable(
        "appended batches that may wait for Kafka before a shard stops reading", "64", bounds=(1, 100_000)
    ),
    "SAGA_METRICS_PORT": Variable(
        "port of 127.0.0.1 where saga run answers /metrics, /healthz and /readyz; 0: a free one; not set: none",
        bounds=(0, 65_535),
    ),
    "SAGA_CACHE_SAGAS": Variable("sagas kept decoded in memory, by shard", "5000", bounds=(1, 10_000_000)),
    "SAGA_RETENTION": Variable(
        "how long closed sagas keep their rows in Postgres, like 90d, 12h, 30m, 90s; not set: for ever",
        durations=("1s", "36500d"),
    ),
}
_DURATION: Final = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_OPTION_PREFIX: Final = "SAGA_KAFKA__"
OPTIONS: Final = Variable(f"librdkafka's options for TLS and SASL: {_OPTION_PREFIX}SASL_MECHANISM is sasl.mechanism")
SECRET_PREFIX: Final = "SAGA_SECRET__"  # noqa: S105 - how secrets are called, and none itself
SECRETS: Final = Variable(f"secrets of a connector's file: {SECRET_PREFIX}TOKEN stands there as ${{TOKEN}}")
FAMILIES: Final[Mapping[str, Variable]] = {f"{_OPTION_PREFIX}*": OPTIONS, f"{SECRET_PREFIX}*": SECRETS}
"""Settings that share the beginning of their names."""
DESCRIBED: Final[Mapping[str, str]] = {name: variable.described for name, variable in {**VARIABLES, **FAMILIES}.items()}
"""Every setting, for a person."""
_OPTION_FAMILIES: Final = ("SASL_", "SECURITY_", "SSL_")
"""How librdkafka's options for TLS and SASL begin: whoever forgot what stands before it is told."""
_TEST_PREFIX: Final = "SAGA_TEST_"
"""For tests alone, of which one is read here: ``SAGA_TEST_CRASH_AT=name:passes``, see ``Settings.crash_at``."""
_OF_THE_BUILD: Final = "SAGA_COMPILE"
"""Read when a wheel is built (``compiled/hook.py``), and left standing by whoever set it there."""
_FREE_PREFIXES: Final = (_OPTION_PREFIX, SECRET_PREFIX, _TEST_PREFIX)
"""What stands behind them is not ours to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Addresses and bounds; immutable, and all that constructors are given."""

    kafka: str
    database: str | None = None
    namespace: str = "saga"
    shards: int = SHARDS
    kafka_options: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """librdkafka keys for TLS and SASL; may hold passwords."""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What a connector's file refers to, by name."""
    group_protocol: str = "classic"
    session_timeout_ms: int = 6000
    batch_max: int = 500
    relay_backlog_max: int = 64
    cache_sagas: int = 5000
    metrics_port: int | None = None
    retention_ms: int | None = None
    """How long closed sagas keep their rows; None: for ever."""
    crash_at: tuple[str, int] | None = None
    """For tests alone: the place, and which pass of it, where `saga run` kills itself (see ``crashpoints``)."""
    local: bool = False
    """Whether these are the servers of ``saga dev``."""

    @property
    def source(self) -> str:
        """Where the addresses come from, for a person."""
        return f"`saga dev` in {LOCAL_DIRECTORY}" if self.local else "the environment"

    def need_database(self) -> str:
        """The database's address. Raises ``ConfigError`` when there is none."""
        if self.database is None:
            raise ConfigError("SAGA_DATABASE is not set: set it to postgresql://user:password@host:port/name")
        return self.database


def load(environment: Mapping[str, str] | None = None, directory: Path | None = None) -> Settings:
    """Settings from ``environment`` (default: the process's) and, without ``SAGA_KAFKA``, from ``directory/.saga``.

    Raises ``ConfigError`` that names the variable, what was expected and what was found.
    """
    variables = os.environ if environment is None else environment
    _refuse_unknown(variables)
    recorded: Mapping[str, str] = {}
    if "SAGA_KAFKA" not in variables:
        recorded = _recorded((directory or Path.cwd()) / LOCAL_DIRECTORY)
    kafka = variables.get("SAGA_KAFKA") or recorded.get("kafka")
    if not kafka:
        raise ConfigError(
            "expected the Kafka servers in SAGA_KAFKA or a running `saga dev` in this directory, found neither: "
            "set SAGA_KAFKA=host:port, or start `saga dev` in another terminal"
        )
    return Settings(
        kafka=kafka,
        database=variables.get("SAGA_DATABASE") or recorded.get("database"),
        namespace=variables.get("SAGA_NAMESPACE", VARIABLES["SAGA_NAMESPACE"].default),
        shards=_number(variables, "SAGA_SHARDS", SHARDS_LOCAL if recorded else None),
        kafka_options={_option(name): value for name, value in variables.items() if name.startswith(_OPTION_PREFIX)},
        secrets={
            name.removeprefix(SECRET_PREFIX): value
            for name, value in variables.items()
            if name.startswith(SECRET_PREFIX)
        },
        group_protocol=_choice(variables, "SAGA_GROUP_PROTOCOL"),
        session_timeout_ms=_number(variables, "SAGA_SESSION_TIMEOUT_MS"),
        batch_max=_number(variables, "SAGA_BATCH_MAX"),
        relay_backlog_max=_number(variables, "SAGA_RELAY_BACKLOG_MAX"),
        cache_sagas=_number(variables, "SAGA_CACHE_SAGAS"),
        metrics_port=_number(variables, "SAGA_METRICS_PORT") if "SAGA_METRICS_PORT" in variables else None,
        retention_ms=_duration(variables, "SAGA_RETENTION"),
        crash_at=_crash_at(variables),
        local=bool(recorded),
    )


def _recorded(directory: Path) -> Mapping[str, str]:
    try:
        recorded = json.loads((directory / ADDRESSES_FILE).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"expected the addresses of `saga dev` in {directory / ADDRESSES_FILE}, got {error}"
        ) from error
    return {name: str(recorded[name]) for name in ("kafka", "database") if name in recorded}


def variable_of(option: str) -> str:
    """The variable for an option of librdkafka, in letters that every shell takes: ``sasl.mechanism``."""
    return _OPTION_PREFIX + option.upper().replace(".", "_")


def _option(name: str) -> str:
    """``SAGA_KAFKA__SASL_MECHANISM`` and ``SAGA_KAFKA__sasl.mechanism`` are both ``sasl.mechanism``."""
    return name.removeprefix(_OPTION_PREFIX).lower().replace("_", ".")


def _refuse_unknown(variables: Mapping[str, str]) -> None:
    for name in sorted(variables):
        if name.startswith("SAGA_") and name not in {*VARIABLES, _OF_THE_BUILD} and not name.startswith(_FREE_PREFIXES):
            raise ConfigError(f"the environment sets {name}, which is no setting: {_advice(name)}")


def _advice(name: str) -> str:
    option = name.removeprefix("SAGA_").removeprefix("KAFKA_")
    if option.startswith(_OPTION_FAMILIES):
        return f"did you mean {_OPTION_PREFIX}{option}?"
    near = difflib.get_close_matches(name, VARIABLES, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(DESCRIBED)}"


def _number(variables: Mapping[str, str], name: str, default: int | None = None) -> int:
    """The value of ``name``; ``default`` instead of its usual one."""
    variable = VARIABLES[name]
    assert variable.bounds is not None, name
    least, most = variable.bounds
    text = variables.get(name)
    if text is None:
        return int(variable.default) if default is None else default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise ConfigError(f"expected a whole number from {least} to {most} in {name}, got {text!r}")
    return int(text)


def duration_ms(text: str) -> int | None:
    """The milliseconds that ``90s``, ``30m``, ``2h`` or ``7d`` are; None: ``text`` is no duration."""
    found = _DURATION.fullmatch(text)
    return None if found is None else int(found[1]) * _UNIT_MS[found[2]]


def _duration(variables: Mapping[str, str], name: str) -> int | None:
    variable = VARIABLES[name]
    assert variable.durations is not None, name
    text = variables.get(name, variable.default)
    if not text:
        return None
    least_ms, most_ms = (duration_ms(bound) or 0 for bound in variable.durations)
    found_ms = duration_ms(text)
    if found_ms is None or not least_ms <= found_ms <= most_ms:
        raise ConfigError(f"expected a duration from {variable.allowed}, like 90d or 12h, in {name}, got {text!r}")
    return found_ms


def _choice(variables: Mapping[str, str], name: str) -> str:
    variable = VARIABLES[name]
    text = variables.get(name, variable.default)
    if text not in variable.options:
        raise ConfigError(f"expected {variable.allowed} in {name}, got {text!r}")
    return text


def _crash_at(variables: Mapping[str, str]) -> tuple[str, int] | None:
    name = f"{_TEST_PREFIX}CRASH_AT"
    text = variables.get(name)
    if text is None:
        return None
    place, _, passes = text.rpartition(":")
    if not place or not passes.isascii() or not passes.isdigit() or not int(passes):
        raise ConfigError(
            f"expected a crash point and its pass from 1, like commit.after_end:3, in {name}, got {text!r}"
        )
    return place, int(passes)
