"""Models and their approvals: the registry, suspension and resumption.

Decision: every listing names the kind of approval (`bootstrap` or `review`) and until when it holds. What a caller may
not see is the same 404 as what does not exist.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from models.errors import ConflictError, Note
from registry.entries import LEGAL_MOVES, Approval, Digests, Entry, Stage, may_move
from registry.gate import may_serve
from registry.store import Store
from services.endpoints import Call, Endpoint, Reply
from services.handles import Handles, answers
from services.pages import PAGING, asked_page, cut, next_link
from services.resumption import Resumptions
from services.roles import MODELS_READ, MODELS_SUSPEND
from services.versions import named, no_model, seen

# --- wire types ---------------------------------------------------------------------------------------------


class ReasonIn(Struct, forbid_unknown_fields=True):
    """Why; it is kept with the model and shown."""

    reason: Annotated[str, Meta(min_length=3, max_length=1_000)]


class ApprovalOut(Struct):
    """An approval as it stands: `verified` is false when signature, key or digests do not hold."""

    id: str
    kind: Literal["bootstrap", "review"]
    tiers: Sequence[str]
    valid_from: datetime
    valid_until: datetime
    signer: str
    verified: bool


class VersionOut(Struct, kw_only=True):
    """One version of a model; `state` is the gate's word now (`open`, `suspended`, `expired`, `altered`, …)."""

    name: str
    version: str
    kind: str
    tasks: Sequence[str]
    default_for: Sequence[str]
    tier: str
    stage: Stage
    state: str
    missing: Sequence[str]
    public: bool
    reason: str | None
    created_at: datetime
    digests: Digests
    approval: ApprovalOut | None
    card_url: str


class OneVersionOut(VersionOut, kw_only=True):
    """One version, as the answer to a call."""

    request_id: str


class ModelOut(Struct):
    """A model and its versions, newest first."""

    id: str
    name: str
    tasks: Sequence[str]
    versions: list[VersionOut]


class OneModelOut(Struct):
    """A model, as the answer to a call."""

    request_id: str
    id: str
    name: str
    tasks: Sequence[str]
    versions: list[VersionOut]


class ModelList(Struct, kw_only=True):
    """One page of models by name."""

    request_id: str
    data: list[ModelOut]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ResumeOut(Struct):
    """`awaiting_second` after the first person's word, `serving` after the second's."""

    request_id: str
    status: Literal["awaiting_second", "serving"]
    model: str


# --- endpoints ----------------------------------------------------------------------------------------------


class ModelRoutes:
    """The endpoints and the parts they need."""

    def __init__(
        self,
        store: Store,
        handles: Handles,
        resumptions: Resumptions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep the parts."""
        self._store = store
        self._handles = handles
        self._resumptions = resumptions
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        read: dict[str, Any] = {"method": "GET", "tag": "models", "scope": MODELS_READ, "refusals": (404,)}
        write: dict[str, Any] = {"method": "POST", "tag": "models", "request": ReasonIn, "refusals": (404, 409)}
        models, version = "/v1/registry/models", "/v1/registry/models/{name}/versions/{version}"
        return [
            Endpoint(
                path=models, handler=self.models, response=ModelList, event="registry.list", query=PAGING,
                summary=Note("Sổ đăng ký mô hình", "The registry"), **read,
            ),
            Endpoint(
                path=models + "/{name}", handler=self.model, response=OneModelOut, event="registry.read",
                summary=Note("Một mô hình và các phiên bản", "A model and its versions"), **read,
            ),
            Endpoint(
                path=version, handler=self.version, response=OneVersionOut, event="registry.read",
                summary=Note("Một phiên bản: trạng thái, phê duyệt, dấu vết", "A version"), **read,
            ),
            Endpoint(
                path=version + "/suspend", handler=self.suspend, response=OneVersionOut, scope=MODELS_SUSPEND,
                event="deploy.suspend",
                summary=Note("Đình chỉ, một người, hiệu lực trong 2 giây", "Suspend, effective within 2 s"), **write,
            ),
            Endpoint(
                path=version + "/resume", handler=self.resume, response=ResumeOut, scope=MODELS_READ,
                event="deploy.resume",
                summary=Note("Cho chạy lại, hai người", "Resume: two persons, one of them a reviewer"), **write,
            ),
        ]  # fmt: skip

    async def models(self, call: Call, body: None) -> Reply:
        """Models by name."""
        query = call.query("limit", "after")
        page = asked_page(query)
        names = sorted({entry.name for entry in seen(self._handles, call.who)})
        following = [name for name in names if page.after is None or name > page.after][: page.limit + 1]
        data, frame = cut([self._model(call, name) for name in following], following, page)
        listed = ModelList(request_id=call.request_id, data=list(data), **frame)
        return Reply(listed, headers=next_link(call, query, frame))

    async def model(self, call: Call, body: None) -> Reply:
        """One model."""
        call.query()
        found = self._model(call, call.params["name"])
        return Reply(OneModelOut(call.request_id, found.id, found.name, found.tasks, found.versions))

    async def version(self, call: Call, body: None) -> Reply:
        """One version."""
        call.query()
        return self._one(call, named(self._handles, call))

    async def suspend(self, call: Call, body: ReasonIn) -> Reply:
        """Stop a model: one person, at once here, within a poll everywhere."""
        entry = named(self._handles, call)
        _refuse_illegal(entry, Stage.SUSPENDED)
        moved = await asyncio.to_thread(self._move, call, entry, Stage.SUSPENDED, body.reason)
        await asyncio.to_thread(self._resumptions.forget, entry)
        return self._one(call, moved)

    async def resume(self, call: Call, body: ReasonIn) -> Reply:
        """Let a suspended model answer again once two persons said so."""
        entry = named(self._handles, call)
        if entry.stage is not Stage.SUSPENDED:
            raise _illegal(entry, Stage.SERVING)
        first = await asyncio.to_thread(self._resumptions.give, call.who, entry)
        if first is None:
            return Reply(ResumeOut(call.request_id, "awaiting_second", entry.reference), 202)
        await asyncio.to_thread(self._move, call, entry, Stage.SERVING, body.reason)
        call.params = {**call.params, "first": first.subject}
        return Reply(ResumeOut(call.request_id, "serving", entry.reference))

    # --- parts ----------------------------------------------------------------------------------------------

    def _model(self, call: Call, name: str) -> ModelOut:
        found = [entry for entry in seen(self._handles, call.who) if entry.name == name]
        if not found:
            raise no_model()
        tasks = sorted({task for entry in found for task in answers(entry)})
        return ModelOut(name, name, tasks, [VersionOut(**self._facts(entry)) for entry in found])

    def _one(self, call: Call, entry: Entry) -> Reply:
        return Reply(OneVersionOut(request_id=call.request_id, **self._facts(entry)))

    def _facts(self, entry: Entry) -> dict[str, Any]:
        verdict = may_serve(entry, self._clock())
        return {
            "name": entry.name, "version": entry.version, "kind": entry.kind, "tasks": answers(entry),
            "default_for": entry.is_default, "tier": entry.tier, "stage": entry.stage, "state": verdict.state,
            "missing": verdict.missing, "public": entry.public, "reason": entry.reason,
            "created_at": entry.created_at, "digests": entry.digests, "approval": _approval(entry.approval),
            "card_url": f"/v1/registry/models/{entry.name}/versions/{entry.version}/card",
        }  # fmt: skip

    def _move(self, call: Call, entry: Entry, to: Stage, reason: str) -> Entry:
        moved = self._store.move(entry.name, entry.version, to, call.who.subject.id, reason)
        self._handles.refresh()
        return moved


def _approval(approval: Approval | None) -> ApprovalOut | None:
    if approval is None:
        return None
    return ApprovalOut(
        approval.id, approval.kind, approval.tiers, approval.valid_from, approval.valid_until, approval.signer,
        approval.verified,
    )  # fmt: skip


def _refuse_illegal(entry: Entry, to: Stage) -> None:
    if not may_move(entry, to):
        raise _illegal(entry, to)


def _illegal(entry: Entry, to: Stage) -> ConflictError:
    legal = sorted(stage.value for stage in LEGAL_MOVES[entry.stage])
    return ConflictError(
        f"Không chuyển được từ {entry.stage} sang {to}; được phép: {', '.join(legal) or '—'}.",
        f"Cannot move from {entry.stage} to {to}; legal: {', '.join(legal) or '—'}.",
        code="illegal-move", state=entry.stage.value, legal=legal,
    )  # fmt: skip
