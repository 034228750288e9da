"""Intervals and tests of proportions, single, compared and paired.

Wilson (1927) for one, Newcombe (1998) for the difference of two, independent (his method 10) or paired (his method 10
of the companion paper), Clopper and Pearson (1934) where the count is near its end, exact McNemar for paired answers.
Levels are two-sided confidence levels; a one-sided 95 % bound is the end of a two-sided 90 % interval.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import beta, binomtest

from models.values import Floats

Interval = tuple[float, float]


def deviate(level: float) -> float:
    """The normal deviate that bounds a two-sided interval of that level."""
    return float(ndtri(0.5 + level / 2))


def wilson(hits: float, n: float, level: float = 0.95) -> Interval:
    """Wilson's score interval of hits in n trials; the whole unit interval where there were none."""
    if n <= 0:
        return 0.0, 1.0
    z, p = deviate(level), hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> Interval:
    """The exact interval of hits in n trials."""
    if n <= 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


def newcombe(first: tuple[float, float], second: tuple[float, float], level: float = 0.95) -> Interval:
    """Interval of p₁ - p₂ of two independent samples, each (hits, trials)."""
    p1, p2 = (hits / n if n else 0.0 for hits, n in (first, second))
    (l1, u1), (l2, u2) = wilson(*first, level), wilson(*second, level)
    below = math.hypot(p1 - l1, u2 - p2)
    above = math.hypot(u1 - p1, p2 - l2)
    return max(-1.0, p1 - p2 - below), min(1.0, p1 - p2 + above)


def paired_newcombe(both: float, first: float, second: float, neither: float, level: float = 0.95) -> Interval:
    """Interval of p₁ - p₂ over pairs: hit in both, in the first only, in the second only, in neither."""
    n = both + first + second + neither
    if n <= 0:
        return -1.0, 1.0
    a, b = both + first, both + second
    p1, p2 = a / n, b / n
    (l1, u1), (l2, u2) = wilson(a, n, level), wilson(b, n, level)
    phi = _phi(both, first, second, neither)
    below = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    above = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    low, high = p1 - p2 - math.sqrt(max(below, 0.0)), p1 - p2 + math.sqrt(max(above, 0.0))
    return max(-1.0, low), min(1.0, high)


def _phi(both: float, first: float, second: float, neither: float) -> float:
    """The correlation of paired hits with Newcombe's correction towards 0."""
    n = both + first + second + neither
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    if margins <= 0:
        return 0.0
    cross = both * neither - first * second
    if cross > 0:
        cross = max(cross - n / 2, 0.0)
    return cross / math.sqrt(margins)


def mcnemar(first_only: int, second_only: int) -> float:
    """Exact two-sided p-value that pairs change in one direction as often as in the other; 1 without a change."""
    changed = first_only + second_only
    return float(binomtest(first_only, changed).pvalue) if changed else 1.0


def difference_p(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Two-sided p-value of equal proportions by the pooled score test; 1 where it is not defined."""
    (h1, n1), (h2, n2) = first, second
    if not n1 or not n2:
        return 1.0
    pooled = (h1 + h2) / (n1 + n2)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    return math.erfc(abs(h1 / n1 - h2 / n2) / error / math.sqrt(2)) if error > 0 else 1.0


def holm(p_values: npt.ArrayLike) -> Floats:
    """Adjusted p-values by Holm (1979): those below α hold together at level α."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def benjamini_hochberg(p_values: npt.ArrayLike) -> Floats:
    """Adjusted p-values by Benjamini and Hochberg (1995): of those below q at most a share q is expected false."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(-p, kind="stable")
    lowered = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(lowered, 1.0)
    return adjusted
