"""The only reader of the environment: what every command and library entry point needs to know.

``SAGA_KAFKA``, ``SAGA_DATABASE`` and the rest of ``VARIABLES`` come from the environment. Without servers there, the
stack that ``saga dev`` recorded in ``.saga/`` is used, and ``Settings.source`` says so.
"""

import difflib
import json
import os
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

VARIABLES: Final[Mapping[str, str]] = {
    "SAGA_KAFKA": "bootstrap servers, host:port,host:port",
    "SAGA_DATABASE": "Postgres, postgresql://user:password@host:port/name",
    "SAGA_NAMESPACE": "prefix of the orchestrator's topics (saga)",
    "SAGA_SHARDS": f"number of shards, fixed for a namespace ({SHARDS}; {SHARDS_LOCAL} with saga dev)",
    "SAGA_GROUP_PROTOCOL": "classic or consumer (classic)",
    "SAGA_SESSION_TIMEOUT_MS": "how long a silent orchestrator keeps its shards (6000)",
    "SAGA_BATCH_MAX": "inputs decided in one batch (500)",
    "SAGA_RELAY_BACKLOG_MAX": "appended batches that may wait for Kafka before a shard stops reading (64)",
    "SAGA_CACHE_SAGAS": "sagas kept decoded in memory, by shard (5000)",
}
_OPTION_PREFIX: Final = "SAGA_KAFKA__"
DESCRIBED: Final[Mapping[str, str]] = {
    **VARIABLES,
    f"{_OPTION_PREFIX}*": f"librdkafka's options for TLS and SASL: {_OPTION_PREFIX}SASL_MECHANISM is sasl.mechanism",
}
"""Every setting, for a person."""
_TEST_PREFIX: Final = "SAGA_TEST_"
"""For tests alone, of which one is read here: ``SAGA_TEST_CRASH_AT=name:passes``, see ``Settings.crash_at``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Addresses and bounds; immutable, and all that constructors are given."""

    kafka: str
    database: str | None = None
    namespace: str = "saga"
    shards: int = SHARDS
    kafka_options: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """librdkafka keys for TLS and SASL; may hold passwords."""
    group_protocol: str = "classic"
    session_timeout_ms: int = 6000
    batch_max: int = 500
    relay_backlog_max: int = 64
    cache_sagas: int = 5000
    crash_at: tuple[str, int] | None = None
    """For tests alone: the place, and which pass of it, where `saga run` kills itself (see ``crashpoints``)."""
    source: str = "the environment"
    """Where the addresses come from, for a person."""

    @property
    def local(self) -> bool:
        """Whether these are the servers of ``saga dev``."""
        return self.source != "the environment"

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
        namespace=variables.get("SAGA_NAMESPACE", "saga"),
        shards=_number(variables, "SAGA_SHARDS", SHARDS_LOCAL if recorded else SHARDS, 1, 1024),
        kafka_options={_option(name): value for name, value in variables.items() if name.startswith(_OPTION_PREFIX)},
        group_protocol=_choice(variables, "SAGA_GROUP_PROTOCOL", ("classic", "consumer")),
        session_timeout_ms=_number(variables, "SAGA_SESSION_TIMEOUT_MS", 6000, 500, 600_000),
        batch_max=_number(variables, "SAGA_BATCH_MAX", 500, 1, 100_000),
        relay_backlog_max=_number(variables, "SAGA_RELAY_BACKLOG_MAX", 64, 1, 100_000),
        cache_sagas=_number(variables, "SAGA_CACHE_SAGAS", 5000, 1, 10_000_000),
        crash_at=_crash_at(variables),
        source="`saga dev` in " + LOCAL_DIRECTORY if recorded else "the environment",
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


def _option(name: str) -> str:
    """``SAGA_KAFKA__SASL_MECHANISM`` and ``SAGA_KAFKA__sasl.mechanism`` are both ``sasl.mechanism``."""
    return name.removeprefix(_OPTION_PREFIX).lower().replace("_", ".")


def _refuse_unknown(variables: Mapping[str, str]) -> None:
    for name in sorted(variables):
        if name.startswith("SAGA_") and name not in VARIABLES and not name.startswith((_OPTION_PREFIX, _TEST_PREFIX)):
            near = difflib.get_close_matches(name, VARIABLES, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(VARIABLES)}, {_OPTION_PREFIX}*"
            raise ConfigError(f"the environment sets {name}, which is no setting: {advice}")


def _number(variables: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = variables.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise ConfigError(f"expected a whole number from {least} to {most} in {name}, got {text!r}")
    return int(text)


def _choice(variables: Mapping[str, str], name: str, options: tuple[str, ...]) -> str:
    text = variables.get(name, options[0])
    if text not in options:
        raise ConfigError(f"expected {' or '.join(options)} in {name}, got {text!r}")
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
