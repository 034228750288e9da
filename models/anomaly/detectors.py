"""Several detectors of strangeness, and their ensemble: the score that ranks the points of a series.

Decision: members vote with the logarithm of their rank, -log(1 - rank): an average of plain ranks drowns the one point
that a single detector is sure of, and raw magnitudes cannot be compared. Weights are learned on labelled series by
the training recipe. A short series has too few windows to learn from; its score is -log10 of its p-value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import ndimage, signal

from models.anomaly.baseline import Rows
from models.anomaly.evidence import Evidence
from models.anomaly.rows import Floats
from models.anomaly.windows import cut, distances, period

LONG = 200
"""Series of at least this many points are scored by the ensemble."""
MOST_CERTAIN = 15.0
DOUBT = 3.0
NEIGHBOURS, AROUND, STANDS_OUT = 7, 101, 5.0


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each member's vote counts, ≥ 0; learned by the training recipe."""

    principal: float = 1.0
    cluster: float = 1.0
    shift: float = 1.0
    volatility: float = 1.0
    polynomial: float = 1.0
    tail: float = 0.5
    stretch: float = 1.0
    certain: float = 0.5


def to_json(document: Mapping[str, Any]) -> str:
    """JSON as it lies in the artefact."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def ensemble(rows: Rows, found: Evidence, p: Floats, weights: Weights) -> Floats:
    """Scores of a group, shape (series, time), finite, larger = stranger."""
    evident = -np.log10(p)
    if rows.values.shape[1] < LONG:
        return evident
    scores = evident.copy()
    filled = np.where(rows.seen, rows.values, np.nan_to_num(found.expected))
    for row in np.flatnonzero(np.ptp(filled, axis=1) > 0):
        votes = {name: vote(line) for name, line in members(filled[row], evident[row]).items()}
        scores[row] = combine(votes | {"certain": certain(filled[row], evident[row])}, weights)
    return scores


def combine(votes: Mapping[str, Floats], weights: Weights) -> Floats:
    """Weighted mean of the members' votes, and on top of it what a point's own evidence makes certain."""
    table = asdict(weights)
    certain = table.pop("certain")
    mixed = np.asarray(sum(table[name] * line for name, line in votes.items() if name in table and table[name] > 0))
    found: Floats = mixed / (sum(table.values()) or 1.0) + certain * votes["certain"]
    return found


def vote(line: Floats) -> Floats:
    """-log(1 - rank), ranks in (0, 1), ties at their highest place."""
    ordered = np.sort(line)
    below = np.searchsorted(ordered, line, side="left")
    found: Floats = -np.log1p(-(below + 0.5) / (len(line) + 1))
    return found


def certain(line: Floats, evident: Floats) -> Floats:
    """Evidence beyond one in a thousand, in powers of ten, of points that also stand out from their neighbours.

    Not a rank, so that a lone spike outvotes the smooth members; a point amid others as high is left to those.
    """
    away = np.abs(line - ndimage.median_filter(line, NEIGHBOURS))
    usual = ndimage.median_filter(away, AROUND) + np.median(away) + 0.1 * away.mean() + 1e-300
    lone = away > STANDS_OUT * usual
    found: Floats = np.where(lone, np.clip(evident - DOUBT, 0.0, MOST_CERTAIN - DOUBT), 0.0)
    return found


def members(line: Floats, evident: Floats) -> dict[str, Floats]:
    """Each detector's raw score of one series without gaps; `evident` is -log10 of the points' p-values.

    principal: Mahalanobis distance of windows; cluster: distance to usual windows; shift: difference of means before
    and after; volatility: unusual spread; polynomial: distance from a local cubic; tail: the point's own evidence;
    stretch: the evidence of its neighbourhood.
    """
    line = (line - line.mean()) / max(float(line.std()), 1e-300)
    width = period(line)
    principal, cluster = distances(cut(line, width))
    mean = ndimage.uniform_filter1d(line, width, mode="nearest")
    square = ndimage.uniform_filter1d(line * line, width, mode="nearest")
    spread = np.sqrt(np.maximum(square - mean * mean, 0.0))
    spread = np.log(spread + 0.05 * np.median(spread) + 1e-9)
    half = width // 2 + 1
    change = np.zeros_like(line)
    change[half:-half] = np.abs(mean[2 * half :] - mean[: -2 * half])
    change[:width], change[-width:] = 0.0, 0.0
    cubic = signal.savgol_filter(line, max(5, (width // 4) | 1), 3, mode="mirror")
    return {
        "principal": principal,
        "cluster": cluster,
        "shift": change,
        "volatility": np.abs(spread - np.median(spread)),
        "polynomial": np.abs(line - cubic),
        "tail": np.minimum(evident, MOST_CERTAIN),
        "stretch": ndimage.uniform_filter1d(np.minimum(evident, MOST_CERTAIN), width, mode="nearest"),
    }
