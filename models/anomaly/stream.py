"""Judging each point by its past alone.

Method: the past is refitted at checkpoints that grow with the series (seasonal profile, usual deviation, tails, and
which of three trailing medians forecasts best); between checkpoints only the level moves, by values before the point.
One-step-ahead deviations become conformal p-values against the deviations of the past. Memory is one window, time
is linear: a window is refitted once per quarter of its length.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.anomaly.baseline import Rows, by_nature, from_scale, seasonal, smooth, spread, to_scale, trend_width
from models.anomaly.evidence import TINY_SERIES, Evidence, settle, standard
from models.anomaly.rows import Bools, Floats, interpolate, mean, trailing_median
from models.anomaly.tails import Prior, fit
from models.anomaly.tet import Buckets, effect

FIRST_FIT = 12
WINDOW = 1024
MEMORIES = ((1, 1.6), (5, 1.25), (25, 1.0))
"""Widths of the trailing medians with the handicap of each: a short memory forecasts an outbreak well by following
it, and so hides it; it is taken only where a long one is clearly worse, as for a series that wanders."""


def checkpoints(length: int, window: int) -> list[int]:
    """Steps at which the past is refitted: each when it has grown by a third, at most a quarter of a window later."""
    found, at = [], FIRST_FIT
    while at < length:
        found.append(at)
        at += min(max(4, at // 3), window // 4)
    return found


def one_step(rows: Rows, level: float, prior: Prior, buckets: Buckets | None) -> Evidence:
    """Judge every point by the points before it; nothing is said of the first twelve."""
    shape = rows.values.shape
    window = max(WINDOW, 6 * rows.season)
    found = Evidence(*(np.full(shape, fill) for fill in (np.nan, 1.0, 1.0, 1.0, np.nan, np.nan, 0.0)))
    places = checkpoints(shape[1], window)
    for start, stop in zip(places, [*places[1:], shape[1]], strict=False):
        cut = slice(max(0, start - window), stop)
        part = replace(rows, values=rows.values[:, cut], seen=rows.seen[:, cut])
        piece = _block(part, start - cut.start, level, prior, None if buckets is None else buckets[cut])
        for name in Evidence.__slots__:
            getattr(found, name)[:, start:stop] = getattr(piece, name)
    return found


def _block(part: Rows, known: int, level: float, prior: Prior, buckets: Buckets | None) -> Evidence:
    """Fit on the first `known` steps, judge the others."""
    past = by_nature(replace(part, values=part.values[:, :known], seen=part.seen[:, :known]))
    part = replace(part, positive=past.positive, counts=past.counts)
    scaled = to_scale(part.values, past.positive)
    profile, loss = _profile(scaled[:, :known], past.seen, part.season, scaled.shape[1])
    middle = _level(scaled - profile, part.seen, known) + profile
    widen = np.ones((scaled.shape[0], scaled.shape[1] - known))
    if buckets is not None:
        shift, wide = effect((scaled - middle)[:, :known], past.seen, buckets[:known], buckets)
        middle, widen = middle + shift, wide[:, known:]
    expected = from_scale(middle, part.positive)
    deviation = part.values - expected
    sigma = spread(expected[:, :known], deviation[:, :known], past).at(expected) * loss
    unit = standard(deviation, sigma)
    habit = unit[:, :known] * loss
    above, below = fit(habit, past.seen, prior, inside=False), fit(-habit, past.seen, prior, inside=False)
    ahead, size = unit[:, known:] / widen, sigma[:, known:] * widen
    said = (past.seen.sum(axis=1) >= TINY_SERIES)[:, None]
    coming = np.where(said, expected[:, known:], np.nan)
    judged = Evidence(
        coming, size, above.p(ahead), below.p(-ahead), coming - size * below.reach(level),
        coming + size * above.reach(level), profile[:, known:],
    )  # fmt: skip
    return settle(replace(part, values=part.values[:, known:], seen=part.seen[:, known:]), judged, level)


def _profile(past: Floats, seen: Bools, season: int, length: int) -> tuple[Floats, Floats]:
    """Seasonal profile of the past laid over `length` steps, and by how much it flatters the past's deviations."""
    rows, known = past.shape
    if season < 2 or known < 2 * season:
        return np.zeros((rows, length)), np.ones((rows, 1))
    filled = interpolate(past, seen)
    tiled = seasonal(filled - smooth(filled, trend_width(known, season)), seen, season)
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
