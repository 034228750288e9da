"""From a standardised deviation to a p-value, by each series' own tails.

Method: on each side a deviation v has the normal score N of two families fitted in closed form to two outer quantiles
and drawn towards a prior: Tukey's h (v = s N exp(h N^2 / 2), heavy tails) and a power (v = s N^k, tails like the
exponential law for k > 1, lighter than the normal for k < 1). Their p-values are averaged on the log scale: real tails
lie between the two. Where values lie further out still, the rank among them takes over. Two outer quantiles are as
robust as the share they leave out.

Decision: a tail is believed only as far as its exceedances stand alone. Exceedances in runs are an outbreak or a
shift, not the series' habit: there the prior speaks, and the event is not hidden by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import lambertw, ndtr, ndtri

from models.anomaly.rows import Bools, Floats, ordered_quantile

INNER = 0.90
N_INNER = float(ndtri(INNER))
OUTER = ((0, 0.975), (600, 0.985), (1200, 0.9925))
"""The outer quantile by how many values there are: about ten lie beyond it, so the tail is read, not guessed."""
SMALLEST = 1e-15
HEAVIEST = 0.6
LIGHTEST_POWER, STRONGEST_POWER = 0.5, 3.0
LEAST_INNER = 0.4
FARTHEST = 1e8
UNSURE = 4.0
"""What is to come strays further than a fit on n values says; heaviness and power grow by this over n."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed of a series' tails before it is seen; learned by the training recipe.

    `heaviness` is h, `power` is k; `weight` is the observations that they count for, `rank_weight` the number of
    exceedances at which the empirical rank counts as much as the fitted tail.
    """

    heaviness: float = 0.05
    power: float = 1.1
    weight: float = 60.0
    rank_weight: float = 3.0


@dataclass(frozen=True, slots=True)
class Tail:
    """One side of each row, parameters of shape (rows, 1); the sorted history for ranks, with its counts.

    `inner` is the deviation exceeded by one in ten; `inside` says that the values to be judged are themselves part
    of the history.
    """

    inner: Floats
    heaviness: Floats
    power: Floats
    trust: Floats
    ordered: Floats
    count: Floats
    rank_weight: float
    inside: bool

    def p(self, deviation: Floats) -> Floats:
        """P(a clean value lies at least this far on this side), in (0, 1]; shape as `deviation`."""
        body = self.fitted(deviation)
        exceed = np.empty_like(body)
        for row, line in enumerate(deviation):
            known = int(self.count[row, 0])
            exceed[row] = known - np.searchsorted(self.ordered[row, :known], line, side="left")
        beyond = np.maximum(exceed - 1.0, 0.0) if self.inside else exceed
        rank = (beyond + 0.5) / (self.count + (0.0 if self.inside else 1.0) + 1e-9)
        weight = self.trust * exceed / (exceed + self.rank_weight)
        found: Floats = np.clip(np.exp((1 - weight) * np.log(body) + weight * np.log(rank)), SMALLEST, 1.0)
        return found

    def fitted(self, deviation: Floats) -> Floats:
        """The p-value of the fitted families alone."""
        far = np.clip(deviation, -FARTHEST, FARTHEST) / self.inner
        power = np.copysign(N_INNER * np.minimum(np.abs(far), FARTHEST) ** (1 / self.power), far)
        outer = far > 0.3
        curve = np.broadcast_to(self.heaviness, far.shape)[outer]
        unit = far[outer] * N_INNER * np.exp(curve * N_INNER**2 / 2)
        heavy = power.copy()
        heavy[outer] = np.sqrt(np.real(lambertw(curve * np.square(unit))) / curve)
        heavy = np.where(self.power < 1, power, heavy)
        found: Floats = np.sqrt(np.maximum(ndtr(-heavy), SMALLEST) * np.maximum(ndtr(-power), SMALLEST))
        return found

    def reach(self, level: float) -> Floats:
        """The deviation whose fitted p is about `level`, shape (rows, 1): the edge of a band."""
        ratio = max(float(-ndtri(min(max(level, SMALLEST), 0.5))), 1e-3) / N_INNER
        power = ratio**self.power
        heavy = ratio * np.exp(self.heaviness * N_INNER**2 * (ratio**2 - 1) / 2)
        found: Floats = self.inner * np.where(self.power < 1, power, np.sqrt(power * heavy))
        return found


def alone(exceeds: Bools, level: float) -> Floats:
    """How far exceedances of a quantile stand alone, in 0…1, from the share that follow another; (rows, 1)."""
    total = exceeds.sum(axis=1)
    follow = (exceeds[:, 1:] & exceeds[:, :-1]).sum(axis=1)
    share = (1.0 - follow / np.maximum(total, 1)) / level
    found: Floats = np.clip((share - 0.55) / 0.35, 0.0, 1.0)[:, None]
    return found


def fit(deviation: Floats, seen: Bools, prior: Prior, *, inside: bool) -> Tail:
    """Fit the upper tail of each row of standardised deviations; negate them for the lower one."""
    ordered = np.sort(np.where(seen, deviation, np.inf), axis=1)
    count = seen.sum(axis=1)
    inner = ordered_quantile(ordered, count, INNER)[:, None]
    trust = alone(seen & (deviation > inner), INNER)
    known = count[:, None] * trust
    usable = inner > 1e-9
    base = np.where(usable, inner, N_INNER)
    outer, level = _outer(ordered, count)
    h, k = _shapes(outer / base, level)
    trust = np.minimum(trust, alone(seen & (deviation > outer), OUTER[0][1]))
    learned = np.where(usable, count[:, None] * trust / (count[:, None] * trust + prior.weight), 0.0)
    heaviness = np.maximum(learned * h + (1 - learned) * prior.heaviness, 1e-4)
    power = np.clip(learned * k + (1 - learned) * prior.power, LIGHTEST_POWER, STRONGEST_POWER)
    if not inside:
        heaviness = heaviness + UNSURE / np.maximum(count[:, None], 1)
        power = power + UNSURE / np.maximum(count[:, None], 1)
    usual = np.where(usable, known / (known + prior.weight / 3), 0.0)
    scale = np.maximum(usual * base + (1 - usual) * N_INNER, LEAST_INNER)
    return Tail(scale, heaviness, power, trust, ordered, count[:, None].astype(np.float64), prior.rank_weight, inside)


def _outer(ordered: Floats, count: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The outer quantile of each row and its level, both (rows, 1)."""
    levels = np.full((len(count), 1), OUTER[0][1])
    found = ordered_quantile(ordered, count, OUTER[0][1])[:, None]
    for least, level in OUTER[1:]:
        enough = count[:, None] >= least
        found = np.where(enough, ordered_quantile(ordered, count, level)[:, None], found)
        levels = np.where(enough, level, levels)
    return found, levels


def _shapes(ratio: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Parameters h and k of each row from the ratio of its outer to its inner quantile."""
    normal = ndtri(level)
    logarithm = np.log(np.maximum(ratio, 1.0))
    plain = np.log(normal / N_INNER)
    heavy = 2 * (logarithm - plain) / (normal**2 - N_INNER**2)
    return np.clip(heavy, -0.2, HEAVIEST), logarithm / plain
