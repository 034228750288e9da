"""Measures of forecasts: sMAPE, MASE, coverage, weighted quantile loss, skill, and their bootstrap intervals.

Definitions as in the M competitions (Makridakis 1993; Hyndman & Koehler 2006) and GIFT-Eval for the quantile loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.values import Floats


def smape(actual: Floats, forecast: Floats) -> float:
    """Symmetric mean absolute percentage error in per cent; a step where both are 0 counts as 0."""
    size = np.abs(actual) + np.abs(forecast)
    return float(np.mean(np.where(size > 0, 200 * np.abs(actual - forecast) / np.where(size > 0, size, 1), 0)))


def mase(history: Floats, actual: Floats, forecast: Floats, season: int) -> float | None:
    """Mean absolute error over the history's mean absolute seasonal difference; None where that is 0 or unknown."""
    if len(history) <= season:
        return None
    steps = np.abs(history[season:] - history[:-season])
    known = steps[~np.isnan(steps)]
    scale = float(known.mean()) if len(known) else 0.0
    return float(np.mean(np.abs(actual - forecast)) / scale) if scale > 0 else None


def coverage(actual: Floats, lower: Floats, upper: Floats) -> float:
    """Share of values inside the interval, both ends included."""
    return float(np.mean((actual >= lower) & (actual <= upper)))


def pinball(actual: Floats, quantile: Floats, level: float) -> Floats:
    """Pinball loss of each step."""
    return np.where(actual >= quantile, level * (actual - quantile), (1 - level) * (quantile - actual))


def wql(actual: Floats, quantiles: Mapping[float, Floats]) -> float | None:
    """Twice the pinball loss over the sum of absolute values, mean over the levels; None where that sum is 0."""
    size = float(np.abs(actual).sum())
    losses = [float(pinball(actual, quantile, level).sum()) for level, quantile in quantiles.items()]
    return float(2 * np.mean(losses) / size) if size > 0 else None


def skill(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """1 - mean loss / mean loss of the reference; None where the reference is without loss."""
    reference = float(np.mean(theirs))
    return 1 - float(np.mean(ours)) / reference if reference > 0 else None


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean of the positive finite values."""
    found = np.asarray([value for value in values if np.isfinite(value) and value > 0], dtype=np.float64)
    return float(np.exp(np.mean(np.log(found))))


def bootstrap_mean(
    losses: Sequence[float] | Floats, weights: Floats | None = None, draws: int = 2_000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a (weighted) mean over resampled series."""
    values = np.asarray(losses, dtype=np.float64)
    weighing = np.ones(len(values)) if weights is None else weights
    picks = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    means = (values * weighing)[picks].sum(1) / weighing[picks].sum(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def bootstrap_ratio(
    ours: Sequence[float], theirs: Sequence[float], draws: int = 2_000, seed: int = 0
) -> tuple[float, float, float]:
    """Ratio of mean losses with its 95 % interval over resampled series; below 1 ours is better."""
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    kept = np.isfinite(a) & np.isfinite(b)
    a, b = a[kept], b[kept]
    picks = np.random.default_rng(seed).integers(0, len(a), (draws, len(a)))
    ratios = a[picks].mean(1) / b[picks].mean(1)
    return float(a.mean() / b.mean()), float(np.quantile(ratios, 0.025)), float(np.quantile(ratios, 0.975))
