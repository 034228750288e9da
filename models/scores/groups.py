"""The decision rule for groups: PASS, FAIL or not enough evidence, against a margin (GOVERNANCE 3.2).

For group g and a figure m the deficit d is how much worse g fares than all the other groups pooled (or than a nominal
value), and δ what is tolerated:

    FAIL          the lower bound of d at level 1 - α/K, two-sided, lies above δ: it is sure that d exceeds δ
    PASS          the one-sided 95 % upper bound of d lies below δ: it is sure that it does not
    INSUFFICIENT  neither, or too few cases to judge at all; with the number of cases that would settle it

Decision: gaps between best and worst group, and the four-fifths rule, are never asked. With 34 groups and identical
true rates both "find" a difference every time (0.15 at n = 100 and a rate of 0.85), this rule does not.

Decision: K is the number of groups compared in one axis by one figure. Fewer than `SHOWN` cases are not published,
fewer than `POINTED` get no value, fewer than the rule's `least` no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import numpy as np
from scipy.special import expit, logit
from scipy.stats import chi2
from scipy.stats import t as student

from models.scores.proportions import difference_p, newcombe, paired_newcombe, wilson
from models.values import Floats

SHOWN: Final = 20
POINTED: Final = 30
JUDGED: Final = 100
DRAWS: Final = 2_000
LEAST_CLUSTERS: Final = 10
HOPELESS: Final = 1_000_000
"""More cases than this are not called an answer to "how many would settle it"."""
Harm = Literal["low", "high"]


class Verdict(StrEnum):
    """What may be said of a group."""

    PASS = "PASS"  # noqa: S105  a verdict, no password
    FAIL = "FAIL"
    INSUFFICIENT = "INSUFFICIENT_EVIDENCE"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is tolerated and how sure one must be; `least` cases are needed for a verdict."""

    delta: float
    alpha: float = 0.05
    least: int = JUDGED

    def lower_level(self, groups: int) -> float:
        """The two-sided level whose lower bound convicts, held over so many groups (Bonferroni)."""
        return 1 - self.alpha / max(groups, 1)

    @property
    def upper_level(self) -> float:
        """The two-sided level whose upper end is the one-sided bound that acquits."""
        return 1 - 2 * self.alpha


@dataclass(frozen=True, slots=True)
class Tally:
    """Cases of a group with the outcome that is counted: `hits` of `n`."""

    group: str
    hits: float
    n: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One group held against the rest or against a nominal value.

    `low` and `high` bound the deficit at the adjusted level, `upper` is the one-sided 95 % bound. `needed` is the
    number of cases of the group that would settle it, were they as those seen; None where no reachable number would.
    """

    group: str
    n: int
    value: float
    reference: float
    deficit: float
    low: float
    high: float
    upper: float
    p: float
    verdict: Verdict
    needed: int | None


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """One answer to "do the groups differ at all": Cochran's Q, and the spread of true values between groups.

    `tau` is the between-group standard deviation on the scale of the figure (of the log-odds for proportions), by
    DerSimonian and Laird; `shrunken` are the groups' values drawn towards the mean as far as their errors ask.
    """

    q: float
    degrees: int
    p: float
    tau: float
    i_squared: float
    centre: float
    shrunken: tuple[float, ...]


def decide(low: float, upper: float, n: int, rule: Rule) -> Verdict:
    """The verdict from the two bounds of a deficit and the number of cases."""
    if n < rule.least:
        return Verdict.INSUFFICIENT if low <= rule.delta or n < JUDGED else Verdict.FAIL
    if low > rule.delta:
        return Verdict.FAIL
    return Verdict.PASS if upper < rule.delta else Verdict.INSUFFICIENT


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """FAIL where one fails, PASS where all pass, else not enough evidence."""
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if verdicts and set(verdicts) == {Verdict.PASS} else Verdict.INSUFFICIENT


def compare_shares(tallies: Sequence[Tally], rule: Rule, harm: Harm = "low") -> list[Comparison]:
    """Every group against all the others pooled; harm is a low share of hits (recall) or a high one (false alarms)."""
    hits, n = sum(one.hits for one in tallies), sum(one.n for one in tallies)
    return [
        compare_two(one, Tally("", hits - one.hits, n - one.n), rule, len(tallies), harm) for one in tallies
    ]  # fmt: skip


def compare_two(mine: Tally, rest: Tally, rule: Rule, groups: int, harm: Harm = "low") -> Comparison:
    """One group against another; `groups` is how many such comparisons the axis makes."""
    pair = (mine.hits, mine.n), (rest.hits, rest.n)
    values = (mine.hits / mine.n if mine.n else math.nan, rest.hits / rest.n if rest.n else math.nan)
    if not mine.n or not rest.n:
        return _unknown(mine.group, mine.n, values)

    def interval(level: float) -> tuple[float, float]:
        return newcombe(pair[1], pair[0], level) if harm == "low" else newcombe(pair[0], pair[1], level)

    return _judged(mine.group, mine.n, values, interval, rule, groups, difference_p(*pair), harm)


def compare_to_nominal(tallies: Sequence[Tally], nominal: float, rule: Rule, harm: Harm = "low") -> list[Comparison]:
    """Every group's share against a promised one (the coverage of an interval, say), by Wilson's interval."""
    found = []
    for one in tallies:
        if not one.n:
            found.append(_unknown(one.group, 0, (math.nan, nominal)))
            continue

        def interval(level: float, one: Tally = one) -> tuple[float, float]:
            low, high = wilson(one.hits, one.n, level)
            return (nominal - high, nominal - low) if harm == "low" else (low - nominal, high - nominal)

        error = math.sqrt(nominal * (1 - nominal) / one.n)
        p = math.erfc(abs(one.hits / one.n - nominal) / error / math.sqrt(2)) if error > 0 else 1.0
        values = (one.hits / one.n, nominal)
        found.append(_judged(one.group, one.n, values, interval, rule, len(tallies), p, harm))
    return found


def compare_pairs(group: str, before: Sequence[bool], after: Sequence[bool], rule: Rule, groups: int) -> Comparison:
    """The same cases twice, as they were and changed: the deficit is the share that was lost."""
    a, b = np.asarray(before, np.bool_), np.asarray(after, np.bool_)
    both, first, second = int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum())
    neither = len(a) - both - first - second

    def interval(level: float) -> tuple[float, float]:
        return paired_newcombe(both, first, second, neither, level)

    changed = first + second
    p = math.erfc(abs(first - second) / math.sqrt(2 * changed)) if changed else 1.0
    return _judged(group, len(a), (float(b.mean()), float(a.mean())), interval, rule, groups, p, "low")


def compare_estimates(
    group: str, n: int, values: tuple[float, float], error: float, clusters: int, rule: Rule, groups: int,
    harm: Harm = "low",
) -> Comparison:  # fmt: skip
    """A deficit whose standard error was resampled over clusters, by Student's t with clusters - 1 degrees.

    `values` are the group's figure and what it is held against. Fewer than LEAST_CLUSTERS clusters give no verdict.
    """
    value, reference = values
    deficit = reference - value if harm == "low" else value - reference
    if clusters < 2 or not math.isfinite(error) or not math.isfinite(deficit):
        return _unknown(group, n, values)

    def interval(level: float) -> tuple[float, float]:
        reach = float(student.ppf(0.5 + level / 2, clusters - 1)) * error
        return deficit - reach, deficit + reach

    p = float(2 * student.sf(abs(deficit) / error, clusters - 1)) if error > 0 else float(deficit == 0)
    shown = n if clusters >= LEAST_CLUSTERS else min(n, JUDGED - 1)
    found = _judged(group, shown, values, interval, rule, groups, p, harm)
    return Comparison(
        group, n, value, reference, deficit, found.low, found.high, found.upper, p, found.verdict, found.needed
    )  # fmt: skip


def _judged(
    group: str, n: int, values: tuple[float, float], interval: Callable[[float], tuple[float, float]], rule: Rule,
    groups: int, p: float, harm: Harm,
) -> Comparison:  # fmt: skip
    value, reference = values
    deficit = reference - value if harm == "low" else value - reference
    low, high = interval(rule.lower_level(groups))
    upper = interval(rule.upper_level)[1]
    verdict = decide(low, upper, n, rule)
    needed = cases_needed(n, deficit, low, upper, rule) if verdict is Verdict.INSUFFICIENT else n
    return Comparison(group, n, value, reference, deficit, low, high, upper, p, verdict, needed)


def _unknown(group: str, n: int, values: tuple[float, float]) -> Comparison:
    nothing = math.nan
    return Comparison(
        group, n, values[0], values[1], nothing, nothing, nothing, nothing, 1.0, Verdict.INSUFFICIENT, None
    )  # fmt: skip


def cases_needed(n: int, deficit: float, low: float, upper: float, rule: Rule) -> int | None:
    """How many cases as those seen would bring a bound past the margin: its distance shrinks as 1/√n."""
    if not n:
        return None
    distance = abs(deficit - rule.delta)
    reach = deficit - low if deficit > rule.delta else upper - deficit
    if distance <= 0:
        return None
    asked = max(rule.least, math.ceil(n * (reach / distance) ** 2))
    return asked if asked <= HOPELESS else None


def cluster_sums(parts: Floats, draws: int = DRAWS, seed: int = 0) -> Floats:
    """Sums over clusters drawn with replacement: parts of shape (clusters, …) give (draws, …).

    A cluster is what errs together (a document, a series, an author); a paired figure keeps its pairs when both of its
    columns stand in one row.
    """
    random, n = np.random.default_rng(seed), len(parts)
    flat = np.ascontiguousarray(parts.reshape(n, -1), np.float64)
    sums = np.empty((draws, flat.shape[1]))
    for start in range(0, draws, 100):
        size = min(100, draws - start)
        sums[start : start + size] = random.multinomial(n, np.full(n, 1 / n), size=size) @ flat
    return sums.reshape(draws, *parts.shape[1:])


def compare_ratios(
    names: Sequence[str],
    numerators: Floats,
    denominators: Floats,
    counts: Sequence[int],
    rule: Rule,
    harm: Harm = "low",
    *,
    logarithm: bool = False,
    nominal: float | None = None,
    compared: int | None = None,
    seed: int = 0,
) -> list[Comparison]:
    """Groups by a ratio of sums (coverage over steps, word F1, WAPE): each against the others pooled.

    Both arrays have shape (clusters, groups): what each cluster adds to each group. With `logarithm` deficits are of
    logarithms, for figures whose margin is a ratio. A `nominal` value (on that scale) stands in place of the others;
    `compared` is K where the axis makes more comparisons.
    """
    draws = cluster_sums(np.stack([numerators, denominators]).transpose(1, 2, 0), seed=seed)
    sums = np.stack([numerators.sum(0), denominators.sum(0)], axis=-1)
    found = []
    for at, name in enumerate(names):
        value, drawn = float(_ratio(sums[at], logarithm)), _ratio(draws[:, at], logarithm)
        reference = nominal
        if reference is None:
            reference = float(_ratio(sums.sum(0) - sums[at], logarithm))
            drawn = drawn - _ratio(draws.sum(1) - draws[:, at], logarithm)
        clusters = int((denominators[:, at] > 0).sum())
        values, held = (value, reference), compared or len(names)
        found.append(compare_estimates(name, counts[at], values, _spread(drawn), clusters, rule, held, harm))
    return found


def _spread(drawn: Floats) -> float:
    """The standard deviation over draws; NaN where most draws had no case of the group."""
    kept = drawn[np.isfinite(drawn)]
    return float(kept.std(ddof=1)) if len(kept) > DRAWS // 2 else math.nan


def compare_paired_ratios(
    group: str, before: Floats, after: Floats, rule: Rule, groups: int, seed: int = 0
) -> Comparison:  # fmt: skip
    """The same cases as they were and changed, by ratios of sums; both arrays have shape (cases, 2)."""
    draws = cluster_sums(np.stack([before, after], axis=1), seed=seed)
    lost = _ratio(draws[:, 0], False) - _ratio(draws[:, 1], False)
    values = float(_ratio(after.sum(0), False)), float(_ratio(before.sum(0), False))
    return compare_estimates(group, len(before), values, _spread(lost), len(before), rule, groups)


def _ratio(sums: Floats, logarithm: bool) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        found = sums[..., 0] / sums[..., 1]
        return np.asarray(np.log(found) if logarithm else found, np.float64)


def spread_of_shares(tallies: Sequence[Tally]) -> Heterogeneity | None:
    """Heterogeneity of proportions over log-odds (half a case added); None for fewer than two groups with cases."""
    held = [one for one in tallies if one.n >= SHOWN]
    if len(held) < 2:
        return None
    hits, n = (np.array([getattr(one, name) for one in held], np.float64) for name in ("hits", "n"))
    odds = logit((hits + 0.5) / (n + 1))
    errors = np.sqrt(1 / (hits + 0.5) + 1 / (n - hits + 0.5))
    found = spread(odds, errors)
    back = tuple(float(value) for value in expit(np.array(found.shrunken)))
    share = float(hits.sum() / n.sum())
    expected = n * share * (1 - share)
    q = float((((hits - n * share) ** 2) / expected).sum()) if 0 < share < 1 else 0.0
    degrees = len(held) - 1
    return Heterogeneity(
        q, degrees, float(chi2.sf(q, degrees)), found.tau, found.i_squared, float(expit(found.centre)), back
    )  # fmt: skip


def spread(values: Floats, errors: Floats) -> Heterogeneity:
    """Random effects over groups' values with their standard errors (DerSimonian and Laird 1986)."""
    weights = 1 / errors**2
    fixed = float((weights * values).sum() / weights.sum())
    q, degrees = float((weights * (values - fixed) ** 2).sum()), len(values) - 1
    scale = float(weights.sum() - (weights**2).sum() / weights.sum())
    variance = max(0.0, (q - degrees) / scale) if scale > 0 else 0.0
    again = 1 / (errors**2 + variance)
    centre = float((again * values).sum() / again.sum())
    pull = errors**2 / (errors**2 + variance)
    shrunken = tuple(float(value) for value in pull * centre + (1 - pull) * values)
    i_squared = max(0.0, 1 - degrees / q) if q > 0 else 0.0
    return Heterogeneity(q, degrees, float(chi2.sf(q, degrees)), math.sqrt(variance), i_squared, centre, shrunken)
