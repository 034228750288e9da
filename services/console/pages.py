"""What the console shows: one method a page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from models.errors import Note, NotFoundError
from registry.card_fields import BY_PATH
from registry.cards import lint
from registry.entries import Entry
from services import versions
from services.console.fields import ROWS_A_PAGE, Grid, Reading, field_of, sections_of
from services.console.listing import listing, version_path
from services.console.titles import Titles
from services.console.visits import HOME, Visit, own_path
from services.console.wording import TIERS, stage_mark
from services.documents import card_of
from services.endpoints import Reply
from services.handles import Handles

TABS: Final = (
    ("overview", "", Note("Tổng quan", "Overview")),
    ("card", "/card", Note("Thẻ mô hình", "Model card")),
    ("evaluation", "/evaluation", Note("Đánh giá", "Evaluation")),
    ("bias", "/bias", Note("Thiên lệch", "Bias report")),
    ("changes", "/changes", Note("Thay đổi", "Changes")),
)


class Pages:
    """The pages and the parts they need."""

    def __init__(self, handles: Handles, titles: Titles) -> None:
        """Keep the parts."""
        self._handles = handles
        self._titles = titles

    async def sign_in(self, visit: Visit) -> Reply:
        """Ask for a key; who is signed in goes on at once."""
        query = visit.call.query("next", "done")
        return visit.page("sign_in.html", trouble=None, following=own_path(query.get("next", HOME)))

    async def nothing(self, visit: Visit) -> Reply:
        """An address of the console that does not exist."""
        raise NotFoundError("Không có trang này.", "There is no such page.")

    async def models(self, visit: Visit) -> Reply:
        """The list of models."""
        query = visit.call.query("q", "stage", "page")
        seen = versions.seen(self._handles, visit.caller)
        facts = await asyncio.to_thread(listing, seen, self._titles, query, visit.now)
        return visit.page("models.html", "models", **facts)

    async def card(self, visit: Visit) -> Reply:
        """The card with what the checks found and what people remarked."""
        entry, query = self._entry(visit), visit.call.query("show")
        card = await asyncio.to_thread(card_of, entry)
        reading = self._reading(visit, entry, card)
        whole = sections_of(card, reading)
        remarkable = query.get("show") == "remarkable"
        return self._page(
            visit, entry, "card.html", "card", remarkable=remarkable, may_remark=False, forms=[],
            sections=sections_of(card, reading, remarkable=True) if remarkable else whole,
            remarkables=sum(field.remarkable for section in whole for field in section.fields),
            blocking=sum(finding.blocking for finding in reading.findings),
        )  # fmt: skip

    async def field(self, visit: Visit) -> Reply:
        """One field in full: every row, where it comes from, what was said about it."""
        entry, query = self._entry(visit), visit.call.query("page")
        path = visit.call.params["field"]
        card = await asyncio.to_thread(card_of, entry)
        section, _, name = path.partition(".")
        if path not in BY_PATH and not (isinstance(card.get(section), Mapping) and name in card[section]):
            raise NotFoundError("Thẻ không có mục này.", "The card has no such field.")
        asked = query.get("page", "1")
        page = int(asked) if asked.isdigit() and len(asked) < 6 else 1
        reading = self._reading(visit, entry, card)
        found = field_of(card, path, reading, first=(page - 1) * ROWS_A_PAGE, most=ROWS_A_PAGE, whole=True)
        total = found.value.total if isinstance(found.value, Grid) else 0
        pages = max(1, -(-total // ROWS_A_PAGE))
        here = f"{version_path(entry)}/card/{path}?page="
        return self._page(
            visit, entry, "field.html", "card", field=found, may_remark=False, number_of_page=page, pages=pages,
            before=f"{here}{page - 1}" if 1 < page <= pages else None,
            after=f"{here}{page + 1}" if page < pages else None,
        )  # fmt: skip

    # --- parts ----------------------------------------------------------------------------------------------

    def _entry(self, visit: Visit) -> Entry:
        """The version that the address names. Raises NotFoundError, the same for a foreign one."""
        params = visit.call.params
        return versions.pick(self._handles, visit.caller, params["name"], params["version"])

    def _page(self, visit: Visit, entry: Entry, template: str, tab: str, **facts: Any) -> Reply:
        """A page of a version, under its head and tabs."""
        base = version_path(entry)
        return visit.page(
            template, "models", entry=entry, title=self._titles.of(entry), mark=stage_mark(entry.stage), base=base,
            tier=TIERS[entry.tier], tab=tab, tabs=[(word, base + end, label) for word, end, label in TABS], **facts,
        )  # fmt: skip

    def _reading(self, visit: Visit, entry: Entry, card: Mapping[str, Any]) -> Reading:
        findings = lint(card, entry.tier, artifact_digest=entry.digests.artifact)
        return Reading(visit.language, entry.tier, findings, {})
