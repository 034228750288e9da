"""Judging each point by its past alone.

Method: the past is refitted at checkpoints that grow with the series (seasonal profile, usual deviation, tails, and
which of three trailing medians forecasts best); between checkpoints only the level moves, by values before the point.
One-step-ahead deviations become conformal p-values against the deviations of the past. Memory is one window, time
is linear: a window is refitted once per quarter of its length.
"""

from __future__ import annotations

import numpy as np

from models.anomaly.baseline import Rows, from_scale, seasonal, spread, to_scale, trend_width
from models.anomaly.evidence import TINY_SERIES, Evidence, settle
from models.anomaly.rows import Bools, Floats, interpolate, mean, running_median, trailing_median
from models.anomaly.tails import Prior, fit
from models.anomaly.tet import Buckets, effect

FIRST_FIT = 12
WINDOW = 1024
MEMORIES = ((1, 1.6), (5, 1.25), (25, 1.0))
"""Widths of the trailing medians with the handicap of each: a short memory forecasts an outbreak well by following
it, and so hides it; it is taken only where a long one is clearly worse, as for a series that wanders."""


def checkpoints(length: int, window: int) -> list[int]:
    """Steps at which the past is refitted, each at most a fifth or a quarter of a window after the last."""
    found, at = [], FIRST_FIT
    while at < length:
        found.append(at)
        at += min(max(3, at // 5), window // 4)
    return found


def one_step(rows: Rows, level: float, prior: Prior, buckets: Buckets | None) -> Evidence:
    """Judge every point by the points before it; nothing is said of the first twelve."""
    shape = rows.values.shape
    window = max(WINDOW, 6 * rows.season)
    found = Evidence(*(np.full(shape, fill) for fill in (np.nan, 1.0, 1.0, 1.0, np.nan, np.nan, 0.0)))
    scaled = to_scale(rows.values, rows.positive)
    places = checkpoints(shape[1], window)
    for start, stop in zip(places, [*places[1:], shape[1]], strict=True):
        first = max(0, start - window)
        cut = slice(first, stop)
        part = Rows(rows.values[:, cut], rows.seen[:, cut], rows.season, rows.positive, rows.counts)
        near = None if buckets is None else buckets[cut]
        piece = _block(part, scaled[:, cut], start - first, level, prior, near)
        for name in Evidence.__slots__:
            getattr(found, name)[:, start:stop] = getattr(piece, name)
    return settle(rows, found, level)


def _block(part: Rows, scaled: Floats, known: int, level: float, prior: Prior, buckets: Buckets | None) -> Evidence:
    """Fit on the first `known` steps, judge the others."""
    seen = part.seen[:, :known]
    profile, loss = _profile(scaled[:, :known], seen, part.season, scaled.shape[1])
    middle = _level(scaled - profile, part.seen, known) + profile
    widen = np.ones((scaled.shape[0], scaled.shape[1] - known))
    if buckets is not None:
        shift, wide = effect((scaled - middle)[:, :known], seen, buckets[:known], buckets)
        middle, widen = middle + shift, wide[:, known:]
    expected = from_scale(middle, part.positive)
    deviation = part.values - expected
    past = Rows(part.values[:, :known], seen, part.season, part.positive, part.counts)
    sizes = spread(expected[:, :known], deviation[:, :known], past)
    sigma = sizes.at(expected) * loss
    unit = deviation / sigma
    habit = unit[:, :known] * loss
    above, below = fit(habit, seen, prior, inside=False), fit(-habit, seen, prior, inside=False)
    ahead = unit[:, known:] / widen
    size = sigma[:, known:] * widen
    said = (seen.sum(axis=1) >= TINY_SERIES)[:, None]
    expected = np.where(said, expected[:, known:], np.nan)
    return Evidence(
        expected, size, above.p(ahead), below.p(-ahead),
        expected - size * below.reach(level), expected + size * above.reach(level), profile[:, known:],
    )  # fmt: skip


def _profile(past: Floats, seen: Bools, season: int, length: int) -> tuple[Floats, Floats]:
    """Seasonal profile of the past laid over `length` steps, and by how much it flatters the past's deviations."""
    rows, known = past.shape
    if season < 2 or known < 2 * season:
        return np.zeros((rows, length)), np.ones((rows, 1))
    filled = interpolate(past, seen)
    trend = running_median(filled, trend_width(known, season))
    tiled = seasonal(filled - trend, seen, season)
    cycles = known / season
    profile = np.tile(tiled[:, :season], (1, -(-length // season)))[:, :length]
    loss = np.where((profile != 0).any(axis=1, keepdims=True), np.sqrt((cycles + 1) / (cycles - 1)), 1.0)
    return profile, loss


def _level(flat: Floats, seen: Bools, known: int) -> Floats:
    """The trailing median that forecast the past best, for every step; missing values repeat the last one seen."""
    steps = np.arange(flat.shape[1])
    last = np.maximum.accumulate(np.where(seen, steps, -1), axis=1)
    first = np.argmax(seen, axis=1)[:, None]
    filled = np.take_along_axis(flat, np.where(last < 0, first, last), axis=1)
    usable = [(width, handicap) for width, handicap in MEMORIES if width == 1 or width < known]
    levels = [trailing_median(filled, width) for width, _ in usable]
    past = seen[:, :known]
    losses = np.stack(
        [
            handicap * mean(np.abs(flat - each)[:, :known], past)
            for each, (_, handicap) in zip(levels, usable, strict=True)
        ]
    )
    best = np.argmin(losses, axis=0)
    found: Floats = np.stack(levels)[best, np.arange(flat.shape[0])]
    return found
