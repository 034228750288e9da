"""The doors: the one way in and out of every request, as a raw ASGI application.

Decision: a table of `Endpoint` rows and no web framework. Half of the time of a small request went into routing,
dependency and response machinery; here it is one dictionary look-up, a decoder made once and one list of headers, so
that the platform's own checks fit in. The same rows feed OpenAPI.

Order on the way in: ids → route → key → rate → scope → body → handler. Whatever happens, the answer leaves through
`_leave`: correlation and limit headers, record, access log, metrics.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from models.errors import InvalidInputError, PlatformError, QuotaExceededError
from services.bodies import DisconnectedError, Receive, check_media_type, read_body
from services.correlation import Ids
from services.endpoints import (
    BODY_BYTES,
    JSON,
    LARGE_BODY_BYTES,
    Call,
    Deprecation,
    Endpoint,
    Parameter,
    Reply,
)
from services.identity import Identity
from services.problems import MEDIA_TYPE, headers_of, problem, status_of
from services.quota import Quota
from services.records import Recorder
from services.routing import Bound, Routes, choose, no_body
from services.telemetry import Telemetry

__all__ = [
    "BODY_BYTES", "JSON", "LARGE_BODY_BYTES", "Call", "Deprecation", "Doors", "Endpoint", "Parameter", "Reply",
]  # fmt: skip

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SINGLE: Final = frozenset(
    {b"authorization", b"x-api-key", b"content-type", b"content-length", b"content-encoding", b"idempotency-key",
     b"x-request-id", b"traceparent", b"if-match", b"host"}
)  # fmt: skip
"""Headers that mean nothing when sent twice; taking either one would let two readers disagree."""

TAKES_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
STEADY: Final = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class Doors:
    """The ASGI application over a table of endpoints."""

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        *,
        identity: Identity,
        quota: Quota,
        recorder: Recorder,
        telemetry: Telemetry,
        ids: Ids | None = None,
        clock: Callable[[], float] = time.time,
        closing: Callable[[], None] | None = None,
        server_echoes_ids: bool = False,
    ) -> None:
        """Compile the table. Raises ValueError when two rows claim the same method and path.

        `closing` is called when the server shuts down. `server_echoes_ids`: the server around (Ray Serve) adds the
        request's own `x-request-id` to every answer, so a valid one is not written a second time.
        """
        self._routes = Routes(endpoints)
        self._identity = identity
        self._quota = quota
        self._recorder = recorder
        self._telemetry = telemetry
        self._ids = ids or Ids()
        self._clock = clock
        self._closing = closing
        self._server_echoes_ids = server_echoes_ids
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the lifespan events of a server."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        call = Call(scope["method"], scope["path"], headers, scope["query_string"])
        call.receive = receive
        call.request_id = self._ids.request(headers.get(b"x-request-id"))
        call.trace_id, call.span_id, call.trace_flags = self._ids.trace(headers.get(b"traceparent"))
        error: BaseException | None = None
        try:
            if len(headers) != len(scope["headers"]):
                _no_doubles(scope["headers"])
            reply = await self._answer(call, receive)
            content = self._content(reply)
        except DisconnectedError:
            self._leave(call, 499, None)
            return
        except asyncio.CancelledError:
            self._leave(call, 499, None)
            raise
        except Exception as raised:
            error = raised
            reply = self._refuse(call, raised)
            content = self._content(reply)
        self._leave(call, reply.status, error or call.error)
        if isinstance(content, bytes):
            await self._send(call, reply, content, send)
        else:
            await self._stream(call, reply, content, send)

    async def _answer(self, call: Call, receive: Receive) -> Reply:
        """Everything between the ids and the answer. Raises the platform's errors."""
        route, call.params = self._routes.find(call.path)
        if call.method == "OPTIONS":
            call.template = route.template
            return Reply(None, 204, ((b"allow", route.allow.encode()),))
        bound = choose(route, call.method)
        endpoint = call.endpoint = bound.endpoint
        call.template = route.template
        if not endpoint.public:
            headers = call.headers
            caller = call.caller = self._identity.authenticate(
                _text(headers.get(b"authorization")), _text(headers.get(b"x-api-key"))
            )
            call.quota = self._quota.admit(caller)
            if endpoint.scope is not None:
                caller.require(endpoint.scope)
        if endpoint.deprecation is not None:
            _not_gone(endpoint.deprecation, self._clock())
        if call.query_string and not endpoint.streamed:
            call.query(*(parameter.name for parameter in endpoint.query))
        body = await self._body(call, bound, receive)
        return await endpoint.handler(call, body)

    async def _body(self, call: Call, bound: Bound, receive: Receive) -> Any:
        """The decoded body. Raises InvalidInputError."""
        endpoint = bound.endpoint
        if call.method not in TAKES_BODY or endpoint.streamed:
            return None
        call.body = await read_body(receive, call.headers, endpoint.body_limit)
        if endpoint.verbatim:
            return None
        if bound.decoder is None:
            no_body(call.body)
            return None
        if call.body or not endpoint.empty_allowed:
            check_media_type(call.headers)
        return bound.decoder.decode(call.body)

    def _refuse(self, call: Call, error: Exception) -> Reply:
        """The problem of an error, and its trace in the log when it is ours."""
        if not isinstance(error, PlatformError):
            self._telemetry.failure(error, call.request_id, call.template)
        if isinstance(error, QuotaExceededError) and call.quota is None:
            call.quota = getattr(error, "state", None)
        language = call.language
        document = problem(error, call.request_id, f"urn:aichung:request:{call.request_id}", language)
        headers = [
            *headers_of(error),
            (b"content-language", language.encode()),
            (b"vary", b"accept-language"),
        ]
        if getattr(error, "word", "") == "too-large" and not call.body:  # not read to its end
            headers.append((b"connection", b"close"))
        return Reply(document, status_of(error), headers, MEDIA_TYPE.encode())

    def _leave(self, call: Call, status: int, error: BaseException | None) -> None:
        """Record, access log and metrics of a request, whatever became of it."""
        call.status = status
        self._recorder.event(call, status, error)
        caller, entry = call.caller, call.entry
        self._telemetry.request(
            call.template,
            call.method,
            status,
            time.perf_counter() - call.started,
            "" if caller is None else caller.tenant,
            call.request_id,
            call.trace_id,
            "" if entry is None else entry.reference,
        )

    def _content(self, reply: Reply) -> bytes | AsyncIterator[bytes]:
        """The encoded body; a stream as it is."""
        body = reply.body
        if body is None:
            return b""
        return body if isinstance(body, bytes | AsyncIterator) else self._encode(body)

    async def _send(self, call: Call, reply: Reply, content: bytes, send: Send) -> None:
        headers = [
            (b"content-type", reply.media_type),
            (b"content-length", str(len(content)).encode()),
            *self._correlation(call),
            *STEADY,
            *reply.headers,
        ]
        if reply.body is None:
            del headers[0]
            if reply.status == 204:
                del headers[0]
        quota = call.quota
        if quota is not None:
            headers.append((b"ratelimit-policy", quota.policy.encode()))
            headers.append((b"ratelimit", quota.header.encode()))
        if call.endpoint is not None and call.endpoint.deprecation is not None:
            headers.extend(_farewell(call.endpoint.deprecation))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if call.method == "HEAD" else content})

    async def _stream(self, call: Call, reply: Reply, parts: AsyncIterator[bytes], send: Send) -> None:
        """An answer of unknown length, passed on as it comes, until the client goes away."""
        headers = [*self._correlation(call), *reply.headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        passing, departure = asyncio.ensure_future(_pass_on(parts, send)), asyncio.ensure_future(call.departure())
        try:
            await asyncio.wait({passing, departure}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            departure.cancel()
            passing.cancel()
        with suppress(asyncio.CancelledError):
            await passing

    def _correlation(self, call: Call) -> list[tuple[bytes, bytes]]:
        request_id = call.request_id.encode()
        trace = (b"traceparent", f"00-{call.trace_id}-{call.span_id}-{call.trace_flags}".encode())
        if self._server_echoes_ids and call.headers.get(b"x-request-id") == request_id:
            return [trace]
        return [(b"x-request-id", request_id), trace]

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """The server's start and end; the end closes what `closing` names."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._closing is not None:
                    await asyncio.to_thread(self._closing)
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _pass_on(parts: AsyncIterator[bytes], send: Send) -> None:
    async for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _no_doubles(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse a request in which a header that must be single stands twice. Raises InvalidInputError."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen and name in SINGLE:
            vi, en = f"Tiêu đề {name.decode()} xuất hiện hai lần.", f"The header {name.decode()} stands twice."
            raise InvalidInputError.at("", vi, en, code="malformed-header")
        seen.add(name)


def _not_gone(deprecation: Deprecation, now: float) -> None:
    """Raise InvalidInputError (410) after the sunset."""
    if now >= deprecation.sunset:
        vi = f"Địa chỉ này đã ngừng; dùng {deprecation.successor}."
        raise InvalidInputError(vi, f"This endpoint has ended; use {deprecation.successor}.", code="gone")


def _farewell(deprecation: Deprecation) -> list[tuple[bytes, bytes]]:
    sunset = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(deprecation.sunset))
    return [
        (b"deprecation", f"@{deprecation.since}".encode()),
        (b"sunset", sunset.encode()),
        (b"link", f'<{deprecation.successor}>; rel="successor-version"'.encode()),
    ]
