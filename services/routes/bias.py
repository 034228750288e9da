"""The bias report of a model version: as JSON with what the card says of it, or as a page with pictures and tables.

Decision: the report is answered only when it is, byte for byte, the one whose digest was registered; a version without
one answers with the card's reason. The page says the same in Vietnamese, or in English with `?lang=en`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from models.errors import InvalidInputError, Note, NotFoundError
from pipelines.bias.page import render_page
from registry.card_values import field_of
from services.answers import provenance
from services.documents import bias_of, card_of, wanted_type
from services.endpoints import Call, Endpoint, Parameter, Reply
from services.handles import Handles
from services.markup import HTML, SAFE
from services.roles import MODELS_READ
from services.versions import named

PATH: Final = "/v1/registry/models/{name}/versions/{version}/bias-report"
LANGUAGE: Final = Parameter(
    "lang", Note("Ngôn ngữ của trang", "Language of the page"), {"enum": ["vi", "en"], "default": "vi"}
)
FORMS: Final = ("application/json", "text/html")


class BiasRoutes:
    """The endpoint and the parts it needs."""

    def __init__(self, handles: Handles) -> None:
        """Keep the parts."""
        self._handles = handles

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        return [
            Endpoint(
                method="GET", path=PATH, handler=self.report, response=dict[str, Any], tag="models", scope=MODELS_READ,
                event="card.read", media_types=FORMS, query=(LANGUAGE,), refusals=(404, 406),
                summary=Note("Báo cáo thiên lệch, hoặc lý do chưa có", "The bias report, or why there is none"),
            )
        ]  # fmt: skip

    async def report(self, call: Call, body: None) -> Reply:
        """The report. Raises IntegrityError when it is not the one that was registered."""
        entry = named(self._handles, call)
        language = call.query("lang").get("lang", "vi")
        if language not in ("vi", "en"):
            raise InvalidInputError.at("/lang", "Ngôn ngữ: vi hoặc en.", "Languages: vi or en.")
        media = wanted_type(call.header("accept"), FORMS)
        card, report = await asyncio.to_thread(card_of, entry), await asyncio.to_thread(bias_of, entry)
        headers = (*provenance(entry), (b"vary", b"accept"))
        if media == "text/html":
            if report is None:
                raise NotFoundError(
                    "Phiên bản này chưa có báo cáo thiên lệch.",
                    "This version has no bias report.",
                    code="no-bias-report",
                )
            page = await asyncio.to_thread(render_page, report, "en" if language == "en" else "vi")
            return Reply(page, 200, (*headers, *SAFE), HTML)
        told = {
            "model": entry.reference, "card": entry.digests.card,
            "bias_report": field_of(card, "fairness.bias_report"), "report": report,
        }  # fmt: skip
        return Reply(told, 200, headers)
