"""The calibration of intervals, learned and measured on drawn series: no data mirror is needed."""

import numpy as np
import pytest

from models.calendar import Axis
from models.errors import IntegrityError
from models.forecast.combine import Combination
from models.forecast.intervals import Calibration
from models.values import Series
from pipelines.training.calibration import cuts, drawn, learn, weighted_quantile
from pipelines.training.forecast import evaluate_on, naive_forecast
from pipelines.training.panels import Task


@pytest.fixture(scope="module")
def learned():
    groups = [cuts(values, 12, 12, 3) for values in drawn(0, 60, 12, 96)]
    pairs = [pair for group in groups for pair in group]
    return learn(pairs, [1.0] * len(pairs))


def test_intervals_learned_on_some_series_cover_others_of_the_kind(learned):
    tasks = [
        Task(Series(str(i), values[:-12], Axis.parse("M", "2010-01")), values[-12:], "MONTHLY", 12)
        for i, values in enumerate(drawn(99, 80, 12, 96))
    ]
    found = {(m.name, m.baseline): m for m in evaluate_on(Combination(learned), tasks, "drawn") if m.slice == "all"}
    assert 0.72 < found["coverage_80", None].value < 0.88
    assert found["smape", None].value < found["smape", "seasonal_naive"].value
    assert found["mase_ratio_to_seasonal_naive", None].ci95[1] < 1


def test_the_table_survives_its_json_form(learned):
    again = Calibration.read(learned.written())
    assert again.families.keys() == learned.families.keys()
    assert np.array_equal(again.families["12/log"].radii, learned.families["12/log"].radii)


@pytest.mark.parametrize("word", ["levels", "families"])
def test_a_malformed_table_is_refused(learned, word):
    document = learned.written()
    del document[word]
    with pytest.raises(IntegrityError):
        Calibration.read(document)


def test_radii_that_would_let_quantiles_cross_are_refused(learned):
    document = learned.written()
    document["families"]["any"]["radii"][0].reverse()
    with pytest.raises(IntegrityError):
        Calibration.read(document)


def test_a_weighted_quantile_counts_each_value_by_its_weight():
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 8.0])
    assert weighted_quantile(values, weights, np.array([0.5]))[0] == pytest.approx(2.0)


def test_the_baseline_repeats_the_last_season():
    assert naive_forecast(np.array([1.0, 2, 3, 4]), 2, 3).tolist() == [3, 4, 3]
    assert naive_forecast(np.array([1.0, 2]), 12, 2).tolist() == [2, 2]
