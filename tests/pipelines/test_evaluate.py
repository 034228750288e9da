import pytest
from scipy.stats import binomtest

from pipelines.evaluate import summary, wilson
from pipelines.recipes import Metric


@pytest.mark.parametrize(("right", "n"), [(0, 10), (3, 7), (950, 1000), (10, 10)])
def test_wilsons_interval_is_the_published_one(right, n):
    expected = binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_summary_shows_which_rows_are_baselines():
    lines = summary([Metric("accuracy", 0.5, 10, "a/b"), Metric("accuracy", 0.1, 10, "a/b", baseline="majority")])
    assert "majority" not in lines[0]
    assert "majority" in lines[1]
