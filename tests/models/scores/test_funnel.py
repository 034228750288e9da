import math

import numpy as np
import pytest

from models.scores.funnel import (
    Units,
    compare_rates,
    delay_p,
    funnel,
    mantel_haenszel,
    overdispersion,
    uniformity,
)
from models.scores.groups import Rule, Verdict

RULE = Rule(math.log(1.5))


def flags(rng, groups=34, units=15, rate=0.05, exposure=120, spread=0.0, first=1.0):
    found = []
    for at in range(groups):
        mean = rate * exposure * (first if at == 0 else 1.0)
        drawn = mean if not spread else rng.gamma(1 / spread, mean * spread, units)
        found.append(Units(f"{at:02d}", rng.poisson(drawn, units).astype(float), np.full(units, float(exposure))))
    return found


@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_equal_flag_rates_are_never_failed_even_when_counts_vary_more_than_chance(spread):
    for seed in range(40):
        compared = compare_rates(flags(np.random.default_rng(seed), spread=spread), RULE)
        assert all(one.verdict is not Verdict.FAIL for one in compared)


def test_a_group_flagged_three_times_as_often_is_failed():
    found = sum(
        compare_rates(flags(np.random.default_rng(seed), spread=0.1, first=3.0), RULE)[0].verdict is Verdict.FAIL
        for seed in range(40)
    )
    assert found >= 38


def test_a_group_that_is_hardly_ever_flagged_is_failed_too():
    compared = compare_rates(flags(np.random.default_rng(2), first=0.15), RULE)[0]
    assert compared.verdict is Verdict.FAIL
    assert compared.value < compared.reference


def test_the_dispersion_is_that_of_the_negative_binomial():
    groups = flags(np.random.default_rng(3), groups=60, units=40, spread=0.5)
    assert overdispersion(groups) == pytest.approx(0.5, abs=0.1)
    assert overdispersion(flags(np.random.default_rng(3), groups=60, units=40)) < 0.02


def test_funnel_limits_widen_with_dispersion_and_narrow_with_exposure():
    rng = np.random.default_rng(4)
    exposures = rng.integers(200, 4000, 63).astype(float)
    calm = funnel(rng.poisson(0.05 * exposures), exposures)
    rough = funnel(rng.poisson(0.05 * exposures * rng.gamma(4, 0.25, 63)), exposures)
    assert calm.dispersion < 1.5 < rough.dispersion
    widths = [high - low for low, high in calm.outer]
    assert np.corrcoef(np.argsort(np.argsort(exposures)), widths)[0, 1] < -0.7
    outside = sum(abs(z) > 3.09 for z in rough.z)
    assert outside <= 2


def test_uniform_p_values_are_told_from_others():
    rng = np.random.default_rng(5)
    assert uniformity(rng.uniform(size=500))[1] > 0.01
    assert uniformity(rng.beta(0.5, 1, 500))[1] < 1e-6


def test_a_late_group_shows_in_the_log_rank_test():
    rng = np.random.default_rng(6)
    soon, late = rng.integers(0, 3, 80), rng.integers(2, 9, 80)
    met = np.ones(80, bool)
    assert delay_p(late, met, soon, met) < 1e-4
    assert delay_p(soon, met, soon, met) > 0.5
    assert delay_p(soon, ~met, soon, met) == 1.0


def test_strata_take_a_confounder_away():
    tables = [(90.0, 10.0, 900.0, 100.0), (20.0, 180.0, 10.0, 90.0)]
    ratio, p = mantel_haenszel(tables)
    assert ratio == pytest.approx(1.0)
    assert p > 0.9
    worse, convinced = mantel_haenszel([(50.0, 50.0, 900.0, 100.0), (5.0, 95.0, 30.0, 70.0)])
    assert worse < 0.3
    assert convinced < 1e-6
