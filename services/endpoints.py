"""What an endpoint is, what a call carries, what a reply is.

Decision: one row declares an endpoint (method, path, request type, response type, handler, scope); routing, decoding,
OpenAPI and the tests all read that row, so they cannot disagree. Handlers are `async def handler(call, body) -> Reply`
and raise the platform's errors; they see neither ASGI nor sockets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from msgspec import Struct

from models.errors import Fault, InvalidInputError, Note
from registry.entries import Entry
from services.identity import Caller
from services.problems import Language, language_of
from services.quota import QuotaState

BODY_BYTES: Final = 2 << 20
LARGE_BODY_BYTES: Final = 32 << 20
JSON: Final = b"application/json"
MAX_QUERY_BYTES: Final = 4096

Headers = Sequence[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Call:
    """One request on its way: who, what, under which ids. Made by the doors, read by handlers."""

    __slots__ = (
        "body", "caller", "endpoint", "entry", "error", "headers", "method", "params", "path", "query_string", "quota",
        "receive", "recorded", "request_id", "span_id", "started", "status", "template", "trace_flags",
        "trace_id", "units",
    )  # fmt: skip

    def __init__(self, method: str, path: str, headers: dict[bytes, bytes], query_string: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.query_string = query_string
        self.started = time.perf_counter()
        self.params: Mapping[str, str] = {}
        self.endpoint: Endpoint | None = None
        self.body = b""
        self.receive: Receive | None = None
        self.caller: Caller | None = None
        self.quota: QuotaState | None = None
        self.entry: Entry | None = None
        self.error: BaseException | None = None
        self.template = "unknown"
        self.units = 0
        self.status = 0
        self.recorded = False
        self.request_id = self.trace_id = self.span_id = self.trace_flags = ""

    @property
    def who(self) -> Caller:
        """The authenticated caller; only for endpoints that are not public."""
        if self.caller is None:
            raise AssertionError("a public endpoint asked for its caller")
        return self.caller

    async def stream(self) -> AsyncIterator[bytes]:
        """The parts of a streamed endpoint's body as they arrive."""
        more = self.receive is not None
        while more and self.receive is not None:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                return
            yield message.get("body", b"")
            more = message.get("more_body", False)

    async def departure(self) -> None:
        """Return once the client has gone away. Asked only after the body was read: what still arrives is dropped."""
        if self.receive is None:
            await asyncio.Event().wait()
        while self.receive is not None and (await self.receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)

    @property
    def language(self) -> Language:
        """The language the caller prefers."""
        return language_of(self.header("accept-language"))

    def header(self, name: str) -> str | None:
        """A request header by its lower-case name."""
        value = self.headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def query(self, *allowed: str) -> dict[str, str]:
        """The query's values. Raises InvalidInputError for an unknown or repeated parameter or a malformed query."""
        if not self.query_string:
            return {}
        try:
            if len(self.query_string) > MAX_QUERY_BYTES:
                raise ValueError
            text = self.query_string.decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=64)
        except ValueError as error:
            raise _bad_query("Chuỗi truy vấn không hợp lệ.", "Malformed query string.") from error
        found = dict(pairs)
        if len(found) != len(pairs):
            raise _bad_query("Một tham số xuất hiện hai lần.", "A parameter stands twice.")
        if not found.keys() <= set(allowed):
            names = ", ".join(allowed) or "—"
            vi, en = f"Tham số không được phép; cho phép: {names}.", f"Unknown parameter; allowed: {names}."
            raise InvalidInputError(vi, en, (Fault("", vi, en),), code="unknown-parameter")
        if any("\0" in value for value in found.values()):
            raise _bad_query("Tham số chứa ký tự NUL.", "A parameter contains NUL.")
        return found


def _bad_query(vi: str, en: str) -> InvalidInputError:
    return InvalidInputError(vi, en, (Fault("", vi, en),), code="malformed-query")


class Reply(Struct, frozen=True):
    """An answer: `body` is encoded as JSON unless it is bytes or a stream of bytes; None is an empty body."""

    body: Any = None
    status: int = 200
    headers: Headers = ()
    media_type: bytes = JSON


Handler = Callable[[Call, Any], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A documented query parameter."""

    name: str
    summary: Note
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Deprecation:
    """An endpoint on its way out: RFC 9745 and RFC 8594, times in seconds since 1970; after `sunset` it is 410."""

    since: int
    sunset: int
    successor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint.

    `path` may hold `{name}` parts. `scope` is what the caller's key must carry (None: any valid key), `public` needs
    no key at all. `event` is the word under which every call is entered in the ledger ("" for none: health, metrics).
    `creates`: honours Idempotency-Key. `empty_allowed`: an empty body stands for `{}`. `media_types` are those of the
    answer, `examples` request bodies by name. `hidden`: not in OpenAPI.
    """

    method: str
    path: str
    handler: Handler
    summary: Note
    tag: str = "platform"
    request: Any = None
    response: Any = None
    status: int = 200
    scope: str | None = None
    public: bool = False
    body_limit: int = BODY_BYTES
    empty_allowed: bool = False
    creates: bool = False
    event: str = ""
    query: tuple[Parameter, ...] = ()
    media_types: tuple[str, ...] = ("application/json",)
    examples: Mapping[str, Any] = field(default_factory=dict)
    refusals: tuple[int, ...] = ()
    request_media: Mapping[str, Any] = field(default_factory=dict)
    """Further media types of the request, each with the schema of its body."""

    statuses: Mapping[int, str] = field(default_factory=dict)
    """Further statuses that are no refusals, each with what it says."""

    deprecation: Deprecation | None = None
    hidden: bool = False
    verbatim: bool = False
    """The handler reads `call.body` itself; nothing is decoded."""

    streamed: bool = False
    """The handler reads `call.stream()`; nothing is read before it and no limit of this table holds."""
