"""Frequencies, axes, periods and times as callers send them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calendar import Axis, Frequency, parse_instant
from models.errors import InvalidInputError
from models.timeline import arrange


@pytest.mark.parametrize(
    ("code", "unit", "every", "season"),
    [
        ("30min", "min", 30, 48), ("15min", "min", 15, 96), ("H", "H", 1, 24), ("h", "H", 1, 24), ("D", "D", 1, 7),
        ("W", "W", 1, 52), ("W-SUN", "W", 1, 52), ("10D", "D", 10, 36), ("M", "M", 1, 12), ("MS", "M", 1, 12),
        ("ME", "M", 1, 12), ("Q", "Q", 1, 4), ("QS", "Q", 1, 4), ("QE-DEC", "Q", 1, 4), ("Y", "Y", 1, 1),
        ("A", "Y", 1, 1), ("YE", "Y", 1, 1), ("3M", "M", 3, 4),
    ],
)  # fmt: skip
def test_a_frequency_is_read_with_its_season(code, unit, every, season):
    found = Frequency.parse(code)
    assert (found.code, found.unit, found.every, found.season) == (code, unit, every, season)


@pytest.mark.parametrize("code", ["", "m", "X", "0M", "-1D", "W-XYZ", "D-SUN", "M M", "1e9D", "99999D", "tháng"])
def test_an_unknown_frequency_is_refused_without_echo(code):
    with pytest.raises(InvalidInputError) as error:
        Frequency.parse(code)
    assert error.value.faults[0].pointer == "/frequency"


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("2024-12-31T17:00:00Z", "2025-01-01T00:00:00"), ("2025-01", "2025-01-01T00:00:00"),
        ("2025-Q1", "2025-01-01T00:00:00"), ("2025-Q4", "2025-10-01T00:00:00"), ("2025-W05", "2025-01-27T00:00:00"),
        ("2025", "2025-01-01T00:00:00"), ("2025-01-31", "2025-01-31T00:00:00"), ("20250131", "2025-01-31T00:00:00"),
        ("2025-01-31T13:30:00+07:00", "2025-01-31T13:30:00"), ("1959-12-31T16:00:00Z", "1960-01-01T00:00:00"),
    ],
)  # fmt: skip
def test_times_are_read_in_the_zone_of_viet_nam(text, local):
    assert parse_instant(text).isoformat() == local


@pytest.mark.parametrize(
    "text", ["", "2025-13", "2025-Q5", "2025-W54", "31/01/2025", "2025-02-30", "0000-01-01", "NaN"]
)
def test_a_malformed_time_is_refused(text):
    with pytest.raises(InvalidInputError):
        parse_instant(text)


def test_a_month_sent_in_utc_is_the_local_month():
    axis = Axis.parse("M", "2024-12-31T17:00:00Z")
    assert axis.periods(0, 2) == ["2025-01", "2025-02"]
    assert axis.stamps(0, 1) == ["2025-01-01T00:00:00+07:00"]


def test_yearly_points_reach_far_beyond_nanosecond_clocks():
    axis = Axis.parse("Y", "1950-01-01T00:00:00Z")
    assert axis.periods(834, 2) == ["2784", "2785"]
    assert axis.periods(9999 - 1950, 1) == ["9999"]
    with pytest.raises(InvalidInputError):
        axis.periods(9999 - 1950, 2)


@pytest.mark.parametrize("code", ["30min", "H", "D", "W", "10D", "M", "Q", "Y"])
def test_nothing_lies_beyond_the_year_9999(code):
    axis = Axis.parse(code, "9999-12-31T23:59:59")
    assert len(axis.stamps(0, 1)) == 1
    with pytest.raises(InvalidInputError):
        axis.stamps(0, 500)
    with pytest.raises(InvalidInputError):
        axis.instants(10**15, 3)


def test_month_ends_do_not_drift():
    ends = Axis.parse("M", "2025-01-31")
    assert ends.periods(0, 4) == ["2025-01", "2025-02", "2025-03", "2025-04"]
    assert [s[:10] for s in ends.stamps(0, 4)] == ["2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30"]
    assert [s[:10] for s in ends.shift(1).stamps(0, 2)] == ["2025-02-28", "2025-03-31"]
    thirtieth = Axis.parse("M", "2025-01-30")
    assert [s[:10] for s in thirtieth.shift(1).stamps(0, 2)] == ["2025-02-28", "2025-03-30"]


def test_period_names_follow_the_frequency():
    assert Axis.parse("Q", "2025-Q1").periods(0, 5)[-1] == "2026-Q1"
    assert Axis.parse("W", "2024-12-30").periods(0, 2) == ["2025-W01", "2025-W02"]
    assert Axis.parse("10D", "2025-01-01").periods(0, 4) == ["2025-01-01", "2025-01-11", "2025-01-21", "2025-01-31"]
    assert Axis.parse("30min", "2025-01-01T23:30").periods(0, 2) == ["2025-01-01T23:30", "2025-01-02T00:00"]
    assert Axis.parse("H", "2025-01-01").stamps(23, 2) == ["2025-01-01T23:00:00+07:00", "2025-01-02T00:00:00+07:00"]


@given(
    st.sampled_from(["30min", "H", "D", "W", "10D", "M", "Q", "Y", "2W"]),
    st.dates(),
    st.integers(0, 300),
    st.integers(1, 20),
)
def test_a_shifted_axis_is_the_same_axis(code, day, steps, count):
    axis = Axis.parse(code, day.isoformat())
    try:
        whole = axis.stamps(0, steps + count)
    except InvalidInputError:
        return
    assert axis.shift(steps).stamps(0, count) == whole[steps:] == axis.stamps(steps, count)


def test_regular_times_make_an_axis_without_a_warning():
    found = arrange(["2025-01", "2025-02", "2025-03"], np.array([1.0, 2.0, 3.0]), "M")
    assert found.warnings == ()
    assert found.axis.periods(0, 1) == ["2025-01"]
    assert found.values.tolist() == [1, 2, 3]


def test_month_ends_make_a_regular_axis():
    found = arrange(["2025-01-31", "2025-02-28", "2025-03-31"], np.array([1.0, 2.0, 3.0]), "M")
    assert found.warnings == ()


def test_disorder_duplicates_and_gaps_are_told():
    found = arrange(["2025-03", "2025-01", "2025-01", "2025-05"], np.array([3.0, 9.0, 1.0, 5.0]), "M")
    assert {w.code for w in found.warnings} == {"unordered_timestamps", "duplicate_timestamps", "missing_periods"}
    assert found.values.tolist()[0] == 1
    assert np.isnan(found.values[[1, 3]]).all()
    assert found.index.tolist() == [2, 0, 0, 4]


def test_irregular_times_go_to_the_nearest_step():
    found = arrange(["2025-01-01", "2025-01-09", "2025-01-15"], np.array([1.0, 2.0, 3.0]), "W")
    assert [w.code for w in found.warnings] == ["irregular_timestamps"]
    assert found.values.tolist() == [1, 2, 3]


def test_ten_day_periods_of_reports_follow_the_months():
    days = ["2025-01-01", "2025-01-11", "2025-01-21", "2025-02-01", "2025-02-11"]
    found = arrange(days, np.arange(5.0), "10D")
    assert found.warnings == ()
    assert found.axis.periods(5, 2) == ["2025-02-21", "2025-03-01"]


def test_a_wrong_frequency_cannot_blow_up_the_grid():
    found = arrange(["0001-01-01", "9999-01-01"], np.array([1.0, 2.0]), "30min")
    assert [w.code for w in found.warnings] == ["frequency_mismatch"]
    assert len(found.values) == 2
