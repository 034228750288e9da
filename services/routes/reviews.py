"""The review of a version: submit, read the dossier, comment, decide, waive; the reviewer's inbox and signing keys.

Decision: whoever governs a model reads its dossier, and its authors do; other callers read the card, not who said what.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field, to_builtins

from models.errors import ForbiddenError, InvalidInputError, Note
from registry.canonical import canonical
from registry.dossiers import Dossier
from registry.entries import Entry
from registry.persons import Persons, SigningKey
from registry.releases import Releases
from registry.reviews import Decision, Remark, Reviews
from registry.rules import at_home, offered
from registry.signatures import PAYLOAD_TYPE
from registry.trials import GUARD_NOTES, NEXT_GUARDS
from services.actors import actor_of, oversees
from services.endpoints import Call, Endpoint, Parameter, Reply
from services.handles import Handles
from services.idempotency import Idempotency
from services.repeats import once
from services.roles import MODELS_READ, MODELS_REGISTER, MODELS_REVIEW
from services.versions import named

VERSION: Final = "/v1/registry/models/{name}/versions/{version}"
DECISIONS: Final[tuple[Decision, ...]] = ("approve", "reject", "request_changes")
Text = Annotated[str, Meta(min_length=3, max_length=4_000)]

# --- wire types ---------------------------------------------------------------------------------------------


class EmptyIn(Struct, forbid_unknown_fields=True):
    """Nothing."""


class CommentIn(Struct, forbid_unknown_fields=True):
    """A remark on one place of the card (`pointer`, RFC 6901; "" for the whole)."""

    pointer: str
    text: Text


class SignatureIn(Struct, forbid_unknown_fields=True):
    """One signature of an envelope."""

    keyid: str
    sig: str


class EnvelopeIn(Struct, forbid_unknown_fields=True):
    """A DSSE envelope, signed with a registered key of the person's own."""

    payloadType: str
    payload: str
    signatures: Annotated[list[SignatureIn], Meta(min_length=1, max_length=1)]


class ReviewIn(Struct, forbid_unknown_fields=True):
    """A decision in the role of the caller's key."""

    decision: Literal["approve", "reject", "request_changes"]
    role: str
    comments: Annotated[list[CommentIn], Meta(max_length=100)] = field(default_factory=list)
    statement: EnvelopeIn | None = None


class WaiverIn(Struct, forbid_unknown_fields=True):
    """A gap (a field of the card or a guard), why, what is done instead, until when."""

    gap: Annotated[str, Meta(min_length=3, max_length=200)]
    reason: Text
    compensating_control: Text
    expires_at: datetime


class KeyIn(Struct, forbid_unknown_fields=True):
    """A public key or certificate in PEM."""

    public_key: Annotated[str, Meta(min_length=32, max_length=32_000)]


# --- endpoints ----------------------------------------------------------------------------------------------


class ReviewRoutes:
    """The endpoints and the parts they need."""

    def __init__(
        self, reviews: Reviews, releases: Releases, persons: Persons, handles: Handles, idempotency: Idempotency,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        """Keep the parts."""
        self._reviews = reviews
        self._releases = releases
        self._persons = persons
        self._handles = handles
        self._idempotency = idempotency
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        read: dict[str, Any] = {"method": "GET", "tag": "models", "scope": MODELS_READ, "response": dict[str, Any]}
        write: dict[str, Any] = {"method": "POST", "tag": "models", "response": dict[str, Any], "refusals": (404, 409)}
        create, kept = {**write, "status": 201, "creates": True}, self._idempotency
        decision = Parameter("decision", Note("Quyết định sẽ ký", "The decision to sign"))
        return [
            Endpoint(
                path=VERSION + "/submit", handler=self.submit, request=EmptyIn, empty_allowed=True,
                scope=MODELS_REGISTER, event="review.submit", summary=Note("Gửi thẩm định", "Submit for review"),
                **write,
            ),
            Endpoint(
                path=VERSION + "/reviews", handler=self.dossier, event="review.read", refusals=(404,),
                summary=Note("Hồ sơ thẩm định", "Decisions, comments, waivers, history"), **read,
            ),
            Endpoint(
                path=VERSION + "/reviews", handler=once(kept, self.review), request=ReviewIn, scope=MODELS_REVIEW,
                event="review.decide", summary=Note("Ký duyệt, từ chối hoặc yêu cầu sửa", "Decide and sign"), **create,
            ),
            Endpoint(
                path=VERSION + "/reviews/statement", handler=self.statement, event="review.read", refusals=(404,),
                query=(decision,), summary=Note("Văn bản cần ký bằng khóa riêng", "What to sign with your own key"),
                **read,
            ),
            Endpoint(
                path=VERSION + "/comments", handler=once(kept, self.comment), request=CommentIn, scope=MODELS_READ,
                event="review.comment", summary=Note("Góp ý một mục của thẻ", "Comment on a field"), **create,
            ),
            Endpoint(
                path=VERSION + "/waivers", handler=once(kept, self.waive), request=WaiverIn, scope=MODELS_REVIEW,
                event="review.waive", summary=Note("Miễn trừ có thời hạn", "Waive a gap for a time"), **create,
            ),
            Endpoint(
                path="/v1/me/reviews", handler=self.inbox, event="review.inbox",
                summary=Note("Việc thẩm định được giao", "Reviews that the caller was drawn for"), **read,
            ),
            Endpoint(
                path="/v1/me/signing-keys", handler=self.keys, event="key.list",
                summary=Note("Khóa ký của tôi", "The caller's signing keys"), **read,
            ),
            Endpoint(
                path="/v1/me/signing-keys", handler=once(kept, self.add_key), request=KeyIn, scope=MODELS_READ,
                event="key.signing", summary=Note("Đăng ký khóa ký của tôi", "Register a signing key"), **create,
            ),
            Endpoint(
                method="DELETE", path="/v1/me/signing-keys/{id}", handler=self.drop_key, scope=MODELS_READ, status=204,
                tag="models", event="key.signing.revoke", refusals=(404,),
                summary=Note("Thu hồi khóa ký của tôi", "Revoke a signing key"),
            ),
        ]  # fmt: skip

    async def submit(self, call: Call, body: EmptyIn) -> Reply:
        """DRAFT → IN_REVIEW when the platform's own checks pass."""
        entry = named(self._handles, call)
        return self._dossier(call, await asyncio.to_thread(self._reviews.submit, actor_of(call.who), entry))

    async def dossier(self, call: Call, body: None) -> Reply:
        """Everything said and done about a version."""
        entry = named(self._handles, call)
        call.query()
        actor = actor_of(call.who)
        if not (at_home(actor, entry) or oversees(call.who) or actor.subject in entry.authors):
            raise ForbiddenError(
                "Chỉ đơn vị quản lý mô hình và tác giả được đọc hồ sơ thẩm định.",
                "Only the organisation that governs the model and its authors read its dossier.",
            )
        return self._dossier(call, await asyncio.to_thread(self._reviews.dossier, entry))

    async def review(self, call: Call, body: ReviewIn) -> Reply:
        """One person's signed decision."""
        entry = named(self._handles, call)
        remarks = [Remark(one.pointer, one.text) for one in body.comments]
        text = None if body.statement is None else json.dumps(to_builtins(body.statement), separators=(",", ":"))
        found = await asyncio.to_thread(
            self._reviews.review, actor_of(call.who), entry, body.decision, body.role, remarks, text
        )
        return self._dossier(call, found, 201)

    async def statement(self, call: Call, body: None) -> Reply:
        """The exact bytes that a person with a key of his own signs (DSSE payload)."""
        entry = named(self._handles, call)
        asked = call.query("decision").get("decision", "approve")
        decision = next((one for one in DECISIONS if one == asked), None)
        if decision is None:
            names = ", ".join(DECISIONS)
            raise InvalidInputError.at("", f"Phải là một trong: {names}.", f"Must be one of: {names}.")
        unsigned = await asyncio.to_thread(self._reviews.unsigned, actor_of(call.who), entry, decision)
        payload = base64.b64encode(canonical(unsigned)).decode()
        return Reply({"request_id": call.request_id, "payloadType": PAYLOAD_TYPE, "payload": payload})

    async def comment(self, call: Call, body: CommentIn) -> Reply:
        """A remark by itself."""
        entry, remark = named(self._handles, call), Remark(body.pointer, body.text)
        kept = await asyncio.to_thread(self._reviews.comment, actor_of(call.who), entry, remark)
        return Reply({"request_id": call.request_id, **_plain(kept)}, 201)

    async def waive(self, call: Call, body: WaiverIn) -> Reply:
        """Answer for a gap for a time."""
        entry = named(self._handles, call)
        if body.expires_at.tzinfo is None:
            raise InvalidInputError.at("/expires_at", "Thiếu múi giờ.", "The time zone is missing.")
        kept = await asyncio.to_thread(
            self._reviews.waive, actor_of(call.who), entry, body.gap, body.reason, body.compensating_control,
            body.expires_at,
        )  # fmt: skip
        return Reply({"request_id": call.request_id, **_plain(kept)}, 201)

    async def inbox(self, call: Call, body: None) -> Reply:
        """The caller's open duties, the most urgent first."""
        call.query()
        found = await asyncio.to_thread(self._reviews.inbox, actor_of(call.who))
        return Reply({"request_id": call.request_id, "data": [_plain(duty) for duty in found]})

    async def keys(self, call: Call, body: None) -> Reply:
        """The caller's signing keys, also those revoked."""
        call.query()
        found = await asyncio.to_thread(self._persons.keys, call.who.subject.id)
        return Reply({"request_id": call.request_id, "data": [_plain(key) for key in found]})

    async def add_key(self, call: Call, body: KeyIn) -> Reply:
        """Register a key: from then on the person signs by himself."""
        made: SigningKey = await asyncio.to_thread(self._persons.register, actor_of(call.who), body.public_key)
        return Reply({"request_id": call.request_id, **_plain(made)}, 201)

    async def drop_key(self, call: Call, body: None) -> Reply:
        """Accept nothing new under a key."""
        await asyncio.to_thread(self._persons.revoke, actor_of(call.who), call.params["id"])
        return Reply(None, 204)

    def _dossier(self, call: Call, found: Dossier, status: int = 200) -> Reply:
        self._handles.refresh()
        entry, actor = found.entry, actor_of(call.who)
        shown = {
            "request_id": call.request_id, "model": entry.reference, "stage": entry.stage.value, "tier": entry.tier,
            "round": found.round, "authors": [_plain(one) for one in found.authors],
            "reviews": [_review(one) for one in found.reviews], "comments": [_plain(one) for one in found.comments],
            "waivers": [_plain(one) for one in found.waivers], "history": [_plain(one) for one in found.history],
            "required": [_plain(one) for one in found.required], "missing": [_plain(one) for one in found.missing],
            "duties": [_plain(one) for one in found.duties], "names": dict(found.names),
            "previous": None if found.previous is None else found.previous.reference,
            "trial": self._trial(entry), "actions": list(offered(actor, entry)),
        }  # fmt: skip
        return Reply(shown, status)

    def _trial(self, entry: Entry) -> dict[str, Any] | None:
        """What the shadow or canary counted, and which guards still keep it there."""
        if entry.stage not in NEXT_GUARDS:
            return None
        trial, lacking = self._releases.trial(entry), self._releases.lacking(entry)
        return {"counted": _plain(trial), "missing": [{"guard": one, **_plain(GUARD_NOTES[one])} for one in lacking]}


def _review(review: Any) -> dict[str, Any]:
    """A decision with its signed envelope."""
    shown = _plain(review)
    if review.signed is not None:
        shown["signed"] |= {"public_key": review.signed.paper.public_key, "statement": review.signed.paper.text}
        del shown["signed"]["paper"]
    return shown


def _plain(value: Any) -> dict[str, Any]:
    made = to_builtins(value)
    return dict(made) if isinstance(made, Mapping) else {}
