"""What a model version is judged by, as papers: its card and its evaluation record.

Decision: a paper is answered only when it is, byte for byte, the one whose digest was registered.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from models.errors import Note
from registry import cards
from services.answers import provenance
from services.documents import card_of, evaluation_of, wanted_type
from services.endpoints import Call, Endpoint, Reply
from services.handles import Handles
from services.markup import HTML, SAFE
from services.roles import MODELS_READ
from services.versions import named

VERSION: Final = "/v1/registry/models/{name}/versions/{version}"
CARD_FORMS: Final = ("application/json", "text/html", "text/markdown")


class EvidenceRoutes:
    """The endpoints and the parts they need."""

    def __init__(self, handles: Handles) -> None:
        """Keep the parts."""
        self._handles = handles

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        read: dict[str, Any] = {"method": "GET", "tag": "models", "scope": MODELS_READ, "event": "card.read"}
        return [
            Endpoint(
                path=VERSION + "/card", handler=self.card, response=dict[str, Any], media_types=CARD_FORMS,
                summary=Note("Hồ sơ mô hình", "The model's card"), refusals=(404, 406), **read,
            ),
            Endpoint(
                path=VERSION + "/evaluation", handler=self.evaluation, response=dict[str, Any],
                summary=Note("Kết quả đánh giá", "The evaluation record"), refusals=(404,), **read,
            ),
        ]  # fmt: skip

    async def card(self, call: Call, body: None) -> Reply:
        """The card as JSON, HTML or Markdown. Raises IntegrityError when it is not the one that was registered."""
        entry = named(self._handles, call)
        call.query()
        media = wanted_type(call.header("accept"), CARD_FORMS)
        document = await asyncio.to_thread(card_of, entry)
        headers = (*provenance(entry), (b"vary", b"accept"))
        if media == "text/html":
            return Reply(cards.render_page(document), 200, (*headers, *SAFE), HTML)
        if media == "text/markdown":
            return Reply(cards.render_markdown(document).encode(), 200, headers, b"text/markdown; charset=utf-8")
        return Reply(document, 200, headers)

    async def evaluation(self, call: Call, body: None) -> Reply:
        """The evaluation record. Raises IntegrityError when it is not the one that was registered."""
        entry = named(self._handles, call)
        call.query()
        return Reply(await asyncio.to_thread(evaluation_of, entry), headers=provenance(entry))
