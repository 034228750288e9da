"""The detector of single series: contract, modes, options and bad input."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.anomaly.detectors import Weights
from models.anomaly.series import SeriesDetector
from models.anomaly.tails import Prior
from models.artifact import seal
from models.calendar import Axis
from models.catalog import open_model
from models.errors import InvalidInputError
from models.scores.anomaly import auc_roc
from models.values import AnomalyOptions, Findings, Series

MONTHS = Axis.parse("M", "2010-01")
DAYS = Axis.parse("D", "2020-01-01")
POINTS = ("score", "p_value", "expected", "lower", "upper", "is_anomaly")


@pytest.fixture(scope="module")
def detector():
    return SeriesDetector(Prior(), Weights())


def seasonal(length=120, *, noise=5.0, seed=0):
    steps = np.arange(length)
    return 100 + 20 * np.sin(steps * np.pi / 6) + np.random.default_rng(seed).normal(0, noise, length)


def one(detector, values, axis=MONTHS, *, options=None, **facts):
    found = detector.predict([Series("s", np.asarray(values, float), axis, **facts)], options or AnomalyOptions())[0]
    assert isinstance(found, Findings)
    return found


def same(left, right):
    return all(
        np.array_equal(getattr(left, name), getattr(right, name), equal_nan=name != "is_anomaly") for name in POINTS
    )


values_of = hnp.arrays(
    np.float64,
    st.integers(0, 60),
    elements=st.one_of(
        st.just(np.nan), st.floats(-1e308, 1e308), st.integers(-5, 5).map(float), st.sampled_from([0.0, 1e-300, 1e15])
    ),
)


@settings(max_examples=50, deadline=None)
@given(
    values=values_of,
    mode=st.sampled_from(["batch", "stream", "last"]),
    kind=st.sampled_from([None, "count", "positive", "real", "percent"]),
    measure=st.sampled_from([None, "flow", "ytd", "stock"]),
    code=st.sampled_from(["M", "D", "Y", "Q", "30min", "W"]),
    holidays=st.sampled_from([None, "VN"]),
)
def test_any_series_is_answered_in_full_length_with_finite_scores(values, mode, kind, measure, code, holidays):
    detector = SeriesDetector(Prior(), Weights())
    series = Series("s", values, Axis.parse(code, "2015-01-01"), kind=kind, measure=measure)
    before = values.copy()
    found = detector.predict([series], AnomalyOptions(mode=mode, holidays=holidays))[0]
    assert isinstance(found, Findings)
    assert np.array_equal(values, before, equal_nan=True)
    answered = slice(-1, None) if mode == "last" else slice(None)
    for name in POINTS:
        assert getattr(found, name).shape == values.shape
    assert np.isfinite(found.score[answered]).all()
    assert ((found.p_value[answered] > 0) & (found.p_value[answered] <= 1)).all()
    assert found.is_anomaly.dtype == bool
    assert not found.is_anomaly[np.isnan(values)].any()
    said = np.isfinite(found.expected)
    assert (found.lower[said] <= found.upper[said]).all()
    for event in found.events:
        assert 0 <= event.start <= event.end < len(values)
        assert 1 <= event.severity <= 5
        assert 0 < event.p_value <= 1


@settings(max_examples=40, deadline=None)
@given(
    values=hnp.arrays(
        np.float64, st.integers(2, 90), elements=st.one_of(st.just(np.nan), st.integers(-2, 9).map(float))
    ),
    trend=st.sampled_from([0.0, 1.0]),
    cut=st.integers(1, 89),
    kind=st.sampled_from([None, "count", "real"]),
)
def test_what_stream_says_at_a_point_does_not_change_when_the_series_goes_on(values, trend, cut, kind):
    detector = SeriesDetector(Prior(), Weights())
    values = values + trend * seasonal(len(values))
    cut = min(cut, len(values) - 1)
    options = AnomalyOptions(mode="stream", holidays="VN")
    whole = one(detector, values, options=options, kind=kind)
    part = one(detector, values[:cut], options=options, kind=kind)
    for name in POINTS:
        assert np.array_equal(getattr(whole, name)[:cut], getattr(part, name), equal_nan=name != "is_anomaly"), name


def test_last_is_the_last_point_of_stream_with_everything_before_it_blank(detector):
    values = seasonal()
    values[-1] += 80
    stream = one(detector, values, options=AnomalyOptions(mode="stream"))
    last = one(detector, values, options=AnomalyOptions(mode="last"))
    for name in POINTS:
        assert getattr(last, name)[-1] == getattr(stream, name)[-1]
    assert np.isnan(last.score[:-1]).all()
    assert not last.is_anomaly[:-1].any()
    assert last.is_anomaly[-1]
    assert [event.id for event in last.events] == [event.id for event in stream.events if event.end == 119]


def test_a_series_answer_does_not_depend_on_its_neighbours(detector):
    alone = [Series(f"s{i}", seasonal(300, seed=i), DAYS) for i in range(5)]
    crowd = [*alone, Series("other", np.full(300, 1e12), DAYS), Series("short", seasonal(40), MONTHS)]
    for mode in ("batch", "stream"):
        options = AnomalyOptions(mode=mode)
        together = detector.predict(list(reversed(crowd)), options)[::-1]
        for index, series in enumerate(alone):
            found = detector.predict([series], options)[0]
            assert same(found, together[index])
            assert found.events == together[index].events


def test_an_injected_spike_is_the_strangest_point_and_an_event_with_a_reason(detector):
    values = seasonal()
    values[70] += 60
    found = one(detector, values)
    assert found.is_anomaly[70]
    assert int(np.argmax(found.score)) == 70
    event = next(event for event in found.events if event.start == 70)
    assert (event.kind, event.direction) == ("spike", "up")
    assert event.actual == pytest.approx(values[70])
    assert "Tháng 11/2015" in event.reason.vi
    assert "2015-11" in event.reason.en


def test_long_series_rank_an_injected_stretch_above_the_rest(detector):
    values = seasonal(2000, seed=3)
    values[1200:1260] = 100 + np.random.default_rng(4).normal(0, 5, 60)
    found = one(detector, values, DAYS)
    labels = np.zeros(2000, bool)
    labels[1200:1260] = True
    assert auc_roc(labels, found.score) > 0.85


def test_event_ids_stay_when_the_series_grows_or_the_batch_changes(detector):
    values = seasonal(140)
    values[70] += 60
    short, long = one(detector, values[:120]), one(detector, values)
    ids = {event.id for event in short.events if event.start == 70}
    assert ids
    assert ids <= {event.id for event in long.events}


@pytest.mark.parametrize("mode", ["batch", "stream"])
@pytest.mark.parametrize(("code", "length", "per_year"), [("D", 1500, 365.25), ("W", 520, 52.18)])
def test_alarms_keep_the_asked_rate_on_clean_data(detector, mode, code, length, per_year):
    rng = np.random.default_rng(11)
    season = 10 * np.sin(2 * np.pi * np.arange(length) / (7 if code == "D" else 52))
    items = [
        Series(f"s{i}", 100 + season + rng.normal(0, 5, length), Axis.parse(code, "2015-01-01")) for i in range(60)
    ]
    found = detector.predict(items, AnomalyOptions(mode=mode, false_alarms_per_year=4))
    years = 60 * length / per_year
    rate = sum(int(each.is_anomaly.sum()) for each in found) / years
    assert 0.8 * 4 <= rate <= 1.2 * 4


def test_more_sensitivity_never_loses_an_alarm(detector):
    values = seasonal()
    values[[30, 60, 90]] += [25, 40, 60]
    flags = [one(detector, values, options=AnomalyOptions(sensitivity=level)).is_anomaly for level in (0, 40, 80, 99)]
    assert [int(each.sum()) for each in flags] == sorted(int(each.sum()) for each in flags)
    for less, more in pairwise(flags):
        assert not (less & ~more).any()


def test_direction_and_minimum_effects_silence_the_rest(detector):
    values = seasonal()
    values[50] += 60
    values[80] -= 60
    up = one(detector, values, options=AnomalyOptions(direction="up"))
    assert up.is_anomaly[50]
    assert not up.is_anomaly[80]
    assert all(event.direction == "up" for event in up.events)
    assert not one(detector, values, options=AnomalyOptions(min_effect_absolute=100)).is_anomaly.any()
    assert not one(detector, values, options=AnomalyOptions(min_effect_relative=2.0)).is_anomaly.any()


def test_suppression_mutes_alarms_that_follow_too_soon(detector):
    values = seasonal()
    values[[50, 54, 90]] += 60
    found = one(detector, values, options=AnomalyOptions(suppress_window=6))
    assert found.is_anomaly[50]
    assert not found.is_anomaly[54]
    assert found.is_anomaly[90]


def test_a_budget_keeps_the_best_events_of_the_whole_batch_and_says_what_it_held_back(detector):
    items = [Series(f"s{i}", seasonal(seed=i), MONTHS) for i in range(20)]
    for place, size in ((3, 200.0), (7, 80.0), (11, 60.0)):
        items[place].values[60] += size
    found = detector.predict(items, AnomalyOptions(alarm_budget=2))
    kept = [(place, event.start) for place, each in enumerate(found) for event in each.events]
    assert len(kept) == 2
    assert {start for _, start in kept} == {60}
    assert any(warned.code == "held_back_by_budget" for each in found for warned in each.warnings)
    assert sum(int(each.is_anomaly.sum()) for each in found) == 2


def test_a_budget_on_clean_data_stays_mostly_unspent(detector):
    items = [Series(f"s{i}", seasonal(seed=100 + i), MONTHS) for i in range(50)]
    found = detector.predict(items, AnomalyOptions(alarm_budget=100))
    assert sum(len(each.events) for each in found) <= 5


def test_tet_is_not_an_alarm_when_the_calendar_is_asked_for(detector):
    rng = np.random.default_rng(5)
    axis = Axis.parse("D", "2012-01-01")
    days = axis.instants(0, 3650).astype("datetime64[D]")
    eves = [np.datetime64(day) for day in (
        "2012-01-23", "2013-02-10", "2014-01-31", "2015-02-19", "2016-02-08", "2017-01-28", "2018-02-16", "2019-02-05",
        "2020-01-25", "2021-02-12",
    )]  # fmt: skip
    values = 1000 + rng.normal(0, 20, 3650)
    near = np.zeros(3650, bool)
    for eve in eves:
        near |= (days >= eve - 2) & (days <= eve + 4)
    values[near] -= 500
    with_calendar = one(detector, values, axis, options=AnomalyOptions(holidays="VN"))
    without = one(detector, values, axis)
    assert without.is_anomaly[near].sum() > 30
    assert with_calendar.is_anomaly[near].sum() <= 3


def test_a_january_reset_of_a_cumulative_figure_is_no_anomaly_and_comes_back_as_sent(detector):
    flows = np.random.default_rng(2).normal(100, 8, 120)
    sent = flows.reshape(10, 12).cumsum(axis=1).ravel()
    found = one(detector, sent, measure="ytd")
    assert found.is_anomaly.sum() <= 2
    before = sent - flows
    assert np.abs(found.expected - before - 100).max() < 30
    assert any(warned.code == "modelled_as_flows" for warned in found.warnings)


def test_short_constant_and_empty_series_are_honest(detector):
    codes = {
        "series_too_short": [1.0, 2.0, 900.0],
        "series_constant": [5.0] * 50,
        "series_empty": [np.nan] * 30,
        "season_unknown": list(seasonal(14)),
    }
    for code, values in codes.items():
        found = one(detector, values)
        assert code in {warned.code for warned in found.warnings}
        assert not found.is_anomaly.any()
    assert one(detector, []).score.shape == (0,)


def test_a_jump_in_a_flat_line_is_found(detector):
    values = np.full(100, 7.0)
    values[60] = 8.0
    assert list(np.flatnonzero(one(detector, values).is_anomaly)) == [60]


def test_a_series_with_infinite_values_fails_alone(detector):
    broken = Series("bad", np.array([1.0, np.inf, 2.0]), MONTHS)
    found = detector.predict([Series("a", seasonal(), MONTHS), broken], AnomalyOptions())
    assert isinstance(found[0], Findings)
    assert isinstance(found[1], InvalidInputError)


@pytest.mark.parametrize(
    "options",
    [
        AnomalyOptions(sensitivity=5, alarm_budget=3),
        AnomalyOptions(sensitivity=100),
        AnomalyOptions(false_alarms_per_year=-1.0),
        AnomalyOptions(holidays="US"),
        AnomalyOptions(min_effect_absolute=float("nan")),
    ],
)
def test_options_that_contradict_or_leave_their_range_are_refused(detector, options):
    with pytest.raises(InvalidInputError):
        detector.predict([Series("a", seasonal(), MONTHS)], options)


def test_a_sealed_detector_answers_as_the_one_that_was_saved(detector, tmp_path):
    config = detector.save(tmp_path)
    artifact = seal(
        tmp_path, name="anomaly-series", version="1.0.0", kind="anomaly.series/1", licence="Apache-2.0", config=config
    )
    again = open_model(artifact)
    items, options = detector.samples()
    for left, right in zip(detector.predict(items, options), again.predict(items, options), strict=True):
        assert same(left, right)
        assert left.events == right.events


def test_scaling_a_series_scales_the_answer(detector):
    values = seasonal()
    values[70] += 60
    small, large = one(detector, values, kind="positive"), one(detector, values * 1e200, kind="positive")
    assert np.allclose(small.expected * 1e200, large.expected, rtol=1e-6)
    assert np.array_equal(small.is_anomaly, large.is_anomaly)


def test_missing_points_are_bridged_and_named(detector):
    values = seasonal()
    values[40:43] = np.nan
    found = one(detector, values)
    missing = [event for event in found.events if event.kind == "missing_report"]
    assert [(event.start, event.end, event.likely, event.open) for event in missing] == [(40, 42, "data", False)]
    assert (found.score[40:43] == 0).all()
    assert missing[0].actual is None
