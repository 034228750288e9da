"""Distance to the nearest neighbours among at most 2,048 reference rows (kNN, Ramaswamy et al. 2000).

Decision: the reference is bounded, so time is linear in the rows that are judged, and computed in single precision. A
row that lies exactly on a reference row is taken to be that row, and a row is not its own neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
REFERENCE = 2048
NEAREST, FEWEST, SHARE = 40, 5, 5
"""Forty neighbours, in small tables a fifth of the rows, at least five: a handful would let a clump of strange rows
vouch for each other."""
PIECE = 512
SAME = 1e-5


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Reference rows (m, columns) with their squared lengths."""

    rows: Singles
    squares: Singles

    def score(self, rows: Floats) -> Floats:
        """Mean distance of rows (n, columns) to their nearest neighbours."""
        count = self._count()
        found = np.empty(len(rows))
        for at in range(0, len(rows), PIECE):
            far = self._squared(rows[at : at + PIECE])
            near = np.sort(np.sqrt(np.partition(far, count, axis=1)[:, : count + 1]), axis=1)
            own = near[:, 0] == 0.0
            found[at : at + PIECE] = np.where(own, near[:, 1:].mean(axis=1), near[:, :-1].mean(axis=1))
        return found

    def nearest(self, rows: Floats) -> npt.NDArray[np.int64]:
        """Places in the reference of the nearest neighbours that are not the row itself; shape (n, neighbours)."""
        count = self._count()
        found = np.empty((len(rows), count), np.int64)
        for at in range(0, len(rows), PIECE):
            far = self._squared(rows[at : at + PIECE])
            far[far == 0.0] = np.inf
            found[at : at + PIECE] = np.argpartition(far, count - 1, axis=1)[:, :count]
        return found

    def _count(self) -> int:
        """How many neighbours are asked."""
        return max(1, min(NEAREST, max(FEWEST, len(self.rows) // SHARE), len(self.rows) - 1))

    def _squared(self, rows: Floats) -> Singles:
        """Squared distances (n, reference), exactly 0 where rows are the same to single precision."""
        single = rows.astype(np.float32)
        far: Singles = np.square(single).sum(axis=1)[:, None] - 2 * (single @ self.rows.T) + self.squares
        far[far <= SAME * (1.0 + self.squares)] = 0.0
        if far.shape[1] == 1:
            far = np.repeat(far, 2, axis=1)
        return far


def fit(rows: Floats) -> Neighbours:
    """The reference from rows that are few enough, at least one."""
    single = rows.astype(np.float32)
    return Neighbours(single, np.square(single).sum(axis=1))
