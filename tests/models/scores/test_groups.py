import math

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from models.scores.groups import (
    Rule,
    Tally,
    Verdict,
    cases_needed,
    compare_estimates,
    compare_pairs,
    compare_ratios,
    compare_shares,
    compare_to_nominal,
    overall,
    spread,
    spread_of_shares,
)
from models.scores.proportions import (
    benjamini_hochberg,
    clopper_pearson,
    holm,
    mcnemar,
    newcombe,
    paired_newcombe,
    wilson,
)

PROVINCES, RATE, N = 34, 0.85, 500
RULE = Rule(0.05)


def tallies(rng, rates, n=N):
    return [Tally(f"{at:02d}", int(rng.binomial(n, rate)), n) for at, rate in enumerate(rates)]


def test_identical_provinces_are_never_failed_in_a_hundred_seeds():
    verdicts = [
        one.verdict
        for seed in range(100)
        for one in compare_shares(tallies(np.random.default_rng(seed), [RATE] * PROVINCES), RULE)
    ]
    assert Verdict.FAIL not in verdicts
    assert verdicts.count(Verdict.PASS) / len(verdicts) > 0.8


@pytest.mark.parametrize("groups", [3, PROVINCES])
def test_a_province_twenty_points_worse_is_failed_in_ninety_five_of_a_hundred_seeds(groups):
    found = 0
    for seed in range(100):
        rates = [RATE - 0.2] + [RATE] * (groups - 1)
        compared = compare_shares(tallies(np.random.default_rng(seed), rates), RULE)
        found += compared[0].verdict is Verdict.FAIL
        assert all(one.verdict is not Verdict.FAIL for one in compared[1:])
    assert found >= 95


def test_false_alarms_are_harm_in_the_other_direction():
    rng = np.random.default_rng(1)
    compared = compare_shares(tallies(rng, [0.25] + [0.05] * 9), Rule(0.03), harm="high")
    assert compared[0].verdict is Verdict.FAIL
    assert compared[0].deficit == pytest.approx(compared[0].value - compared[0].reference)
    assert {one.verdict for one in compared[1:]} == {Verdict.PASS}


def test_too_few_cases_give_no_verdict_and_say_how_many_would_do():
    few = compare_shares([Tally("a", 5, 40), Tally("b", 3400, 4000)], RULE)[0]
    assert few.verdict is Verdict.INSUFFICIENT
    assert few.needed == 100
    vague = compare_shares([Tally("a", 160, 200), Tally("b", 3400, 4000)], Rule(0.08))[0]
    assert vague.verdict is Verdict.INSUFFICIENT
    settled = vague.needed
    again = compare_shares([Tally("a", round(0.8 * settled * 1.05), round(settled * 1.05)), Tally("b", 34_000, 40_000)],
                           Rule(0.08))[0]  # fmt: skip
    assert again.verdict is Verdict.PASS


def test_what_lies_on_the_margin_is_settled_by_no_number_of_cases():
    assert cases_needed(200, 0.05, 0.01, 0.09, RULE) is None


def test_the_highest_tier_asks_more_cases_to_acquit_but_not_to_convict():
    strict = Rule(0.05, least=500)
    assert compare_shares([Tally("a", 90, 300), Tally("b", 3400, 4000)], strict)[0].verdict is Verdict.FAIL
    assert compare_shares([Tally("a", 270, 300), Tally("b", 3400, 4000)], strict)[0].verdict is Verdict.INSUFFICIENT


def test_a_group_without_cases_or_without_a_rest_is_not_judged():
    empty, alone = compare_shares([Tally("a", 0, 0), Tally("b", 90, 100)], RULE)
    assert empty.verdict is alone.verdict is Verdict.INSUFFICIENT
    assert empty.needed is None


def test_a_promised_coverage_is_held_group_by_group():
    short, kept, few = compare_to_nominal([Tally("a", 600, 1000), Tally("b", 810, 1000), Tally("c", 9, 10)], 0.8, RULE)
    assert (short.verdict, kept.verdict, few.verdict) == (Verdict.FAIL, Verdict.PASS, Verdict.INSUFFICIENT)
    assert short.p < 1e-6 < kept.p


def test_pairs_are_judged_by_what_was_lost():
    before = [True] * 900 + [False] * 100
    harmless, harmful = before, [False] * 150 + [True] * 750 + [False] * 100
    assert compare_pairs("same", before, harmless, RULE, 5).verdict is Verdict.PASS
    lost = compare_pairs("lost", before, harmful, RULE, 5)
    assert lost.verdict is Verdict.FAIL
    assert lost.deficit == pytest.approx(0.15)


def test_clusters_widen_what_repeated_cases_would_narrow():
    rng = np.random.default_rng(3)
    clusters, groups = 60, 3
    share = np.clip(rng.normal(0.8, 0.15, (clusters, 1)), 0, 1)
    denominators = np.zeros((clusters, groups))
    denominators[np.arange(clusters), np.arange(clusters) % groups] = 50
    clustered = compare_ratios("abc", share * denominators, denominators, [1000] * 3, RULE)
    alone = compare_shares([Tally(str(g), (share * denominators)[:, g].sum(), 1000) for g in range(groups)], RULE)
    for wide, narrow in zip(clustered, alone, strict=True):
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
        assert wide.value == pytest.approx(narrow.value)


def test_a_ratio_of_errors_is_judged_by_its_logarithm():
    rng = np.random.default_rng(4)
    denominators = np.zeros((90, 3))
    denominators[np.arange(90), np.arange(90) % 3] = 10
    errors = denominators * rng.uniform(0.8, 1.2, (90, 1)) * np.array([1.0, 1.0, 2.5])
    found = compare_ratios("abc", errors, denominators, [300] * 3, Rule(math.log(1.5)), "high", logarithm=True)
    assert [one.verdict for one in found] == [Verdict.PASS, Verdict.PASS, Verdict.FAIL]


def test_few_clusters_give_no_verdict_whatever_the_cases():
    found = compare_estimates("a", 5000, (0.2, 0.9), 0.01, 4, RULE, 3)
    assert (found.verdict, found.n) == (Verdict.INSUFFICIENT, 5000)


def test_heterogeneity_is_small_for_equal_groups_and_found_for_unequal_ones():
    rng = np.random.default_rng(5)
    same = spread_of_shares(tallies(rng, [RATE] * PROVINCES))
    apart = spread_of_shares(tallies(rng, rng.normal(0.8, 0.06, PROVINCES)))
    assert same.p > 0.01
    assert apart.p < 1e-6
    assert apart.tau > 3 * same.tau
    assert spread_of_shares([Tally("a", 5, 10)]) is None


def test_cochrans_q_of_shares_is_the_chi_square_of_the_table():
    rows = [Tally("a", 80, 100), Tally("b", 150, 200), Tally("c", 95, 110)]
    want = chi2_contingency([[one.hits, one.n - one.hits] for one in rows], correction=False)
    found = spread_of_shares(rows)
    assert (found.q, found.p) == (pytest.approx(want.statistic), pytest.approx(want.pvalue))


def test_shrinking_draws_uncertain_groups_further():
    found = spread(np.array([0.0, 0.0, 2.0, 2.0]), np.array([0.1, 0.1, 0.1, 1.0]))
    assert found.tau > 0
    assert found.shrunken[3] < found.shrunken[2]


def test_verdicts_add_up():
    assert overall([Verdict.PASS, Verdict.PASS]) is Verdict.PASS
    assert overall([Verdict.PASS, Verdict.INSUFFICIENT]) is Verdict.INSUFFICIENT
    assert overall([Verdict.INSUFFICIENT, Verdict.FAIL]) is Verdict.FAIL
    assert overall([]) is Verdict.INSUFFICIENT


def test_intervals_are_those_of_the_literature():
    assert newcombe((56, 70), (48, 80), 0.95) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    assert newcombe((9, 10), (3, 10), 0.95) == (pytest.approx(0.1705, abs=1e-4), pytest.approx(0.8090, abs=1e-4))
    assert wilson(81, 263, 0.95) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))
    assert wilson(0, 20, 0.95) == (pytest.approx(0.0, abs=1e-12), pytest.approx(0.1611, abs=1e-4))
    assert clopper_pearson(0, 100, 0.90)[1] == pytest.approx(1 - 0.05 ** (1 / 100))
    assert mcnemar(0, 10) == pytest.approx(2 / 1024)


def test_a_paired_interval_covers_as_often_as_it_says():
    rng, truth, covered = np.random.default_rng(6), 0.10, 0
    for _ in range(400):
        counts = rng.multinomial(150, (0.70, 0.15, 0.05, 0.10))
        low, high = paired_newcombe(*map(float, counts), 0.95)
        covered += low <= truth <= high
    assert covered / 400 > 0.92


def test_adjusted_p_values_are_those_of_holm_and_of_benjamini_and_hochberg():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])
