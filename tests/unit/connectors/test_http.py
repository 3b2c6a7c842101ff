"""A command becomes a request, a response becomes the reply; and what each way of failing means."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

import pytest
from structlog.testing import capture_logs

from orchestrator.local.ports import free_port
from orchestrator_connectors.http.exchange import BODY_SHOWN, URL_MAX
from orchestrator_connectors.http.sender import HttpSender, NotSent, Request
from tests.http_server import Fault, Part, response
from tests.unit.connectors.conftest import CONFIGURATION, WITHDRAW, Connector

pytestmark = pytest.mark.slow
RECEIPT = {"balance": "87.50", "note": "ok"}
SHORT = CONFIGURATION.replace("timeout_s = 5", "timeout_s = 0.2")


def test_a_command_is_a_request_and_its_response_the_reply(connector: Connector) -> None:
    connector.server.says(*response(201, RECEIPT))
    told = connector.ask()
    assert (told.reply.outcome, told.body) == ("completed", {"balance": Decimal("87.500000000"), "note": "ok"})
    (request,) = connector.server.received
    assert (request.method, request.path) == ("POST", "/api/accounts/a%2F%C3%B6%20b/withdrawals?day=2026-01-02")
    assert request.json() == {"amount": "12.5", "memo": None}
    assert {name: request.headers.get(name) for name in ("idempotency-key", "saga-namespace", "saga-undoes")} == {
        "idempotency-key": "s/withdraw/0/do",
        "saga-namespace": "saga",
        "saga-undoes": None,
    }
    assert request.headers["authorization"] == "Bearer hush"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["traceparent"].startswith("00-")


def test_an_undo_names_what_it_undoes_and_sends_all_fields(connector: Connector) -> None:
    connector.server.says(*response(204))
    told = connector.ask("Refund", {"account": "a", "amount": Decimal("1.000000000")}, role="undo")
    assert (told.reply.outcome, told.body) == ("completed", None)
    (request,) = connector.server.received
    assert (request.method, request.path, request.json()) == ("PUT", "/api/refunds", {"account": "a", "amount": "1"})
    assert request.headers["idempotency-key"] == "s/withdraw/0/undo"
    assert request.headers["saga-undoes"] == "s/withdraw/0/do"
    assert request.headers["x-desk"] == "refunds"


def test_a_probe_finds_nothing_where_the_file_says_so(connector: Connector) -> None:
    connector.server.says(*response(404, {"error": "none"}))
    told = connector.ask("FindReceipt", {"account": "a"}, role="probe")
    assert (told.reply.outcome, told.body) == ("completed", None)
    connector.server.says(*response(200, RECEIPT))
    assert connector.ask("FindReceipt", {"account": "a"}, role="probe").body["note"] == "ok"
    assert [(each.method, each.body) for each in connector.server.received] == [("GET", b"")] * 2


def test_an_id_with_odd_characters_is_encoded_in_its_header(connector: Connector) -> None:
    connector.server.says(*response(200, RECEIPT))
    assert connector.ask(saga_id="ö 1%", command_id="ö 1%/withdraw/0/do").reply.outcome == "completed"
    assert connector.server.received[0].headers["idempotency-key"] == "%C3%B6%201%25/withdraw/0/do"


def test_a_status_may_be_a_declared_rejection(connector: Connector) -> None:
    connector.server.says(*response(402, {"balance": 3, "title": "not enough"}))
    told = connector.ask()
    assert (told.reply.outcome, told.reply.type) == ("rejected", "bank.InsufficientFunds")
    assert told.body == {"balance": Decimal("3.000000000")}


def test_a_rejection_without_fields_needs_no_body(connector: Connector) -> None:
    connector.server.says(*response(410, b"<html>gone</html>"))
    told = connector.ask()
    assert (told.reply.outcome, told.reply.type, told.body) == ("rejected", "bank.Closed", {})


def test_what_the_schema_does_not_know_is_passed_over(connector: Connector) -> None:
    connector.server.says(*response(200, {**RECEIPT, "links": [{"rel": "self"}], "rate": 1.5}))
    assert connector.ask().body == {"balance": Decimal("87.500000000"), "note": "ok"}


def test_a_cookie_of_one_command_is_not_sent_with_the_next(connector: Connector) -> None:
    connector.server.says(*response(200, RECEIPT, {"Set-Cookie": "session=1"}))
    for _ in range(3):
        assert connector.ask().reply.outcome == "completed"
    assert all("cookie" not in request.headers for request in connector.server.received)


# ---------------------------------------------------------------- without a response


def test_a_refused_connection_is_tried_again_and_nothing_was_sent(connect: Callable[[str], Connector]) -> None:
    told = connect(CONFIGURATION.replace("{url}", f"http://127.0.0.1:{free_port()}")).ask()
    assert told.failure == ("Unreachable", True)
    assert "nothing was sent" in told.body[1]


@pytest.mark.parametrize("part", [Fault.RESET, Fault.CLOSE, b"HTTP/1.1 2", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"])
def test_a_connection_that_breaks_before_the_response_may_have_done_it(connector: Connector, part: Part) -> None:
    connector.server.says(part, Fault.CLOSE)
    told = connector.ask()
    assert told.failure == ("Unanswered", True)
    assert told.body[1].endswith("it may have been done")


@pytest.mark.parametrize(
    "parts",
    [[Fault.SILENCE], [b"HTTP/1.1 200 OK\r\nX-Slow:", Fault.DRIP]],
    ids=["no answer", "headers that never end"],
)
def test_a_time_out_may_have_done_it(connect: Callable[[str], Connector], parts: list[Part]) -> None:
    connector = connect(SHORT)
    connector.server.says(*parts)
    begun = time.monotonic()
    assert connector.ask().failure == ("Unanswered", True)
    assert 0.2 <= time.monotonic() - begun < 3
    connector.server.says(*response(200, RECEIPT))
    assert connector.ask().reply.outcome == "completed"
    first, second = (request.headers["idempotency-key"] for request in connector.server.received)
    assert first == second


# ---------------------------------------------------------------- a response that is cut off, or cannot be read

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n"
ALL = json.dumps(RECEIPT).encode()
WRONG: dict[str, tuple[list[Part], str]] = {
    "reset in mid-body": ([HEAD, ALL, Fault.RESET], "the connection to 127.0.0.1:[0-9]+ broke"),
    "closed in mid-body": ([HEAD, ALL, Fault.CLOSE], "the connection to 127.0.0.1:[0-9]+ broke"),
    "silent in mid-body": ([HEAD, ALL, Fault.SILENCE], "the response is not complete after 0.2 s"),
    "a byte now and then": ([HEAD, ALL, Fault.DRIP], "the response is not complete after 0.2 s"),
    "too large": (response(200, {**RECEIPT, "more": "x" * 2000}), "has more than 1000 bytes"),
    "too large, in chunks": (
        [
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            *[b"ff\r\n%b\r\n" % (b" " * 255)] * 5,
            Fault.SILENCE,
        ],
        "has more than 1000 bytes",
    ),
    "compressed": (response(200, RECEIPT, {"content-encoding": "gzip"}), "the response is compressed"),
    "no JSON": (response(200, b"<html>welcome</html>"), "Expecting value.*: <html>welcome</html>"),
    "no body": (response(200), "Expecting value.*: no body"),
    "no UTF-8": (response(200, b'{"balance": "1", "note": "\xff"}'), "invalid start byte"),
    "a list": (response(200, [RECEIPT]), "expected a record bank.Receipt"),
    "a field is missing": (response(200, {"note": "ok"}), "expected a value, got none, in bank.Receipt.balance"),
    "a field of another type": (response(200, {"balance": "a lot"}), "got 'a lot', in bank.Receipt.balance"),
    "too many digits": (response(200, {"balance": "1.0000000001"}), "in bank.Receipt.balance"),
    "a key twice": (response(200, b'{"balance": 1, "balance": 2}'), "the key 'balance' twice"),
    "a rejection that does not fit": (response(402, {"title": "no"}), "in bank.InsufficientFunds.balance"),
}


@pytest.mark.parametrize(("parts", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_read_is_asked_for_again(
    connect: Callable[[str], Connector], parts: list[Part], said: str
) -> None:
    connector = connect(SHORT)
    connector.server.says(*parts)
    told = connector.ask()
    assert told.failure == ("WrongReply", True)
    assert re.search(f"^the response with status [0-9]+ to bank.Withdraw: .*{said}", told.body[1]), told.body[1]
    connector.server.says(*response(200, RECEIPT))
    assert connector.ask().reply.outcome == "completed"


def test_a_reply_without_body_needs_none_of_the_response(connect: Callable[[str], Connector]) -> None:
    connector = connect(SHORT)
    connector.server.says(HEAD, Fault.RESET)
    refund: dict[str, Decimal | str] = {"account": "a", "amount": Decimal("1.000000000")}
    assert connector.ask("Refund", {**refund}, role="undo").reply.outcome == "completed"


# ---------------------------------------------------------------- statuses


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 301, 302, 303, 307, 308])
def test_what_the_file_does_not_name_is_final_and_may_have_been_done(connector: Connector, status: int) -> None:
    connector.server.says(*response(status, {"error": "no such thing"}, {"Location": f"{connector.server.url}/else"}))
    with capture_logs() as said:
        told = connector.ask()
    assert [line["why"] for line in said] == [told.body[1]]
    assert told.failure == (f"Status{status}", False)
    assert told.body[1] == f'the server answered {status}: {{"error": "no such thing"}}'
    assert len(connector.server.received) == 1, "redirects are not followed"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_the_server_could_not_do_now_is_tried_again(connector: Connector, status: int) -> None:
    connector.server.says(*response(status, b"busy"))
    told = connector.ask()
    assert told.failure == (f"Status{status}", True)
    assert told.reply.retry_after_ms == 0


def test_a_status_that_is_none_is_final(connector: Connector) -> None:
    connector.server.says(*response(700))
    assert connector.ask().failure == ("Status700", False)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("7", 7_000, 7_000),
        ("86400", 3_600_000, 3_600_000),
        ("9" * 400, 3_600_000, 3_600_000),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0),
        ("soon", 0, 0),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", 0, 0),
        ("Mon, 01 Jan 2030 00:00:00 +99999999999999", 0, 0),
        ("-1", 0, 0),
        ("", 0, 0),
    ],
)
def test_retry_after_is_heard_within_bounds(connector: Connector, text: str, low: int, high: int) -> None:
    connector.server.says(*response(429, b"slow down", {"Retry-After": text}))
    told = connector.ask()
    assert told.failure == ("Status429", True)
    assert low <= told.reply.retry_after_ms <= high


def test_retry_after_may_be_a_date(connector: Connector) -> None:
    text = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    connector.server.says(*response(429, b"slow down", {"Retry-After": text}))
    assert 300_000 <= connector.ask().reply.retry_after_ms <= 600_000


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/", "http://[::1", "//:99999999"])
def test_a_redirect_is_final_wherever_it_leads(connector: Connector, location: str) -> None:
    connector.server.says(*response(302, b"", {"Location": location}))
    assert connector.ask().failure == ("Status302", False)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"got Bearer hush-hush, no"),
        (400, b"got Bearer hush-hush, no"),
        (200, b"got Bearer hush-hush, no"),
        (200, b'{"balance": "hush-hush"}'),
        (500, b"." * (BODY_SHOWN - 3) + b"hush-hush"),
    ],
)
def test_a_secret_that_the_server_repeats_is_told_to_nobody(
    connect: Callable[[str], Connector], status: int, body: bytes
) -> None:
    connector = connect(CONFIGURATION.replace("${TOKEN}", "${LONG} and ${TOKEN}"))
    connector.server.says(*response(status, body))
    with capture_logs() as logs:
        told = connector.ask()
    assert told.reply.outcome == "failed"
    assert "***" in told.body[1]
    assert "hush" not in told.body[1] + repr(logs)


def test_a_header_that_is_none_is_not_sent_and_not_told(connector: Connector, sender: HttpSender) -> None:
    url, headers = connector.server.url, {"Authorization": "Bearer hush "}
    sent = sender.send(Request(method="GET", url=url, headers=headers, body=None, timeout_s=5))
    assert sent == NotSent("the request is none that HTTP can carry: nothing was sent")
    assert connector.server.received == []


def test_a_file_may_say_otherwise(connect: Callable[[str], Connector]) -> None:
    busy = CONFIGURATION.replace(
        'name = "bank.Refund"', 'name = "bank.Refund"\non_status = { 4xx = "retry", 5xx = "failed" }'
    )
    connector = connect(busy)
    refund: dict[str, Decimal | str] = {"account": "a", "amount": Decimal("1.000000000")}
    for status, failure in {409: ("Status409", True), 503: ("Status503", False), 429: ("Status429", True)}.items():
        connector.server.says(*response(status))
        assert connector.ask("Refund", {**refund}, role="undo").failure == failure


# ---------------------------------------------------------------- before anything is sent


@pytest.mark.parametrize("account", ["", ".", ".."])
def test_a_value_that_would_change_the_path_is_refused(connector: Connector, account: str) -> None:
    told = connector.ask(body={**WITHDRAW, "account": account})
    assert told.failure == ("Unreadable", False)
    assert connector.server.received == []


def test_a_value_that_is_too_long_for_a_url_is_refused(connector: Connector) -> None:
    told = connector.ask(body={**WITHDRAW, "account": "x" * URL_MAX})
    assert told.failure == ("Unreadable", False)
    assert "expected a URL of at most 65536 characters" in told.body[1]
    assert connector.server.received == []


@pytest.mark.parametrize("account", ["../../admin", "a?b=c", "a#b", "%2e%2e", "a\r\nX: y"])
def test_a_value_stays_one_segment(connector: Connector, account: str) -> None:
    connector.server.says(*response(200, RECEIPT))
    assert connector.ask(body={**WITHDRAW, "account": account}).reply.outcome == "completed"
    (request,) = connector.server.received
    assert request.path.count("/") == 4
    assert request.path.startswith("/api/accounts/")
    assert request.path.endswith("/withdrawals?day=2026-01-02")


def test_a_command_without_rule_is_final(connect: Callable[[str], Connector]) -> None:
    connector = connect(CONFIGURATION[: CONFIGURATION.index('[[command]]\nname = "bank.Refund"')])
    refund: dict[str, Decimal | str] = {"account": "a", "amount": Decimal("1.000000000")}
    assert connector.ask("Refund", {**refund}, role="undo").failure == ("UnknownCommand", False)


def test_an_expired_command_is_not_sent(connector: Connector) -> None:
    assert connector.ask(expires_ms=1).failure == ("Expired", True)
    assert connector.server.received == []
