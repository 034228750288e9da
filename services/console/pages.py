"""What the console shows: one method a page."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, cast

from models.errors import InvalidInputError, Note, NotFoundError
from registry.card_fields import BY_PATH
from registry.cards import lint
from registry.dossiers import Comment, Dossier
from registry.entries import Entry
from registry.packets import Packets
from registry.persons import Persons
from registry.releases import Releases
from registry.reviews import Decision, Reviews
from registry.rules import REVIEW_ROLES
from services import versions
from services.actors import actor_of
from services.console.acts import DECIDED
from services.console.changes import changes
from services.console.fields import ROWS_A_PAGE, Grid, Reading, field_of, sections_of, value_of
from services.console.listing import listing, version_path
from services.console.overview import may_remark, overview, same_digests
from services.console.papers import bias_of, bundle, offered, paper
from services.console.titles import Titles
from services.console.visits import HOME, Visit, own_path
from services.console.wording import TIERS, VERDICTS, stage_mark
from services.console.work import work
from services.documents import card_of, evaluation_of
from services.endpoints import Reply
from services.handles import Handles
from services.roles import AUDIT_ALL, AUDIT_READ

TABS: Final = (
    ("overview", "", Note("Tổng quan", "Overview")),
    ("card", "/card", Note("Thẻ mô hình", "Model card")),
    ("evaluation", "/evaluation", Note("Đánh giá", "Evaluation")),
    ("bias", "/bias", Note("Thiên lệch", "Bias report")),
    ("changes", "/changes", Note("Thay đổi", "Changes")),
)
FIGURES: Final = (
    ("metrics", Note("Số đo", "Metrics")),
    ("baselines", Note("Mốc so sánh", "Baselines")),
)
HARMS: Final = ("fairness.harms", "purpose.affected_groups", "data.representativeness")


class Pages:
    """The pages and the parts they need."""

    def __init__(
        self, handles: Handles, titles: Titles, reviews: Reviews, releases: Releases, persons: Persons, packets: Packets
    ) -> None:
        """Keep the parts."""
        self._handles = handles
        self._titles = titles
        self._reviews = reviews
        self._releases = releases
        self._persons = persons
        self._packets = packets

    async def sign_in(self, visit: Visit) -> Reply:
        """Ask for a key; who is signed in goes on at once."""
        query = visit.call.query("next", "done")
        return visit.page("sign_in.html", trouble=None, following=own_path(query.get("next", HOME)))

    async def nothing(self, visit: Visit) -> Reply:
        """An address of the console that does not exist."""
        raise NotFoundError("Không có trang này.", "There is no such page.")

    async def work(self, visit: Visit) -> Reply:
        """What waits for the reader."""
        page, role = _number(visit.call.query("page", "done").get("page")), visit.caller.role
        actor, seen = actor_of(visit.caller), versions.seen(self._handles, visit.caller)
        facts = await asyncio.to_thread(work, self._reviews, self._titles, actor, seen, visit.now, page)
        asyncio.get_running_loop().run_in_executor(None, self._titles.warm, seen)  # beside the answer
        lists = [
            ("release", Note("Chờ phát hành", "Waiting to be released"), facts["releases"]),
            ("stopped", Note("Đang đình chỉ", "Suspended"), facts["stopped"]),
            ("ending", Note("Phê duyệt sắp hết hạn", "Approvals that end soon"), facts["ending"]),
        ]
        reviewer, author = role in REVIEW_ROLES, role == "ml_engineer"
        nothing = not (reviewer or author or facts["inbox"] or facts["own"] or any(rows for _, _, rows in lists))
        return visit.page("work.html", "work", **facts, lists=lists, reviewer=reviewer, author=author, nothing=nothing)

    async def version(self, visit: Visit) -> Reply:
        """How a version stands, and what the reader can do."""
        entry = self._entry(visit)
        visit.call.query("done")
        facts = await asyncio.to_thread(self._overview, visit, entry)
        return self._page(
            visit,
            entry,
            "version.html",
            "overview",
            **facts,
            papers=offered(entry),
            exports=visit.caller.may(AUDIT_READ),
        )

    async def models(self, visit: Visit) -> Reply:
        """The list of models."""
        query = visit.call.query("q", "stage", "page")
        seen = versions.seen(self._handles, visit.caller)
        facts = await asyncio.to_thread(listing, seen, self._titles, query, visit.now)
        return visit.page("models.html", "models", **facts)

    async def card(self, visit: Visit) -> Reply:
        """The card with what the checks found and what people remarked."""
        entry, query = self._entry(visit), visit.call.query("show", "done")
        remarkable = query.get("show") == "remarkable"
        card = await asyncio.to_thread(card_of, entry)
        dossier = await self._opened(visit, entry, None if remarkable else "card")
        reading = _reading(visit, entry, card, dossier)
        whole = sections_of(card, reading)
        return self._page(
            visit, entry, "card.html", "card", remarkable=remarkable, names=dossier.names, forms=offered(entry)[:4],
            may_remark=may_remark(actor_of(visit.caller), entry),
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
        page = _number(query.get("page"))
        dossier = await self._opened(visit, entry, None)
        reading = _reading(visit, entry, card, dossier)
        found = field_of(card, path, reading, first=(page - 1) * ROWS_A_PAGE, most=ROWS_A_PAGE, whole=True)
        total = found.value.total if isinstance(found.value, Grid) else 0
        pages = max(1, -(-total // ROWS_A_PAGE))
        here = f"{version_path(entry)}/card/{path}?page="
        return self._page(
            visit, entry, "field.html", "card", field=found, number_of_page=page, pages=pages, names=dossier.names,
            may_remark=may_remark(actor_of(visit.caller), entry),
            before=f"{here}{page - 1}" if 1 < page <= pages else None,
            after=f"{here}{page + 1}" if page < pages else None,
        )  # fmt: skip

    async def evaluation(self, visit: Visit) -> Reply:
        """The evaluation record: every figure with its data, n and interval."""
        entry = self._entry(visit)
        visit.call.query()
        record = await asyncio.to_thread(evaluation_of, entry)
        await self._opened(visit, entry, "evaluation")
        tables = []
        for name, heading in FIGURES:
            rows = record.get(name)
            if isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
                tables.append((heading, value_of(rows, visit.language, most=ROWS_A_PAGE)))
        return self._page(visit, entry, "evaluation.html", "evaluation", tables=tables)

    async def bias(self, visit: Visit) -> Reply:
        """The bias report: the verdict of each axis, and whom an error hurts."""
        entry = self._entry(visit)
        visit.call.query()
        card = await asyncio.to_thread(card_of, entry)
        found = await asyncio.to_thread(bias_of, entry)
        dossier = await self._opened(visit, entry, "bias_report")
        reading = _reading(visit, entry, card, dossier)
        return self._page(
            visit, entry, "bias.html", "bias", report=found, verdicts=VERDICTS,
            field=field_of(card, "fairness.bias_report", reading),
            harms=[field_of(card, path, reading, most=ROWS_A_PAGE) for path in HARMS],
        )  # fmt: skip

    async def changes(self, visit: Visit) -> Reply:
        """What differs from the version approved before, or from any other."""
        entry, query = self._entry(visit), visit.call.query("against")
        seen = versions.seen(self._handles, visit.caller)
        others = [one for one in seen if one.name == entry.name and one.version != entry.version]
        dossier = await self._opened(visit, entry, "diff")
        wanted = query.get("against", dossier.previous.version if dossier.previous else None)
        against = next((one for one in others if one.version == wanted), None)
        if "against" in query and against is None:
            raise versions.no_model()
        found = []
        if against is not None:
            reading = Reading(visit.language, entry.tier)
            cards = await asyncio.to_thread(lambda: (card_of(against), card_of(entry)))
            found = changes(*cards, reading)
        return self._page(
            visit, entry, "changes.html", "changes", found=found, against=against, others=others,
            against_path=version_path(against) if against else None,
            is_previous=against is not None and against == dossier.previous,
            sameness=same_digests(entry.digests, against.digests) if against else [],
        )  # fmt: skip

    async def paper(self, visit: Visit) -> Reply:
        """A paper of the version as a file."""
        entry = self._entry(visit)
        visit.call.query()
        return await asyncio.to_thread(paper, entry, visit.call.params["paper"], visit.language)

    async def evidence(self, visit: Visit) -> Reply:
        """The signed evidence bundle, with the decisions that the reader may read."""
        entry = self._entry(visit)
        visit.call.query()
        visit.caller.require(AUDIT_READ)
        tenant = None if visit.caller.may(AUDIT_ALL) else visit.caller.tenant
        return await asyncio.to_thread(bundle, self._packets, entry, tenant)

    async def statement(self, visit: Visit) -> Reply:
        """The statement that somebody with a key of his own signs on his own machine."""
        entry, decision = self._entry(visit), visit.call.query("decision").get("decision")
        if decision not in DECIDED:
            names = ", ".join(DECIDED)
            raise InvalidInputError(f"decision phải là một trong: {names}.", f"decision must be one of: {names}.")
        actor = actor_of(visit.caller)
        document = await asyncio.to_thread(self._reviews.unsigned, actor, entry, cast(Decision, decision))
        return Reply(document)

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

    def _overview(self, visit: Visit, entry: Entry) -> dict[str, Any]:
        actor = actor_of(visit.caller)
        own_key = bool(self._persons.own(actor.subject))
        return overview(self._reviews, self._releases, actor, entry, own_key, visit.now, visit.language)

    async def _opened(self, visit: Visit, entry: Entry, evidence: str | None) -> Dossier:
        """The review of a version, with the note that its reader opened this evidence in full (GOVERNANCE R10)."""
        if evidence is not None:
            await asyncio.to_thread(self._reviews.view, actor_of(visit.caller), entry, evidence)
        return await asyncio.to_thread(self._reviews.dossier, entry)


def _reading(visit: Visit, entry: Entry, card: Mapping[str, Any], dossier: Dossier) -> Reading:
    """How this reader sees the card: what the checks find, and what was remarked, the latest round first."""
    remarks: dict[str, list[Comment]] = defaultdict(list)
    for remark in sorted(dossier.comments, key=lambda one: (-one.round, one.at)):
        remarks[remark.pointer].append(remark)
    findings = lint(card, entry.tier, artifact_digest=entry.digests.artifact)
    return Reading(visit.language, entry.tier, findings, remarks)


def _number(text: str | None) -> int:
    return max(1, int(text)) if text and text.isascii() and text.isdigit() and len(text) < 6 else 1
