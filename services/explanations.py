"""Explanations of classifiers on the wire (GOVERNANCE §6): exact contributions and a sentence for an official."""

from __future__ import annotations

from typing import Any, Final

from models.values import Explanation
from services.labels import LABELS_VI
from services.offsets import OffsetUnit, converted

CAVEAT: Final = "Đây là tương quan trong mô hình, không phải căn cứ pháp lý."


def explained(text: str, found: Explanation, unit: OffsetUnit) -> dict[str, Any]:
    """The wire form of an exact linear attribution; `sum_check` is what its parts miss of the logit."""
    spans = converted([part.span for part in found.contributions], text, unit)
    parts = [
        {"name": part.name, "span": list(span), "value": part.value}
        for part, span in zip(found.contributions, spans, strict=True)
    ]
    total = found.base + found.other + sum(part.value for part in found.contributions)
    target = LABELS_VI.get(found.target, found.target)
    words = ", ".join(f"“{part.name}”" for part in found.contributions[:3] if part.value > 0)
    because = f" chủ yếu vì {words}" if words else ""
    return {
        "method": "linear_contrib", "target": found.target, "space": "logit", "base": found.base,
        "contributions": parts, "other": found.other, "logit": found.logit, "sum_check": total - found.logit,
        "fidelity": {"metric": "exact", "value": 1.0},
        "text_vi": f"Hệ thống xếp vào nhóm {target}{because}.", "caveat_vi": CAVEAT,
    }  # fmt: skip
