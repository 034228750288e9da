"""The first page of a version: may it answer, who has it, who signed, what was said, and what the reader can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from models.errors import Note
from registry.card_fields import BY_PATH
from registry.dossiers import Dossier, Review
from registry.entries import Digests, Entry, Stage
from registry.gate import may_serve
from registry.releases import Releases
from registry.reviews import Reviews
from registry.rules import (
    REQUIRED_EVIDENCE,
    REVIEW_ROLES,
    WAIVER_RANK,
    Actor,
    at_home,
    notices,
    offered,
    transitions,
)
from services.console.listing import version_path
from services.console.wording import DECISIONS, KINDS, Mark, gate_note
from services.console.work import ENDED, RELEASES, holders
from services.problems import Language

LATEST_REMARKS: Final = 30
LATEST_STEPS: Final = 40
DIGESTS: Final[Mapping[str, Note]] = {
    "artifact": Note("Mô hình", "Artefact"),
    "card": Note("Thẻ mô hình", "Card"),
    "evaluation": Note("Hồ sơ đánh giá", "Evaluation"),
    "bias_report": Note("Báo cáo thiên lệch", "Bias report"),
    "data": Note("Dữ liệu", "Data"),
    "serving": Note("Cấu hình phục vụ", "Serving configuration"),
    "policy": Note("Chính sách", "Policy"),
}
CAPACITIES: Final[Mapping[str, Note]] = {
    "registrant": Note("người đăng ký", "registered it"),
    "run": Note("chạy huấn luyện", "ran the training"),
    "card": Note("soạn thẻ", "wrote the card"),
    "data": Note("chuẩn bị dữ liệu", "prepared the data"),
    "owner": Note("chủ mô hình", "owns it"),
}
EVIDENCE: Final[Mapping[str, tuple[str, Note]]] = {
    "card": ("/card", Note("Thẻ mô hình", "Model card")),
    "evaluation": ("/evaluation", Note("Hồ sơ đánh giá", "Evaluation record")),
    "bias_report": ("/bias", Note("Báo cáo thiên lệch", "Bias report")),
    "diff": ("/changes", Note("Thay đổi", "Changes")),
}
REASONED: Final = (
    (
        "suspend", Note("Đình chỉ", "Suspend"),
        Note("Một người là đủ; hiệu lực ở mọi nơi trong 2 giây.", "One person suffices; effective within 2 seconds."),
    ),
    (
        "resume", Note("Cho chạy lại", "Let it resume"),
        Note("Cần hai người, một trong hai là người thẩm định.", "Takes two persons, one of them a reviewer."),
    ),
    (
        "rollback", Note("Quay lui về bản trước", "Roll back"),
        Note("Bản này dừng, bản phục vụ trước đó nhận lại việc.", "This one stops; the one before takes over again."),
    ),
)  # fmt: skip
GUARDS: Final[Mapping[str, Note]] = {
    "exposure": Note("đủ 7 ngày hoặc 1.000 lượt gọi", "7 days or 1,000 calls"),
    "failures": Note("tỷ lệ lỗi trong ngưỡng", "failures within bounds"),
    "difference": Note("khác biệt với bản đang phục vụ trong ngưỡng", "difference from the serving version in bounds"),
    "drill": Note("diễn tập ngắt khẩn cấp dưới 60 giây", "a kill-switch drill under 60 seconds"),
}


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that the tier asks for: who should give it by when, or gave it."""

    role: str
    after: tuple[str, ...]
    name: str | None
    due: datetime | None
    review: Review | None

    @property
    def mark(self) -> Mark:
        """The decision's word; only where there is one."""
        return DECISIONS["approve" if self.review is None else self.review.decision]


@dataclass(frozen=True, slots=True)
class Past:
    """A decision of an earlier round."""

    review: Review
    name: str
    mark: Mark


def overview(
    reviews: Reviews, releases: Releases, actor: Actor, entry: Entry, own_key: bool, now: datetime, language: Language
) -> dict[str, Any]:
    """The facts of a version's first page."""
    dossier = reviews.dossier(entry)
    verdict = may_serve(entry, now.timestamp())
    acts = offered(actor, entry)
    steps = _steps(entry, acts)
    approval = entry.approval
    return {
        "dossier": dossier, "verdict": verdict, "closed": [gate_note(word) for word in verdict.missing],
        "notices": notices(entry, now.timestamp()), "holders": holders(dossier), "made_by": _made_by(dossier),
        "approval_kind": KINDS.get(approval.kind) if approval else None,
        "signatures": _signatures(dossier), "earlier": _earlier(dossier),
        "history": dossier.history[::-1][:LATEST_STEPS],
        "shown_remarks": dossier.comments[::-1][:LATEST_REMARKS], "names": dossier.names,
        "remark_titles": _titles(dossier, language), "may_remark": may_remark(actor, entry),
        "digests": [(label, getattr(entry.digests, name)) for name, label in DIGESTS.items()],
        "acts": acts, "is_author": actor.subject in entry.authors, "reasoned": REASONED, "steps": steps,
        "shares": any(stage in ("shadow", "canary") for stage, _ in steps),
        "guards": [GUARDS.get(word, Note(word, word)) for word in releases.lacking(entry)] if steps else [],
        "may_waive": _may_waive(actor, entry), **_review(reviews, actor, dossier, acts, own_key),
    }  # fmt: skip


def may_remark(actor: Actor, entry: Entry) -> bool:
    """Whether the reader's remarks are taken: a reviewer's, or an author's who answers."""
    reviewer = actor.role in REVIEW_ROLES and at_home(actor, entry)
    return entry.stage not in ENDED and (reviewer or actor.subject in entry.authors)


def same_digests(one: Digests, other: Digests) -> list[tuple[Note, bool]]:
    """Which of the seven digests two versions share."""
    return [(label, getattr(one, name) == getattr(other, name)) for name, label in DIGESTS.items()]


def _review(reviews: Reviews, actor: Actor, dossier: Dossier, acts: tuple[str, ...], own_key: bool) -> dict[str, Any]:
    """What the form of a decision needs to say; empty words for who has none to make."""
    if "approve" not in acts:
        return {"evidence": [], "ready": False, "decided": False, "drawn_other": None, "own_key": False, "unsigned": []}
    entry, base = dossier.entry, version_path(dossier.entry)
    seen = reviews.seen(actor, entry)
    asked = REQUIRED_EVIDENCE[actor.role]
    drawn = next((one for one in dossier.duties if one.role == actor.role and one.ended_at is None), None)
    other = None if drawn is None or drawn.subject == actor.subject else dossier.names.get(drawn.subject, drawn.subject)
    return {
        "evidence": [(word, base + EVIDENCE[word][0], EVIDENCE[word][1], word in seen) for word in asked],
        "ready": seen.issuperset(asked), "drawn_other": other, "own_key": own_key,
        "decided": any(one.round == dossier.round and one.subject == actor.subject for one in dossier.reviews),
        "unsigned": [(word, mark.word) for word, mark in DECISIONS.items()],
    }  # fmt: skip


def _signatures(dossier: Dossier) -> list[Signature]:
    """What the tier asks for in this round, and any further decision that was given in it."""
    said = {one.role: one for one in dossier.reviews if one.round == dossier.round}
    drawn = {one.role: one for one in dossier.duties}
    needed = [(need.role, need.after) for need in dossier.required]
    further = [(role, ()) for role in said if role not in {role for role, _ in needed}]
    found = []
    for role, after in (*needed, *further):
        review, duty = said.get(role), drawn.get(role)
        who = review.subject if review else duty.subject if duty else None
        due = duty.due_at if duty and review is None and dossier.entry.stage is Stage.IN_REVIEW else None
        found.append(Signature(role, after, dossier.names.get(who, who) if who else None, due, review))
    return found


def _earlier(dossier: Dossier) -> list[Past]:
    past = [one for one in dossier.reviews if one.round < dossier.round]
    return [Past(one, dossier.names.get(one.subject, one.subject), DECISIONS[one.decision]) for one in past[::-1]]


def _made_by(dossier: Dossier) -> dict[str, list[Note]]:
    """The authors by name, each with what they did."""
    found: dict[str, list[Note]] = {}
    for one in dossier.authors:
        done = CAPACITIES.get(one.capacity, Note(one.capacity, one.capacity))
        found.setdefault(dossier.names.get(one.subject, one.subject), []).append(done)
    return found


def _titles(dossier: Dossier, language: Language) -> dict[str, str]:
    """What the fields are called that somebody remarked on."""
    found = {}
    for remark in dossier.comments:
        known = BY_PATH.get(remark.pointer.strip("/").replace("/", ".", 1))
        if known is not None:
            found[remark.pointer] = known.vi if language == "vi" else known.en
    return found


def _steps(entry: Entry, acts: tuple[str, ...]) -> list[tuple[str, int]]:
    """The stages a release can go to from here, with the persons each takes."""
    found = {row.action: row.persons for row in transitions(entry) if row.action in RELEASES and row.action in acts}
    return list(found.items())


def _may_waive(actor: Actor, entry: Entry) -> bool:
    """Whether to offer a waiver: the rank is judged when it is given."""
    high = WAIVER_RANK.get(actor.role, 0) > 1
    return high and at_home(actor, entry) and actor.subject not in entry.authors and entry.stage not in ENDED
