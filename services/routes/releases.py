"""From an approval to answers, and back: release, suspend, resume, roll back, retire, revoke.

Decision: an illegal move is a 409 that names the legal ones; the rules stand in `registry.rules`, none here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from models.errors import InvalidInputError, Note
from registry.entries import Entry, Stage
from registry.releases import Releases
from services.actors import actor_of
from services.endpoints import Call, Endpoint, Reply
from services.handles import Handles
from services.roles import MODELS_READ, MODELS_RELEASE, MODELS_SUSPEND
from services.routes.models import OneVersionOut, version_facts
from services.versions import named

VERSION = "/v1/registry/models/{name}/versions/{version}"

# --- wire types ---------------------------------------------------------------------------------------------


class ReasonIn(Struct, forbid_unknown_fields=True):
    """Why; it is kept with the model and shown."""

    reason: Annotated[str, Meta(min_length=3, max_length=1_000)]


class ReleaseIn(Struct, forbid_unknown_fields=True):
    """The stage, and the share of calls (shadow) or of callers (canary)."""

    stage: Literal["shadow", "canary", "serving"]
    percent: Annotated[int, Meta(ge=1, le=100)] | None = None


class RetireIn(Struct, forbid_unknown_fields=True):
    """When the version ends; at least 30 days ahead for one that answers."""

    sunset: datetime


class WordOut(Struct):
    """`awaiting_second` after the first person's word, else the stage that the version is in."""

    request_id: str
    status: str
    model: str


# --- endpoints ----------------------------------------------------------------------------------------------


class ReleaseRoutes:
    """The endpoints and the parts they need."""

    def __init__(self, releases: Releases, handles: Handles, clock: Callable[[], float]) -> None:
        """Keep the parts."""
        self._releases = releases
        self._handles = handles
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        write: dict[str, Any] = {"method": "POST", "tag": "models", "refusals": (404, 409)}
        version: dict[str, Any] = {**write, "response": OneVersionOut}
        word: dict[str, Any] = {**write, "response": WordOut, "statuses": {202: "awaiting a second person"}}
        return [
            Endpoint(
                path=VERSION + "/release", handler=self.release, request=ReleaseIn, scope=MODELS_RELEASE,
                event="deploy.release", summary=Note("Phát hành: bóng, thử hẹp, phục vụ", "Release a version"), **word,
            ),
            Endpoint(
                path=VERSION + "/suspend", handler=self.suspend, request=ReasonIn, scope=MODELS_SUSPEND,
                event="deploy.suspend",
                summary=Note("Đình chỉ, một người, hiệu lực trong 2 giây", "Suspend, effective within 2 s"), **version,
            ),
            Endpoint(
                path=VERSION + "/resume", handler=self.resume, request=ReasonIn, scope=MODELS_READ,
                event="deploy.resume",
                summary=Note("Cho chạy lại, hai người", "Resume: two persons, one of them a reviewer"), **word,
            ),
            Endpoint(
                path=VERSION + "/rollback", handler=self.rollback, request=ReasonIn, scope=MODELS_RELEASE,
                event="deploy.rollback",
                summary=Note("Quay lui về phiên bản trước", "Roll back to the version before"), **version,
            ),
            Endpoint(
                path=VERSION + "/retire", handler=self.retire, request=RetireIn, scope=MODELS_RELEASE,
                event="deploy.retire", summary=Note("Báo ngày dừng sử dụng", "Announce a version's end"), **version,
            ),
            Endpoint(
                path=VERSION + "/revoke", handler=self.revoke, request=ReasonIn, scope=MODELS_SUSPEND,
                event="deploy.revoke", summary=Note("Thu hồi vĩnh viễn", "Revoke for good"), **version,
            ),
        ]  # fmt: skip

    async def release(self, call: Call, body: ReleaseIn) -> Reply:
        """Bring an approved version a stage further."""
        entry = named(self._handles, call)
        stage = Stage(body.stage)
        moved = await asyncio.to_thread(self._releases.release, actor_of(call.who), entry, stage, body.percent)
        return self._word(call, entry, moved)

    async def suspend(self, call: Call, body: ReasonIn) -> Reply:
        """Stop a model: one person, at once here, within a poll everywhere."""
        entry = named(self._handles, call)
        return self._one(call, await asyncio.to_thread(self._releases.suspend, actor_of(call.who), entry, body.reason))

    async def resume(self, call: Call, body: ReasonIn) -> Reply:
        """Let a suspended model answer again once two persons said so."""
        entry = named(self._handles, call)
        moved = await asyncio.to_thread(self._releases.resume, actor_of(call.who), entry, body.reason)
        return self._word(call, entry, moved)

    async def rollback(self, call: Call, body: ReasonIn) -> Reply:
        """Stop a version and let the one before have its tasks again; answers that one."""
        entry = named(self._handles, call)
        return self._one(call, await asyncio.to_thread(self._releases.rollback, actor_of(call.who), entry, body.reason))

    async def retire(self, call: Call, body: RetireIn) -> Reply:
        """Say when a version ends."""
        entry = named(self._handles, call)
        if body.sunset.tzinfo is None:
            raise InvalidInputError.at("/sunset", "Thiếu múi giờ.", "The time zone is missing.")
        return self._one(call, await asyncio.to_thread(self._releases.retire, actor_of(call.who), entry, body.sunset))

    async def revoke(self, call: Call, body: ReasonIn) -> Reply:
        """End a version for good."""
        entry = named(self._handles, call)
        return self._one(call, await asyncio.to_thread(self._releases.revoke, actor_of(call.who), entry, body.reason))

    def _one(self, call: Call, entry: Entry) -> Reply:
        self._handles.refresh()
        return Reply(OneVersionOut(request_id=call.request_id, **version_facts(entry, self._clock())))

    def _word(self, call: Call, entry: Entry, moved: Entry | None) -> Reply:
        self._handles.refresh()
        if moved is None:
            return Reply(WordOut(call.request_id, "awaiting_second", entry.reference), 202)
        return Reply(WordOut(call.request_id, moved.stage.value, moved.reference))
