"""The rules of a model's life as data (GOVERNANCE 4.2 and 4.3): who may do what, after what, for how long.

    R1  none of the authors may review, waive or release            `refuse_author`
    R2  reviewers are drawn by the platform                          registry.duties
    R3  an approval binds the digest set                             registry.approvals, registry.gate
    R4  verified at every load                                       registry.store.vouch
    R6  validity by tier, notices, no grace                          VALID_DAYS, NOTICE_DAYS
    R7  waivers are granted from above and end before the approval   WAIVER_RANK
    R8  a decision is never changed, only followed by another        registry.reviews
    R9  an administrator has no part in it                           no transition names the role
    R10 a reviewer opened the evidence before judging it             REQUIRED_EVIDENCE

Decision: one table of transitions is read by the code that acts, by the pages that offer actions, by the API's 409 and
by the tests, so that they cannot disagree. Break-glass (R5) belongs to incidents, an agency's declaration
of use (R11) to the calling side's scopes; neither is offered here.

Decision: four eyes compares persons. A second key, a second role or another organisation's key of the same subject is
the same person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from models.errors import ConflictError, ForbiddenError, Note
from registry.card_values import value_of
from registry.entries import DIRECT_TIERS, TIERS, Entry, Stage, legal_moves

DAY_SECONDS: Final = 86_400.0
VALID_DAYS: Final[Mapping[str, int]] = {"T0": 30, "T1": 730, "T2": 365, "T3": 182}
NOTICE_DAYS: Final = (60, 30, 7)
DUE_DAYS: Final[Mapping[str, int]] = {"T0": 3, "T1": 5, "T2": 10, "T3": 15}
DRAFT_DAYS: Final = 30
SUNSET_DAYS: Final = 30
EXPOSURE_CALLS: Final = 1_000
EXPOSURE_DAYS: Final = 7
MOST_FAILING: Final = 0.01
MOST_DIFFERING: Final = 0.2
DRILL_SECONDS: Final = 60.0

TECH, FAIRNESS, DPO, SECURITY, HEAD = (
    "tech_reviewer", "fairness_reviewer", "dpo", "security_officer", "agency_head",
)  # fmt: skip
ENGINEER, OWNER, OPERATOR, INSPECTOR = "ml_engineer", "model_owner", "release_operator", "inspector"
REVIEW_ROLES: Final = (TECH, FAIRNESS, DPO, SECURITY, HEAD)
WAIVER_RANK: Final[Mapping[str, int]] = {TECH: 1, FAIRNESS: 1, DPO: 2, SECURITY: 2, HEAD: 3}
REQUIRED_EVIDENCE: Final[Mapping[str, tuple[str, ...]]] = {
    TECH: ("card", "evaluation"),
    FAIRNESS: ("card", "bias_report"),
    DPO: ("card",),
    SECURITY: ("card", "evaluation"),
    HEAD: ("card", "bias_report"),
}

ROLE_TITLES: Final[Mapping[str, Note]] = {
    TECH: Note("người thẩm định kỹ thuật", "technical reviewer"),
    FAIRNESS: Note("người thẩm định công bằng", "fairness reviewer"),
    DPO: Note("nhân sự bảo vệ dữ liệu cá nhân", "data protection officer"),
    SECURITY: Note("cán bộ an ninh mạng", "security officer"),
    HEAD: Note("người đứng đầu cơ quan", "head of the agency"),
    OWNER: Note("chủ mô hình", "model owner"),
    OPERATOR: Note("người vận hành phát hành", "release operator"),
}

SHADOW_GUARDS: Final = ("exposure", "failures", "difference")
CANARY_GUARDS: Final = ("exposure", "failures", "drill")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person or system in a role of an organisation. `platform`: of the platform's own organisation."""

    subject: str
    kind: Literal["person", "system"]
    role: str
    tenant: str
    platform: bool


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table: an action, from where to where, by whom, at which tiers, under which guards.

    `persons` is how many different persons it takes; the first word is kept until the second comes. `authors` says
    whether those who made the model may do it. `roles` is empty for what the platform does by itself.
    """

    action: str
    source: Stage
    target: Stage
    roles: tuple[str, ...]
    persons: int = 1
    tiers: tuple[str, ...] = TIERS
    authors: bool = False
    guards: tuple[str, ...] = ()


_S = Stage
_STOP_ROLES = (OPERATOR, SECURITY, DPO, HEAD, INSPECTOR)
_START_ROLES = (TECH, FAIRNESS, OPERATOR, OWNER, HEAD, DPO, SECURITY)
_GUARDED = tuple(tier for tier in TIERS if tier not in DIRECT_TIERS)
_STAGED = (_S.APPROVED, _S.SHADOW, _S.CANARY, _S.SERVING)


def _release(source: Stage, target: Stage, tiers: tuple[str, ...], *guards: str, persons: int = 1) -> Transition:
    roles = (OPERATOR, OWNER) if persons > 1 else (OPERATOR,)
    return Transition(target.value, source, target, roles, persons, tiers, persons > 1, guards)


TRANSITIONS: Final[tuple[Transition, ...]] = (
    Transition("submit", _S.DRAFT, _S.CHECKING, (ENGINEER, OWNER), authors=True, guards=("required fields",)),
    Transition("submit", _S.EXPIRED, _S.CHECKING, (ENGINEER, OWNER), authors=True, guards=("required fields",)),
    Transition("check", _S.CHECKING, _S.IN_REVIEW, (), guards=("card", "bias_report", "artifact", "reproducibility")),
    Transition("return", _S.CHECKING, _S.DRAFT, ()),
    Transition("approve", _S.IN_REVIEW, _S.APPROVED, REVIEW_ROLES, guards=("evidence", "order", "impact", "portal")),
    Transition("request_changes", _S.IN_REVIEW, _S.DRAFT, REVIEW_ROLES, guards=("comments",)),
    Transition("reject", _S.IN_REVIEW, _S.REJECTED, REVIEW_ROLES, guards=("comments",)),
    _release(_S.APPROVED, _S.SHADOW, TIERS),
    _release(_S.APPROVED, _S.CANARY, DIRECT_TIERS),
    _release(_S.APPROVED, _S.SERVING, DIRECT_TIERS),
    _release(_S.SHADOW, _S.SERVING, DIRECT_TIERS),
    _release(_S.SHADOW, _S.CANARY, DIRECT_TIERS),
    _release(_S.CANARY, _S.SERVING, DIRECT_TIERS),
    _release(_S.SHADOW, _S.CANARY, _GUARDED, *SHADOW_GUARDS),
    _release(_S.CANARY, _S.SERVING, _GUARDED, *CANARY_GUARDS, persons=2),
    _release(_S.CANARY, _S.SHADOW, TIERS),
    *(Transition("suspend", stage, _S.SUSPENDED, _STOP_ROLES, authors=True) for stage in _STAGED),
    *(Transition("resume", _S.SUSPENDED, stage, _START_ROLES, 2, authors=True) for stage in _STAGED),
    Transition("rollback", _S.SERVING, _S.SUSPENDED, (OPERATOR,), authors=True),
    *(
        Transition("retire", stage, _S.RETIRED, (OWNER, OPERATOR), authors=True, guards=("sunset",))
        for stage in (_S.SERVING, _S.SUSPENDED, _S.EXPIRED)
    ),
    *(Transition("expire", stage, _S.EXPIRED, ()) for stage in (*_STAGED, _S.SUSPENDED)),
    *(
        Transition("revoke", stage, _S.REVOKED, (HEAD,), authors=True)
        for stage in (_S.DRAFT, _S.CHECKING, _S.IN_REVIEW, *_STAGED, _S.SUSPENDED, _S.EXPIRED)
    ),
)


@dataclass(frozen=True, slots=True)
class RoleNeed:
    """A signature that the tier asks for; `after` are the roles that must have signed before."""

    role: str
    after: tuple[str, ...] = ()


def needs(tier: str, *, personal_data: bool) -> tuple[RoleNeed, ...]:
    """Whose signatures a version of that tier needs (GOVERNANCE 4.2)."""
    first: tuple[str, ...] = (TECH,) if tier == "T0" else (TECH, FAIRNESS)
    if tier == "T3":
        first = (TECH, FAIRNESS, DPO, SECURITY)
        return (*map(RoleNeed, first), RoleNeed(HEAD, first))
    if tier == "T2" and personal_data:
        first = (TECH, FAIRNESS, DPO)
    return tuple(map(RoleNeed, first))


def has_personal_data(card: Mapping[str, Any]) -> bool:
    """Whether a card says, or does not deny, that personal data is processed."""
    return value_of(card, "classification.personal_data") is not False


def rank_to_waive(tier: str, *, personal_data: bool) -> int:
    """The rank from which a waiver may be granted: above every reviewer of the tier, the head's at the top (R7)."""
    highest = max(WAIVER_RANK[need.role] for need in needs(tier, personal_data=personal_data))
    return min(highest + 1, max(WAIVER_RANK.values()))


def may_try(entry: Entry, at: float, subject: str) -> bool:
    """Whether an author may call his own draft in the sandbox at `at`: not yet decided about, for 30 days."""
    undecided = entry.stage in (_S.DRAFT, _S.CHECKING, _S.IN_REVIEW)
    return undecided and subject in entry.authors and at < entry.created_at.timestamp() + DRAFT_DAYS * DAY_SECONDS


def transitions(entry: Entry, action: str | None = None, target: Stage | None = None) -> tuple[Transition, ...]:
    """The rows that lead on from where the entry stands, at its tier."""
    return tuple(
        row
        for row in TRANSITIONS
        if row.source is entry.stage
        and entry.tier in row.tiers
        and action in (None, row.action)
        and target in (None, row.target)
    )


def at_home(actor: Actor, entry: Entry) -> bool:
    """Whether the entry is the actor's organisation's to govern; what is public is the platform's alone."""
    return actor.platform or (actor.tenant == entry.tenant and not entry.public)


def permitted(actor: Actor, entry: Entry, row: Transition) -> bool:
    """The one predicate: whether this actor may take part in this transition of this entry."""
    return (
        actor.kind == "person"
        and actor.role in row.roles
        and (row.authors or actor.subject not in entry.authors)
        and (at_home(actor, entry) or (row.action == "submit" and actor.tenant == entry.tenant))
    )


def offered(actor: Actor, entry: Entry) -> tuple[str, ...]:
    """The actions that this actor may take on this entry now, in the table's order."""
    return tuple(dict.fromkeys(row.action for row in transitions(entry) if permitted(actor, entry, row)))


def rule_for(actor: Actor, entry: Entry, action: str, target: Stage | None = None) -> Transition:
    """The row under which the actor acts.

    Raises ConflictError naming what is legal when there is none from here, ForbiddenError for a role that may not,
    for an author, and for somebody of another organisation.
    """
    rows = transitions(entry, action, target)
    if not rows:
        raise illegal(entry, action if target is None else target.value)
    refuse_others(actor, entry, rows[0])
    return rows[0]


def refuse_others(actor: Actor, entry: Entry, row: Transition) -> None:
    """Raise ForbiddenError unless the actor may take part (`permitted`), naming why."""
    if not row.authors:
        refuse_author(actor, entry)
    if permitted(actor, entry, row):
        return
    raise ForbiddenError(
        f"Chỉ người giữ vai trò sau của đơn vị quản lý mô hình được làm việc này: {', '.join(row.roles)}.",
        f"Only persons of the governing organisation in these roles may do this: {', '.join(row.roles)}.",
        allowed_roles=list(row.roles),
    )


def refuse_author(actor: Actor, entry: Entry) -> None:
    """Raise ForbiddenError (`author`) for whoever made the model (R1)."""
    if actor.subject in entry.authors:
        raise ForbiddenError(
            "Người làm ra mô hình (chạy huấn luyện, soạn thẻ, chuẩn bị dữ liệu, chủ mô hình) không được thẩm định "
            "hay phát hành chính mô hình đó.",
            "Whoever made a model (ran the training, wrote the card, prepared the data, owns it) may neither review "
            "nor release it.",
            code="author",
        )


def illegal(entry: Entry, wanted: str) -> ConflictError:
    """The refusal of an illegal move: where the entry stands, and what is legal from there."""
    legal = sorted(stage.value for stage in legal_moves(entry))
    actions = list(dict.fromkeys(row.action for row in transitions(entry) if row.roles))
    return ConflictError(
        f"Không chuyển được từ {entry.stage} sang {wanted}; được phép: {', '.join(legal) or '—'}.",
        f"Cannot move from {entry.stage} to {wanted}; legal: {', '.join(legal) or '—'}.",
        code="illegal-move", state=entry.stage.value, legal=legal, actions=actions,
    )  # fmt: skip


def notices(entry: Entry, at: float) -> tuple[Note, ...]:
    """What should be told of the approval's end: within 60, 30 and 7 days, and after it."""
    approval = entry.approval
    if approval is None or entry.stage in (_S.REJECTED, _S.REVOKED, _S.RETIRED):
        return ()
    left = approval.valid_until.timestamp() - at
    day = approval.valid_until.date().isoformat()
    if left <= 0:
        return (Note(f"Phê duyệt đã hết hạn ngày {day}.", f"The approval ended on {day}."),)
    reached = [days for days in NOTICE_DAYS if left <= days * DAY_SECONDS]
    if not reached:
        return ()
    return (
        Note(
            f"Phê duyệt hết hạn trong {min(reached)} ngày tới (ngày {day}).",
            f"The approval ends within {min(reached)} days (on {day}).",
        ),
    )


def rules_document() -> dict[str, Any]:
    """The rules as a JSON document: part of the policy that approvals bind, and shown to whoever asks."""
    return {
        "transitions": [
            {
                "action": row.action, "from": row.source.value, "to": row.target.value, "roles": list(row.roles),
                "persons": row.persons, "tiers": list(row.tiers), "authors": row.authors, "guards": list(row.guards),
            }
            for row in TRANSITIONS
        ],
        "needs": {
            tier: {
                "without_personal_data": [need.role for need in needs(tier, personal_data=False)],
                "with_personal_data": [need.role for need in needs(tier, personal_data=True)],
            }
            for tier in TIERS
        },
        "valid_days": dict(VALID_DAYS), "notice_days": list(NOTICE_DAYS), "due_days": dict(DUE_DAYS),
        "draft_days": DRAFT_DAYS, "sunset_days": SUNSET_DAYS, "waiver_rank": dict(WAIVER_RANK),
        "required_evidence": {role: list(names) for role, names in REQUIRED_EVIDENCE.items()},
        "guards": {
            "exposure": {"calls": EXPOSURE_CALLS, "or_days": EXPOSURE_DAYS}, "most_failing": str(MOST_FAILING),
            "most_differing": str(MOST_DIFFERING), "drill_seconds": str(DRILL_SECONDS),
        },
    }  # fmt: skip
