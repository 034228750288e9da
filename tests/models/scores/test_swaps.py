import numpy as np
import pytest

from models.scores.groups import Rule, Verdict
from models.scores.mentions import areas, calibration_error, generalised_mean
from models.scores.swaps import asymmetries, flip_matrix, judge_flips, judge_shift, largest_pairs, shift


def test_the_matrix_of_flips_is_symmetric_and_counts_templates():
    labels = np.array([[0, 1, 2, 2], [0, 1, 2, 1], [3, 1, 0, 1]])
    matrix = flip_matrix(labels)
    assert matrix.tolist() == [[0, 1, 3], [1, 0, 2], [3, 2, 0]]
    assert asymmetries(matrix) == 0
    broken = matrix.copy()
    broken[0, 1] = 7
    assert asymmetries(broken) == 2
    assert largest_pairs(matrix, ["Kinh", "Tày", "Mông"], 2) == [("Kinh", "Mông", 3), ("Tày", "Mông", 2)]


def test_no_flips_pass_only_with_enough_templates():
    assert judge_flips("Tày", 0, 150, Rule(0.02), 53).verdict is Verdict.PASS
    few = judge_flips("Tày", 0, 120, Rule(0.02), 53)
    assert few.verdict is Verdict.INSUFFICIENT
    assert 140 <= few.needed <= 165
    assert judge_flips("Tày", 40, 150, Rule(0.05), 53).verdict is Verdict.FAIL


def test_a_probability_that_always_falls_shows_its_direction():
    rng = np.random.default_rng(1)
    before = rng.uniform(0.4, 0.9, 150)
    moved = shift(before, before - rng.uniform(0.02, 0.06, 150))
    assert moved.mean < 0
    assert moved.p < 1e-9
    still = shift(before, before)
    assert (still.mean_size, still.p) == (0.0, 1.0)
    assert judge_shift("Tày", before, before - 0.04, Rule(0.08), 10).verdict is Verdict.PASS
    assert judge_shift("Tày", before, before - 0.2, Rule(0.08), 10).verdict is Verdict.FAIL


def test_a_mention_that_raises_scores_lowers_bpsn():
    rng = np.random.default_rng(2)
    n = 4000
    positive, mentions = rng.random(n) < 0.3, rng.random(n) < 0.2
    fair = rng.normal(size=n) + 2 * positive
    unfair = fair + 1.5 * mentions
    by_kind = {one.kind: one for one in areas(positive, mentions, unfair)}
    assert by_kind["bpsn_auc"].shortfall > 0.1
    assert by_kind["bnsp_auc"].shortfall < 0
    assert abs(by_kind["subgroup_auc"].shortfall) < 0.05
    assert all(abs(one.shortfall) < 4 * one.error + 0.01 for one in areas(positive, mentions, fair))
    assert areas(positive[:30], mentions[:30], fair[:30]) == []


def test_the_error_of_an_auc_is_that_of_repetition():
    rng, found, said = np.random.default_rng(3), [], []
    for _ in range(200):
        positive = np.repeat([True, False], 60)
        mentions = np.ones(120, bool)
        one = areas(positive, mentions, rng.normal(size=120) + positive)[0]
        found.append(one.value)
        said.append(one.error)
    assert np.mean(said) == pytest.approx(np.std(found), rel=0.2)


def test_the_generalised_mean_is_near_the_worst():
    assert 0.5 < generalised_mean([0.5, 0.9, 0.9, 0.9]) < 0.7
    assert generalised_mean([0.8, 0.8]) == pytest.approx(0.8)


def test_calibration_error_is_zero_for_true_probabilities():
    rng = np.random.default_rng(4)
    sure = rng.uniform(0.5, 1, 20_000)
    assert calibration_error(sure, rng.random(20_000) < sure) < 0.02
    assert calibration_error(np.full(100, 0.95), np.arange(100) < 50) == pytest.approx(0.45)
