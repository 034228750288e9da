"""Counterfactual swaps: the same sentence with one group's name in place of another's.

`labels` are answers by group and template, shape (groups, templates). What may not change is counted as flips; the
matrix of flips between all pairs is symmetric by construction, the mean change of a probability antisymmetric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import wilcoxon

from models.scores.groups import Comparison, Rule, compare_estimates, decide
from models.scores.proportions import clopper_pearson
from models.values import Floats

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shift:
    """How a probability moved between two groups over the templates: mean, mean and largest size, p-value.

    `p` is the Wilcoxon signed-rank test of "it moves one way as often and as far as the other"; 1 where it never moves.
    """

    mean: float
    mean_size: float
    largest: float
    p: float


def flip_matrix(labels: Ints) -> Ints:
    """Number of templates in which two groups get different answers; shape (groups, groups), symmetric, 0 diagonal."""
    groups = len(labels)
    found = np.zeros((groups, groups), np.int64)
    for row in range(groups):
        found[row] = (labels != labels[row]).sum(axis=1)
    return found


def judge_flips(group: str, flips: int, n: int, rule: Rule, groups: int) -> Comparison:
    """The share of templates that flip against the reference group, by the exact interval; the margin is the rule's."""
    share = flips / n if n else math.nan
    low, high = clopper_pearson(flips, n, rule.lower_level(groups))
    upper = clopper_pearson(flips, n, rule.upper_level)[1]
    verdict = decide(low, upper, n, rule)
    return Comparison(group, n, share, 0.0, share, low, high, upper, 1.0, verdict, _needed(flips, n, rule))


def _needed(flips: int, n: int, rule: Rule) -> int | None:
    """The number of templates, flipping as often, after which the exact bound would fall on one side of the margin."""
    share = flips / n if n else 0.0
    size = max(n, rule.least)
    while size < 100_000:
        expected = round(share * size)
        low, upper = (
            clopper_pearson(expected, size, 1 - rule.alpha)[0],
            clopper_pearson(expected, size, rule.upper_level)[1],
        )
        if low > rule.delta or upper < rule.delta:
            return size
        size = math.ceil(size * 1.1)
    return None


def shift(before: Floats, after: Floats) -> Shift:
    """How the probability of the same answer moved over templates."""
    change = after - before
    moved = change[np.abs(change) > 1e-12]
    p = float(wilcoxon(moved).pvalue) if len(moved) >= 6 else 1.0
    return Shift(float(change.mean()), float(np.abs(change).mean()), float(np.abs(change).max(initial=0.0)), p)


def judge_shift(group: str, before: Floats, after: Floats, rule: Rule, groups: int) -> Comparison:
    """The mean size of the change of a probability, by Student's t over templates."""
    size = np.abs(after - before)
    error = float(size.std(ddof=1) / math.sqrt(len(size))) if len(size) > 1 else math.nan
    return compare_estimates(
        group, len(size), (float(size.mean()), 0.0), error, len(size), rule, groups, harm="high"
    )  # fmt: skip


def asymmetries(matrix: Ints) -> int:
    """Pairs for which the matrix of flips differs from its mirror: 0, or the test itself is broken."""
    return int((matrix != matrix.T).sum()) + int(np.diag(matrix).any())


def largest_pairs(matrix: Ints, names: Sequence[str], most: int = 10) -> list[tuple[str, str, int]]:
    """The pairs of groups that flip most often."""
    rows, columns = np.triu_indices(len(names), 1)
    counts = matrix[rows, columns]
    order = np.argsort(-counts, kind="stable")[:most]
    return [(names[rows[i]], names[columns[i]], int(counts[i])) for i in order if counts[i]]
