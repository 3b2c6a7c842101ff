"""The configuration file: TOML in, checked values out. Whether the sagas agree with it is for ``exchange`` to say."""

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias, cast
from urllib.parse import urlsplit

import httpx

from orchestrator.errors import ConfigError
from orchestrator.settings import SECRET_PREFIX
from orchestrator_connectors.http.mistakes import Mistakes
from orchestrator_connectors.http.path import PathTemplate
from orchestrator_connectors.http.status import DEFAULTS, Meaning, Rejected, StatusMap

KEYS: Final = ("participant", "url", "headers", "timeout_s", "response_bytes_max", "command")
COMMAND_KEYS: Final = ("name", "method", "path", "body", "timeout_s", "headers", "on_status")
METHODS: Final = ("POST", "GET", "PUT", "PATCH", "DELETE")
WITHOUT_BODY: Final = ("GET", "DELETE")
"""Unless the file names the fields: RFC 9110, section 9.3, gives their content no meaning."""
MASK: Final = "***"
"""What stands for a secret in what people are told."""
TIMEOUT_S: Final = 10.0
RESPONSE_BYTES_MAX: Final = 1_000_000

_MEANINGS: Final = ("completed", "none", "retry", "failed")
_STATUS: Final = re.compile(r"[2-5](\d\d|xx)")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110, section 5.6.2."""
_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
"""Between two dots of a host's name: RFC 1123, and underscores, which the names of containers have."""
_SECRET: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_OURS: Final = (
    *("content-length", "content-type", "host", "transfer-encoding"),
    *("idempotency-key", "saga-namespace", "saga-undoes", "traceparent"),
)
"""Headers that follow from the command."""

Table: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRule:
    """How one type of command becomes a request, and what the statuses of its response mean."""

    name: str
    """Avro full name, ``{participant}.{Class}``."""
    method: str
    path: PathTemplate
    body: tuple[str, ...] | None
    """The fields that are sent as JSON; None: all. Empty: no body."""
    timeout_s: float
    """For the whole exchange, from the connection to the last byte of the response."""
    headers: Mapping[str, str] = field(repr=False)
    """May hold secrets."""
    statuses: StatusMap


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfiguration:
    """One participant and the server that does its work."""

    participant: str
    url: str
    """Scheme, host and what all paths begin with; does not end with a slash."""
    response_bytes_max: int
    commands: tuple[CommandRule, ...]
    secrets: frozenset[str] = field(repr=False)
    """Those that are in headers: a server may repeat them in its answer, and they are told to nobody."""

    def masked(self, text: str) -> str:
        """``text`` of a server, without the secrets."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text


def load(file: Path, secrets: Mapping[str, str]) -> HttpConfiguration:
    """The configuration in ``file``, ``${NAME}`` in its headers replaced by that secret.

    Raises ``ConfigError`` that says what was expected, what was found, and in which table: one mistake of each command
    and of each key of the file, all together.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # ValueError: no TOML, or no UTF-8
        raise ConfigError(f"expected a connector's configuration in {file}, got {error}") from error
    return _Reader(str(file), secrets).configuration(table)


class _Reader:
    """Reads the tables of one file; what is said of a mistake begins with where it stands."""

    def __init__(self, file: str, secrets: Mapping[str, str]) -> None:
        self._file = file
        self._secrets = secrets
        self._used: set[str] = set()

    def configuration(self, table: Table) -> HttpConfiguration:
        where = self._file
        participant = _text(table, "participant", where)  # without it nothing is told of the commands
        headers: dict[str, str] = {}
        url, timeout_s, response_bytes_max = "", TIMEOUT_S, RESPONSE_BYTES_MAX
        mistakes = Mistakes()
        with mistakes.noted():
            _refuse_unknown(table, KEYS, where)
        with mistakes.noted():
            headers = self._headers(table, where)
        with mistakes.noted():
            timeout_s = _seconds(table, "timeout_s", TIMEOUT_S, where)
        with mistakes.noted():
            url = _url(table, where)
        with mistakes.noted():
            response_bytes_max = _whole(table, "response_bytes_max", RESPONSE_BYTES_MAX, where)
        tables = table.get("command", [])
        rules: list[CommandRule] = []
        if not isinstance(tables, list) or not tables:
            mistakes.note(f"expected a [[command]] table for each command, got none, in {where}")
            tables = []
        for each in cast("list[Any]", tables):
            with mistakes.noted():
                rules.append(self._command(each, participant, headers, timeout_s))
        for name, count in Counter(rule.name for rule in rules).items():
            if count > 1:
                mistakes.note(f"expected one [[command]] for {name}, got {count}, in {where}")
        mistakes.told()
        return HttpConfiguration(
            participant=participant,
            url=url,
            response_bytes_max=response_bytes_max,
            commands=tuple(rules),
            secrets=frozenset(self._used),
        )

    def _command(self, table: Any, participant: str, headers: Mapping[str, str], timeout_s: float) -> CommandRule:  # noqa: ANN401 - whatever the file has
        where = f"a [[command]] of {self._file}"
        if not isinstance(table, dict):
            raise ConfigError(f"expected a table, got {table!r}, in {where}")
        given = cast("Table", table)
        name = _text(given, "name", where)
        where = f"[[command]] {name} of {self._file}"
        _refuse_unknown(given, COMMAND_KEYS, where)
        if name.rpartition(".")[0] != participant:
            raise ConfigError(f"expected a name that begins with {participant!r} and a dot, got {name!r}, in {where}")
        method = _text(given, "method", where, METHODS[0])
        if method not in METHODS:
            raise ConfigError(f"expected a method of {', '.join(METHODS)}, got {method!r}, in {where}")
        return CommandRule(
            name=name,
            method=method,
            path=PathTemplate.parse(_text(given, "path", where), where),
            body=_body(given, method, where),
            timeout_s=_seconds(given, "timeout_s", timeout_s, where),
            headers={**headers, **self._headers(given, where)},
            statuses=_statuses(given, where),
        )

    def _headers(self, table: Table, where: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in _table(table, "headers", where).items():
            if not _HEADER.fullmatch(name) or name.lower() in _OURS:
                raise ConfigError(f"expected the name of a header that is not ours, got {name!r}, in {where}")
            if not isinstance(value, str) or not value.isascii() or not value.isprintable():
                raise ConfigError(f"expected printable ASCII as the header {name}, got something else, in {where}")
            found[name.lower()] = _SECRET.sub(lambda match: self._secret(match[1], where), value)
            if not value or value != value.strip():
                raise ConfigError(
                    f"expected a value as the header {name}, got none or one with a blank at an end, in {where}: HTTP "
                    f"knows neither"
                )
        return found

    def _secret(self, name: str, where: str) -> str:
        secret = self._secrets.get(name)
        variable = f"{SECRET_PREFIX}{name}"
        if secret is None:
            raise ConfigError(f"expected a secret in {variable} of the environment, got none, for {where}: set it")
        if not secret.isascii() or not secret.isprintable():
            raise ConfigError(f"expected printable ASCII in {variable}, got other characters, for {where}")
        if not secret or secret != secret.strip():
            raise ConfigError(f"expected a secret in {variable}, got none or one with a blank at an end, for {where}")
        self._used.add(secret)
        return secret


# ---------------------------------------------------------------- values of a table


def _refuse_unknown(table: Table, known: Collection[str], where: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"{where}: {key!r} is no key of it: {advice}")


def _text(table: Table, key: str, where: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"expected a text as {key}, got {_shown(value)}, in {where}")
    return value


def _table(table: Table, key: str, where: str) -> Table:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(f"expected a table as {key}, got {_shown(value)}, in {where}")
    return cast("Table", value)


def _seconds(table: Table, key: str, default: float, where: str) -> float:
    value = table.get(key, default)
    if type(value) not in (int, float) or not 0 < value <= 3600:  # noqa: PLR2004 - an hour
        raise ConfigError(f"expected seconds above 0 and up to 3600 as {key}, got {_shown(value)}, in {where}")
    return float(value)


def _whole(table: Table, key: str, default: int, where: str) -> int:
    value = table.get(key, default)
    if type(value) is not int or value < 1:
        raise ConfigError(f"expected a whole number from 1 as {key}, got {_shown(value)}, in {where}")
    return value


def _url(table: Table, where: str) -> str:
    url = _text(table, "url", where)
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme in ("http", "https") and parts.port != 0 and _is_host(httpx.URL(url).raw_host.decode())
    except (ValueError, httpx.InvalidURL):  # of the port, of an address in brackets, of a name in another script
        is_plain = False
        parts = urlsplit("")
    if not is_plain or parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(
            f"expected http:// or https://, a host and perhaps a path as url, got {url!r}, in {where}: "
            "credentials belong into headers, as ${NAME}"
        )
    return url.rstrip("/")


def _is_host(name: str) -> bool:
    """Of an address with colons httpx has seen to it already."""
    return ":" in name or all(map(_LABEL.fullmatch, name.removesuffix(".").split(".")))


def _body(table: Table, method: str, where: str) -> tuple[str, ...] | None:
    value: object = table.get("body", [] if method in WITHOUT_BODY else "all")
    if value == "all":
        return None
    if isinstance(value, list):
        names = cast("list[object]", value)
        if all(isinstance(name, str) for name in names):
            return tuple(map(str, names))
    raise ConfigError(f'expected "all" or a list of fields as body, got {value!r:.100}, in {where}')


def _statuses(table: Table, where: str) -> StatusMap:
    found: dict[str, Meaning] = dict(DEFAULTS)
    for status, value in _table(table, "on_status", where).items():
        if not _STATUS.fullmatch(status):
            raise ConfigError(f"expected a status like 404 or 4xx, got {status!r}, in on_status of {where}")
        found[status] = _meaning(value, f"on_status {status} of {where}")
    return StatusMap(found)


def _meaning(value: object, where: str) -> Meaning:
    match value:
        case "completed" | "none" | "retry" | "failed":
            return cast("Meaning", value)
        case {"rejected": str(name)} if len(cast("Table", value)) == 1:
            return Rejected(name)
        case _:
            choices = ", ".join(f'"{meaning}"' for meaning in _MEANINGS)
            raise ConfigError(f'expected {choices} or {{ rejected = "…" }}, got {_shown(value)}, in {where}')


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{value!r:.100}"
