"""Median forecast and conformal quantiles of many histories: the arithmetic behind the combination and its backtest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.forecast.history import CONSTANT_STEPS, HUGE, History, cumulate
from models.forecast.intervals import Calibration, errors_of, scales, spread
from models.forecast.members import Ahead, blocks, look_ahead
from models.forecast.seasonal import Season
from models.values import Floats

ERROR_STEPS = 48
"""Horizons whose own in-sample errors are looked at; beyond them the scale grows as the family's does."""

LEAST_SHARE = 0.05
"""A positive forecast is never taken below this share of the smallest value seen."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A forecast on the scale as sent.

    `mean` (horizon,), `quantiles` (level, horizon) of `levels`, `members` (member, horizon).
    """

    levels: tuple[float, ...]
    mean: Floats
    quantiles: Floats
    members: Floats


@dataclass(frozen=True, slots=True)
class Scaled:
    """The median on the adjusted scale with the error scale of each step, before radii."""

    median: Floats
    scale: Floats
    is_log: bool
    least: float


def draw(histories: Sequence[History], horizon: int, levels: Sequence[float], calibration: Calibration) -> list[Drawn]:
    """Forecast every history; a series' answer does not depend on the others."""
    out: list[Drawn | None] = [None] * len(histories)
    for group in blocks(histories):
        part = [histories[i] for i in group]
        steps = horizon + max(history.skipped for history in part)
        ahead = look_ahead(part, steps, min(steps, ERROR_STEPS))
        for j, i in enumerate(group):
            out[i] = _finish(part[j], ahead, j, horizon, levels, calibration)
    return [found for found in out if found is not None]


def scaled(history: History, ahead: Ahead, column: int, steps: int, calibration: Calibration) -> Scaled:
    """Median and error scale of one series over `steps`."""
    is_log = history.season.multiplies and bool(history.adjusted.min() > 0)
    least = LEAST_SHARE * float(history.adjusted.min()) if is_log else 0.0
    errors = errors_of(ahead.actual[:, :, column], ahead.fitted[:, :, column], is_log, least)
    constant = len(history.raw) >= CONSTANT_STEPS and float(np.ptp(history.raw)) == 0
    level = 0.0 if constant else 1.0 if is_log else float(np.abs(history.adjusted).mean())
    family = calibration.family(history.period, is_log)
    median = ahead.median[:steps, column]
    if is_log:
        median = np.maximum(median, least)
    return Scaled(median, scales(errors, steps, family, level), is_log, least)


def _finish(
    history: History, ahead: Ahead, column: int, horizon: int, levels: Sequence[float], calibration: Calibration
) -> Drawn:
    steps = horizon + history.skipped
    found = scaled(history, ahead, column, steps, calibration)
    return express(history, found, ahead.members[:, :steps, column], horizon, levels, calibration)


def express(
    history: History,
    found: Scaled,
    members: Floats,
    horizon: int,
    levels: Sequence[float],
    calibration: Calibration,
    season: Season | None = None,
) -> Drawn:
    """Quantiles around a median, put back on the scale as sent: season, size, floor and cumulation.

    `season` replaces the history's own where the median was not seasonally adjusted.
    """
    season = season or history.season
    steps = horizon + history.skipped
    asked = np.asarray(levels, dtype=np.float64)
    family = calibration.family(history.period, found.is_log)
    at = np.arange(1.0, steps + 1)
    radius = calibration.radii(family, np.abs(2 * asked - 1), at, len(history.raw)) * found.scale
    quantiles = spread(found.median, radius, np.sign(asked - 0.5).tolist(), found.is_log, found.least)
    both = np.vstack([found.median, quantiles, members])
    both = season.restore(both, len(history.raw)) * history.scale
    if history.floor:
        both = np.maximum(both, 0)
    both = np.nan_to_num(both, nan=0.0, posinf=HUGE, neginf=-HUGE)
    mean, quantiles, members = both[0], both[1 : 1 + len(asked)], both[1 + len(asked) :]
    if history.running is not None:
        members = np.stack([cumulate(row, row[None], history.running)[0] for row in members])
        mean, quantiles = cumulate(mean, quantiles, history.running)
    # Rounding may part equal quantiles by a last digit: sorted by level they cannot cross.
    order = np.argsort(asked, kind="stable")
    quantiles[order] = np.maximum.accumulate(quantiles[order], axis=0)
    skipped = history.skipped
    return Drawn(tuple(levels), mean[skipped:], quantiles[:, skipped:], members[:, skipped:])
