"""Which evidence a reviewer opened (GOVERNANCE R10): noted where a document is given out, whichever route gives it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final

from registry.reviews import Reviews
from registry.rules import REVIEW_ROLES
from services.actors import actor_of
from services.endpoints import Call, Endpoint, Reply
from services.handles import Handles
from services.versions import named

VERSION: Final = "/v1/registry/models/{name}/versions/{version}/"
SHOWN: Final = {
    VERSION + "card": "card", VERSION + "evaluation": "evaluation", VERSION + "bias-report": "bias_report",
    VERSION + "diff": "diff",
}  # fmt: skip


def sightings(reviews: Reviews, handles: Handles, row: Endpoint) -> Endpoint:
    """The same endpoint, which also remembers that a reviewer was given the document."""
    evidence = SHOWN.get(row.path) if row.method == "GET" else None
    if evidence is None:
        return row

    async def shown(call: Call, body: Any) -> Reply:
        """Answer, then note the sighting of a reviewer."""
        reply = await row.handler(call, body)
        if reply.status == 200 and call.who.role in REVIEW_ROLES:
            await asyncio.to_thread(reviews.view, actor_of(call.who), named(handles, call), evidence)
        return reply

    return replace(row, handler=shown)
