"""Data: what crosses the orchestrator, and its canonical JSON. No author's class is ever here.

A record is a dict of its fields and a map a dict of its entries; an enum is its symbol. A record in the place of a
union of several records carries its Avro full name under ``RECORD_NAME``.

The canonical text has sorted keys and no white space. What JSON cannot say is a dict with one key::

    Decimal {"$decimal":"12.34"}   datetime {"$datetime":"2026-01-02T03:04:05.000006Z"}   date {"$date":"2026-01-02"}
    UUID    {"$uuid":"0b4f…"}      bytes    {"$bytes":"aGk="} (base64)

A dict of the data whose only key begins with ``$`` gets one more ``$``, so every value comes back as it went.
"""

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, TypeAlias, cast
from uuid import UUID

from orchestrator.blueprint.model import Json

Data: TypeAlias = bool | int | str | bytes | Decimal | datetime | date | UUID | list["Data"] | dict[str, "Data"] | None
"""A datetime is aware and in UTC; a Decimal is finite; there are no floats."""

RECORD_NAME = "-type"
"""fastavro's own hint for a record in a union; no field can have this name."""

_TAG_OPENS = '{"$'
"""Only an object whose first key begins with ``$`` looks like this: inside a JSON string the quote is escaped."""


def dumps(data: Data) -> str:
    """The canonical text of ``data``; equal texts mean equal data.

    Raises TypeError for what is no Data, ValueError for a Decimal that is not finite or a time without zone.
    """
    return (_WRITERS.get(type(data)) or _write_other)(data)


quoted: Callable[[str], str] = encode_basestring
"""The canonical text of a text."""


def loads(text: str) -> Data:
    """The data that ``dumps`` made ``text`` of; raises ValueError for text that is not such."""
    if _TAG_OPENS in text:
        return cast("Data", _tagged_decoder.decode(text))
    return cast("Data", _plain_decoder.decode(text))


def to_json(data: Data) -> Json:
    """``data`` as a JSON value with the tags of the canonical text, to be a part of a greater JSON value."""
    return cast("Json", json.loads(dumps(data)))


def from_json(value: Json) -> Data:
    """The data of a JSON value that ``to_json`` made."""
    return loads(json.dumps(value, ensure_ascii=False))


def plain(data: Data) -> Json:
    """``data`` for people: times, ids, and decimals without idle zeros as plain strings, bytes as base64."""
    match data:
        case dict():
            return {key: plain(value) for key, value in data.items()}
        case list():
            return [plain(value) for value in data]
        case Decimal():
            text = format(data, "f")
            return text.rstrip("0").rstrip(".") if "." in text else text
        case datetime():
            return instant_text(data)
        case date():
            return data.isoformat()
        case UUID():
            return str(data)
        case bytes():
            return base64.b64encode(data).decode("ascii")
        case _:
            return data


def instant_text(moment: datetime) -> str:
    """RFC 3339 in UTC with six digits of a second, so that texts sort as the times do."""
    if moment.tzinfo is None:
        raise ValueError(f"expected a time with its zone, got {moment.isoformat()} without one")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


# ---------------------------------------------------------------- writing
#
# Not by ``json``, which calls back for each decimal and knows no escape: a small record with a decimal takes 1.1
# microseconds and not 2.5, a large one of texts alone 1.5 times as long. Loops, and no comprehensions, for these take a
# frame of their own in Python 3.11: what was read from a message must never be too deep to be written.


def _write_dict(data: dict[str, Data]) -> str:
    escape = "$" if len(data) == 1 and next(iter(data))[:1] == "$" else ""
    parts: list[str] = []
    for key in sorted(data):
        value = data[key]
        parts.append(f"{quoted(escape + key)}:{(_WRITERS.get(type(value)) or _write_other)(value)}")
    return f"{{{','.join(parts)}}}"


def _write_list(data: list[Data] | tuple[Data, ...]) -> str:
    parts: list[str] = []
    for value in data:
        parts.append((_WRITERS.get(type(value)) or _write_other)(value))  # noqa: PERF401 - see above
    return f"[{','.join(parts)}]"


def _write_decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError(f"expected a finite decimal, got {value}")
    return f'{{"$decimal":"{value!s}"}}'


def _write_other(value: object) -> str:
    """A value of a subclass, an enum's symbol for one, is written as one of the class."""
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    raise TypeError(f"expected a value that messages can hold, got {value!r}, a {type(value).__name__}")


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: quoted,
    Decimal: _write_decimal,
    dict: _write_dict,
    list: _write_list,
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",  # before int, whose subclass it is
    int: int.__repr__,
    datetime: lambda value: f'{{"$datetime":"{instant_text(value)}"}}',  # before date
    date: lambda value: f'{{"$date":"{value.isoformat()}"}}',
    UUID: lambda value: f'{{"$uuid":"{value}"}}',
    bytes: lambda value: f'{{"$bytes":"{base64.b64encode(value).decode("ascii")}"}}',
    tuple: _write_list,
}


# ---------------------------------------------------------------- reading


def _untag(found: dict[str, Any]) -> Data:
    if len(found) != 1:
        return found
    ((key, value),) = found.items()
    if not key.startswith("$"):
        return found
    if key.startswith("$$"):
        return {key[1:]: value}
    read = _READERS.get(key)
    if read is None or not isinstance(value, str):
        raise ValueError(f"expected one of {', '.join(_READERS)} with a text, got {key!r}: {value!r}")
    return read(value)


def _read_decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError as error:
        raise ValueError(f"expected a decimal number, got {text!r}") from error


_READERS: dict[str, Callable[[str], Data]] = {
    "$decimal": _read_decimal,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$uuid": UUID,
    "$bytes": lambda text: base64.b64decode(text, validate=True),
}


def _refuse_float(text: str) -> Data:
    raise ValueError(f'expected no floats, got {text}: a decimal is written {{"$decimal":"{text}"}}')


_plain_decoder = json.JSONDecoder(parse_float=_refuse_float, parse_constant=_refuse_float)
_tagged_decoder = json.JSONDecoder(object_hook=_untag, parse_float=_refuse_float, parse_constant=_refuse_float)
