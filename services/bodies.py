"""Reading a request's body within its limits.

Decision: a body over the limit is read on for at most 1 MiB, so that a client that is only a little over hears its 413
on a whole connection; then reading stops and the connection is closed. What is read beyond the limit is dropped.
A body must arrive within `BODY_SECONDS`: slow senders hold a socket, not memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from models.errors import DeadlineError, InvalidInputError
from services.strict_json import too_large, unpack

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

GRACE_BYTES: Final = 1 << 20
BODY_SECONDS: Final = 60.0
JSON_TYPES: Final = frozenset(
    {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
)


class DisconnectedError(Exception):
    """The client went away before its body was whole: nobody is left to answer."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """The whole body, unpacked. Raises InvalidInputError (413, 415, 400), DeadlineError, DisconnectedError."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and len(declared) > 18:
        raise too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise DisconnectedError
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _rest(receive, body, limit)
        except TimeoutError as error:
            raise DeadlineError("Gửi nội dung quá chậm.", "The body arrived too slowly.") from error
    if len(body) > limit:
        raise too_large(limit)
    encoding = headers.get(b"content-encoding")
    if encoding is None or not body:
        return body
    return _decoded(body, encoding, limit)


async def _rest(receive: Receive, first: bytes, limit: int) -> bytes:
    """The parts of a body; beyond the limit they are counted and dropped."""
    parts, size = [first], len(first)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            parts.clear()
            if size > limit + GRACE_BYTES:
                raise too_large(limit)
        else:
            parts.append(part)
        more = message.get("more_body", False)
    if size > limit:
        raise too_large(limit)
    return b"".join(parts)


def _decoded(body: bytes, encoding: bytes, limit: int) -> bytes:
    word = encoding.strip().lower()
    if word == b"identity":
        return body
    if word not in (b"gzip", b"x-gzip"):
        vi, en = "Chỉ nhận Content-Encoding: gzip.", "Only Content-Encoding: gzip is accepted."
        raise InvalidInputError.at("", vi, en, code="unsupported-content-encoding")
    return unpack(body, limit)


def check_media_type(headers: Mapping[bytes, bytes]) -> None:
    """Refuse anything but JSON in UTF-8. Raises InvalidInputError (415)."""
    kind = headers.get(b"content-type", b"")
    if kind in JSON_TYPES:
        return
    media, _, parameters = kind.decode("latin-1").lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    if media.strip() != "application/json" or charset not in ("", "utf-8"):
        vi, en = "Cần Content-Type: application/json (UTF-8).", "Content-Type must be application/json (UTF-8)."
        raise InvalidInputError.at("", vi, en, code="unsupported-media-type")
