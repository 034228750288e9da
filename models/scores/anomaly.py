"""Measures of anomaly detection.

Labels are boolean, scores larger = stranger. Ranking measures look at one series; a measure that is not defined
(no anomaly, nothing but anomalies) is NaN and leaves the average to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
THRESHOLDS = 250


def average_precision(labels: Bools, scores: Floats) -> float:
    """Area under the precision-recall curve as average precision; tied scores are one step."""
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits, ranked = np.cumsum(labels[order]), scores[order]
    last = np.r_[np.flatnonzero(np.diff(ranked)), len(ranked) - 1]
    precision, recall = hits[last] / (last + 1), hits[last] / labels.sum()
    return float(np.sum(np.diff(np.r_[0.0, recall]) * precision))


def auc_roc(labels: Bools, scores: Floats) -> float:
    """Area under the ROC curve: the chance that an anomaly scores above a normal point, ties half."""
    inside, outside = int(labels.sum()), int((~labels).sum())
    if not inside or not outside:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[labels].sum() - inside * (inside + 1) / 2) / (inside * outside))


def stretches(labels: Bools) -> list[tuple[int, int]]:
    """Runs of True as (first, last), both inclusive."""
    edges = np.flatnonzero(np.diff(np.r_[0, labels.astype(np.int8), 0]))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def soft_labels(labels: Bools, window: int) -> Floats:
    """Labels with edges that fall as sqrt(1 - d / window) up to half a window away (Paparrizos et al. 2022)."""
    soft = labels.astype(np.float64)
    for first, last in stretches(labels):
        after = np.arange(last + 1, min(last + window // 2 + 1, len(labels)))
        soft[after] += np.sqrt(1 - (after - last) / window)
        before = np.arange(max(first - window // 2, 0), first)
        soft[before] += np.sqrt(1 - (first - before) / window)
    return np.minimum(soft, 1.0)


def vus_pr(labels: Bools, scores: Floats, window: int) -> float:
    """Volume under the precision-recall surface: the range-aware area averaged over edge widths 0…window.

    The definition of Paparrizos et al. (VLDB 2022) with their 250 thresholds, summed over sorted scores in place of
    one pass per threshold.
    """
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    places = np.linspace(0, len(scores) - 1, THRESHOLDS).astype(np.int64)
    counts = np.searchsorted(-ranked, -ranked[places], side="right")
    place = np.empty(len(scores), np.int64)
    place[order] = np.arange(len(scores))
    inside = np.cumsum(labels[order])[counts - 1].astype(np.float64)
    areas = []
    for width in range(window + 1):
        soft = soft_labels(labels, width) if width else labels.astype(np.float64)
        edges = np.cumsum(np.where(labels, 0.0, soft)[order])[counts - 1]
        earliest = np.array([place[a : b + 1].min() for a, b in stretches(soft > 0)])
        met = (earliest[None, :] < counts[:, None]).mean(axis=1)
        recall = np.minimum((inside + edges) / (labels.sum() + edges / 2), 1.0) * met
        areas.append(float(np.sum(np.diff(np.r_[0.0, recall]) * (inside + edges) / counts)))
    return float(np.mean(areas))


@dataclass(frozen=True, slots=True)
class EventDetection:
    """How alarms meet marked events: how many were hit, the mean steps to the first alarm, alarms in quiet steps."""

    events: int
    detected: int
    delay: float
    false_alarm_rate: float


def event_detection(labels: Bools, alarms: Bools) -> EventDetection:
    """Detection over runs of labels; `delay` is NaN when none was met, the rate is per quiet step."""
    marked = stretches(labels)
    delays = [int(np.argmax(alarms[a : b + 1])) for a, b in marked if alarms[a : b + 1].any()]
    quiet = alarms[~labels]
    return EventDetection(
        len(marked), len(delays), float(np.mean(delays)) if delays else float("nan"),
        float(quiet.mean()) if len(quiet) else float("nan"),
    )  # fmt: skip
