"""/v1/keys: issue, list, rotate, revoke.

Decision: a key's text stands in the answer that creates it and nowhere else. A foreign key and one that does not
exist are the same 404.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from models.calendar import ZONE
from models.errors import Note
from services.callers import DEFAULT_LIMITS, MOST_LIMITS, Limits
from services.endpoints import Call, Endpoint, Reply
from services.idempotency import Idempotency
from services.identity import Identity
from services.keyring import LONGEST_OVERLAP, Issued, Key
from services.pages import PAGING, asked_page, cut, next_link
from services.repeats import once
from services.roles import KEYS_MANAGE

DEFAULT_OVERLAP_SECONDS: Final = 3600
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Word = Annotated[str, Meta(min_length=1, max_length=64)]


class SubjectIn(Struct, forbid_unknown_fields=True):
    """The person or system a key is for."""

    name: Name
    kind: Literal["person", "system"]


class LimitsIn(Struct, forbid_unknown_fields=True):
    """What the key may consume in a minute."""

    requests_per_minute: Annotated[int, Meta(ge=1, le=MOST_LIMITS.requests_per_minute)] = (
        DEFAULT_LIMITS.requests_per_minute
    )
    units_per_minute: Annotated[int, Meta(ge=1, le=MOST_LIMITS.units_per_minute)] = DEFAULT_LIMITS.units_per_minute


class KeyIn(Struct, forbid_unknown_fields=True):
    """A key to be issued. No scopes: the role's own. No tenant: the caller's own."""

    subject: SubjectIn
    role: Word
    scopes: Annotated[list[Word], Meta(max_length=32)] = []
    tenant: Word | None = None
    limits: LimitsIn | None = None
    expires_at: datetime | None = None


class RotationIn(Struct, forbid_unknown_fields=True):
    """How long the old key lives on beside the new one."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=int(LONGEST_OVERLAP.total_seconds()))] = DEFAULT_OVERLAP_SECONDS


class SubjectOut(Struct):
    """The person or system behind a key; four eyes compares `id`."""

    id: str
    name: str
    kind: str


class LimitsOut(Struct):
    """What the key may consume in a minute; units are documents or points."""

    requests_per_minute: int
    units_per_minute: int


class KeyOut(Struct, kw_only=True):
    """A key without its secret."""

    id: str
    tenant: str
    subject: SubjectOut
    role: str
    scopes: list[str]
    limits: LimitsOut
    state: Literal["active", "expired", "revoked"]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str | None


class IssuedOut(KeyOut, kw_only=True):
    """A new key: `key` is shown this once."""

    request_id: str
    key: str
    notice: str


class KeyList(Struct, kw_only=True):
    """One page of keys, oldest first."""

    request_id: str
    data: list[KeyOut]
    has_more: bool
    first_id: str | None
    last_id: str | None


class KeyRoutes:
    """The endpoints and the parts they need."""

    def __init__(self, identity: Identity, idempotency: Idempotency) -> None:
        """Keep the parts."""
        self._identity = identity
        self._idempotency = idempotency

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        issue = once(self._idempotency, self.issue)
        rotate = once(self._idempotency, self.rotate)
        return [
            Endpoint(
                method="POST", path="/v1/keys", handler=issue, tag="keys", scope=KEYS_MANAGE, creates=True, status=201,
                request=KeyIn, response=IssuedOut, event="admin.key.create", refusals=(409,),
                summary=Note("Cấp khóa", "Issue a key"),
            ),
            Endpoint(
                method="GET", path="/v1/keys", handler=self.list, tag="keys", scope=KEYS_MANAGE, response=KeyList,
                event="admin.key.list", query=PAGING, summary=Note("Danh sách khóa", "List keys"),
            ),
            Endpoint(
                method="POST", path="/v1/keys/{key_id}/rotate", handler=rotate, tag="keys", creates=True, status=201,
                request=RotationIn, response=IssuedOut, empty_allowed=True, event="admin.key.rotate",
                refusals=(404, 409), summary=Note("Thay khóa, có thời gian gối", "Rotate a key with an overlap"),
            ),
            Endpoint(
                method="DELETE", path="/v1/keys/{key_id}", handler=self.revoke, tag="keys", scope=KEYS_MANAGE,
                status=204, event="admin.key.revoke", refusals=(404,),
                summary=Note("Thu hồi khóa, hiệu lực trong 2 giây", "Revoke a key, effective within 2 s"),
            ),
        ]  # fmt: skip

    async def issue(self, call: Call, body: KeyIn) -> Reply:
        """Issue a key."""
        limits = None if body.limits is None else Limits(body.limits.requests_per_minute, body.limits.units_per_minute)
        issued = await asyncio.to_thread(
            self._identity.create_key,
            call.who,
            subject_name=body.subject.name,
            subject_kind=body.subject.kind,
            role=body.role,
            scopes=body.scopes,
            limits=limits,
            expires_at=_aware(body.expires_at),
            tenant=body.tenant,
        )
        call.params = {"key_id": issued.key.id}  # the record names what was made
        return self._issued(call, issued)

    async def list(self, call: Call, body: None) -> Reply:
        """List keys of the tenants that the caller administers."""
        query = call.query("limit", "after")
        page = asked_page(query)
        found = await asyncio.to_thread(self._identity.list_keys, call.who, page.after, page.limit + 1)
        data, frame = cut(found, [key.id for key in found], page)
        now = self._identity.now()
        listed = KeyList(request_id=call.request_id, data=[key_out(key, now) for key in data], **frame)
        return Reply(listed, headers=next_link(call, query, frame))

    async def rotate(self, call: Call, body: RotationIn) -> Reply:
        """Issue the successor of a key; a caller without keys:manage may do so with the key it calls with."""
        key_id = call.params["key_id"]
        if key_id != call.who.key_id:
            call.who.require(KEYS_MANAGE)
        overlap = timedelta(seconds=body.overlap_seconds)
        issued = await asyncio.to_thread(self._identity.rotate_key, call.who, key_id, overlap)
        call.params = {"key_id": key_id, "successor": issued.key.id}
        return self._issued(call, issued)

    async def revoke(self, call: Call, body: None) -> Reply:
        """Revoke a key."""
        await asyncio.to_thread(self._identity.revoke_key, call.who, call.params["key_id"])
        return Reply(None, 204)

    def _issued(self, call: Call, issued: Issued) -> Reply:
        notice = Note("Hãy lưu khóa ngay: khóa chỉ hiện một lần.", "Store the key now: it is shown once.")
        facts = _facts(issued.key, self._identity.now())
        text = getattr(notice, call.language)
        return Reply(IssuedOut(request_id=call.request_id, key=issued.minted.text, notice=text, **facts), 201)


def key_out(key: Key, now: datetime) -> KeyOut:
    """A key as it is listed."""
    return KeyOut(**_facts(key, now))


def _facts(key: Key, now: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "subject": msgspec.convert(asdict(key.subject), SubjectOut),
        "role": key.role,
        "scopes": list(key.scopes),
        "limits": msgspec.convert(asdict(key.limits), LimitsOut),
        "state": key.state(now),
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "replaces": key.replaces,
    }


def _aware(moment: datetime | None) -> datetime | None:
    """A time without a zone is Asia/Ho_Chi_Minh."""
    return moment.replace(tzinfo=ZONE) if moment is not None and moment.tzinfo is None else moment
