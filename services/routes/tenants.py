"""/v1/tenants: the tree of organisations."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from models.errors import Fault, InvalidInputError, Note
from services.endpoints import Call, Endpoint, Reply
from services.idempotency import Idempotency
from services.identity import Identity
from services.pages import PAGING, asked_page, cut, next_link
from services.repeats import once
from services.roles import TENANTS_MANAGE
from services.tenants import NewTenant

Code = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]*$")]
Vintage = Annotated[str, Meta(min_length=4, max_length=32, pattern=r"^[0-9]{4}(-[0-9]{2}){0,2}$")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Word = Annotated[str, Meta(min_length=1, max_length=64)]


class TenantIn(Struct, forbid_unknown_fields=True):
    """An organisation to be entered; the platform's own is entered at the machine, not here."""

    code: Code
    vintage: Vintage
    name: Name
    kind: Literal["party", "state", "front", "union", "court"]
    level: Literal["central", "province", "commune"]
    parent: Word | None = None


class TenantOut(Struct, kw_only=True):
    """An organisation."""

    id: str
    code: str
    vintage: str
    name: str
    kind: str
    level: str
    parent: str | None
    created_at: datetime


class NewTenantOut(TenantOut, kw_only=True):
    """The organisation just entered."""

    request_id: str


class TenantList(Struct, kw_only=True):
    """One page of organisations, oldest first."""

    request_id: str
    data: list[TenantOut]
    has_more: bool
    first_id: str | None
    last_id: str | None


class TenantRoutes:
    """The endpoints and the parts they need."""

    def __init__(self, identity: Identity, idempotency: Idempotency) -> None:
        """Keep the parts."""
        self._identity = identity
        self._idempotency = idempotency

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        return [
            Endpoint(
                method="POST", path="/v1/tenants", handler=once(self._idempotency, self.create), tag="tenants",
                scope=TENANTS_MANAGE, creates=True, status=201, request=TenantIn, response=NewTenantOut,
                event="admin.tenant.create", refusals=(409,), summary=Note("Đăng ký đơn vị", "Enter an organisation"),
            ),
            Endpoint(
                method="GET", path="/v1/tenants", handler=self.list, tag="tenants", scope=TENANTS_MANAGE,
                response=TenantList, event="admin.tenant.list", query=PAGING,
                summary=Note("Danh sách đơn vị", "List organisations"),
            ),
        ]  # fmt: skip

    async def create(self, call: Call, body: TenantIn) -> Reply:
        """Enter an organisation."""
        name = " ".join(body.name.split())
        if not name or not name.isprintable():
            vi, en = "Tên phải gồm các ký tự in được.", "The name must be printable."
            raise InvalidInputError(vi, en, (Fault("/name", vi, en),))
        new = NewTenant(body.code, body.vintage, name, body.kind, body.level, body.parent)
        tenant = await asyncio.to_thread(self._identity.create_tenant, call.who, new)
        call.params = {"tenant": tenant.id}  # the record names what was made
        return Reply(NewTenantOut(request_id=call.request_id, **asdict(tenant)), 201)

    async def list(self, call: Call, body: None) -> Reply:
        """List the organisations that the caller sees."""
        query = call.query("limit", "after")
        page = asked_page(query)
        found = self._identity.list_tenants(call.who, page.after, page.limit + 1)
        data, frame = cut(found, [tenant.id for tenant in found], page)
        listed = TenantList(request_id=call.request_id, data=[TenantOut(**asdict(t)) for t in data], **frame)
        return Reply(listed, headers=next_link(call, query, frame))
