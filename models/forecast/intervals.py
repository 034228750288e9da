"""Split-conformal intervals: a series' own error scale by horizon, times radii learned over like series.

A conformity score is |error| / scale. Its quantiles were taken on forecasts beyond the training part of other series
(the calibration table of the artefact), so they contain what in-sample errors hide: fitted parameters, broken trends.
Decisions:
- Series whose every value is positive are judged by log-ratios, so that intervals grow with the level, lean upwards and
  stay positive; the others by differences.
- The scale of a horizon is the mean in-sample error of that horizon, shrunk towards the one-step error times a growth
  learned per family, because long horizons leave few and overlapping errors.
- Radii are symmetric and rise with the level: quantiles cannot cross, and their middle is the point forecast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from models.errors import IntegrityError
from models.values import Floats

PRIOR_STEPS = 2.0
"""One-step errors that the family's prior scale stands for."""

SHRINK = 2.5
"""Errors of a horizon, counted without overlap, at which its own scale weighs as much as the family's growth."""

LARGEST_LOG = 3.0


@dataclass(frozen=True, slots=True)
class Family:
    """What was learned over like series.

    `growth` is the exponent of the scale's growth with the horizon; `prior` the one-step scale (relative to the mean
    level) of a series without history; `steps` (k,) and `sizes` (s,) are the knots in horizon and history length of
    `radii` (k, levels) and `stretch` (s,), which multiplies the radii of short histories.
    """

    growth: float
    prior: float
    steps: Floats
    radii: Floats
    sizes: Floats
    stretch: Floats


@dataclass(frozen=True, slots=True)
class Calibration:
    """Families by name, and the two-sided levels of their radii (levels,), rising from 0 to below 1."""

    levels: Floats
    families: Mapping[str, Family]

    @classmethod
    def read(cls, document: Any) -> Calibration:
        """From the artefact's JSON. Raises IntegrityError when a part is missing or out of order."""
        try:
            families = {
                name: Family(
                    float(f["growth"]), float(f["prior"]),
                    *(np.array(f[word], dtype=np.float64) for word in ("steps", "radii", "sizes", "stretch")),
                )
                for name, f in document["families"].items()
            }  # fmt: skip
            found = cls(np.array(document["levels"], dtype=np.float64), families)
        except (KeyError, TypeError, ValueError) as error:
            raise _malformed() from error
        sound = all(
            f.radii.shape == (len(f.steps), len(found.levels)) and (np.diff(f.radii, axis=1) >= 0).all()
            and len(f.sizes) == len(f.stretch) and np.isfinite(f.radii).all()
            for f in families.values()
        )  # fmt: skip
        if not sound or "any" not in families:
            raise _malformed()
        return found

    def written(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "levels": self.levels.tolist(),
            "families": {
                name: {
                    "growth": f.growth, "prior": f.prior, "steps": f.steps.tolist(), "radii": f.radii.tolist(),
                    "sizes": f.sizes.tolist(), "stretch": f.stretch.tolist(),
                }
                for name, f in self.families.items()
            },
        }  # fmt: skip

    def family(self, period: int, is_log: bool) -> Family:
        """The family of a season length and link; the general one where none was learned."""
        name = f"{period}/{'log' if is_log else 'difference'}"
        return self.families.get(name, self.families["any"])

    def radii(self, family: Family, levels: Floats, steps: Floats, size: int) -> Floats:
        """Radii (level, step) of two-sided levels, at horizons of so many steps.

        Linear between knots; in the level's normal score, beyond the last along the line through the origin.
        """
        scores, known = ndtri((1 + levels) / 2), ndtri((1 + self.levels) / 2)
        rows = _weights(scores, known)
        beyond = scores > known[-1]
        rows[beyond, -1] = scores[beyond] / known[-1]
        stretch = float(np.interp(np.log(size), np.log(family.sizes), family.stretch))
        return np.asarray(rows @ family.radii.T @ _weights(steps, family.steps).T * stretch)


def _weights(at: Floats, knots: Floats) -> Floats:
    """Rows that interpolate linearly between knots (at, knots), held at both ends."""
    if len(knots) == 1:
        return np.ones((len(at), 1))
    left = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    share = np.clip((at - knots[left]) / (knots[left + 1] - knots[left]), 0, 1)
    found = np.zeros((len(at), len(knots)))
    rows = np.arange(len(at))
    found[rows, left] = 1 - share
    found[rows, left + 1] = share
    return found


def _malformed() -> IntegrityError:
    return IntegrityError("Bảng hiệu chuẩn khoảng dự báo không hợp lệ.", "The calibration table is malformed.")


def errors_of(actual: Floats, fitted: Floats, is_log: bool, least: float) -> Floats:
    """Absolute conformity errors; log-ratios are held to `LARGEST_LOG`, forecasts below `least` lifted to it."""
    if is_log:
        return np.minimum(np.abs(np.log(np.maximum(actual, least) / np.maximum(fitted, least))), LARGEST_LOG)
    return np.abs(actual - fitted)


def scales(errors: Floats, horizon: int, family: Family, level: float) -> Floats:
    """Error scale of steps 1…horizon from in-sample errors (step, origin), NaN where unknown.

    `level` is the mean absolute level in the errors' own unit (1 for log-ratios).
    """
    known = ~np.isnan(errors)
    counts = known.sum(1)
    means = np.where(known, errors, 0).sum(1) / np.maximum(counts, 1)
    prior = family.prior * level
    first = (means[0] * counts[0] + PRIOR_STEPS * prior * _trust(counts[0])) / max(
        counts[0] + PRIOR_STEPS * _trust(counts[0]), 1e-9
    )
    grown = first * np.arange(1, horizon + 1) ** family.growth
    near = min(horizon, len(means))
    weight = counts[:near] / (counts[:near] + SHRINK * np.arange(1, near + 1))
    found = grown.copy()
    found[:near] = weight * means[:near] + (1 - weight) * grown[:near]
    if horizon > near:
        found[near:] *= found[near - 1] / max(grown[near - 1], 1e-300)
    return np.maximum.accumulate(found)


def _trust(count: int) -> float:
    """The prior fades out with the history: a precise series of thirty values is known to be precise."""
    return max(0.0, 1 - count / 30)


def spread(median: Floats, radius: Floats, signs: Sequence[float], is_log: bool, least: float) -> Floats:
    """Quantiles (level, step): the median moved by `radius` (level, step), downwards where the sign is -1."""
    direction = np.array(signs)[:, None]
    if is_log:
        return np.maximum(median, least) * np.exp(np.clip(direction * radius, -50, 50))
    return median + direction * radius
