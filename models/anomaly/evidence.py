"""What the numbers say of each point: the expected value, the usual deviation, and a p-value for each side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.anomaly.baseline import Rows, decompose, from_scale, spread, to_scale
from models.anomaly.rows import Bools, Floats
from models.anomaly.tails import Prior, fit
from models.anomaly.tet import Buckets, effect

MOST_SIGMAS = 1e9
TINY_SERIES = 8
"""Fewer observed values than this say nothing about what is usual."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Arrays of shape (series, time). `up` and `down` are one-sided p-values, 1 where nothing can be said.

    `lower` and `upper` are the band outside which a point's one-sided p falls below the asked level; `expected`,
    `lower` and `upper` are NaN where nothing can be said.
    """

    expected: Floats
    sigma: Floats
    up: Floats
    down: Floats
    lower: Floats
    upper: Floats
    seasonal: Floats


def whole(
    rows: Rows,
    level: float,
    prior: Prior,
    buckets: Buckets | None,
    silent: Bools | None = None,
    *,
    stiff: bool = True,
) -> Evidence:
    """Judge every point by the whole series, its future included; nothing is learned from `silent` steps.

    `stiff`: a short series has a line for its trend.
    """
    known = rows.seen if silent is None else rows.seen & ~silent
    scaled = to_scale(rows.values, rows.positive)
    trend, profile = decompose(scaled, known, rows.season, stiff=stiff)
    middle = trend + profile
    widen = np.ones_like(middle)
    if buckets is not None:
        shift, widen = effect(scaled - middle, known, buckets, buckets)
        middle = middle + shift
    expected = from_scale(middle, rows.positive)
    deviation = rows.values - expected
    sigma = spread(expected, deviation, replace(rows, seen=known)).at(expected) * widen
    unit = standard(deviation, sigma)
    above, below = fit(unit, known, prior, inside=True), fit(-unit, known, prior, inside=True)
    up, down = above.p(unit), below.p(-unit)
    upper, lower = expected + sigma * above.reach(level), expected - sigma * below.reach(level)
    usable = (rows.seen.sum(axis=1) >= TINY_SERIES)[:, None]
    expected = np.where(usable, expected, np.nan)
    return settle(rows, Evidence(expected, sigma, up, down, lower, upper, profile), level)


def standard(deviation: Floats, sigma: Floats) -> Floats:
    """Deviations in usual deviations, at most a billion of them."""
    return deviation / np.maximum(sigma, np.abs(deviation) / MOST_SIGMAS)


def settle(rows: Rows, found: Evidence, level: float) -> Evidence:
    """Blank what cannot be said and let band and p-values agree on every point.

    The band comes from the fitted tail alone, the p-value also from ranks: where they differ the band follows.
    """
    said = rows.seen & np.isfinite(found.expected)
    up, down = np.where(said, found.up, 1.0), np.where(said, found.down, 1.0)
    values = rows.values
    upper = np.where(
        said, np.where(up < level, np.minimum(found.upper, values), np.maximum(found.upper, values)), found.upper
    )
    lower = np.where(
        said, np.where(down < level, np.maximum(found.lower, values), np.minimum(found.lower, values)), found.lower
    )
    lower = np.where(rows.positive[:, None], np.maximum(lower, np.minimum(0.0, found.expected)), lower)
    blank = ~np.isfinite(found.expected)
    return Evidence(
        np.where(blank, np.nan, found.expected), found.sigma, up, down,
        np.where(blank, np.nan, lower), np.where(blank, np.nan, upper), found.seasonal,
    )  # fmt: skip


def strangeness(found: Evidence, direction: str) -> tuple[Floats, Bools]:
    """The p-value on the asked side (two-sided: twice the smaller) and whether the deviation is upward."""
    upward = found.up <= found.down
    if direction == "up":
        return found.up, np.ones_like(upward)
    if direction == "down":
        return found.down, np.zeros_like(upward)
    return np.minimum(1.0, 2 * np.minimum(found.up, found.down)), upward
