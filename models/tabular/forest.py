"""Isolation forest (Liu, Ting and Zhou 2008): strange rows are cut off from the others after few random splits.

Decision: all trees grow together, level by level, as arrays (tree, node), so growing is a few dozen numpy calls
whatever the number of trees. A node splits on the first of a few randomly drawn columns that still varies in it. Trees
have a fixed depth; a node that is not split passes its rows down to the left, so every row ends on the last level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
TREES = 100
SAMPLE = 256
DEPTH = 8
TRIED = 12
PIECE = 1 << 14
EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class Forest:
    """`column`, `threshold` have shape (trees, 2**depth - 1), `path` (trees, 2**depth): the lengths at the leaves."""

    column: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    path: npt.NDArray[np.float32]
    usual: float

    def score(self, rows: Floats) -> Floats:
        """Strangeness of rows (n, columns): 2 ** -(mean path / usual path), in (0, 1)."""
        found = np.empty(len(rows))
        for at in range(0, len(rows), PIECE):
            found[at : at + PIECE] = self._paths(rows[at : at + PIECE])
        strangeness: Floats = np.exp2(-found / self.usual)
        return strangeness

    def _paths(self, rows: Floats) -> Floats:
        """Mean path length over the trees of at most PIECE rows."""
        count = len(rows)
        values = np.ascontiguousarray(rows.T, np.float32).ravel()
        place = np.arange(count, dtype=np.int32)
        total = np.zeros(count)
        inner = self.column.shape[1]
        starts = self.column * np.int32(count)
        for tree in range(len(self.column)):
            node = np.zeros(count, np.int32)
            for _ in range(DEPTH):
                value = values.take(starts[tree].take(node) + place)
                node = 2 * node + 1 + (value >= self.threshold[tree].take(node))
            total += self.path[tree].take(node - inner)
        return total / len(self.column)


def grow(rows: Floats, rng: np.random.Generator) -> Forest:
    """A forest on (a sample of) rows (n, columns) without missing values."""
    size = min(SAMPLE, len(rows))
    picks = np.argsort(rng.random((TREES, len(rows))), axis=1)[:, :size] if len(rows) <= 4 * SAMPLE else None
    if picks is None:
        picks = rng.integers(0, len(rows), (TREES, size))
    values = rows.astype(np.float32)
    inner = (1 << DEPTH) - 1
    column = np.zeros((TREES, inner), np.int32)
    threshold = np.full((TREES, inner), np.inf, np.float32)
    node = np.zeros((TREES, size), np.int64)
    depth = np.zeros((TREES, size))
    for level in range(DEPTH):
        node, moved = _split(values, picks, node, column, threshold, rng, (1 << level) - 1)
        depth += moved
    leaves = inner + 1
    held = np.zeros((TREES, leaves))
    lengths = np.zeros((TREES, leaves))
    trees = np.broadcast_to(np.arange(TREES)[:, None], node.shape)
    np.add.at(held, (trees, node - inner), 1.0)
    np.maximum.at(lengths, (trees, node - inner), depth)
    lengths += usual_path(held)
    return Forest(column, threshold, lengths.astype(np.float32), max(float(usual_path(np.array([size]))[0]), 1e-9))


def _split(
    values: npt.NDArray[np.float32], picks: Ints, node: Ints, column: npt.NDArray[np.int32],
    threshold: npt.NDArray[np.float32], rng: np.random.Generator, first: int,
) -> tuple[Ints, Floats]:  # fmt: skip
    """Split every node of one level that still can be; the new nodes of the rows and whether each went down a split."""
    trees, size = node.shape
    key = (node - first + np.arange(trees)[:, None] * (first + 1)).ravel()
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.r_[True, np.diff(ordered) > 0])
    groups = ordered[starts]
    tried = rng.integers(0, values.shape[1], (len(groups), TRIED))
    lengths = np.diff(np.r_[starts, len(ordered)])
    member = np.repeat(np.arange(len(groups)), lengths)
    seen = values[picks.ravel()[order][:, None], tried[member]]
    low, high = np.minimum.reduceat(seen, starts, axis=0), np.maximum.reduceat(seen, starts, axis=0)
    choice = np.argmax(high > low, axis=1)
    at = np.arange(len(groups))
    low, high = low[at, choice], high[at, choice]
    usable = high > low
    cut = np.maximum(low + (high - low) * rng.random(len(groups)).astype(np.float32), np.nextafter(low, high))
    tree, place = np.divmod(groups, first + 1)
    column[tree, first + place] = np.where(usable, tried[at, choice], 0)
    threshold[tree, first + place] = np.where(usable, cut, np.inf)
    right = seen[np.arange(len(ordered)), choice[member]] >= np.where(usable, cut, np.inf)[member]
    after, moved = np.empty_like(key), np.empty(len(key))
    after[order] = 2 * (first + place[member]) + 1 + right
    moved[order] = usable[member]
    return after.reshape(trees, size), moved.reshape(trees, size)


def usual_path(count: Floats | Ints) -> Floats:
    """Mean path length of an unsuccessful search among so many rows; 0 for one row or none."""
    many = np.maximum(count, 2).astype(np.float64)
    path = 2 * (np.log(many - 1) + EULER) - 2 * (many - 1) / many
    found: Floats = np.where(count > 2, path, np.where(count == 2, 1.0, 0.0))
    return found
