"""Robust statistics over the rows of a matrix.

Decision: series of one length and season are laid under each other and computed as one (series, time) matrix, so the
cost of a numpy call is shared by many short series. Every function works row by row: a row's result never depends on
its neighbours. `seen` marks what was observed; no function warns or returns NaN for a row without observations.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def quantile(values: Floats, seen: Bools, level: float) -> Floats:
    """Quantile of the seen values along the last axis, linear between order statistics; 0 where none is seen."""
    ordered = np.sort(np.where(seen, values, np.inf), axis=-1)
    return ordered_quantile(ordered, seen.sum(axis=-1), level)


def ordered_quantile(ordered: Floats, count: npt.NDArray[np.int64], level: float) -> Floats:
    """The same from rows already sorted, of which the first `count` are values."""
    place = level * np.maximum(count - 1, 0)
    low = place.astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    left = np.take_along_axis(ordered, low[..., None], axis=-1)[..., 0]
    right = np.take_along_axis(ordered, high[..., None], axis=-1)[..., 0]
    empty = count == 0
    left, right = np.where(empty, 0.0, left), np.where(empty, 0.0, right)
    found: Floats = left + (right - left) * (place - low)
    return found


def median(values: Floats, seen: Bools) -> Floats:
    """Median of the seen values along the last axis."""
    return quantile(values, seen, 0.5)


def mean(values: Floats, seen: Bools) -> Floats:
    """Mean of the seen values along the last axis; 0 where none is seen."""
    found: Floats = np.where(seen, values, 0.0).sum(axis=-1) / np.maximum(seen.sum(axis=-1), 1)
    return found


def interpolate(values: Floats, seen: Bools) -> Floats:
    """Missing values drawn linearly between their neighbours, held at the ends; a row never seen is 0."""
    filled = np.where(seen, values, 0.0)
    steps = np.arange(values.shape[1])
    for row in np.flatnonzero(~seen.all(axis=1) & seen.any(axis=1)):
        known = seen[row]
        filled[row] = np.interp(steps, steps[known], values[row, known])
    return filled


def running_median(values: Floats, width: int) -> Floats:
    """Centred running median of odd `width`, the series mirrored at its ends. Time is linear in the length."""
    found = np.empty_like(values)
    for row, line in enumerate(values):
        found[row] = ndimage.median_filter(line, width, mode="mirror" if len(line) > 1 else "nearest")
    return found


def trailing_median(values: Floats, width: int) -> Floats:
    """Median of the `width` (odd) values before each step, fewer at the start; step 0 sees its own value."""
    padded = np.concatenate([np.repeat(values[:, :1], width, axis=1), values[:, :-1]], axis=1)
    half = width // 2
    found = np.empty_like(values)
    for row, line in enumerate(padded):
        found[row] = ndimage.median_filter(line, width, mode="nearest")[half : half + values.shape[1]]
    return found


def running_mean(values: Floats, width: int) -> Floats:
    """Centred running mean, the series mirrored at its ends."""
    found: Floats = ndimage.uniform_filter1d(
        values, width, axis=-1, mode="mirror" if values.shape[1] > 1 else "nearest"
    )
    return found
