"""Seasonal adjustment: is there a season, which indices, and whether they multiply or add.

Classical decomposition by centred moving averages, behind the 90 % autocorrelation test of the Theta method
(Assimakopoulos & Nikolopoulos 2000). Decision: indices multiply where every value is positive and add elsewhere,
because ratios to a zero say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.values import Floats

CRITICAL = 1.645
MIN_CYCLES = 2
SMALLEST_INDEX = 0.02


@dataclass(frozen=True, slots=True)
class Season:
    """Seasonal indices by phase (t modulo length); `multiplies` says how they join the level."""

    length: int
    indices: Floats
    multiplies: bool

    def factors(self, first: int, count: int) -> Floats:
        """Indices of steps `first` … `first + count - 1`."""
        return self.indices[np.arange(first, first + count) % self.length]

    def remove(self, values: Floats) -> Floats:
        """Seasonally adjusted values."""
        return self.remove_from(values, 0)

    def remove_from(self, values: Floats, first: int) -> Floats:
        """Seasonally adjusted values of steps from `first` on."""
        factors = self.factors(first, len(values))
        return values / factors if self.multiplies else values - factors

    def restore(self, adjusted: Floats, first: int) -> Floats:
        """Values with the season put back; the last axis of `adjusted` is time from step `first` on."""
        factors = self.factors(first, adjusted.shape[-1])
        return adjusted * factors if self.multiplies else adjusted + factors

    def turned(self, steps: int) -> Season:
        """The same season with its phase counted from step `steps`."""
        return Season(self.length, np.roll(self.indices, -(steps % self.length)), self.multiplies)


def no_season(positive: bool) -> Season:
    """The neutral season."""
    return Season(1, np.ones(1) if positive else np.zeros(1), positive)


def is_seasonal(values: Floats, length: int) -> bool:
    """The autocorrelation at the season exceeds its 90 % bound given the shorter lags."""
    n = len(values)
    if length < 2 or n < MIN_CYCLES * length + 1:
        return False
    centred = values - values.mean()
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    acf = np.fft.irfft(spectrum * spectrum.conj(), size)[: length + 1]
    if acf[0] <= 0:
        return False
    acf = acf / acf[0]
    return bool(abs(acf[length]) > CRITICAL * np.sqrt((1 + 2 * np.sum(acf[1:length] ** 2)) / n))


def decompose(values: Floats, length: int, observed: Floats) -> Season:
    """Season of a series without gaps; `observed` is 0 where a value was filled in, which then counts for nothing."""
    positive = bool((values > 0).all())
    if not is_seasonal(values, length):
        return no_season(positive)
    kernel = np.full(length + 1 - length % 2, 1.0)
    if length % 2 == 0:
        kernel[[0, -1]] = 0.5
    half = length // 2
    sums = np.concatenate(([0.0], np.cumsum(values)))
    if length % 2:
        trend = (sums[length:] - sums[:-length]) / length
    else:
        means = (sums[length:] - sums[:-length]) / length
        trend = (means[1:] + means[:-1]) / 2
    inner = values[half : half + len(trend)]
    ratios = inner / trend if positive else inner - trend
    phase = np.arange(half, half + len(trend)) % length
    weights = observed[half : half + len(trend)]
    totals = np.bincount(phase, weights, length)
    raw = np.bincount(phase, ratios * weights, length)
    neutral = 1.0 if positive else 0.0
    indices = np.where(totals > 0, raw / np.maximum(totals, 1e-9), neutral)
    if not positive:
        return Season(length, indices - indices.mean(), False)
    indices = indices / indices.mean()
    return Season(length, indices, True) if indices.min() > SMALLEST_INDEX else no_season(True)
