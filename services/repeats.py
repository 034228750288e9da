"""Idempotency-Key around a handler that creates.

Decision: it wraps the handlers that create, instead of standing in the doors: the hot endpoints create nothing and
pay nothing. The database work runs in a thread, the event loop never waits for it.

Decision: a call that was cut off (the client went away) keeps its claim until the lease ends, as its thread may
still be creating. An answer that cannot be kept is given all the same: it may hold the only sight of a new key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from models.errors import PlatformError
from services.endpoints import Call, Handler, Reply
from services.idempotency import Idempotency, Kept

log = logging.getLogger(__name__)

REPLAYED: Final = (b"idempotency-replayed", b"true")


def once(idempotency: Idempotency, handler: Handler) -> Handler:
    """A handler that acts once for each `Idempotency-Key` of a tenant and then repeats its first answer.

    Raises what `Idempotency.begin` and the handler raise. Without the header it only calls the handler.
    """

    async def repeatable(call: Call, body: Any) -> Reply:
        header = call.header("idempotency-key")
        if header is None:
            return await handler(call, body)
        route = f"{call.method} {call.path}"
        who = call.who
        begun = await asyncio.to_thread(idempotency.begin, who.tenant, header, route, call.body, who.subject.id)
        if isinstance(begun, Kept):
            return Reply(begun.body or None, begun.status, (*begun.headers, REPLAYED))
        try:
            reply = await handler(call, body)
        except Exception:
            await _attempt(idempotency.abandon, begun)
            raise
        content = b"" if reply.body is None else msgspec.json.encode(reply.body)
        await _attempt(idempotency.settle, begun, reply.status, reply.headers, content)
        return Reply(content or None, reply.status, reply.headers, reply.media_type)

    return repeatable


async def _attempt(work: Callable[..., None], *arguments: Any) -> None:
    """Do database work in a thread to its end; a failing database must not take the answer away."""
    try:
        await asyncio.shield(asyncio.to_thread(work, *arguments))
    except PlatformError as error:
        log.warning("idempotency.not_kept", extra={"code": error.word})
