"""Lasting changes of trend: where a line over the seasons before a step and one over those after it part ways.

Decision: the difference of the slopes is held against what such lines differ by when neighbouring deviations resemble
each other (their autocorrelation widens the error), so a series that wanders does not bend at every turn. The lines
must meet: where they do not, the level has shifted, which is another event.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.anomaly.baseline import MAD_TO_SIGMA, ROUNDING
from models.anomaly.rows import Bools, Floats, median

LEAST_STEPS, MOST_STEPS = 24, 400
SURE = 6.0
LEAST_SIGMAS = 4.0
MEETING = 0.35
CLIPPED = 4.0


@dataclass(frozen=True, slots=True)
class Bend:
    """The first step of a new trend, the slopes per step before and after (on the scale given), and how sure (z)."""

    at: int
    before: float
    after: float
    sure: float


def reach_of(length: int, season: int) -> int:
    """Steps on each side: three seasons, or two, at least 24, at most 400, a third of the series; 0 when too short."""
    for seasons in (3, 2):
        wanted = min(max(LEAST_STEPS, seasons * season), MOST_STEPS)
        if length >= 3 * wanted:
            return wanted
    return 0


def bends(flat: Floats, seen: Bools, season: int) -> list[list[Bend]]:
    """For each row (seasonally adjusted, no gaps) its lasting changes of trend by their steps."""
    rows, length = flat.shape
    reach = reach_of(length, season)
    if not reach:
        return [[] for _ in range(rows)]
    slope, level = _lines(flat, reach)
    before, after = slope[:, : -reach or None], slope[:, reach:]
    ends = level[:, :-reach] + before * reach / 2
    starts = level[:, reach:] - after * reach / 2
    noise, resemblance = _deviations(flat, seen, slope, level, reach)
    error = noise * np.sqrt(24.0 / reach**3 * (1 + resemblance) / (1 - resemblance))
    turned = after - before
    sure = np.abs(turned) / error
    wide = np.abs(turned) * reach >= LEAST_SIGMAS * noise
    meet = np.abs(starts - ends) <= MEETING * np.abs(turned) * reach
    size = np.where((sure > SURE) & wide & meet, sure, 0.0)
    found: list[list[Bend]] = []
    for row in range(rows):
        found.append(
            [
                Bend(peak + reach, float(before[row, peak]), float(after[row, peak]), float(sure[row, peak]))
                for peak in (_peaks(size[row], reach) if size[row].any() else [])
            ]
        )
    return found


def _lines(flat: Floats, reach: int) -> tuple[Floats, Floats]:
    """Slope and mean of the least-squares line over each window of `reach` steps, by its first step."""
    middle = flat.mean(axis=1, keepdims=True)
    away = flat - middle
    zeros = np.zeros((len(flat), 1))
    sums = np.concatenate([zeros, away.cumsum(axis=1)], axis=1)
    steps = np.arange(flat.shape[1], dtype=np.float64)
    moments = np.concatenate([zeros, (away * steps).cumsum(axis=1)], axis=1)
    total = sums[:, reach:] - sums[:, :-reach]
    moment = moments[:, reach:] - moments[:, :-reach]
    centre = np.arange(total.shape[1]) + (reach - 1) / 2
    slope = (moment - centre * total) / (reach * (reach**2 - 1) / 12)
    return slope, total / reach + middle


def _deviations(flat: Floats, seen: Bools, slope: Floats, level: Floats, reach: int) -> tuple[Floats, Floats]:
    """Robust size of the deviations from centred lines, and how much neighbours resemble each other; (rows, 1)."""
    half = reach // 2
    inner = flat[:, half : half + slope.shape[1]]
    known = seen[:, half : half + slope.shape[1]]
    away = inner - (level + slope * (half - (reach - 1) / 2))
    noise = MAD_TO_SIGMA * median(np.abs(away), known)[:, None]
    noise = np.maximum(noise, np.maximum(ROUNDING * np.abs(flat).max(axis=1, keepdims=True), 1e-300))
    held = np.clip(away / noise, -CLIPPED, CLIPPED)
    product = (held[:, 1:] * held[:, :-1]).mean(axis=1, keepdims=True)
    found = np.clip(product / np.maximum(np.square(held).mean(axis=1, keepdims=True), 1e-12), 0.0, 0.95)
    return noise, found


def _peaks(size: Floats, reach: int) -> list[int]:
    """Largest places first, none within `reach` of a larger one."""
    found: list[int] = []
    left = size.copy()
    while left.any() and len(found) < 20:
        peak = int(np.argmax(left))
        found.append(peak)
        left[max(0, peak - reach) : peak + reach + 1] = 0.0
    return sorted(found)
