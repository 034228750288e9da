"""/v1/me: who the platform takes the caller for, and what is left of the limits."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from msgspec import Struct, convert

from models.errors import Note
from services.endpoints import Call, Endpoint, Reply
from services.quota import Quota
from services.roles import ROLES
from services.routes.keys import SubjectOut
from services.routes.tenants import TenantOut


class LeftOut(Struct):
    """One allowance: full in `reset_seconds` when nothing more is taken."""

    limit_per_minute: int
    remaining: int
    reset_seconds: int


class AllowancesOut(Struct):
    """What the key and its organisation together still allow; units are documents or points."""

    requests: LeftOut
    units: LeftOut


class MeOut(Struct, kw_only=True):
    """The caller as the platform knows it."""

    request_id: str
    key_id: str
    subject: SubjectOut
    tenant: TenantOut
    role: str
    role_title: str
    scopes: list[str]
    expires_at: datetime | None
    limits: AllowancesOut


class MeRoutes:
    """The endpoint and the part it needs."""

    def __init__(self, quota: Quota) -> None:
        """Keep the part."""
        self._quota = quota

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        return [
            Endpoint(
                method="GET", path="/v1/me", handler=self.me, tag="keys", response=MeOut, event="auth.me",
                summary=Note("Tôi là ai: đơn vị, vai trò, quyền, hạn mức", "Who am I: tenant, role, scopes, limits"),
            )
        ]  # fmt: skip

    async def me(self, call: Call, body: None) -> Reply:
        """Tell the caller who it is."""
        caller = call.who
        call.query()
        return Reply(
            MeOut(
                request_id=call.request_id,
                key_id=caller.key_id,
                subject=SubjectOut(caller.subject.id, caller.subject.name, caller.subject.kind),
                tenant=TenantOut(**asdict(caller.organisation)),
                role=caller.role,
                role_title=getattr(ROLES[caller.role].title, call.language),
                scopes=sorted(caller.scopes),
                expires_at=caller.expires_at,
                limits=convert(self._quota.left(caller), AllowancesOut),
            )
        )
