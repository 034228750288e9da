"""What a machine checks on a card before a person sees it (GOVERNANCE 2.4).

`blocking` findings keep the card from review; the others are shown to the reviewers. Rules, one function each:
required, shape, blank, boilerplate, evidence, interval, baseline, skill, leakage, artifact, tier, plain, personal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.card_fields import FIELDS, SECTIONS
from registry.card_values import GAPS, field_of, is_gap, texts, value_of

PLAIN_CHARACTERS = 3_500  # one A4 page
SHARED_BY = 3
BOILERPLATE = frozenset(
    (
        "none", "n/a", "na", "tbd", "todo", "unknown", "-", "…", "?", "more information needed", "to be defined",
        "chưa có", "không rõ", "đang cập nhật", "cập nhật sau", "xem sau", "sẽ bổ sung",
    )
)  # fmt: skip
PERSONAL = {
    "email": re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"),
    "phone": re.compile(r"(?<![\w.])(?:\+84|0)[35789]\d(?:[\s.-]?\d){7}(?!\w)"),
    "cccd": re.compile(r"(?<![\w.:])\d{3}(?:[\s-]?\d{3}){3}(?!\w)"),
}
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
LOWER_IS_BETTER = re.compile(r"smape|mase|mape|mae|rmse|error|loss|pinball|false_alarm|ece|wis", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a card: the field (`section.name`), the rule's word, and a sentence in both languages."""

    field: str
    rule: str
    vi: str
    en: str
    blocking: bool = True


Card = Mapping[str, Any]


def lint(card: Card, tier: str, *, artifact_digest: str | None = None, others: Sequence[Card] = ()) -> list[Finding]:
    """Everything that is wrong with `card` for that tier.

    `artifact_digest` is the digest recomputed from the stored artefact; `others` are the platform's other cards, for
    the rule against shared text.
    """
    findings = [finding for rule in _RULES for finding in rule(card, tier)]
    if artifact_digest is not None and value_of(card, "identity.artifact_digest") != artifact_digest:
        findings.append(
            Finding(
                "identity.artifact_digest", "artifact", "Mã băm trên thẻ khác mã băm của mô hình đang lưu.",
                "The digest on the card is not the stored artefact's.",
            )
        )  # fmt: skip
    return findings + list(_shared(card, others))


def _required(card: Card, tier: str) -> Iterator[Finding]:
    for field in FIELDS:
        if field.required(tier) and field_of(card, field.path) is None:
            yield Finding(
                field.path, "required", f"Thiếu mục «{field.vi}», bắt buộc ở mức {tier}.",
                f"«{field.en}» is missing; tier {tier} requires it.",
            )  # fmt: skip


def _shape(card: Card, tier: str) -> Iterator[Finding]:
    for path, field in _all_fields(card):
        whole = isinstance(field, Mapping) and {"value", "source", "by", "at"} <= set(field)
        if not (is_gap(field) or (whole and field["source"] in ("auto", "human", "inherited"))):
            yield Finding(path, "shape", "Mục thiếu nguồn gốc (ai, khi nào).", "The field lacks its provenance.")
        elif whole and isinstance(field, Mapping) and set(field) & set(GAPS):
            yield Finding(path, "shape", "Mục vừa có giá trị vừa ghi là trống.", "The field is both filled and a gap.")


def _blank(card: Card, tier: str) -> Iterator[Finding]:
    for path, field in _all_fields(card):
        if not isinstance(field, Mapping):
            continue
        reason = next((field[gap] for gap in GAPS if gap in field), None)
        value = field.get("value") if reason is None else reason
        if value is None or value in ("", {}) or any(not word.strip() for word in texts(value)):
            yield Finding(path, "blank", "Mục để trống.", "The field is blank.")
        elif field.get("source", "human") == "human" and _says_nothing(value):
            yield Finding(path, "boilerplate", "Mục chỉ có câu mẫu.", "The field holds only boilerplate.")


def _says_nothing(value: Any) -> bool:
    """Whether a text (or the Vietnamese side of a pair) is one of the phrases that fill forms."""
    text = value.get("vi") if isinstance(value, Mapping) and set(value) == {"vi", "en"} else value
    return isinstance(text, str) and text.partition("|")[0].strip(" .…").lower() in BOILERPLATE | {""}


def _evidence(card: Card, tier: str) -> Iterator[Finding]:
    for path in ("evaluation.metrics", "evaluation.baselines"):
        rows = value_of(card, path)
        for row in rows if isinstance(rows, list) else ():
            lacking = _lacking(row)
            if lacking:
                name = str(row.get("name", "?")) if isinstance(row, Mapping) else "?"
                yield Finding(
                    path, "evidence", f"Số đo {name} thiếu: {', '.join(lacking)}.",
                    f"Figure {name} lacks: {', '.join(lacking)}.",
                )  # fmt: skip


def _lacking(row: Any) -> list[str]:
    """Which evidence a figure lacks: value, n, dataset digest, interval (or the reason for having none)."""
    if not isinstance(row, Mapping):
        return ["value"]
    lacking = []
    n, interval = row.get("n"), row.get("ci95")
    if not _finite(row.get("value")):
        lacking.append("value")
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        lacking.append("n")
    if not SHA256.fullmatch(str(row.get("dataset_digest"))):
        lacking.append("dataset_digest")
    explained = isinstance(row.get("ci95_not_evaluated"), str) and row["ci95_not_evaluated"].strip()
    pair = interval if isinstance(interval, list) and len(interval) == 2 and all(map(_finite, interval)) else None
    ordered = pair is not None and pair[0] <= pair[1]
    if not ordered and not explained:
        lacking.append("ci95")
    return lacking


def _finite(value: Any) -> bool:
    """Whether a value is a number that can be compared."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _interval(card: Card, tier: str) -> Iterator[Finding]:
    rows = value_of(card, "evaluation.metrics")
    rows = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    if rows and not any(isinstance(row.get("ci95"), list) for row in rows):
        yield Finding(
            "evaluation.metrics", "interval", "Không số đo nào có khoảng tin cậy.", "No figure has an interval.", False
        )


def _baseline(card: Card, tier: str) -> Iterator[Finding]:
    if not value_of(card, "evaluation.metrics"):
        yield Finding("evaluation.metrics", "evidence", "Không có số đo nào.", "There is no figure at all.")
    if not value_of(card, "evaluation.baselines"):
        yield Finding("evaluation.baselines", "baseline", "Không có mốc so sánh.", "There is no baseline.")


def _skill(card: Card, tier: str) -> Iterator[Finding]:
    pairs = value_of(card, "evaluation.skill_vs_baseline")
    for pair in pairs if isinstance(pairs, list) else ():
        if not isinstance(pair, Mapping) or not (_finite(pair.get("value")) and _finite(pair.get("baseline_value"))):
            yield Finding(
                "evaluation.skill_vs_baseline", "evidence", "Dòng so sánh với mốc thiếu số.",
                "A comparison with a baseline lacks its figures.",
            )  # fmt: skip
            continue
        name = str(pair.get("name"))
        worse = pair["value"] > pair["baseline_value"] if LOWER_IS_BETTER.search(name) else (
            pair["value"] < pair["baseline_value"]
        )  # fmt: skip
        if worse and not re.search("coverage|per_second", name):
            yield Finding(
                "evaluation.skill_vs_baseline", "skill", f"{name} kém mốc {pair.get('baseline')}.",
                f"{name} is worse than baseline {pair.get('baseline')}.", False,
            )  # fmt: skip


def _leakage(card: Card, tier: str) -> Iterator[Finding]:
    rows = value_of(card, "data.datasets")
    rows = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    for row in rows:
        if not SHA256.fullmatch(str(row.get("digest"))):
            yield Finding("data.datasets", "evidence", "Tập dữ liệu thiếu mã băm.", "A dataset lacks its digest.")
    trained = {str(row.get("id")) for row in rows if row.get("role") == "training"}
    if any(str(row.get("id")) in trained for row in rows if row.get("role") == "evaluation"):
        yield Finding(
            "data.datasets", "leakage", "Dữ liệu đánh giá nằm trong dữ liệu huấn luyện.",
            "Evaluation data is training data.",
        )  # fmt: skip


def _tier(card: Card, tier: str) -> Iterator[Finding]:
    if value_of(card, "classification.control_tier") != tier:
        yield Finding(
            "classification.control_tier", "tier", "Mức kiểm soát trên thẻ khác mức được tính.",
            "The control tier on the card is not the computed one.",
        )  # fmt: skip
    art20 = value_of(card, "classification.art20")
    direct = isinstance(art20, Mapping) and art20.get("direct_basis") is True
    if direct and value_of(card, "classification.legal_tier") == "thap":
        yield Finding(
            "classification.legal_tier", "legal", "Khai mức thấp nhưng là căn cứ trực tiếp của quyết định.",
            "Declared low although a direct basis of decisions.", False,
        )  # fmt: skip


def _plain(card: Card, tier: str) -> Iterator[Finding]:
    plain = value_of(card, "explanation.plain_explanation")
    vi = plain.get("vi", "") if isinstance(plain, Mapping) else plain or ""
    if len(str(vi)) > PLAIN_CHARACTERS:
        yield Finding(
            "explanation.plain_explanation", "plain", "Giải thích dài quá một trang.", "The explanation exceeds a page."
        )


def _personal(card: Card, tier: str) -> Iterator[Finding]:
    for path, field in _all_fields(card):
        if isinstance(field, Mapping) and field.get("source") == "human":
            joined = "\n".join(texts(field.get("value")))
            for kind, pattern in PERSONAL.items():
                if pattern.search(joined):
                    yield Finding(
                        path, "personal", f"Mục có thể chứa dữ liệu cá nhân ({kind}).",
                        f"The field may hold personal data ({kind}).",
                    )  # fmt: skip


def _shared(card: Card, others: Sequence[Card]) -> Iterator[Finding]:
    """Judgement that reads the same on more than three models was not made about this one."""
    for path in ("purpose.intended_use", "risk.limitations", "fairness.harms", "explanation.plain_explanation"):
        value = value_of(card, path)
        if value is not None and sum(value_of(other, path) == value for other in others) >= SHARED_BY:
            yield Finding(
                path, "boilerplate", "Nội dung giống hệt ở nhiều mô hình.", "The text is shared by many models."
            )


def _all_fields(card: Card) -> Iterator[tuple[str, Any]]:
    for section in SECTIONS:
        fields = card.get(section)
        for name, field in fields.items() if isinstance(fields, Mapping) else ():
            yield f"{section}.{name}", field


_RULES: tuple[Callable[[Card, str], Iterator[Finding]], ...] = (
    _required, _shape, _blank, _evidence, _interval, _baseline, _skill, _leakage, _tier, _plain, _personal,
)  # fmt: skip
