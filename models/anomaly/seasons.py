"""Lasting changes of the season: from some cycle on the year (or week, or day) has another shape.

Method: two mean profiles, before and after each cycle, against one (an F test on what is left of each cycle without
its own level). Decision: the test alone would be fooled by a series that wanders, so nearly every cycle must also lie
nearer to the profile of its own side than to the other one, judged without itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.special import fdtrc

from models.anomaly.baseline import MAD_TO_SIGMA
from models.anomaly.rows import Floats

LEAST_CYCLES, LEAST_SIDE = 6, 3
LEVEL = 1e-6
CLIPPED = 5.0
LEAST_CHANGE = 0.5
AGREEING = 0.9
LONGEST_SEASON = 400


@dataclass(frozen=True, slots=True)
class Turn:
    """The first step of the first cycle with the new profile, a p-value, and the steps of the old and the new peak."""

    at: int
    p: float
    peak_before: int
    peak_after: int


def turns(filled: Floats, season: int) -> list[Turn | None]:
    """For each row (no gaps) the clearest lasting change of its season, if there is one."""
    rows, length = filled.shape
    cycles = length // season if season > 1 else 0
    if cycles < LEAST_CYCLES or season < 4 or season > LONGEST_SEASON:
        return [None] * rows
    shapes = _shapes(filled, season, cycles)
    sums = shapes.cumsum(axis=1)
    whole = np.square(shapes).sum(axis=(1, 2))
    places = np.arange(LEAST_SIDE, cycles - LEAST_SIDE + 1)
    first = np.square(sums[:, places - 1]).sum(axis=2) / places
    second = np.square(sums[:, -1:] - sums[:, places - 1]).sum(axis=2) / (cycles - places)
    single = np.square(sums[:, -1]).sum(axis=1)[:, None] / cycles
    left = np.maximum(whole[:, None] - first - second, 1e-12 * np.maximum(whole[:, None], 1e-300))
    gained = np.maximum(first + second - single, 0.0)
    inner = (cycles - 2) * (season - 1)
    ratio = gained / (season - 1) / (left / inner)
    best = ratio.argmax(axis=1)
    p = np.minimum(1.0, fdtrc(season - 1, inner, np.minimum(ratio.max(axis=1), 1e12)) * len(places))
    return [
        _turn(shapes[row], int(places[best[row]]), float(p[row]), season) if p[row] < LEVEL else None
        for row in range(rows)
    ]


def _shapes(filled: Floats, season: int, cycles: int) -> Floats:
    """Each cycle's shape without its level and the trend across it (rows, cycles, season), wild values held back."""
    size = season | 1
    rough = filled - ndimage.uniform_filter1d(filled, size, axis=1, mode="nearest")
    cut = rough[:, : cycles * season].reshape(len(filled), cycles, season)
    middle = np.median(cut, axis=1, keepdims=True)
    usual = MAD_TO_SIGMA * np.median(np.abs(cut - middle), axis=(1, 2), keepdims=True) + 1e-300
    scale = np.maximum(usual, 1e-9 * np.abs(cut).max(axis=(1, 2), keepdims=True))
    spread = np.maximum(CLIPPED * scale, 3 * np.abs(middle).max(axis=2, keepdims=True))
    held = np.clip(cut, middle - spread, middle + spread)
    found: Floats = held - held.mean(axis=2, keepdims=True)
    return found


def _turn(shapes: Floats, at: int, p: float, season: int) -> Turn | None:
    """The change at one cycle when it is large and the cycles agree with their sides."""
    before, after = shapes[:at].mean(axis=0), shapes[at:].mean(axis=0)
    change = float(np.sqrt(np.square(after - before).mean()))
    size = max(float(np.sqrt(np.square(line).mean())) for line in (before, after))
    if change < LEAST_CHANGE * size or _agreement(shapes, at) < AGREEING:
        return None
    return Turn(at * season, max(p, 1e-15), int(before.argmax()), int(after.argmax()))


def _agreement(shapes: Floats, at: int) -> float:
    """Share of cycles that lie nearer to their own side's mean, taken without them, than to the other's."""
    right = 0
    for place, shape in enumerate(shapes):
        own = shapes[:at] if place < at else shapes[at:]
        other = shapes[at:] if place < at else shapes[:at]
        mean = (own.sum(axis=0) - shape) / (len(own) - 1)
        right += np.square(shape - mean).sum() < np.square(shape - other.mean(axis=0)).sum()
    return right / len(shapes)
