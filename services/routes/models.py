"""Models and their approvals: the registry as it is read.

Decision: every listing names the kind of approval (`bootstrap` or `review`) and until when it holds. What a caller may
not see is the same 404 as what does not exist.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from models.errors import Note
from registry.entries import Approval, Digests, Entry, Stage
from registry.gate import may_serve
from registry.rules import notices
from services.endpoints import Call, Endpoint, Reply
from services.handles import Handles, answers
from services.pages import PAGING, asked_page, cut, next_link
from services.roles import MODELS_READ
from services.versions import named, no_model, seen

# --- wire types ---------------------------------------------------------------------------------------------


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
    percent: int
    reason: str | None
    created_at: datetime
    sunset: datetime | None
    notices: Sequence[Note]
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


# --- endpoints ----------------------------------------------------------------------------------------------


class ModelRoutes:
    """The endpoints and the parts they need."""

    def __init__(
        self,
        handles: Handles,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep the parts."""
        self._handles = handles
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        read: dict[str, Any] = {"method": "GET", "tag": "models", "scope": MODELS_READ, "refusals": (404,)}
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

    # --- parts ----------------------------------------------------------------------------------------------

    def _model(self, call: Call, name: str) -> ModelOut:
        found = [entry for entry in seen(self._handles, call.who) if entry.name == name]
        if not found:
            raise no_model()
        tasks = sorted({task for entry in found for task in answers(entry)})
        return ModelOut(name, name, tasks, [VersionOut(**version_facts(entry, self._clock())) for entry in found])

    def _one(self, call: Call, entry: Entry) -> Reply:
        return Reply(OneVersionOut(request_id=call.request_id, **version_facts(entry, self._clock())))


def version_facts(entry: Entry, at: float) -> dict[str, Any]:
    """What is shown of one version at `at`."""
    verdict = may_serve(entry, at)
    return {
        "name": entry.name, "version": entry.version, "kind": entry.kind, "tasks": answers(entry),
        "default_for": entry.is_default, "tier": entry.tier, "stage": entry.stage, "state": verdict.state,
        "missing": verdict.missing, "public": entry.public, "percent": entry.percent, "reason": entry.reason,
        "created_at": entry.created_at, "sunset": entry.sunset, "notices": notices(entry, at),
        "digests": entry.digests, "approval": _approval(entry.approval),
        "card_url": f"/v1/registry/models/{entry.name}/versions/{entry.version}/card",
    }  # fmt: skip


def _approval(approval: Approval | None) -> ApprovalOut | None:
    if approval is None:
        return None
    return ApprovalOut(
        approval.id, approval.kind, approval.tiers, approval.valid_from, approval.valid_until, approval.signer,
        approval.verified,
    )  # fmt: skip
