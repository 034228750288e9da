"""The bundled forecaster: what holds for every series, and what is told about the odd ones."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.artifact import open_artifact, seal
from models.calendar import Axis
from models.catalog import open_model
from models.errors import InvalidInputError, PlatformError
from models.values import Forecast, ForecastOptions, Series
from tests.costs import cpu_seconds

LEVELS = (0.01, 0.1, 0.5, 0.9, 0.99)
MONTHS = np.arange(72.0)
SEASONAL = (100 + MONTHS) * (1 + 0.3 * np.sin(2 * np.pi * MONTHS / 12))


def series(values, code="M", start="2015-01", name="s", **fields):
    return Series(name, np.asarray(values, dtype=np.float64), Axis.parse(code, start), **fields)


def answer(model, values, horizon=6, code="M", options=None, **fields):
    found = model.predict([series(values, code, **fields)], options or ForecastOptions(horizon, LEVELS))[0]
    assert isinstance(found, Forecast)
    return found


def sound(found, horizon):
    rows = np.array([found.quantiles[level] for level in sorted(found.quantiles)])
    assert found.mean.shape == (horizon,)
    assert rows.shape[1] == horizon
    assert np.isfinite(rows).all()
    assert np.isfinite(found.mean).all()
    assert (np.diff(rows, axis=0) >= 0).all()


def codes(found):
    return {warning.code for warning in found.warnings}


number = st.floats(-1e6, 1e6) | st.just(float("nan")) | st.just(0.0) | st.floats(0, 1e-6) | st.integers(0, 5).map(float)
lists = st.lists(number, min_size=1, max_size=60).filter(lambda xs: any(x == x for x in xs))
relaxed = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@relaxed
@given(
    lists,
    st.integers(1, 40),
    st.sampled_from(["M", "Q", "Y", "D", "H", "W", "30min"]),
    st.sampled_from([None, "count", "positive", "real", "percent"]),
    st.sampled_from([None, "ytd", "flow", "change_pct"]),
)
def test_every_series_gets_a_finite_ordered_forecast_of_full_length(model, values, horizon, code, kind, measure):
    found = answer(model, values, horizon, code, kind=kind, measure=measure)
    sound(found, horizon)
    if kind in ("count", "positive"):
        assert all((row >= 0).all() for row in found.quantiles.values()) or measure == "ytd"


@relaxed
@given(st.lists(st.floats(1, 1e4), min_size=30, max_size=60), st.floats(1e-6, 1e6))
def test_a_change_of_unit_changes_the_forecast_by_the_same_factor(model, values, factor):
    one = answer(model, values)
    two = answer(model, np.array(values) * factor)
    size = np.abs(one.mean).max() * factor
    assert np.allclose(two.mean, one.mean * factor, rtol=1e-6, atol=1e-6 * size)
    assert np.allclose(two.quantiles[0.9], one.quantiles[0.9] * factor, rtol=1e-6, atol=1e-6 * size)


@relaxed
@given(st.lists(lists, min_size=2, max_size=5))
def test_a_series_answer_does_not_depend_on_its_neighbours(model, many):
    batch = model.predict([series(v, name=str(i)) for i, v in enumerate(many)], ForecastOptions(6, LEVELS))
    for values, found in zip(many, batch, strict=True):
        alone = answer(model, values)
        size = max(np.nanmax(np.abs(values)), 1e-300)
        assert np.allclose(found.mean, alone.mean, rtol=1e-9, atol=1e-9 * size)
        assert np.allclose(found.quantiles[0.9], alone.quantiles[0.9], rtol=1e-9, atol=1e-9 * size)


def test_the_same_call_gives_the_same_bytes_and_keeps_its_input(model):
    values = SEASONAL.copy()
    one, two = answer(model, values), answer(model, values)
    assert one.mean.tobytes() == two.mean.tobytes()
    assert one.quantiles[0.1].tobytes() == two.quantiles[0.1].tobytes()
    assert (values == SEASONAL).all()


def test_trend_and_season_are_carried_on(model):
    found = answer(model, SEASONAL, 12)
    months = np.arange(72.0, 84.0)
    truth = (100 + months) * (1 + 0.3 * np.sin(2 * np.pi * months / 12))
    assert np.abs(found.mean / truth - 1).max() < 0.05
    assert found.axis.periods(0, 1) == ["2021-01"]
    assert set(found.components) == {"seasonal_naive", "theta", "damped_ets", "ces"}


def test_intervals_widen_with_the_noise_and_with_the_horizon(model):
    noise = np.random.default_rng(0).normal(0, 1, 72)
    quiet, loud = answer(model, 100 + noise), answer(model, 100 + 8 * noise)
    width = lambda found: found.quantiles[0.9] - found.quantiles[0.1]  # noqa: E731
    assert (width(loud) > 3 * width(quiet)).all()
    walk = answer(model, 100 + np.cumsum(noise), 24)
    assert width(walk)[-1] > 1.5 * width(walk)[0]


def test_counts_are_never_negative(model):
    falling = np.maximum(0, 60 - np.arange(60.0))
    found = answer(model, falling, 24, kind="count")
    assert min(row.min() for row in found.quantiles.values()) >= 0
    odd = answer(model, [3, -2, 5, 4, 1, 0, 2, 3], kind="count")
    assert "negative_values" in codes(odd)
    assert min(row.min() for row in odd.quantiles.values()) >= 0


@pytest.mark.parametrize(
    ("values", "code"), [([5.0], "short_series"), ([5.0, 7.0], "short_series"), ([1, 2, 3], "short_series")]
)
def test_one_to_three_points_get_an_honest_forecast(model, values, code):
    found = answer(model, values)
    assert code in codes(found)
    sound(found, 6)
    assert found.quantiles[0.9][0] > found.mean[0] > found.quantiles[0.1][0]


def test_a_constant_series_stays_constant(model):
    found = answer(model, [7.0] * 40)
    assert "constant_series" in codes(found)
    assert (found.mean == 7).all()
    assert (found.quantiles[0.99] == 7).all()


def test_zeros_stay_zero(model):
    assert (answer(model, [0.0] * 40).mean == 0).all()


def test_a_series_without_a_value_fails_alone(model):
    batch = model.predict([series([np.nan] * 5, name="a"), series(SEASONAL, name="b")], ForecastOptions(3))
    assert isinstance(batch[0], PlatformError)
    assert isinstance(batch[1], Forecast)


def test_missing_values_are_told_and_hardly_move_the_forecast(model):
    values = SEASONAL.copy()
    values[[20, 33, 34]] = np.nan
    found = answer(model, values)
    assert "missing_values" in codes(found)
    assert np.abs(found.mean / answer(model, SEASONAL).mean - 1).max() < 0.03


def test_missing_values_at_the_end_move_the_origin(model):
    values = SEASONAL.copy()
    values[-3:] = np.nan
    found = answer(model, values)
    assert "missing_at_end" in codes(found)
    assert np.abs(found.mean / answer(model, SEASONAL).mean - 1).max() < 0.05
    assert found.axis.periods(0, 1) == ["2021-01"]


def test_cumulated_values_come_back_cumulated(model):
    flows = np.tile(np.arange(10.0, 22.0), 5)
    running = np.concatenate([np.cumsum(flows[i : i + 12]) for i in range(0, 60, 12)])[:56]
    found = answer(model, running, 12, measure="ytd")
    truth = np.concatenate([np.cumsum(flows[:12])[8:], np.cumsum(flows[:12])[:8]])
    assert np.abs(found.mean / truth - 1).max() < 0.02
    assert found.mean[4] < found.mean[3]
    sound(found, 12)


def test_a_cumulated_series_that_starts_within_a_year_is_not_misread(model):
    running = np.array([10.0 * ((4 + t) % 12 + 1) for t in range(52)])
    found = model.predict([series(running[:40], start="2015-05", measure="ytd")], ForecastOptions(12, LEVELS))[0]
    assert np.allclose(found.mean, running[40:])


def test_a_decrease_within_the_year_is_told(model):
    assert "negative_correction" in codes(answer(model, [1, 2, 3, 2, 5, 6, 7, 8, 9, 10, 11, 12], measure="ytd"))


@pytest.mark.parametrize("size", [1e-300, 1e-12, 1e12, 1e300])
def test_huge_and_tiny_magnitudes_stay_finite(model, size):
    found = answer(model, SEASONAL * size, 24)
    sound(found, 24)
    assert np.allclose(found.mean / size, answer(model, SEASONAL, 24).mean, rtol=1e-6)


def test_the_longest_horizon_stays_finite_and_bounded(model):
    found = answer(model, np.exp(np.arange(60) / 20), 1000)
    sound(found, 1000)


def test_a_horizon_past_the_calendar_is_the_callers_fault(model):
    found = model.predict([series([1.0, 2, 3], "Y", "9990")], ForecastOptions(50))[0]
    assert isinstance(found, InvalidInputError)
    assert found.faults[0].pointer == "/options/horizon"


def test_835_yearly_points_from_1950_are_legal(model):
    found = answer(model, np.arange(835.0), 6, "Y", options=None)
    assert found.axis.frequency.code == "Y"
    far = model.predict([series(np.arange(835.0), "Y", "1950")], ForecastOptions(6))[0]
    assert far.axis.periods(0, 1) == ["2785"]


def test_a_long_series_costs_no_more_a_point_than_a_short_one(model):
    values = np.random.default_rng(0).normal(100, 5, 1_000_000)
    short = cpu_seconds(lambda: answer(model, values[:100_000], 24, "30min"))
    assert cpu_seconds(lambda: sound(answer(model, values, 24, "30min"), 24), 1) < 10 * 3 * short


def test_a_backtest_judges_against_the_seasonal_naive_forecast(model):
    random = np.random.default_rng(1)
    options = ForecastOptions(6, (0.1, 0.9), backtest_origins=6)
    walk = answer(model, 100 + 0.8 * np.arange(96.0) + random.normal(0, 2, 96), options=options).accuracy
    assert walk.verdict == "better"
    assert walk.origins == 6
    assert walk.skill_vs_seasonal_naive > 0.3
    assert "6 lần thử" in walk.text_vi
    short = answer(model, [1, 2, 3, 4, 5, 4], options=options).accuracy
    assert (short.verdict, short.origins) == ("unknown", 0)


def test_without_a_backtest_accuracy_is_unknown_and_says_why(model):
    found = answer(model, np.arange(60.0), options=ForecastOptions(6, (0.1, 0.9))).accuracy
    assert (found.verdict, found.origins, found.smape) == ("unknown", 0, None)
    assert "options.backtest" in found.text_vi


def test_a_season_length_of_the_caller_wins(model):
    weekly = np.tile([1.0, 5, 9, 2, 7], 20)
    found = answer(model, weekly, 5, "D", options=ForecastOptions(5, (0.1, 0.9), season_length=5))
    assert np.allclose(found.mean, [1, 5, 9, 2, 7], rtol=0.05)


def test_the_sealed_model_answers_like_the_one_that_was_saved(model, tmp_path):
    config = model.save(tmp_path)
    artifact = seal(
        tmp_path, name="forecast-core", version="1.0.0", kind="forecast.core/1", licence="Apache-2.0", config=config
    )
    again = open_model(open_artifact(artifact.folder))
    assert answer(again, SEASONAL).quantiles[0.9].tobytes() == answer(model, SEASONAL).quantiles[0.9].tobytes()


def test_a_forecast_that_loses_to_the_seasonal_naive_one_says_so(model):
    shape = np.random.default_rng(0).normal(0, 1, 12)
    turned = np.concatenate([np.tile(shape, 8), np.tile(-3 * shape, 3)])
    found = answer(model, turned, options=ForecastOptions(6, (0.1, 0.9), backtest_origins=4))
    assert found.accuracy.verdict == "worse"
    assert found.accuracy.skill_vs_seasonal_naive is None
    assert "%" not in found.accuracy.text_vi
    assert "worse_than_seasonal_naive" in codes(found)
