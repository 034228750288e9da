"""Prophet as a named model."""

import logging

import numpy as np
import pytest

from models.calendar import Axis
from models.errors import InvalidInputError
from models.forecast.additive import MAX_SERIES, Additive
from models.values import Forecast, ForecastOptions, Series


@pytest.fixture(scope="module")
def prophet(calibration):
    return Additive(calibration)


def monthly(values, name="s", **fields):
    return Series(name, np.asarray(values, dtype=np.float64), Axis.parse("M", "2015-01"), **fields)


def test_trend_and_season_are_carried_on_the_same_way_each_time(prophet):
    items, options = prophet.samples()
    one, two = prophet.predict(items, options)[0], prophet.predict(items, options)[0]
    assert isinstance(one, Forecast)
    assert one.mean.tobytes() == two.mean.tobytes()
    months = np.arange(96.0, 108.0)
    truth = (100 + months) * (1 + 0.2 * np.sin(2 * np.pi * months / 12))
    assert np.abs(one.mean / truth - 1).max() < 0.05
    assert (one.quantiles[0.1] <= one.quantiles[0.5]).all()
    assert (one.quantiles[0.5] <= one.quantiles[0.9]).all()
    assert np.allclose(one.components["trend"] + one.components["season"], one.mean)


def test_more_series_than_a_call_may_hold_are_refused(prophet):
    with pytest.raises(InvalidInputError) as error:
        prophet.predict([monthly([1.0, 2], str(i)) for i in range(MAX_SERIES + 1)], ForecastOptions(3))
    assert error.value.word == "too-many-series"


@pytest.mark.parametrize(("values", "code"), [([5.0], "short_series"), ([4.0] * 20, "constant_series")])
def test_what_prophet_cannot_fit_still_gets_a_forecast(prophet, values, code):
    found = prophet.predict([monthly(values)], ForecastOptions(4))[0]
    assert code in {warning.code for warning in found.warnings}
    assert np.isfinite(found.mean).all()


def test_accuracy_is_unknown_and_a_backtest_that_was_asked_for_is_not_silently_left_out(prophet):
    series = monthly(np.arange(30.0))
    plain = prophet.predict([series], ForecastOptions(2))[0]
    asked = prophet.predict([series], ForecastOptions(2, backtest_origins=3))[0]
    for found in (plain, asked):
        assert (found.accuracy.verdict, found.accuracy.origins, found.accuracy.mase) == ("unknown", 0, None)
    assert plain.accuracy.text_vi != asked.accuracy.text_vi
    assert "backtest_not_supported" in {warning.code for warning in asked.warnings}
    assert "backtest_not_supported" not in {warning.code for warning in plain.warnings}


def test_years_far_beyond_nanosecond_clocks_are_fitted(prophet):
    series = Series("s", 100 + np.arange(835.0), Axis.parse("Y", "1950"))
    found = prophet.predict([series], ForecastOptions(3))[0]
    assert np.abs(found.mean / np.array([935.0, 936, 937]) - 1).max() < 0.05


def test_a_fit_says_nothing_in_the_log(prophet, caplog):
    with caplog.at_level(logging.INFO):
        prophet.predict([monthly(np.arange(30.0))], ForecastOptions(2, holidays="VN"))
    assert not caplog.records
