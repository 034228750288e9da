"""What a series should have been: a robust trend and a seasonal profile, and how far values usually stray from it.

Method: running median and medians of each phase, twice (the medians of Tukey's and Cleveland's
decompositions in place of loess, so that an outbreak of less than half the window does not bend them). Series
that cannot be negative are decomposed on the square-root scale, half way between additive and multiplicative; the
deviation is always taken in the caller's own units, so that an outbreak is not made small by a logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.anomaly.rows import Bools, Floats, interpolate, mean, median, quantile, running_median

MAD_TO_SIGMA = 1.4826
MEAN_DEVIATION_TO_SIGMA = 1.2533
STIFF, WIDEST_STIFF = 3, 121
"""A running median needs this many of its widths; a shorter series of months or weeks has a line for its trend."""
ROUNDING = 1e-9
"""Deviations below this share of a series' size are rounding, not news."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Series of one length and season as a matrix (series, time); `values` is 0 where not `seen`.

    `positive` and `counts` (rows,) say what a series is by nature; `unnamed` where the caller did not say so, and the
    values may.
    """

    values: Floats
    seen: Bools
    season: int
    positive: Bools
    counts: Bools
    unnamed: Bools


def by_nature(rows: Rows) -> Rows:
    """The rows with the nature of unnamed series read off their values.

    A series with (nearly) no negative value cannot be negative; whole numbers mostly below ten, no steadier than
    counts can be, are counts.
    """
    seen = rows.seen
    negative = (seen & (rows.values < 0)).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    mostly = (negative <= 0.03) & (quantile(rows.values, seen, 0.1) > 0)
    whole = (rows.values == np.floor(rows.values)).all(axis=1) & (negative == 0)
    middle = mean(rows.values, seen)
    restless = mean(np.square(rows.values - middle[:, None]), seen) >= 0.4 * np.abs(middle)
    small = whole & (median(rows.values, seen) < 10) & restless
    known = rows.unnamed & seen.any(axis=1)
    return replace(
        rows, positive=rows.positive | (known & ((negative == 0) | mostly)), counts=rows.counts | (known & small)
    )


def to_scale(values: Floats, positive: Bools) -> Floats:
    """The scale of decomposition: square root where a series cannot be negative."""
    return np.where(positive[:, None], np.sqrt(np.maximum(values, 0.0)), values)


def from_scale(values: Floats, positive: Bools) -> Floats:
    """Back from the scale of decomposition."""
    return np.where(positive[:, None], np.square(np.maximum(values, 0.0)), values)


def trend_width(length: int, season: int) -> int:
    """Odd width of the running median: two seasons and one step, at least 25 steps and at most the series."""
    wanted = max(25, 2 * season + 1, min(length // 10, 201))
    return max(3, min(wanted, length - 1 - (length % 2)) | 1)


def trend_of(values: Floats, width: int, *, stiff: bool) -> Floats:
    """The trend: a running median, or a resistant line where the series is so short that one episode would bend it."""
    short = stiff and width <= WIDEST_STIFF and values.shape[1] < STIFF * width
    return line_of(values) if short else smooth(values, width)


def line_of(values: Floats) -> Floats:
    """Tukey's resistant line through each row: level where its thirds do not agree on a direction."""
    rows, length = values.shape
    third = length // 3
    known = np.ones((rows, max(third, 1)), bool)
    middle = median(values, np.ones(values.shape, bool))[:, None]
    if third < 4:
        return np.broadcast_to(middle, values.shape).copy()
    first, inner, last = (
        median(values[:, at : at + third], known) for at in (0, (length - third) // 2, length - third)
    )
    step = (length - third) / 2
    near, far = (inner - first) / step, (last - inner) / step
    slope = np.where(near * far > 0, np.sign(near) * np.minimum(np.abs(near), np.abs(far)), 0.0)[:, None]
    away = slope * (np.arange(length) - (length - 1) / 2)
    found: Floats = away + median(values - away, np.ones(values.shape, bool))[:, None]
    return found


def smooth(values: Floats, width: int) -> Floats:
    """Running median, the series mirrored beyond its ends and tilted there by the slope that its end is sure of."""
    half, length = width // 2, values.shape[1]
    if length <= half + 1:
        return running_median(values, width)
    steps = np.arange(1, half + 1)
    left = values[:, half:0:-1] - 2 * steps[::-1] * end_slope(values, half)
    right = values[:, -2 : -half - 2 : -1] - 2 * steps * end_slope(values[:, ::-1], half)
    return running_median(np.concatenate([left, values, right], axis=1), width)[:, half:-half]


def end_slope(values: Floats, block: int) -> Floats:
    """Slope per step at the start of each row, shape (rows, 1): the smaller of two neighbouring ones, 0 if they differ.

    Taken between medians of three blocks, so that neither a step nor an outbreak is drawn on beyond the end.
    """
    if values.shape[1] < 3 * block:
        return np.zeros((values.shape[0], 1))
    known = np.ones((values.shape[0], block), bool)
    first, second, third = (median(values[:, at * block : (at + 1) * block], known) for at in range(3))
    near, far = (second - first) / block, (third - second) / block
    slope = np.where(near * far > 0, np.sign(near) * np.minimum(np.abs(near), np.abs(far)), 0.0)
    return slope[:, None]


def seasonal(values: Floats, seen: Bools, season: int) -> Floats:
    """Median of each phase, centred and tiled to the length; 0 where it explains nothing.

    A profile counts only when leaving it in makes the deviation smaller than chance would: the profile of c cycles
    shrinks pure noise by about sqrt(1 - 1/c).
    """
    rows, length = values.shape
    cycles = -(-length // season)
    if season < 2 or length < 2 * season:
        return np.zeros_like(values)
    pad = cycles * season - length
    folded = np.pad(values, ((0, 0), (0, pad))).reshape(rows, cycles, season).transpose(0, 2, 1)
    known = np.pad(seen, ((0, 0), (0, pad))).reshape(rows, cycles, season).transpose(0, 2, 1)
    profile = median(folded, known)
    profile -= profile.mean(axis=1, keepdims=True)
    tiled = np.tile(profile, (1, cycles))[:, :length]
    level = median(values, seen)[:, None]
    before = mean(np.minimum(np.abs(values - level), 5 * median(np.abs(values - level), seen)[:, None]), seen)
    rest = np.abs(values - level - tiled)
    after = mean(np.minimum(rest, 5 * median(rest, seen)[:, None]), seen)
    full = length / season
    useful = after * np.sqrt(full / (full - 1)) < 0.97 * before
    return np.where(useful[:, None], tiled, 0.0)


def decompose(scaled: Floats, seen: Bools, season: int, *, stiff: bool = True) -> tuple[Floats, Floats]:
    """Trend and seasonal part of rows on the scale of decomposition, each of the rows' shape.

    `stiff`: a short series has a line for its trend.
    """
    width = trend_width(scaled.shape[1], season)
    filled = interpolate(scaled, seen)
    profile = np.zeros_like(filled)
    for _ in range(2):
        trend = trend_of(filled - profile, width, stiff=stiff)
        profile = seasonal(filled - trend, seen, season)
        filled = np.where(seen, scaled, trend + profile)
    return trend_of(filled - profile, width, stiff=stiff), profile


@dataclass(frozen=True, slots=True)
class Spread:
    """The usual size of a deviation as a power of the expected level; arrays have shape (rows, 1)."""

    size: Floats
    power: Floats
    middle: Floats
    counts: Bools

    def at(self, expected: Floats) -> Floats:
        """The usual deviation at each expected value, > 0."""
        sigma = self.size * _shape(np.abs(expected), self.middle, self.power)
        poisson = np.sqrt(np.maximum(expected, 0.25))
        return np.where(self.counts, np.maximum(sigma, poisson), sigma)


def _shape(level: Floats, middle: Floats, power: Floats) -> Floats:
    relative = np.where(middle > 0, np.minimum(level, 1e9 * middle) + 0.05 * middle, 1.0) / np.where(
        middle > 0, 1.05 * middle, 1.0
    )
    return np.clip(relative, 0.02, 1e9) ** power


def spread(expected: Floats, deviation: Floats, rows: Rows) -> Spread:
    """Fit the usual size of a deviation to the rows.

    The power (0 steady, 1/2 like counts, 1 like percentages of the level) comes from the robust deviations of the
    lower and the upper half of the levels; counts are never steadier than Poisson's law allows.
    """
    level, size = np.abs(expected), np.abs(deviation)
    middle = median(level, rows.seen)[:, None]
    middle = np.where(middle > ROUNDING * np.max(np.abs(rows.values), axis=1, keepdims=True), middle, 0.0)
    upper = rows.seen & (level > middle)
    lower = rows.seen & ~upper
    rise = np.log(np.maximum(median(level, upper), 1e-300)) - np.log(np.maximum(median(level, lower), 1e-300))
    high, low = median(size, upper), median(size, lower)
    usable = (rise > 0.25) & (high > 0) & (low > 0) & (upper.sum(axis=1) >= 8) & rows.positive
    power = np.log(np.where(usable, high, 1.0)) - np.log(np.where(usable, low, 1.0))
    power = np.clip(power / np.where(usable, rise, 1.0), 0.0, 1.0)[:, None]
    ratio = size / _shape(level, middle, power)
    sigma = MAD_TO_SIGMA * median(ratio, rows.seen)
    floor = ROUNDING * np.max(np.abs(rows.values), axis=1)
    sigma = np.where(sigma > floor, sigma, MEAN_DEVIATION_TO_SIGMA * mean(ratio, rows.seen))
    sigma = np.maximum(sigma, np.maximum(floor, 1e-300))
    return Spread(sigma[:, None], power, middle, rows.counts[:, None])
