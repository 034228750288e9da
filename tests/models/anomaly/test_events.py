"""Kinds of events: faults of the data told apart from news of the world."""

import numpy as np
import pytest

from models.anomaly.detectors import Weights
from models.anomaly.events import event_id
from models.anomaly.reasons import number, period_vi
from models.anomaly.series import SeriesDetector
from models.anomaly.tails import Prior
from models.calendar import Axis
from models.values import AnomalyOptions, Series

MONTHS = Axis.parse("M", "2010-01")


@pytest.fixture(scope="module")
def detector():
    return SeriesDetector(Prior(), Weights())


def steady(length=96, *, level=1000.0, noise=60.0, seed=1):
    season = 0.15 * level * np.sin(np.arange(length) * np.pi / 6)
    return np.round(level + season + np.random.default_rng(seed).normal(0, noise, length))


def events_of(detector, values, **facts):
    found = detector.predict([Series("ca bệnh", np.asarray(values, float), MONTHS, **facts)], AnomalyOptions())[0]
    return {event.kind: event for event in found.events}, found


def test_months_reported_as_nothing_are_a_missing_report(detector):
    values = steady()
    values[48:60] = 0
    kinds, found = events_of(detector, values, kind="count")
    event = kinds["missing_report"]
    assert (event.start, event.end, event.direction, event.likely) == (48, 59, "down", "data")
    assert found.is_anomaly[48:60].all()
    assert "dip" not in kinds
    assert "Từ tháng 1/2014 đến tháng 12/2014" in event.reason.vi


def test_a_series_that_is_often_zero_has_no_missing_reports(detector):
    values = np.random.default_rng(3).poisson(0.7, 120)
    kinds, _ = events_of(detector, values, kind="count")
    assert "missing_report" not in kinds


def test_a_series_that_begins_late_is_not_missing_before_it_began(detector):
    values = steady()
    values[:30] = np.nan
    kinds, _ = events_of(detector, values, kind="count")
    assert "missing_report" not in kinds


def test_figures_not_yet_sent_at_the_end_are_an_open_missing_report(detector):
    values = steady()
    values[-2:] = np.nan
    kinds, _ = events_of(detector, values, kind="count")
    assert kinds["missing_report"].open


def test_a_surplus_that_makes_up_for_missing_months_is_a_backfilled_report(detector):
    values = steady()
    lacking = values[50:53].sum()
    values[50:53] = 0
    values[53] += lacking
    kinds, _ = events_of(detector, values, kind="count")
    assert (kinds["missing_report"].start, kinds["missing_report"].end) == (50, 52)
    assert (kinds["backfilled_report"].start, kinds["backfilled_report"].likely) == (53, "data")


def test_a_surplus_after_a_gap_of_nothing_is_backfilled_too(detector):
    values = steady()
    lacking = values[50:52].sum()
    values[50:52] = np.nan
    values[52] += lacking
    kinds, _ = events_of(detector, values, kind="count")
    assert kinds["backfilled_report"].start == 52


@pytest.mark.parametrize("factor", [0.001, 0.1, 10.0, 1000.0, 1e6])
def test_one_figure_in_another_unit_is_a_unit_change(detector, factor):
    values = steady(noise=20.0)
    values[60] *= factor
    kinds, _ = events_of(detector, values, kind="positive")
    name = "unit_change" if factor > 0.01 else "missing_report"
    assert kinds[name].start == 60
    assert kinds[name].likely == "data"


def test_a_lasting_jump_by_a_power_of_ten_is_a_unit_change(detector):
    values = steady(noise=20.0)
    values[50:] *= 1000
    kinds, _ = events_of(detector, values, kind="positive")
    assert kinds["unit_change"].start == 50
    assert "level_shift" not in kinds


def test_an_outbreak_is_not_called_a_unit_change(detector):
    values = np.random.default_rng(6).negative_binomial(3, 3 / 63, 120).astype(float)
    values[70:74] = [300, 620, 540, 280]
    kinds, _ = events_of(detector, values, kind="count")
    assert "unit_change" not in kinds
    assert kinds["spike"].start in (70, 71)
    assert kinds["spike"].likely == "world"


def test_a_negative_figure_where_none_can_be_is_a_correction(detector):
    values = steady()
    values[70] = -150
    kinds, _ = events_of(detector, values, kind="count")
    assert kinds["negative_correction"].start == 70


def test_a_decrease_within_the_year_of_a_cumulative_figure_is_a_correction(detector):
    flows = steady()
    flows[67] = -400
    sent = flows.reshape(8, 12).cumsum(axis=1).ravel()
    kinds, _ = events_of(detector, sent, measure="ytd")
    assert kinds["negative_correction"].start == 67


def test_growth_rates_may_be_negative(detector):
    values = np.random.default_rng(4).normal(0.5, 2, 120)
    kinds, _ = events_of(detector, values, measure="change_pct")
    assert "negative_correction" not in kinds


def test_a_lasting_change_of_level_is_a_shift_at_the_right_month(detector):
    values = steady()
    values[57:] += 500
    kinds, found = events_of(detector, values, kind="count")
    event = kinds["level_shift"]
    assert abs(event.start - 57) <= 1
    assert event.direction == "up"
    assert event.actual - event.expected == pytest.approx(500, abs=120)
    assert found.is_anomaly[event.start]


@pytest.mark.parametrize("seed", range(8))
def test_clean_series_and_wanderers_have_no_shift(detector, seed):
    rng = np.random.default_rng(seed)
    for values in (rng.normal(100, 5, 240), 1000 + rng.normal(0, 5, 240).cumsum(), 100 + np.arange(240) * 0.5):
        kinds, _ = events_of(detector, values)
        assert "level_shift" not in kinds


def test_a_year_of_partial_reports_in_a_steady_total_is_a_missing_report(detector):
    values = steady()
    values[36:48] *= 0.35
    kinds, _ = events_of(detector, values, kind="count")
    assert (kinds["missing_report"].start, kinds["missing_report"].end) == (36, 47)


def test_severity_grows_with_the_size_of_the_event(detector):
    small, large = steady(), steady()
    small[50] += 350
    large[50] += 3500
    assert events_of(detector, small)[0]["spike"].severity < events_of(detector, large)[0]["spike"].severity


def test_an_event_id_names_series_kind_and_period_only():
    assert event_id("a", "spike", "2025-01") == event_id("a", "spike", "2025-01")
    others = [("a", "spike", "2025-01"), ("a", "dip", "2025-01"), ("b", "spike", "2025-01"), ("a", "spike", "2025-02")]
    assert len({event_id(*each) for each in others}) == 4


def test_numbers_and_periods_are_written_as_officials_write_them():
    assert number(1234567.0) == ("1.234.567", "1,234,567")
    assert number(0.5) == ("0,5", "0.5")
    names = ("2025", "2025-Q1", "2025-W05", "2025-01", "2025-01-31", "2025-01-31T13:30")
    assert [period_vi(name) for name in names] == [
        "Năm 2025", "Quý I/2025", "Tuần 5/2025", "Tháng 1/2025", "Ngày 31/1/2025", "13:30 ngày 31/1/2025",
    ]  # fmt: skip
