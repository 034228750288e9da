"""Lasting changes of level, by the medians of a season before and after each step.

Decision: a shift must stand out from the statistic's own wandering in the same series (five robust deviations), so a
series that drifts or is autocorrelated does not cry at every bend; only then is it dated, where two constants fit best.
"""

from __future__ import annotations

import numpy as np

from models.anomaly.baseline import MAD_TO_SIGMA
from models.anomaly.rows import Bools, Floats, median, running_median

STANDS_OUT = 5.0
LEAST_SIGMAS = 3.0


def half_window(length: int, season: int) -> int:
    """Steps looked at on each side: a season, between 6 and 200, at most a quarter of the series."""
    return min(max(season, 12, length // 40), 200, length // 4)


def shifts(flat: Floats, seen: Bools, season: int) -> list[list[tuple[int, float]]]:
    """For each row (seasonally adjusted, no gaps) the first steps of new levels with the shift in robust deviations."""
    rows, length = flat.shape
    half = half_window(length, season)
    if half < 4:
        return [[] for _ in range(rows)]
    width = half | 1
    smooth = running_median(flat, width)
    reach = width // 2
    change = np.zeros_like(flat)
    change[:, reach + 1 : length - reach] = smooth[:, 2 * reach + 1 :] - smooth[:, : length - 2 * reach - 1]
    noise = MAD_TO_SIGMA * median(np.abs(flat - smooth), seen)
    inner = np.zeros_like(seen)
    inner[:, reach + 1 : length - reach] = True
    wander = MAD_TO_SIGMA * median(np.abs(change), inner)
    size = np.abs(change)
    least = np.maximum(LEAST_SIGMAS * noise, STANDS_OUT * wander)
    found: list[list[tuple[int, float]]] = []
    for row in range(rows):
        peaks = (
            _peaks(size[row], float(least[row]), width) if noise[row] > 0 or wander[row] > 0 or size[row].any() else []
        )
        dated = [(_date(flat[row], peak, width), float(change[row, peak])) for peak in peaks]
        unit = max(float(noise[row]), 1e-12 * float(np.abs(flat[row]).max()), 1e-300)
        found.append([(at, height / unit) for at, height in dated])
    return found


def _peaks(size: Floats, least: float, width: int) -> list[int]:
    """Largest places first, none within `width` of a larger one."""
    found: list[int] = []
    left = np.where(size > least, size, 0.0)
    while left.any() and len(found) < 50:
        peak = int(np.argmax(left))
        plateau = np.flatnonzero(left == left[peak])
        peak = int(plateau[len(plateau) // 2])
        found.append(peak)
        left[max(0, peak - width) : peak + width + 1] = 0.0
    return sorted(found)


def _date(line: Floats, peak: int, width: int) -> int:
    """The first step of the new level near a peak: where two medians leave the least absolute deviation."""
    first, last = max(0, peak - width), min(len(line), peak + width + 1)
    part = line[first:last]
    before, after = np.median(part[: width // 2 + 1]), np.median(part[-(width // 2 + 1) :])
    cost = np.cumsum(np.abs(part - before)) - np.cumsum(np.abs(part - after))
    return first + int(np.argmin(cost[:-1])) + 1
