"""From a detector's raw score to a vote that can be averaged: -log of the share of rows at least as strange.

Decision: below the ninth decile the vote is the rank, above it the tail goes on as an exponential fitted between two
quantiles. So the one row that a single detector is sure of is heard, a vote means the same in a table of a hundred rows
and of a million, and rows that were not fitted on are judged by the same curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BEND, OUTER = 0.9, 0.975
STEEPEST = 0.3
"""The tail falls at most this much faster than the body of the scores does."""
LARGEST = 20.0
KEPT = 4097


@dataclass(frozen=True, slots=True)
class Curve:
    """Order statistics of a detector's scores, where its tail begins, and the tail's scale."""

    ordered: Floats
    bend: float
    scale: float

    def vote(self, scores: Floats) -> Floats:
        """Votes (n,), 0 to 20."""
        above = len(self.ordered) - np.searchsorted(self.ordered, scores, side="right")
        rank = -np.log((above + 0.5) / (len(self.ordered) + 1))
        start = -np.log(1 - BEND)
        tail = start + (scores - self.bend) / self.scale
        found: Floats = np.where(scores > self.bend, np.minimum(tail, LARGEST), np.clip(rank, 0.0, start))
        return found


def curve_of(scores: Floats) -> Curve:
    """The curve of one detector, from its scores of the rows fitted on."""
    middle, bend, outer = np.quantile(scores, (0.5, BEND, OUTER))
    tail = (outer - bend) / np.log((1 - BEND) / (1 - OUTER))
    body = STEEPEST * (bend - middle) / np.log(0.5 / (1 - BEND))
    scale = max(float(tail), float(body), 1e-9 * max(1.0, float(np.abs(scores).max())))
    ordered = np.sort(scores)
    if len(ordered) > KEPT:
        ordered = ordered[np.linspace(0, len(ordered) - 1, KEPT).round().astype(np.int64)]
    return Curve(ordered, float(bend), scale)
