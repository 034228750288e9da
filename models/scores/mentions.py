"""Unintended bias on mentions (Borkan et al. 2019): does naming a group move a text's score?

For one class: D⁺ texts of the class, D⁻ the others; g those that mention the group.

    subgroup AUC   D⁻g against D⁺g    is the ranking as good among texts that mention the group
    BPSN AUC       D⁺ against D⁻g     low: the mention alone raises the score (false alarms)
    BNSP AUC       D⁻ against D⁺g     low: the mention alone lowers it (misses)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.scores.anomaly import Bools, auc_roc
from models.values import Floats

LEAST: Final = 20
"""Fewer positive or negative texts than this on either side give no AUC."""
KINDS: Final = ("subgroup_auc", "bpsn_auc", "bnsp_auc")
POWER: Final = -5.0


@dataclass(frozen=True, slots=True)
class Area:
    """One of the three areas with its standard error; `shortfall` is the overall area less it."""

    kind: str
    n: int
    value: float
    overall: float
    error: float

    @property
    def shortfall(self) -> float:
        """How far it lies below the overall AUC."""
        return self.overall - self.value


def areas(positive: Bools, mentions: Bools, scores: Floats) -> list[Area]:
    """The areas that enough texts define."""
    overall = auc_roc(positive, scores)
    found = []
    for kind, chosen in zip(KINDS, _chosen(positive, mentions), strict=True):
        labels, part = positive[chosen], scores[chosen]
        inside = mentions[chosen]
        short = min(int(labels.sum()), int((~labels).sum()))
        named = int((inside & (labels if kind == "bnsp_auc" else ~labels)).sum()) if kind != "subgroup_auc" else short
        if min(short, named) < LEAST:
            continue
        found.append(Area(kind, int(inside.sum()), auc_roc(labels, part), overall, _error(labels, part)))
    return found


def _chosen(positive: Bools, mentions: Bools) -> tuple[Bools, Bools, Bools]:
    return mentions, (positive & ~mentions) | (~positive & mentions), (~positive & ~mentions) | (positive & mentions)


def _error(labels: Bools, scores: Floats) -> float:
    """Standard error of an AUC by DeLong's structural components (1988), which needs no draws."""
    high, low = scores[labels], scores[~labels]
    ordered_low, ordered_high = np.sort(low), np.sort(high)
    above = (np.searchsorted(ordered_low, high, "left") + np.searchsorted(ordered_low, high, "right")) / (2 * len(low))
    below = (np.searchsorted(ordered_high, low, "left") + np.searchsorted(ordered_high, low, "right")) / (2 * len(high))
    return float(np.sqrt(above.var(ddof=1) / len(high) + below.var(ddof=1) / len(low)))


def generalised_mean(values: Sequence[float]) -> float:
    """The power mean (p = -5) over groups: near the worst group, yet moved by all."""
    kept = np.array([value for value in values if value > 0])
    return float(np.mean(kept**POWER) ** (1 / POWER)) if len(kept) else float("nan")


def calibration_error(sure: Floats, right: Bools, bins: int = 10) -> float:
    """Expected calibration error over bins of equal width: |accuracy - mean probability|, weighed by cases."""
    places = np.minimum((sure * bins).astype(np.int64), bins - 1)
    total = 0.0
    for at in range(bins):
        held = places == at
        if held.any():
            total += float(held.mean()) * abs(float(right[held].mean()) - float(sure[held].mean()))
    return total
