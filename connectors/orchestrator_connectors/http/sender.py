"""Requests to the server, bounded in time and in bytes; what comes of one is a value, never an exception.

One event loop in a thread of its own serves all workers, for only there can a whole exchange have one deadline: a
server that sends a byte now and then would hold a blocking client for ever.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from typing import Final, Self, TypeAlias

import anyio
import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from orchestrator import __version__

KEEP_ALIVE_S: Final = 4.0
"""Shorter than what servers are set to (5 s and more): they would close while we send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came."""

    status: int
    headers: Mapping[str, str]
    """Names are looked up in any case."""
    body: bytes
    """Empty or cut off where ``fault`` says why."""
    fault: str | None = None
    """Why the body is not all there."""


@dataclass(frozen=True, slots=True)
class NotSent:
    """There was no connection: nothing happened."""

    why: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The request may have arrived, and it may have been done."""

    why: str


Sent: TypeAlias = Response | NotSent | Unanswered


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    """Printable ASCII."""
    body: bytes | None
    timeout_s: float


class HttpSender:
    """A pool of connections, open inside ``with``; any number of threads may send."""

    def __init__(self, connections_max: int, response_bytes_max: int) -> None:
        self._connections_max = connections_max
        self._response_bytes_max = response_bytes_max
        self._open = ExitStack()
        self._portal: BlockingPortal | None = None
        self._client: httpx.AsyncClient | None = None

    def __enter__(self) -> Self:
        """Start the event loop's thread; nothing is connected yet."""
        self._portal = self._open.enter_context(start_blocking_portal(name="http-connector"))
        client = self._portal.call(self._made)
        self._open.enter_context(self._portal.wrap_async_context_manager(client))
        self._client = client
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection and end the thread."""
        self._open.close()

    def send(self, request: Request) -> Sent:
        """Send, and wait for the whole response, at most ``request.timeout_s``."""
        assert self._portal is not None, "send inside `with`"
        return self._portal.call(self._sent, request)

    async def _made(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=self._connections_max, keepalive_expiry=KEEP_ALIVE_S)
        client = httpx.AsyncClient(
            timeout=None,  # noqa: S113 - see `_sent`
            limits=limits,
            follow_redirects=False,
            event_hooks={"response": [_lead_nowhere]},
        )
        client.headers = httpx.Headers(
            {
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # what is counted is what arrives
                "User-Agent": f"saga-orchestrator/{__version__}",
            }
        )
        # A session of one command is no business of the next.
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return client

    async def _sent(self, request: Request) -> Sent:
        came: list[Response] = []
        try:
            with anyio.fail_after(request.timeout_s):
                return await self._exchange(request, came)
        except httpx.LocalProtocolError:  # its text quotes the header, which may be a secret
            return NotSent("the request is none that HTTP can carry: nothing was sent")
        except httpx.ConnectError as error:
            return NotSent(f"no connection to {_place(request)}: {_said(error)}: nothing was sent")
        except TimeoutError:
            why = f"the response is not complete after {request.timeout_s:g} s"
        except httpx.HTTPError as error:
            why = f"the connection to {_place(request)} broke: {_said(error)}"
        if came:
            return replace(came[0], fault=why)
        return Unanswered(f"{why}: it may have been done")

    async def _exchange(self, request: Request, came: list[Response]) -> Response:
        """``came`` gets the response without its body, for when that does not come."""
        assert self._client is not None, "send inside `with`"
        body, fault = bytearray(), None
        async with self._client.stream(
            request.method, request.url, headers=request.headers, content=request.body
        ) as response:
            came.append(Response(status=response.status_code, headers=response.headers, body=b""))
            if response.headers.get("content-encoding", "identity") != "identity":
                fault = "the response is compressed, which was not asked for"
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._response_bytes_max:
                    fault = f"the response has more than {self._response_bytes_max} bytes (response_bytes_max)"
                    break
        return replace(came[0], body=bytes(body), fault=fault)


async def _lead_nowhere(response: httpx.Response) -> None:
    """Redirects are not followed, and httpx fails at those that lead to what is no URL."""
    response.headers.pop("Location", None)


def _place(request: Request) -> str:
    return httpx.URL(request.url).netloc.decode()


def _said(error: httpx.HTTPError) -> str:
    return " ".join(str(error).split()) or type(error).__name__
