"""Measures of forecasts, held against values worked out by hand."""

import numpy as np
import pytest

from models.scores.forecast import bootstrap_mean, bootstrap_ratio, coverage, geometric_mean, mase, skill, smape, wql


def test_smape_is_symmetric_and_counts_two_zeros_as_right():
    assert smape(np.array([100.0]), np.array([50.0])) == pytest.approx(200 * 50 / 150)
    assert smape(np.array([50.0]), np.array([100.0])) == pytest.approx(200 * 50 / 150)
    assert smape(np.array([0.0, 10]), np.array([0.0, 10])) == 0


def test_mase_is_scaled_by_the_seasonal_difference():
    history = np.array([1.0, 5, 3, 9])
    assert mase(history, np.array([4.0]), np.array([7.0]), 2) == pytest.approx(3 / 3)
    assert mase(np.ones(5), np.array([1.0]), np.array([2.0]), 1) is None
    assert mase(np.ones(2), np.array([1.0]), np.array([2.0]), 4) is None


def test_coverage_counts_both_ends():
    assert coverage(np.array([1.0, 2, 3, 4]), np.full(4, 2.0), np.full(4, 3.0)) == 0.5


def test_wql_of_the_median_is_the_relative_absolute_error():
    actual = np.array([10.0, 20])
    assert wql(actual, {0.5: np.array([12.0, 19])}) == pytest.approx(3 / 30)
    assert wql(np.zeros(2), {0.5: np.ones(2)}) is None


def test_skill_is_one_for_no_error_and_zero_for_the_reference():
    assert skill([0.0], [2.0]) == 1
    assert skill([2.0], [2.0]) == 0
    assert skill([1.0], [0.0]) is None


def test_geometric_mean_leaves_out_zeros():
    assert geometric_mean([1.0, 100.0, 0.0]) == pytest.approx(10)


def test_bootstrap_intervals_hold_the_mean_and_tell_a_clear_difference():
    losses = np.random.default_rng(0).normal(5, 1, 400)
    low, high = bootstrap_mean(losses)
    assert low < losses.mean() < high
    assert high - low < 0.3
    ratio, below, above = bootstrap_ratio(losses * 0.8, losses + np.random.default_rng(1).normal(0, 0.1, 400))
    assert below < ratio < above < 0.9
