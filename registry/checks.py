"""What the platform checks before a person reviews (CHECKING → IN_REVIEW) and again before it approves.

A gap has a word by which a waiver can name it: the field of the card that it is about, or a word of its own. What no
waiver can lift (`HARD`): the artefact's bytes, and the papers that the law asks for before use.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from models.errors import InvalidInputError, Note
from registry import cards
from registry.card_values import value_of
from registry.evidence import Evidence

BIAS_FIELD: Final = "fairness.bias_report"
REPRODUCIBILITY: Final = "training.reproducibility"
IMPACT: Final = "classification.impact_assessment"
PORTAL: Final = "classification.classification_dossier"
TIER: Final = "classification.control_tier"
ARTIFACT: Final = "identity.artifact_digest"
HARD: Final = frozenset({ARTIFACT, IMPACT, PORTAL, TIER, "classification.secrecy"})
REPORTED_TIERS: Final = frozenset({"T2", "T3"})
FAIL: Final = "FAIL"
OPEN_VERDICTS: Final[Mapping[str, frozenset[str]]] = {
    "T1": frozenset({FAIL}),
    "T2": frozenset({FAIL}),
    "T3": frozenset({FAIL, "INSUFFICIENT", "INSUFFICIENT EVIDENCE", "INSUFFICIENT_EVIDENCE"}),
}


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that keeps a version from review: the field or rule, and a sentence."""

    word: str
    note: Note


def gaps(tier: str, evidence: Evidence, waived: Collection[str] = ()) -> list[Gap]:
    """Everything that keeps a version of that tier from review, without what is waived."""
    found = [
        *_card(tier, evidence),
        *_bias(tier, evidence),
        *_reproducibility(tier, evidence),
        *_papers(tier, evidence),
    ]
    return [gap for gap in found if gap.word in HARD or gap.word not in waived]


def _card(tier: str, evidence: Evidence) -> list[Gap]:
    found = []
    try:
        computed = cards.control_tier(evidence.card)
        if computed != tier:
            found.append(
                _gap(TIER, f"Thẻ ở mức {computed}, không phải {tier}.", f"The card is of {computed}, not {tier}.")
            )
    except InvalidInputError as error:
        found.append(Gap("classification.secrecy", error.note))
    for finding in cards.lint(evidence.card, tier, artifact_digest=evidence.artifact.digest):
        if finding.blocking:
            found.append(_gap(finding.field, finding.vi, finding.en))
    return found


def _bias(tier: str, evidence: Evidence) -> list[Gap]:
    if evidence.bias is None:
        if tier not in REPORTED_TIERS:
            return []
        return [_gap(BIAS_FIELD, f"Mức {tier} cần báo cáo thiên lệch.", f"Tier {tier} needs a bias report.")]
    open_verdicts = OPEN_VERDICTS.get(tier, frozenset())
    failing = sorted({axis for axis, verdict in verdicts(evidence.bias).items() if verdict in open_verdicts})
    if not failing:
        return []
    names = ", ".join(failing)
    return [_gap(BIAS_FIELD, f"Báo cáo thiên lệch chưa đạt: {names}.", f"The bias report does not pass: {names}.")]


def verdicts(report: Mapping[str, Any]) -> dict[str, str]:
    """The verdict of each axis of a bias report, in capitals."""
    stated = report.get("verdict_by_axis")
    if not isinstance(stated, Mapping):
        return {}
    return {str(axis): str(verdict).upper() for axis, verdict in stated.items()}


def _reproducibility(tier: str, evidence: Evidence) -> list[Gap]:
    if tier not in REPORTED_TIERS or value_of(evidence.card, REPRODUCIBILITY) is not None:
        return []
    return [
        _gap(
            REPRODUCIBILITY, f"Mức {tier} cần một lượt huấn luyện lặp lại.",
            f"Tier {tier} needs a run that repeats the training.",
        )
    ]  # fmt: skip


def _papers(tier: str, evidence: Evidence) -> list[Gap]:
    found = []
    assessment = value_of(evidence.card, IMPACT)
    if tier == "T3" and not _filled(assessment, "digest", "approved_by_head", "date", "public_url"):
        found.append(
            _gap(
                IMPACT, "Mức T3 cần báo cáo đánh giá tác động đã được người đứng đầu ký và công bố (NĐ 142, Điều 20).",
                "Tier T3 needs a published impact assessment that the head has signed (Decree 142, Art. 20).",
            )
        )  # fmt: skip
    legal = value_of(evidence.card, "classification.legal_tier")
    if legal in ("cao", "trung_binh") and not _filled(value_of(evidence.card, PORTAL), "portal_receipt"):
        found.append(
            _gap(
                PORTAL, "Mức rủi ro trung bình hoặc cao cần biên nhận của cổng thông tin AI.",
                "A medium or high legal tier needs the receipt of the AI portal.",
            )
        )  # fmt: skip
    return found


def _filled(value: Any, *names: str) -> bool:
    return isinstance(value, Mapping) and all(value.get(name) for name in names)


def _gap(word: str, vi: str, en: str) -> Gap:
    return Gap(word, Note(vi, en))
