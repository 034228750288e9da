"""Columns that go together (principal directions, Shyu et al. 2003): how far a row lies off usual ones.

Method: the Mahalanobis distance with a ridge, on axes held to twenty robust deviations, so that a few wild rows do not
bend the directions. Decision: beyond 256 axes directions cannot be learned from a few thousand rows; there the plain
distance from the middle stands in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MOST_AXES = 256
RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Directions:
    """The centre (axes,) and the inverse of the axes' covariance; None where there are too many axes."""

    centre: Floats
    inverse: Floats | None

    def score(self, rows: Floats) -> Floats:
        """Distance of rows (n, axes) along and across the usual directions."""
        found: Floats = np.sqrt(np.maximum(self.by_axis(rows).sum(axis=1), 0.0))
        return found

    def by_axis(self, rows: Floats) -> Floats:
        """The parts of the squared distance that fall to each axis (n, axes); they may be negative."""
        away = rows - self.centre
        found: Floats = away * (away if self.inverse is None else away @ self.inverse)
        return found


def fit(rows: Floats) -> Directions:
    """The directions of (a sample of) rows."""
    centre = rows.mean(axis=0)
    size = rows.shape[1]
    if size > MOST_AXES:
        return Directions(centre, None)
    away = rows - centre
    spread = away.T @ away / max(len(rows), 1)
    ridge = RIDGE * max(float(np.trace(spread)) / size, 1e-9) * np.eye(size)
    return Directions(centre, np.linalg.inv(spread + ridge))
