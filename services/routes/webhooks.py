"""/v1/webhooks: the signing secret, what was sent and what is dead; the operator's allow-list of inner addresses.

Decision: the allow-list is not the organisation's own to set: it decides what the platform's machines connect to, so
it is the operator's, who sees no content and submits no jobs.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from models.errors import Note, NotFoundError
from registry.deliveries import LONGEST_OVERLAP, Deliveries, Delivery, Hook
from services.addresses import parse_allowed
from services.endpoints import Call, Endpoint, Parameter, Reply
from services.identity import Identity
from services.pages import PAGING, asked_page, cut, next_link
from services.roles import JOBS_WRITE, WEBHOOKS_MANAGE
from services.routes.jobs import chosen
from services.webhooks import secret_text

OVERLAP_SECONDS: Final = 86_400
STATES: Final = ("pending", "delivered", "dead")
STATE: Final = Parameter("state", Note("Trạng thái", "State"), {"type": "string", "enum": list(STATES)})
Entry = Annotated[str, Meta(min_length=1, max_length=260)]


class AllowedIn(Struct, forbid_unknown_fields=True):
    """Inner addresses that an organisation's webhooks may go to: hosts, host:port, addresses, networks."""

    allowed: Annotated[list[Entry], Meta(max_length=100)]


class AllowedOut(Struct):
    """The allow-list in force."""

    request_id: str
    tenant: str
    allowed: list[str]
    updated_at: datetime


class RotateIn(Struct, forbid_unknown_fields=True):
    """How long the secret before signs beside its successor; nothing says a day."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=int(LONGEST_OVERLAP.total_seconds()))] = OVERLAP_SECONDS


class HookOut(Struct):
    """What a receiver needs: the secret of the signatures (Standard Webhooks 1.0), and what the operator allowed.

    Until `previous_until` every message carries a second signature, by the secret before.
    """

    request_id: str
    secret: str
    allowed: list[str]
    updated_at: datetime
    previous_until: datetime | None


class DeliveryOut(Struct, kw_only=True):
    """One message: `id` is its `webhook-id`; `fault` says why the last try failed."""

    id: str
    job_id: str
    event: str
    url: str
    state: str
    tries: int
    fault: str | None
    created_at: datetime
    due_at: datetime | None
    delivered_at: datetime | None


class OneDeliveryOut(DeliveryOut, kw_only=True):
    """One message, as the answer to a call."""

    request_id: str


class DeliveryList(Struct, kw_only=True):
    """One page of messages, newest first."""

    request_id: str
    data: list[DeliveryOut]
    has_more: bool
    first_id: str | None
    last_id: str | None


class WebhookRoutes:
    """The endpoints and the parts they need."""

    def __init__(self, deliveries: Deliveries, identity: Identity) -> None:
        """Keep the parts."""
        self._deliveries = deliveries
        self._identity = identity

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        own: dict[str, Any] = {"tag": "webhooks", "scope": JOBS_WRITE}
        managed: dict[str, Any] = {
            "path": "/v1/tenants/{tenant_id}/webhooks", "tag": "webhooks", "scope": WEBHOOKS_MANAGE,
            "response": AllowedOut,
        }  # fmt: skip
        return [
            Endpoint(
                method="GET", path="/v1/webhooks", handler=self.hook, response=HookOut, event="webhook.read",
                summary=Note("Khóa ký thông báo", "The signing secret"), **own,
            ),
            Endpoint(
                method="POST", path="/v1/webhooks/rotate", handler=self.rotate, request=RotateIn, empty_allowed=True,
                response=HookOut, event="webhook.rotate",
                summary=Note("Thay khóa ký thông báo", "Replace the signing secret"), **own,
            ),
            Endpoint(
                method="GET", path="/v1/webhooks/deliveries", handler=self.deliveries, response=DeliveryList,
                event="webhook.list", query=(*PAGING, STATE),
                summary=Note("Thông báo đã gửi và hỏng", "Messages sent and dead"), **own,
            ),
            Endpoint(
                method="POST", path="/v1/webhooks/deliveries/{delivery_id}/retry", handler=self.retry,
                response=OneDeliveryOut, event="webhook.retry", refusals=(404, 409),
                summary=Note("Gửi lại một thông báo hỏng", "Send a dead message again"), **own,
            ),
            Endpoint(
                method="GET", handler=self.allowed, event="admin.webhooks.read", refusals=(404,),
                summary=Note("Địa chỉ nội bộ được phép", "Inner addresses that are allowed"), **managed,
            ),
            Endpoint(
                method="PUT", handler=self.allow, request=AllowedIn, event="admin.webhooks.allow", refusals=(404,),
                summary=Note("Đặt địa chỉ nội bộ được phép", "Set the inner addresses that are allowed"), **managed,
            ),
        ]  # fmt: skip

    async def hook(self, call: Call, body: None) -> Reply:
        """The organisation's secret and allow-list."""
        call.query()
        return _hook(call, await asyncio.to_thread(self._deliveries.hook, call.who.tenant))

    async def rotate(self, call: Call, body: RotateIn) -> Reply:
        """Replace the secret; until the overlap ends both sign what is sent."""
        overlap = timedelta(seconds=body.overlap_seconds)
        return _hook(call, await asyncio.to_thread(self._deliveries.rotate, call.who.tenant, overlap))

    async def deliveries(self, call: Call, body: None) -> Reply:
        """List the organisation's messages."""
        query = call.query("limit", "after", "state")
        page = asked_page(query)
        state = chosen(query, "state", STATES)
        found = await asyncio.to_thread(self._deliveries.page, call.who.tenant, page.limit + 1, page.after, state)
        data, frame = cut(found, [delivery.id for delivery in found], page)
        listed = DeliveryList(request_id=call.request_id, data=[DeliveryOut(**_facts(one)) for one in data], **frame)
        return Reply(listed, headers=next_link(call, query, frame))

    async def retry(self, call: Call, body: None) -> Reply:
        """Send a dead message again."""
        found = await asyncio.to_thread(self._deliveries.retry, call.who.tenant, call.params["delivery_id"])
        return Reply(OneDeliveryOut(request_id=call.request_id, **_facts(found)))

    async def allowed(self, call: Call, body: None) -> Reply:
        """An organisation's allow-list."""
        call.query()
        tenant = self._tenant(call)
        return _allowed(call, tenant, await asyncio.to_thread(self._deliveries.hook, tenant))

    async def allow(self, call: Call, body: AllowedIn) -> Reply:
        """Set an organisation's allow-list."""
        tenant, entries = self._tenant(call), parse_allowed(body.allowed, "/allowed")
        return _allowed(call, tenant, await asyncio.to_thread(self._deliveries.allow, tenant, entries))

    def _tenant(self, call: Call) -> str:
        """The organisation that is meant. Raises NotFoundError."""
        tenant_id = call.params["tenant_id"]
        if tenant_id not in self._identity.tree.by_id:
            raise NotFoundError("Không tìm thấy đơn vị.", "No such organisation.")
        return tenant_id


def _hook(call: Call, hook: Hook) -> Reply:
    return Reply(HookOut(call.request_id, secret_text(hook.secret), list(hook.allowed), hook.updated_at,
                         hook.previous_until))  # fmt: skip


def _allowed(call: Call, tenant: str, hook: Hook) -> Reply:
    return Reply(AllowedOut(call.request_id, tenant, list(hook.allowed), hook.updated_at))


def _facts(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id, "job_id": delivery.job_id, "event": delivery.event, "url": delivery.url,
        "state": delivery.state, "tries": delivery.tries, "fault": delivery.fault, "created_at": delivery.created_at,
        "due_at": delivery.due_at, "delivered_at": delivery.delivered_at,
    }  # fmt: skip
