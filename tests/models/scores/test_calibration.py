import numpy as np
import pytest

from models.scores.calibration import christoffersen, diebold_mariano, kupiec


def test_larger_losses_are_found_and_equal_ones_are_not():
    rng = np.random.default_rng(1)
    theirs = rng.gamma(2, size=60)
    assert diebold_mariano(theirs + 0.5 + 0.1 * rng.normal(size=60), theirs, 3)[1] < 1e-6
    assert diebold_mariano(theirs - 0.5 + 0.1 * rng.normal(size=60), theirs, 3)[1] > 0.999
    assert diebold_mariano(theirs, theirs, 3) == (0.0, 0.5)


def test_the_test_keeps_its_level_for_overlapping_horizons():
    rng, rejected = np.random.default_rng(2), 0
    for _ in range(400):
        noise = rng.normal(size=66)
        change = np.convolve(noise, np.ones(6) / 6, "valid")
        rejected += diebold_mariano(change, np.zeros(len(change)), 6)[1] < 0.05
    assert rejected / 400 < 0.12


def test_kupiec_finds_an_interval_that_breaks_its_promise():
    assert kupiec(20, 100, 0.2) == pytest.approx(1.0)
    assert kupiec(45, 100, 0.2) < 1e-6
    assert 0 < kupiec(0, 10, 0.2) < 0.1
    assert kupiec(0, 0, 0.2) == 1.0


def test_christoffersen_finds_runs():
    rng = np.random.default_rng(3)
    assert christoffersen(rng.random(400) < 0.2) > 0.01
    assert christoffersen((np.arange(400) // 20) % 2 == 0) < 1e-9
    assert christoffersen(np.zeros(50, bool)) == 1.0
