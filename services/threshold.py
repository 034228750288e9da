"""Before the doors: what Ray Serve would read of a request, cleaned.

Decision: Ray Serve takes its own control headers from anybody (a request's time limit, a session, a multiplexed model)
and decodes them as UTF-8 unguarded, so that one foreign byte is a bare 500; and it echoes `X-Request-Id` whatever it
holds. Serve's official hook for middlewares (`RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`) puts this one outside its own
code: control headers are dropped, and an id that is not single and well-formed is dropped too, so that Serve makes a
new one. Only Starlette, which Serve brings along, is needed for the hook.

One control header is ours to send: Serve need not watch for a client that goes away, which costs three tasks and a
queue for every request, a third of a small one. The doors watch themselves where it matters: while a long call
computes and while an answer is streamed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from starlette.middleware import Middleware

from services.correlation import REQUEST_ID

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

ID: Final = b"x-request-id"
CONTROL: Final = frozenset(
    {b"x-request-timeout-seconds", b"x-request-disconnect-disabled", b"x-session-id", b"serve-multiplexed-model-id"}
)
"""What Serve reads of a request besides the id; `-` and `_` are the same to it."""

UNWATCHED: Final[Header] = (b"x-request-disconnect-disabled", b"?1")


class Threshold:
    """An ASGI application that cleans the headers and hands the request on."""

    def __init__(self, app: App) -> None:
        """Hand on to `app`."""
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Hand one request on."""
        if scope["type"] == "http":
            scope["headers"] = [*cleaned(scope["headers"]), UNWATCHED]
        await self._app(scope, receive, send)


def cleaned(headers: Sequence[Header]) -> list[Header]:
    """The headers without Serve's control headers, and with one well-formed request id or none."""
    kept, ids = [], []
    for header in headers:
        name = header[0]
        if name == ID:
            ids.append(header)
        elif name.replace(b"_", b"-") not in CONTROL:
            kept.append(header)
    if len(ids) == 1 and REQUEST_ID.fullmatch(ids[0][1]):
        kept.append(ids[0])
    return kept


def middlewares() -> list[Middleware]:
    """What Serve's hook asks for."""
    return [Middleware(Threshold)]
