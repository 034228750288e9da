"""Is a forecast better than none, and does its interval keep its promise: Diebold–Mariano, Kupiec, Christoffersen."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from scipy.stats import chi2
from scipy.stats import t as student

from models.values import Floats


def diebold_mariano(ours: Floats, theirs: Floats, horizon: int) -> tuple[float, float]:
    """Statistic and one-sided p-value that our losses are *larger*, with the correction of Harvey, Leybourne, Newbold.

    Losses are of the same steps in order; `horizon` steps ahead means that neighbours up to horizon - 1 correlate.
    Where the estimated variance is not positive the Bartlett kernel is used. (0, 0.5) when the losses are the same.
    """
    change = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    n = len(change)
    if n < 3 or not np.any(change):
        return 0.0, 0.5
    reach = min(horizon - 1, n // 2)
    centred = change - change.mean()
    covariances = [float(centred[lag:] @ centred[: n - lag]) / n for lag in range(reach + 1)]
    variance = covariances[0] + 2 * sum(covariances[1:])
    if variance <= 0:
        variance = covariances[0] + 2 * sum((1 - lag / (reach + 1)) * covariances[lag] for lag in range(1, reach + 1))
    if variance <= 0:
        return 0.0, 0.5
    corrected = math.sqrt((n + 1 - 2 * (reach + 1) + (reach + 1) * reach / n) / n)
    statistic = float(change.mean()) / math.sqrt(variance / n) * corrected
    return statistic, float(student.sf(statistic, n - 1))


def kupiec(violations: int, n: int, promised: float) -> float:
    """P-value of Kupiec's proportion-of-failures test: violations happen as often as promised."""
    if not n:
        return 1.0
    seen = violations / n
    ratio = 2 * float(
        xlogy(violations, seen) + xlogy(n - violations, 1 - seen)
        - xlogy(violations, promised) - xlogy(n - violations, 1 - promised)
    )  # fmt: skip
    return float(chi2.sf(max(ratio, 0.0), 1))


def christoffersen(violations: npt.NDArray[np.bool_]) -> float:
    """P-value of Christoffersen's test that violations do not come in runs; 1 where there are too few to tell."""
    before, after = violations[:-1], violations[1:]
    n00, n01 = int((~before & ~after).sum()), int((~before & after).sum())
    n10, n11 = int((before & ~after).sum()), int((before & after).sum())
    if n01 + n11 == 0 or n00 + n01 == 0 or n10 + n11 == 0:
        return 1.0
    share, calm, rough = (n01 + n11) / (n00 + n01 + n10 + n11), n01 / (n00 + n01), n11 / (n10 + n11)
    apart = xlogy(n01, calm) + xlogy(n00, 1 - calm) + xlogy(n11, rough) + xlogy(n10, 1 - rough)
    alike = xlogy(n01 + n11, share) + xlogy(n00 + n10, 1 - share)
    return float(chi2.sf(max(2 * float(apart - alike), 0.0), 1))
