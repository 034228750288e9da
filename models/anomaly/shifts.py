"""Lasting changes of level, by the medians of a season before and after each step.

Decision: a shift must stand out from the statistic's own wandering in the same series (five robust deviations), so a
series that drifts or is autocorrelated does not cry at every bend; only then is it dated, where two constants fit best.
"""

from __future__ import annotations

import numpy as np

from models.anomaly.baseline import MAD_TO_SIGMA, ROUNDING
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
    noise = MAD_TO_SIGMA * running_median(np.abs(flat - smooth), 2 * width + 1)
    inner = np.zeros_like(seen)
    inner[:, reach + 1 : length - reach] = True
    wander = MAD_TO_SIGMA * median(np.abs(change), inner)
    least = np.maximum(LEAST_SIGMAS * noise, STANDS_OUT * wander[:, None])
    tiny = np.maximum(ROUNDING * np.abs(flat).max(axis=1), 1e-300)
    found: list[list[tuple[int, float]]] = []
    for row in range(rows):
        peaks = _peaks(
            np.where(np.abs(change[row]) > np.maximum(least[row], tiny[row]), np.abs(change[row]), 0.0), width
        )
        unit = np.maximum(noise[row], tiny[row])
        found.append([(_date(flat[row], peak, width), float(change[row, peak] / unit[peak])) for peak in peaks])
    return found


def _peaks(size: Floats, width: int) -> list[int]:
    """Largest places first, none within `width` of a larger one."""
    found: list[int] = []
    left = size.copy()
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
