"""What a series should have been: a robust trend and a seasonal profile, and how far values usually stray from it.

Method: resistant line, running median and medians of each phase, twice (the medians of Tukey's and Cleveland's
decompositions in place of loess, so that an outbreak of less than half the window does not bend them). Series
that cannot be negative are decomposed on the square-root scale, half way between additive and multiplicative; the
deviation is always taken in the caller's own units, so that an outbreak is not made small by a logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.anomaly.rows import Bools, Floats, interpolate, mean, median, running_median

MAD_TO_SIGMA = 1.4826
MEAN_DEVIATION_TO_SIGMA = 1.2533
ROUNDING = 1e-9
"""Deviations below this share of a series' size are rounding, not news."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Series of one length and season as a matrix (series, time); `values` is 0 where not `seen`."""

    values: Floats
    seen: Bools
    season: int
    positive: Bools
    counts: Bools


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


def resistant_line(values: Floats) -> Floats:
    """A straight line through the medians of the first and the last third (Tukey), shape as `values`."""
    length = values.shape[1]
    third = length // 3
    if third < 2:
        return np.zeros_like(values)
    seen = np.ones((values.shape[0], third), bool)
    first, last = median(values[:, :third], seen), median(values[:, -third:], seen)
    slope = (last - first) / (length - third)
    found: Floats = slope[:, None] * (np.arange(length) - (length - 1) / 2)
    return found


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


def decompose(scaled: Floats, seen: Bools, season: int) -> tuple[Floats, Floats]:
    """Trend and seasonal part of rows on the scale of decomposition, each of the rows' shape."""
    width = trend_width(scaled.shape[1], season)
    filled = interpolate(scaled, seen)
    line = resistant_line(filled)
    profile = np.zeros_like(filled)
    trend = profile
    for _ in range(2):
        trend = running_median(filled - line - profile, width) + line
        profile = seasonal(filled - trend, seen, season)
        filled = np.where(seen, scaled, trend + profile)
    return running_median(filled - line - profile, width) + line, profile


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
    relative = (level + 0.05 * middle) / np.where(middle > 0, 1.05 * middle, 1.0)
    return np.where(middle > 0, np.maximum(relative, 0.02) ** power, 1.0)


def spread(expected: Floats, deviation: Floats, rows: Rows) -> Spread:
    """Fit the usual size of a deviation to the rows.

    The power (0 steady, 1/2 like counts, 1 like percentages of the level) comes from the robust deviations of the
    lower and the upper half of the levels; counts are never steadier than Poisson's law allows.
    """
    level, size = np.abs(expected), np.abs(deviation)
    middle = median(level, rows.seen)[:, None]
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
