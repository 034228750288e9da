"""Learn the calibration table of conformal intervals: forecasts of known futures, their errors over their scales.

Decisions:
- Only data that may be bundled trains it: Viet Nam's published indicators, and drawn series (a local level, damped
  trend, changing season and noise of random sizes), which fill the frequencies that the indicators lack.
- Every series is cut at several origins and counts once; a score is the error of a forecast beyond the cut over the
  scale the model gives it.
- The years 2020 and 2021 are left out: one shock seen by all series at once is one event, not hundreds of exchangeable
  errors. Intervals therefore speak of ordinary times; they do not foresee a pandemic, and the card says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.forecast.draw import ERROR_STEPS, scaled
from models.forecast.history import History, prepare
from models.forecast.intervals import Calibration, Family, errors_of
from models.forecast.members import blocks, look_ahead
from models.values import Floats, Series

SHOCK_YEARS = (2020, 2021)
HORIZONS = {1: 6, 4: 8, 12: 18}
DRAWN = ((1, 40, 8, 150), (4, 60, 8, 150), (12, 120, 18, 150), (52, 200, 26, 40), (7, 200, 28, 40), (24, 300, 48, 40))
"""Drawn series: season, steps, horizon and how many."""

CUTS = 4
LEVELS = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99])
STEPS = {1: (1, 2, 3, 4, 6, 8, 12), 4: (1, 2, 3, 4, 6, 8, 12), 12: (1, 2, 3, 6, 9, 12, 18, 24, 36, 48)}
SIZES = np.array([6.0, 10.0, 16.0, 28.0, 56.0, 112.0, 224.0])
MIN_SCORES = 400
"""A family with fewer scores is left to the general one."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One forecast of a known future: errors and scales by step, and what kind of series it was."""

    errors: Floats
    scale: Floats
    inside: Floats
    period: int
    is_log: bool
    size: int
    weight: float


def neutral() -> Calibration:
    """Square-root growth and radii of one: what the first pass starts from."""
    family = Family(0.5, 0.1, np.array([1.0]), np.ones((1, 2)), np.array([10.0]), np.ones(1))
    return Calibration(np.array([0.0, 0.5]), {"any": family})


def cuts(values: Floats, period: int, horizon: int, count: int) -> list[tuple[History, Floats]]:
    """Up to `count` histories of a series, cut at the end and before, each with what followed."""
    shortest = max(8, 2 * period + 4)
    ends = np.unique(np.linspace(min(shortest, len(values) - 2), len(values) - horizon, count).astype(int))
    found = []
    for end in ends.tolist():
        known = np.flatnonzero(~np.isnan(values[:end]))
        if len(known) < 6 or known[-1] != end - 1:
            continue
        part = values[known[0] : end]
        found.append((prepare(part, period, 0, bool(np.nanmin(part) >= 0), None, []), values[end : end + horizon]))
    return found


Pairs = list[tuple[History, Floats]]


def published_pairs(series: Series) -> Pairs:
    """Cuts of one indicator before and after the years of the shock."""
    period = series.axis.season
    years = series.axis.year_of(0, len(series.values))
    first, last = np.searchsorted(years, [SHOCK_YEARS[0], SHOCK_YEARS[1] + 1]).tolist()
    found: Pairs = []
    for part in (series.values[:first], series.values[last:]):
        if len(part) > max(10, 2 * period + 4) + HORIZONS[period] // 2:
            found += cuts(part, period, min(HORIZONS[period], len(part) // 3), CUTS - 1)
    return found


def training_pairs(published: Sequence[Series], share: int) -> tuple[Pairs, list[float]]:
    """All cuts with their weights; `share` keeps one series in so many."""
    groups = [published_pairs(series) for series in published[::share]]
    for seed, (period, steps, horizon, count) in enumerate(DRAWN):
        groups += [cuts(v, period, horizon, CUTS) for v in drawn(seed, count // share, period, steps)]
    pairs = [pair for group in groups for pair in group]
    return pairs, [1 / len(group) for group in groups for _ in group]


def score(pairs: Sequence[tuple[History, Floats]], weights: Sequence[float], calibration: Calibration) -> list[Scored]:
    """Forecast every history and hold its future against it."""
    found: list[Scored] = []
    histories = [history for history, _ in pairs]
    for group in blocks(histories):
        part = [histories[i] for i in group]
        steps = max(len(pairs[i][1]) for i in group)
        ahead = look_ahead(part, steps, min(steps, ERROR_STEPS))
        for j, i in enumerate(group):
            history, future = pairs[i]
            one = scaled(history, ahead, j, len(future), calibration)
            actual = history.season.remove_from(future / history.scale, len(history.raw))
            errors = errors_of(actual, one.median, one.is_log, one.least)
            seen = errors_of(ahead.actual[:, :, j], ahead.fitted[:, :, j], one.is_log, one.least)
            scale = np.where(one.scale > 0, one.scale, np.nan)
            found.append(
                Scored(errors, scale, seen, history.period, one.is_log, len(history.raw), weights[i])
            )  # fmt: skip
    return found


def learn(pairs: Sequence[tuple[History, Floats]], weights: Sequence[float]) -> Calibration:
    """Two passes: growth and prior of each family from in-sample errors, then its radii from scores."""
    first = score(pairs, weights, neutral())
    shapes = {name: _shape(part) for name, part in families_of(first)}
    rough = Calibration(
        np.array([0.0, 0.5]),
        {
            name: Family(growth, prior, np.array([1.0]), np.ones((1, 2)), np.array([10.0]), np.ones(1))
            for name, (growth, prior) in shapes.items()
        },
    )
    return radii_of(score(pairs, weights, rough), shapes)


def radii_of(scored: Sequence[Scored], shapes: Mapping[str, tuple[float, float]]) -> Calibration:
    """The table of scores whose families have the growth and prior given by `shapes`."""
    return Calibration(LEVELS, {name: _family(part, *shapes[name]) for name, part in families_of(scored)})


def families_of(scored: Sequence[Scored]) -> Iterable[tuple[str, list[Scored]]]:
    """All scores as "any", and those of each season length and link that has enough of them."""
    yield "any", list(scored)
    keys = sorted({(one.period, one.is_log) for one in scored})
    for period, is_log in keys:
        part = [one for one in scored if (one.period, one.is_log) == (period, is_log)]
        if sum(len(one.errors) for one in part) >= MIN_SCORES:
            yield f"{period}/{'log' if is_log else 'difference'}", part


def _shape(scored: Sequence[Scored]) -> tuple[float, float]:
    """Growth exponent of the mean in-sample error over the horizon, and the median one-step scale."""
    slopes, firsts = [], []
    for one in scored:
        known = ~np.isnan(one.inside)
        counts = known.sum(1)
        means = np.where(known, one.inside, 0).sum(1) / np.maximum(counts, 1)
        good = (counts >= 6) & (means > 0)
        steps = np.arange(1, len(means) + 1)
        if good[0] and good.sum() >= 3:
            x = np.log(steps[good])
            slopes.append(float(np.polyfit(x, np.log(means[good]), 1)[0]))
        if counts[0]:
            firsts.append(float(means[0]))
    growth = float(np.clip(np.median(slopes) if slopes else 0.5, 0.1, 1.0))
    return growth, float(np.median(firsts)) if firsts else 0.1


def _family(scored: Sequence[Scored], growth: float, prior: float) -> Family:
    """Radii at the knots and the stretch of short histories, from weighted quantiles of the scores."""
    period = scored[0].period if len({one.period for one in scored}) == 1 else 0
    knots = np.array(STEPS.get(period, STEPS[12]), dtype=np.float64)
    rows = []
    for one in scored:
        steps = np.arange(1, len(one.errors) + 1)
        ratio = one.errors / one.scale
        rows.append(np.column_stack([steps, ratio, np.full(len(steps), one.weight), np.full(len(steps), one.size)]))
    table = np.concatenate(rows)
    table = table[np.isfinite(table[:, 1])]
    stretch = np.array([_stretch(table, size) for size in SIZES])
    table[:, 1] /= np.interp(np.log(table[:, 3]), np.log(SIZES), stretch)
    radii = np.stack([_radii(table, knot) for knot in knots])
    return Family(growth, prior, knots, radii, SIZES, stretch)


def _stretch(table: Floats, size: float) -> float:
    """How much wider the 80 % interval must be at this history length than over all lengths."""
    near = np.exp(-0.5 * ((np.log(table[:, 3]) - np.log(size)) / 0.4) ** 2) * table[:, 2]
    if near.sum() < 1e-3 * table[:, 2].sum():
        near = near + 1e-9 * table[:, 2]
    whole = weighted_quantile(table[:, 1], table[:, 2], np.array([0.8]))[0]
    return float(np.clip(weighted_quantile(table[:, 1], near, np.array([0.8]))[0] / max(whole, 1e-12), 0.5, 3.0))


def _radii(table: Floats, knot: float) -> Floats:
    near = np.exp(-0.5 * ((np.log(table[:, 0]) - np.log(knot)) / 0.25) ** 2) * table[:, 2]
    found = weighted_quantile(table[:, 1], near, LEVELS)
    found[0] = 0.0
    return np.maximum.accumulate(found)


def weighted_quantile(values: Floats, weights: Floats, levels: Floats) -> Floats:
    """Quantiles of weighted values."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    found: Floats = np.interp(levels, (total - weights[order] / 2) / total[-1], values[order])
    return found


def drawn(seed: int, count: int, period: int, steps: int) -> list[Floats]:
    """Series from a random structural model, positive ones multiplicative, the others additive."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        sizes = random.lognormal(np.log([0.03, 0.004, 0.002, 0.04]), 0.9)
        slope = random.normal(0, 0.01) if random.random() < 0.7 else 0.0
        level, phi = 0.0, random.choice([0.85, 0.95, 1.0])
        season = np.cumsum(random.normal(0, 1, period)) * random.lognormal(np.log(0.05), 0.8) * (period > 1)
        season -= season.mean()
        logs = np.empty(steps)
        for t in range(steps):
            level += slope + random.normal(0, sizes[0]) * (1 if random.random() > 0.01 else 4)
            slope = slope * phi + random.normal(0, sizes[1])
            season[t % period] += random.normal(0, sizes[2])
            noise = random.standard_t(5) * sizes[3]
            logs[t] = level + season[t % period] + noise
        logs = np.clip(logs, -12, 12)
        found.append(np.exp(logs) * 100 if random.random() < 0.7 else logs)
    return found
