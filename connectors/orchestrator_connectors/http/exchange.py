"""One type of command over HTTP: the request it becomes, and what each response means.

What may have happened is never called rejected: without a response, or with one that cannot be read, the command is
sent again with the same ``Idempotency-Key``.
"""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, assert_never, cast
from urllib.parse import quote

from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import Data, plain
from orchestrator.errors import ConfigError, MessageRejected
from orchestrator.participant.inbox import Retryable
from orchestrator.telemetry import logger
from orchestrator.wire.avro import Codec
from orchestrator.wire.command import ReceivedCommand
from orchestrator.wire.reply import Answer, completed, failed, rejected
from orchestrator.wire.tree import parse_json
from orchestrator_connectors.http.configuration import CommandRule, HttpConfiguration
from orchestrator_connectors.http.contract import CommandContract
from orchestrator_connectors.http.path import UnfitValue
from orchestrator_connectors.http.schema import known_part, path_fields, takes_null
from orchestrator_connectors.http.sender import HttpSender, NotSent, Request, Response, Unanswered
from orchestrator_connectors.http.status import Rejected

RETRY_AFTER_MAX_S: Final = 3_600
"""What a server may ask for: a wrong date must not end a saga's attempts for good."""
BODY_SHOWN: Final = 500
"""Characters of a response that are told with a failure."""
URL_MAX: Final = 65_536
"""Characters: httpx takes no more, and few servers take that."""

_ID_SAFE: Final = "!#$&'()*+,/:;=?@[]~"
"""Printable ASCII without ``%``: a command id stands in a header as it is, unless somebody named a saga otherwise."""

_log = logger("http")


class HttpExchange:
    """A command's rule with its schemas; raises ``ConfigError`` where they do not fit together."""

    def __init__(
        self, rule: CommandRule, contract: CommandContract, configuration: HttpConfiguration, sender: HttpSender
    ) -> None:
        _check(rule, contract)
        self._rule = rule
        self._contract = contract
        self._configuration = configuration
        self._sender = sender

    @property
    def command_type(self) -> str:
        """The command's Avro full name."""
        return self._contract.command_type

    @property
    def command(self) -> Codec:
        """What commands are read with."""
        return self._contract.command

    def codecs(self) -> Iterable[Codec]:
        """Of everything that it reads or writes."""
        return self._contract.codecs()

    def answer(self, data: Data, command: ReceivedCommand) -> Answer:
        """Send the request; see ``Exchange.answer``."""
        try:
            request = self._request(cast("Mapping[str, Data]", data), command)
        except UnfitValue as why:
            raise MessageRejected("undecodable", f"{why}, of {command.type}") from why
        sent = self._sender.send(request)
        match sent:
            case Response():
                return self._answer_of(sent, command)
            case NotSent(why):
                raise self._again(command, "Unreachable", why)
            case Unanswered(why):
                raise self._again(command, "Unanswered", why)
            case _:
                assert_never(sent)

    def _request(self, data: Mapping[str, Data], command: ReceivedCommand) -> Request:
        headers = {
            **self._rule.headers,
            "Idempotency-Key": _id(command.command_id),
            "Saga-Namespace": _id(command.namespace),
        }
        if command.undoes is not None:
            headers["Saga-Undoes"] = _id(command.undoes)
        if command.traceparent is not None:
            headers["traceparent"] = command.traceparent
        fields = data if self._rule.body is None else {name: data[name] for name in self._rule.body}
        body = None
        if self._rule.body is None or self._rule.body:
            body = json.dumps(plain(dict(fields)), ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
        url = self._configuration.url + self._rule.path.fill(data)
        if len(url) > URL_MAX:
            raise UnfitValue(f"expected a URL of at most {URL_MAX} characters, got {len(url)}")
        return Request(
            method=self._rule.method,
            url=url,
            headers=headers,
            body=body,
            timeout_s=self._rule.timeout_s,
        )

    def _answer_of(self, response: Response, command: ReceivedCommand) -> Answer:
        meaning = self._rule.statuses.meaning(response.status)
        match meaning:
            case "completed":
                reply = self._contract.reply
                return completed() if reply is None else completed(reply, self._read(reply, response, command))
            case "none":
                return completed(self._contract.reply, None)
            case Rejected(name):
                codec = self._contract.rejections[name]
                return rejected(name, codec, self._read(codec, response, command))
            case "retry":
                kind, after_ms = f"Status{response.status}", _retry_after_ms(response)
                raise self._again(command, kind, self._shown(response), after_ms)
            case "failed":
                why = self._shown(response)
                _log.error("a command failed", command=command.command_id, status=response.status, why=why)
                return failed(f"Status{response.status}", why, retryable=False)
            case _:
                assert_never(meaning)

    def _read(self, codec: Codec, response: Response, command: ReceivedCommand) -> Data:
        """The part of a response that its schema knows. Raises ``Retryable``: what happened is told by nobody else."""
        if not _has_fields(codec.schema):
            return {}
        what = f"the response with status {response.status} to {command.type}"
        if response.fault is not None:
            raise self._again(command, "WrongReply", f"{what}: {response.fault}")
        try:
            return codec.from_tree(known_part(parse_json(response.body), codec.schema))
        except (ValueError, MessageRejected) as why:
            raise self._again(command, "WrongReply", f"{what}: {why}: {self._body(response)}") from why

    def _shown(self, response: Response) -> str:
        fault = f" ({response.fault})" if response.fault is not None else ""
        return self._configuration.masked(f"the server answered {response.status}{fault}: {self._body(response)}")

    def _body(self, response: Response) -> str:
        text = self._configuration.masked(response.body.decode(errors="replace"))  # before it is cut, also through one
        return " ".join(text[:BODY_SHOWN].split()) or "no body"

    def _again(self, command: ReceivedCommand, kind: str, why: str, after_ms: int = 0) -> Retryable:
        why = self._configuration.masked(why)
        _log.warning("a command is to be sent again", command=command.command_id, attempt=command.attempt, why=why)
        return Retryable(kind, why, after_ms)


# ---------------------------------------------------------------- the rule and the schemas


def _check(rule: CommandRule, contract: CommandContract) -> None:
    where = f"[[command]] {rule.name}"
    texts, others = path_fields(contract.command.schema)
    for name in rule.path.fields:
        if name in others:
            raise ConfigError(
                f"expected a text, a number, a time or an id, and never nothing, as {name} in the path of {where}, "
                f"got {others[name]}: put it into the body"
            )
        _one_of(name, texts, f"a field of {rule.name} in the path of {where}")
    for name in rule.body or ():
        _one_of(name, [*texts, *others], f"a field of {rule.name} in the body of {where}")
    for status, meaning in rule.statuses.meanings.items():
        if isinstance(meaning, Rejected):
            _one_of(meaning.name, contract.rejections, f"a rejection that {rule.name} declares in on_status {status}")
        elif meaning == "none" and (contract.reply is None or not takes_null(contract.reply.schema)):
            raise ConfigError(
                f'expected "none" for a query whose reply may be nothing, got it in on_status {status} of {where}: '
                'write "completed"'
            )


def _one_of(name: str, known: Iterable[str], what: str) -> None:
    names = list(known)
    if name not in names:
        raise ConfigError(f"expected {what}, got {name!r}: there is {', '.join(names) or 'none'}")


# ---------------------------------------------------------------- headers and bodies


def _has_fields(schema: Json) -> bool:
    """Whether there is anything to say: a rejection may be its name alone."""
    return not isinstance(schema, dict) or schema.get("fields") != []


def _id(command_id: str) -> str:
    return quote(command_id, safe=_ID_SAFE)


def _retry_after_ms(response: Response) -> int:
    """What ``Retry-After`` asks for, seconds or a date (RFC 9110, section 10.2.3); 0 when it asks for nothing."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), RETRY_AFTER_MAX_S) * 1000
    try:
        until = parsedate_to_datetime(text)
        seconds = until.replace(tzinfo=until.tzinfo or UTC).timestamp() - time.time()
    except (ValueError, OverflowError):  # of years and hours that no calendar has
        return 0
    return int(min(max(seconds, 0), RETRY_AFTER_MAX_S) * 1000)
