"""Empirical tails of columns (ECOD, Li et al. 2022): how rare a value is to the left or right, summed over columns.

Decision: the distribution of a column is kept as at most 2,049 order statistics, so that a fit is small and a table of
any length is judged in pieces; below that number it is exact. A value that occurs often is not rare however far to the
edge it stands: both tails include the value itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
KEPT = 2049


@dataclass(frozen=True, slots=True)
class Tails:
    """`ordered` holds each column's order statistics (columns, kept); `skewed` says which tail is the longer one."""

    ordered: Floats
    skewed: npt.NDArray[np.bool_]
    count: int

    def both(self, rows: Floats) -> tuple[Floats, Floats]:
        """-log of the share of values at most, and at least, as large; both (n, columns), at least 0."""
        kept = self.ordered.shape[1]
        below, above = np.empty(rows.shape), np.empty(rows.shape)
        for at, line in enumerate(self.ordered):
            below[:, at] = np.searchsorted(line, rows[:, at], side="right")
            above[:, at] = kept - np.searchsorted(line, rows[:, at], side="left")
        least = 0.5 / min(self.count, kept)
        return -np.log(np.maximum(below / kept, least)), -np.log(np.maximum(above / kept, least))

    def score(self, rows: Floats) -> Floats:
        """ECOD's score: the largest of the sums over left tails, right tails, and each column's longer tail."""
        left, right = self.both(rows)
        longer = np.where(self.skewed, right, left)
        found: Floats = np.maximum(np.maximum(left.sum(axis=1), right.sum(axis=1)), longer.sum(axis=1))
        return found

    def by_column(self, rows: Floats) -> Floats:
        """What each column contributes: its rarer tail, beyond what the middle of any column has; (n, columns)."""
        left, right = self.both(rows)
        found: Floats = np.maximum(np.maximum(left, right) - np.log(2.0), 0.0)
        return found


def fit(rows: Floats) -> Tails:
    """The tails of (a sample of) rows (n, columns) without missing values."""
    count = len(rows)
    ordered = np.sort(rows, axis=0)
    if count > KEPT:
        ordered = ordered[np.linspace(0, count - 1, KEPT).round().astype(np.int64)]
    centred = ordered - ordered.mean(axis=0)
    return Tails(np.ascontiguousarray(ordered.T), np.power(centred, 3).sum(axis=0) >= 0, count)
