"""From a standardised deviation to a p-value, by each series' own tails.

Method: each side is a heavy-tailed Gaussian (Lambert W x Gaussian, Goerg 2011: v = s N exp(h N^2 / 2)), fitted in
closed form to two quantiles and drawn towards a prior learned on real series; where enough values lie further out,
the rank among them takes over. Two outer quantiles are as robust as the share they leave out.

Decision: a tail is believed only as far as its exceedances stand alone. Exceedances in runs are an outbreak or a
shift, not the series' habit: there the prior speaks, and the event is not hidden by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import lambertw, ndtr, ndtri

from models.anomaly.rows import Bools, Floats, ordered_quantile

INNER, OUTER = 0.90, 0.975
N_INNER, N_OUTER = float(ndtri(INNER)), float(ndtri(OUTER))
SMALLEST = 1e-15


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed of a series' tails before it is seen; learned by the training recipe.

    `heaviness` is h of the normal scale, `weight` the observations it counts for, `rank_weight` the number of
    exceedances at which the empirical rank counts as much as the fitted tail.
    """

    heaviness: float = 0.05
    weight: float = 60.0
    rank_weight: float = 6.0


@dataclass(frozen=True, slots=True)
class Tail:
    """One side of each row: scale and heaviness, shape (rows, 1); sorted history for ranks, with its counts."""

    scale: Floats
    heaviness: Floats
    trust: Floats
    ordered: Floats
    count: Floats
    prior: Prior

    def p(self, deviation: Floats) -> Floats:
        """P(a clean value lies at least this far on this side), in (0, 1]; shape as `deviation`."""
        body = ndtr(-self.normal(deviation))
        exceed = np.empty_like(body)
        for row, line in enumerate(deviation):
            known = int(self.count[row, 0])
            exceed[row] = known - np.searchsorted(self.ordered[row, :known], line, side="left")
        # mid-rank of a value within its own series or after it: the value itself is one of the exceedances
        rank = (exceed + 0.5) / (self.count + 1.0)
        weight = self.trust * exceed / (exceed + self.prior.rank_weight)
        found: Floats = np.exp((1 - weight) * np.log(np.maximum(body, SMALLEST)) + weight * np.log(rank))
        return np.clip(found, SMALLEST, 1.0)

    def normal(self, deviation: Floats) -> Floats:
        """Deviations as standard normal scores."""
        unit = deviation / self.scale
        heavy = np.broadcast_to(self.heaviness, unit.shape)
        far = np.abs(unit) > 0.5
        scores = unit.copy()
        argument = heavy[far] * np.square(np.minimum(np.abs(unit[far]), 1e6))
        root = np.sqrt(np.real(lambertw(argument)) / heavy[far])
        scores[far] = np.sign(unit[far]) * root
        return scores

    def reach(self, level: float) -> Floats:
        """The deviation whose fitted p is `level`, shape (rows, 1): the edge of a band."""
        score = float(-ndtri(min(max(level, SMALLEST), 0.5)))
        found: Floats = self.scale * score * np.exp(self.heaviness * score**2 / 2)
        return found


def alone(exceeds: Bools) -> Floats:
    """How far exceedances stand alone, in 0…1, from the share that follow another; 1 for independent values."""
    total = exceeds.sum(axis=1)
    follow = (exceeds[:, 1:] & exceeds[:, :-1]).sum(axis=1)
    share = 1.0 - follow / np.maximum(total, 1)
    return np.clip((share / INNER - 0.55) / 0.35, 0.0, 1.0)[:, None]


def fit(deviation: Floats, seen: Bools, prior: Prior) -> Tail:
    """Fit the upper tail of each row of standardised deviations; negate them for the lower one."""
    ordered = np.sort(np.where(seen, deviation, np.inf), axis=1)
    count = seen.sum(axis=1)
    inner, outer = ordered_quantile(ordered, count, INNER), ordered_quantile(ordered, count, OUTER)
    trust = alone(seen & (deviation > inner[:, None]))
    known = count[:, None] * trust
    usable = ((inner > 1e-9) & (outer >= inner))[:, None]
    ratio = np.where(usable, np.maximum(outer, 1e-300)[:, None] / np.where(usable, inner[:, None], 1.0), 1.0)
    raw = 2 * (np.log(np.maximum(ratio, 1e-300)) - np.log(N_OUTER / N_INNER)) / (N_OUTER**2 - N_INNER**2)
    raw = np.where(usable, np.clip(raw, -0.2, 0.6), prior.heaviness)
    heavy = (known * raw + prior.weight * prior.heaviness) / (known + prior.weight)
    heavy = np.maximum(heavy, 1e-6)
    own = np.where(usable, inner[:, None] / (N_INNER * np.exp(heavy * N_INNER**2 / 2)), 1.0)
    usual = np.where(known > 0, known / (known + prior.weight / 3), 0.0)
    scale = np.maximum(np.where(usable, usual * own + (1 - usual), 1.0), 0.3)
    return Tail(scale, heavy, trust, ordered, count[:, None].astype(np.float64), prior)
