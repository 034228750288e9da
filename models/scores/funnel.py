"""Rates of flags by group: rate ratios with overdispersion, funnel limits, survival of the unfound, strata.

Counts of flags vary more than chance alone would have them (a disease runs through one province and not through
another), so limits drawn for Poisson counts would accuse half of the provinces. The dispersion is estimated and the
limits widened (Spiegelhalter 2005); rate ratios are negative binomial over the units that make up a group.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import CensoredData, chi2, kstest, logrank, norm

from models.scores.groups import Comparison, Harm, Rule, Verdict, compare_estimates
from models.values import Floats


@dataclass(frozen=True, slots=True)
class Funnel:
    """Flags by group over exposure: the pooled rate, the dispersion and each group's place.

    `z` are standardised deviations after the dispersion; `inner` and `outer` are limits (low, high) of the rate at
    95 % and 99.8 %, one pair a group.
    """

    rate: float
    dispersion: float
    z: tuple[float, ...]
    inner: tuple[tuple[float, float], ...]
    outer: tuple[tuple[float, float], ...]


def funnel(counts: Sequence[float], exposures: Sequence[float]) -> Funnel:
    """The funnel of counts over exposures; dispersion by winsorised (10 %) squared deviations, at least 1."""
    flags, exposed = np.asarray(counts, np.float64), np.asarray(exposures, np.float64)
    rate = float(flags.sum() / exposed.sum())
    expected = np.maximum(rate * exposed, 1e-9)
    z = 2 * (np.sqrt(flags + 0.375) - np.sqrt(expected + 0.375))
    low, high = np.quantile(z, (0.1, 0.9))
    dispersion = max(1.0, float(np.mean(np.clip(z, low, high) ** 2)))
    inner, outer = (
        tuple(_limits(rate, float(each), float(norm.ppf(share)) * math.sqrt(dispersion)) for each in exposed)
        for share in (0.975, 0.999)
    )
    return Funnel(rate, dispersion, tuple((z / math.sqrt(dispersion)).tolist()), inner, outer)


def _limits(rate: float, exposure: float, reach: float) -> tuple[float, float]:
    if exposure <= 0:
        return 0.0, math.inf
    root = math.sqrt(rate * exposure + 0.375)
    low, high = max(root - reach / 2, 0.0) ** 2 - 0.375, (root + reach / 2) ** 2 - 0.375
    return max(low, 0.0) / exposure, high / exposure


@dataclass(frozen=True, slots=True)
class Units:
    """The units that make up one group: flags and exposure of each."""

    group: str
    counts: Floats
    exposures: Floats


def overdispersion(groups: Sequence[Units]) -> float:
    """The negative binomial's α over all units by moments, each around its own group's rate; 0 is Poisson."""
    excess = size = 0.0
    for one in groups:
        total = float(one.exposures.sum())
        if total <= 0 or len(one.counts) < 2:
            continue
        expected = one.exposures * float(one.counts.sum()) / total
        excess += float(((one.counts - expected) ** 2 - expected).sum()) * len(one.counts) / (len(one.counts) - 1)
        size += float((expected**2).sum())
    return max(0.0, excess / size) if size > 0 else 0.0


def compare_rates(groups: Sequence[Units], rule: Rule) -> list[Comparison]:
    """Each group's rate over that of all the others; `rule.delta` is the logarithm of the largest ratio tolerated.

    Harm lies on both sides: too many flags burden, too few leave alone. The deficit is the absolute log ratio with its
    sign in `value` against `reference`; PASS asks both sides, FAIL one. `n` is the number of units.
    """
    alpha = overdispersion(groups)
    found = []
    for one in groups:
        others = [other for other in groups if other is not one]
        mine, rest = _rate(one.counts, one.exposures), _rate(*_joined(others))
        ratio = math.log(mine / rest)
        error = math.sqrt(_variance([one], alpha) + _variance(others, alpha))
        exposed = round(float(one.exposures.sum()))
        sides: tuple[Harm, Harm] = ("high", "low")
        up, down = (
            compare_estimates(one.group, exposed, (ratio, 0.0), error, len(one.counts), rule, len(groups), side)
            for side in sides
        )
        worse = up if ratio >= 0 else down
        verdict = worse.verdict
        if verdict is Verdict.PASS and (down if ratio >= 0 else up).verdict is not Verdict.PASS:
            verdict = Verdict.INSUFFICIENT
        found.append(
            Comparison(
                one.group, exposed, mine, rest, abs(ratio), worse.low, worse.high, worse.upper, worse.p, verdict,
                worse.needed,
            )
        )  # fmt: skip
    return found


def _joined(groups: Sequence[Units]) -> tuple[Floats, Floats]:
    return np.concatenate([one.counts for one in groups]), np.concatenate([one.exposures for one in groups])


def _rate(counts: Floats, exposures: Floats) -> float:
    """Half a flag added on both sides, so that a group without any has a rate."""
    return float((counts.sum() + 0.5) / (exposures.sum() + 0.5))


def _variance(groups: Sequence[Units], alpha: float) -> float:
    counts, exposures = _joined(groups)
    if exposures.sum() <= 0:
        return math.nan
    share = exposures / exposures.sum()
    return float(1 / (counts.sum() + 0.5) + alpha * (share**2).sum())


def uniformity(p_values: Floats) -> tuple[float, float]:
    """Kolmogorov–Smirnov distance of p-values from the uniform law, and its own p-value."""
    found = kstest(p_values, "uniform")
    return float(found.statistic), float(found.pvalue)


def delay_p(times: Sequence[float], found: Sequence[bool], rest: Sequence[float], rest_found: Sequence[bool]) -> float:
    """Log-rank p-value that a group's anomalies are found as soon as the others'; what was not found is censored."""
    sides = []
    for clock, met in ((times, found), (rest, rest_found)):
        clocks, seen = np.asarray(clock, np.float64), np.asarray(met, np.bool_)
        if not seen.any():
            return 1.0
        sides.append(CensoredData(uncensored=clocks[seen], right=clocks[~seen]))
    return float(logrank(*sides).pvalue)


def mantel_haenszel(tables: Sequence[tuple[float, float, float, float]]) -> tuple[float, float]:
    """Common odds ratio and p-value (Cochran–Mantel–Haenszel): what is left of a difference within strata.

    A stratum is (hits, misses) of a group and (hits, misses) of the rest; the ratio is NaN where it is not defined.
    """
    over = under = deviation = variance = 0.0
    for a, b, c, d in tables:
        n = a + b + c + d
        if n < 2:
            continue
        over, under = over + a * d / n, under + b * c / n
        deviation += a - (a + b) * (a + c) / n
        variance += (a + b) * (c + d) * (a + c) * (b + d) / (n * n * (n - 1))
    ratio = over / under if under > 0 else math.nan
    p = float(chi2.sf(deviation**2 / variance, 1)) if variance > 0 else 1.0
    return ratio, p
