"""What a model version is judged by: its card, evaluation, differences, and everything together as a signed bundle.

Decision: a paper is answered only when it is, byte for byte, the one whose digest was registered. That a reviewer
opened it is remembered (GOVERNANCE R10), and every reading is a line of the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from models.errors import Note
from registry import standalone
from registry.card_page import render_page
from registry.card_text import render_markdown
from registry.diffs import Diff, compare, render_diff
from registry.entries import Entry
from registry.evidence import Evidence
from registry.exports import CYCLONEDX_TYPE
from registry.packets import Packets
from registry.paper import render_pdf
from registry.reviews import Reviews
from services.actors import actor_of
from services.answers import provenance
from services.documents import card_of, evaluation_of, wanted_type
from services.endpoints import Call, Endpoint, Headers, Parameter, Reply
from services.handles import Handles
from services.markup import HTML, SAFE
from services.pages import refused
from services.roles import AUDIT_READ, MODELS_READ
from services.routes.audit import whose
from services.versions import named, pick

VERSION: Final = "/v1/registry/models/{name}/versions/{version}"
PDF: Final = "application/pdf"
CARD_FORMS: Final = ("application/json", "text/html", "text/markdown", PDF, CYCLONEDX_TYPE)
DIFF_FORMS: Final = ("application/json", "text/html")
AGAINST: Final = Parameter("against", Note("Phiên bản để so; mặc định: bản được phê duyệt trước", "Version to compare"))


class DiffOut(Struct):
    """What changed from `before` to `after`."""

    request_id: str
    diff: Diff


class KeyOut(Struct):
    """One public key of the installation and what it signs."""

    key_id: str
    use: str
    public_key: str


class KeysOut(Struct):
    """The installation's public keys: pin them from here or from the operator."""

    request_id: str
    data: Sequence[KeyOut]


class EvidenceRoutes:
    """The endpoints and the parts they need."""

    def __init__(self, handles: Handles, reviews: Reviews, packets: Packets) -> None:
        """Keep the parts."""
        self._handles = handles
        self._reviews = reviews
        self._packets = packets

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        read: dict[str, Any] = {"method": "GET", "tag": "models", "scope": MODELS_READ, "event": "card.read"}
        export = {**read, "scope": AUDIT_READ, "event": "export.evidence"}
        return [
            Endpoint(
                path=VERSION + "/card", handler=self.card, response=dict[str, Any], media_types=CARD_FORMS,
                summary=Note("Hồ sơ mô hình", "The model's card"), refusals=(404, 406), **read,
            ),
            Endpoint(
                path=VERSION + "/evaluation", handler=self.evaluation, response=dict[str, Any],
                summary=Note("Kết quả đánh giá", "The evaluation record"), refusals=(404,), **read,
            ),
            Endpoint(
                path=VERSION + "/diff", handler=self.diff, response=DiffOut, media_types=DIFF_FORMS, query=(AGAINST,),
                summary=Note("Khác gì với một phiên bản khác", "What differs from another version"),
                refusals=(404, 406), **read,
            ),
            Endpoint(
                path=VERSION + "/evidence", handler=self.evidence, media_types=("application/zip",),
                summary=Note("Gói chứng cứ đã ký", "The signed evidence bundle"), refusals=(404,), **export,
            ),
            Endpoint(
                path=VERSION + "/signature", handler=self.signature, response=dict[str, Any],
                summary=Note("Chữ ký thư mục mô hình (model.sig)", "The folder's signature, OMS form"),
                refusals=(404,), **export,
            ),
            Endpoint(
                path="/v1/audit/keys", handler=self.keys, response=KeysOut,
                summary=Note("Khóa công khai để kiểm chứng", "The public keys of verification"),
                **{**read, "tag": "audit", "event": "audit.keys"},
            ),
            Endpoint(
                path="/v1/audit/verifier", handler=self.verifier, media_types=("text/x-python",),
                summary=Note("Chương trình kiểm chứng một tệp", "The single-file verifier"),
                **{**read, "tag": "audit", "event": "audit.verifier"},
            ),
        ]  # fmt: skip

    async def card(self, call: Call, body: None) -> Reply:
        """The card in the form that is wanted. Raises IntegrityError when it is not the one that was registered."""
        entry = named(self._handles, call)
        call.query()
        media = wanted_type(call.header("accept"), CARD_FORMS)
        reply = await asyncio.to_thread(self._card, entry, media)
        await self._opened(call, entry, "card")
        return reply

    def _card(self, entry: Entry, media: str) -> Reply:
        headers: Headers = (*provenance(entry), (b"vary", b"accept"))
        if media == CYCLONEDX_TYPE:
            return Reply(self._packets.export(entry), 200, headers, f"{CYCLONEDX_TYPE}; version=1.7".encode())
        document = card_of(entry)
        if media == "text/html":
            return Reply(render_page(document), 200, (*headers, *SAFE), HTML)
        if media == "text/markdown":
            return Reply(render_markdown(document).encode(), 200, headers, b"text/markdown; charset=utf-8")
        if media == PDF:
            return Reply(render_pdf(document), 200, (*headers, _file(entry, "pdf")), PDF.encode())
        return Reply(document, 200, headers)

    async def evaluation(self, call: Call, body: None) -> Reply:
        """The evaluation record. Raises IntegrityError when it is not the one that was registered."""
        entry = named(self._handles, call)
        call.query()
        document = await asyncio.to_thread(evaluation_of, entry)
        await self._opened(call, entry, "evaluation")
        return Reply(document, headers=provenance(entry))

    async def diff(self, call: Call, body: None) -> Reply:
        """What changed since another version; without `against`, since the last one that was approved."""
        entry = named(self._handles, call)
        against = call.query("against").get("against")
        media = wanted_type(call.header("accept"), DIFF_FORMS)
        if against is not None:
            other: Entry | None = pick(self._handles, call.who, entry.name, against)
        else:
            other = (await asyncio.to_thread(self._reviews.dossier, entry)).previous
        if other is None:
            raise refused("against", "Chưa có phiên bản được phê duyệt trước.", "No version was approved before.")
        found = await asyncio.to_thread(self._compared, other, entry)
        await self._opened(call, entry, "diff")
        if media == "text/html":
            return Reply(render_diff(found).encode(), 200, (*provenance(entry), (b"vary", b"accept"), *SAFE), HTML)
        return Reply(DiffOut(call.request_id, found), 200, (*provenance(entry), (b"vary", b"accept")))

    def _compared(self, old: Entry, new: Entry) -> Diff:
        was: Evidence = self._packets.evidence(old)
        return compare(old, was, new, self._packets.evidence(new))

    async def evidence(self, call: Call, body: None) -> Reply:
        """The signed bundle, with the decisions that the caller may read. Raises IntegrityError."""
        entry = named(self._handles, call)
        call.query()
        data = await asyncio.to_thread(self._packets.bundle, entry, whose(call.who))
        return Reply(data, 200, (*provenance(entry), _file(entry, "zip")), b"application/zip")

    async def signature(self, call: Call, body: None) -> Reply:
        """`model.sig`, which `model_signing verify key` checks. Raises IntegrityError."""
        entry = named(self._handles, call)
        call.query()
        text = await asyncio.to_thread(self._packets.signature, entry)
        return Reply(text.encode(), 200, provenance(entry))

    async def keys(self, call: Call, body: None) -> Reply:
        """The public keys that bundles and proofs are checked with."""
        call.query()
        shown = await asyncio.to_thread(self._packets.public_keys)
        rows = [KeyOut(key_id, key.use, key.pem.decode()) for key_id, key in shown.items()]
        return Reply(KeysOut(call.request_id, rows))

    async def verifier(self, call: Call, body: None) -> Reply:
        """The one file that checks bundles and proofs without the platform."""
        call.query()
        return Reply(standalone.source(), 200, (), b"text/x-python; charset=utf-8")

    async def _opened(self, call: Call, entry: Entry, evidence: str) -> None:
        await asyncio.to_thread(self._reviews.view, actor_of(call.who), entry, evidence)


def _file(entry: Entry, suffix: str) -> tuple[bytes, bytes]:
    return b"content-disposition", f'attachment; filename="{entry.name}-{entry.version}.{suffix}"'.encode()
