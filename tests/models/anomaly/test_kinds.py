"""Lasting changes, beginnings, cumulative figures and indices: each told by its own name."""

import os
from pathlib import Path

import numpy as np
import pytest

from models.anomaly.detectors import Weights
from models.anomaly.series import SeriesDetector
from models.anomaly.tails import Prior
from models.calendar import Axis
from models.values import AnomalyOptions, Series
from pipelines.datasets import Datasets
from pipelines.training.labelled import ministry

MONTHS = Axis.parse("M", "2005-01")
STEPS = np.arange(180)
DETECTOR = SeriesDetector(Prior(), Weights())
MIRROR = os.environ.get("AICHUNG_DATA_MIRROR")
with_mirror = pytest.mark.skipif(not MIRROR, reason="AICHUNG_DATA_MIRROR is not set")


def plain(seed=0, *, noise=5.0, length=180):
    steps = np.arange(length)
    return 200 + 20 * np.sin(steps * np.pi / 6) + np.random.default_rng(seed).normal(0, noise, length)


def found(values, axis=MONTHS, **facts):
    options = facts.pop("options", AnomalyOptions())
    answer = DETECTOR.predict([Series("s", np.asarray(values, float), axis, **facts)], options)[0]
    return {event.kind: event for event in answer.events}, answer


def test_a_lasting_change_of_trend_is_told_with_both_slopes():
    kinds, answer = found(plain() + np.where(STEPS > 90, (STEPS - 90) * 1.5, 0))
    event = kinds["trend_change"]
    assert abs(event.start - 90) <= 6
    assert event.direction == "up"
    assert "xu hướng chuyển từ" in event.reason.vi
    assert "tăng khoảng 1," in event.reason.vi
    assert event.checks
    assert "level_shift" not in kinds
    assert answer.is_anomaly.mean() < 0.1


def test_a_lasting_change_of_the_season_is_told_with_both_peaks():
    values = 200 + np.random.default_rng(1).normal(0, 5, 180)
    values += np.where(STEPS < 96, 20 * np.sin(STEPS * np.pi / 6), 20 * np.sin((STEPS + 6) * np.pi / 6))
    kinds, _ = found(values)
    event = kinds["season_change"]
    assert event.start == 96
    assert "đỉnh chuyển từ tháng" in event.reason.vi


@pytest.mark.parametrize("seed", range(6))
def test_clean_series_wanderers_and_growth_have_no_lasting_change(seed):
    rng = np.random.default_rng(seed)
    wander = 1000 + rng.normal(0, 5, 180).cumsum()
    growth = 100 * np.exp(0.01 * STEPS) * (1 + 0.2 * np.sin(STEPS * np.pi / 6)) * np.exp(rng.normal(0, 0.03, 180))
    for values in (plain(seed), wander, growth):
        kinds, _ = found(values)
        assert not {"trend_change", "season_change"} & kinds.keys()


def test_an_epidemic_that_begins_with_its_own_series_is_an_outbreak_from_its_first_months_on():
    rng = np.random.default_rng(2)
    usual = 3000 * (1 + 0.4 * np.sin((np.arange(60) - 4) * np.pi / 6)) * np.exp(rng.normal(0, 0.15, 60))
    usual[:12] = [475, 263, 523, 1827, 2519, 6270, 6990, 8698, 11129, 10844, 9236, 6164]
    kinds, answer = found(np.round(usual), Axis.parse("M", "2011-01"), kind="count")
    event = kinds["outbreak"]
    assert event.start == 3
    assert event.likely == "world"
    assert "tăng nhanh" in event.reason.vi
    assert answer.is_anomaly[3:5].all()
    assert answer.expected[3] == pytest.approx(420, abs=1)
    assert "dip" not in kinds
    _, early = found(np.round(usual[:5]), Axis.parse("M", "2011-01"), kind="count", options=AnomalyOptions(mode="last"))
    assert early.is_anomaly[4]


def test_the_yearly_rise_of_a_seasonal_disease_begins_nothing():
    rng = np.random.default_rng(3)
    mean = 30 * np.exp(2.2 * np.sin((np.arange(144) - 4) * np.pi / 6))
    values = rng.negative_binomial(12, 12 / (12 + mean))
    kinds, _ = found(values, Axis.parse("M", "2004-01"), kind="count")
    assert "outbreak" not in kinds


def test_silent_months_do_not_teach_what_is_usual():
    values = np.round(1000 + np.random.default_rng(4).normal(0, 60, 120))
    values[[70, 71, 72, 73, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85]] = 0
    kinds, answer = found(values, kind="count")
    assert kinds["missing_report"].likely == "data"
    assert not answer.is_anomaly[74:76].any()
    assert "spike" not in kinds
    assert answer.expected[74] == pytest.approx(1000, rel=0.15)


def test_a_cumulative_figure_is_answered_as_sent_and_as_modelled():
    flows = np.round(plain(5, length=96) * 10)
    flows[67] += 1500
    sent = flows.reshape(8, 12).cumsum(axis=1).ravel()
    kinds, answer = found(sent, measure="ytd")
    event = kinds["spike"]
    assert event.start == 67
    assert event.as_modelled[1] == pytest.approx(flows[67])
    assert event.actual == pytest.approx(sent[67])
    assert event.expected == pytest.approx(event.as_modelled[0] + sent[66])
    assert answer.expected[67] == pytest.approx(event.expected)
    assert "số riêng từng kỳ" in event.reason.vi
    januaries = answer.is_anomaly[::12]
    assert not januaries.any()


def test_a_fall_within_the_year_of_a_cumulative_figure_is_told_as_one():
    flows = np.round(plain(6, length=96) * 10)
    flows[67] = -900
    kinds, _ = found(flows.reshape(8, 12).cumsum(axis=1).ravel(), measure="ytd")
    event = kinds["negative_correction"]
    assert event.start == 67
    assert "số cộng dồn giảm 900" in event.reason.vi
    assert event.likely == "data"


def test_an_index_is_spoken_of_as_growth_in_points():
    values = 105 + np.random.default_rng(7).normal(0, 1, 120)
    values[80] = 125.04
    kinds, _ = found(values, measure="index_same_period")
    assert "tăng 25,04 % so với cùng kỳ" in kinds["spike"].reason.vi
    assert "điểm phần trăm" in kinds["spike"].reason.vi


def test_growth_written_in_place_of_an_index_is_a_change_of_unit():
    values = 105 + np.random.default_rng(8).normal(0, 1, 120)
    values[80] = 5.2
    kinds, _ = found(values, measure="index_same_period")
    assert kinds["unit_change"].start == 80
    assert "phần tăng, giảm thay cho" in kinds["unit_change"].reason.vi


def test_an_event_keeps_its_id_when_a_spike_turns_out_to_last():
    values = plain(9)
    values[100:] += 120
    first, _ = found(values[:102])
    later, _ = found(values)
    assert first["spike"].id == later["level_shift"].id


def test_ids_differ_within_a_series():
    rng = np.random.default_rng(10)
    values = plain(10)
    values[rng.choice(180, 9, replace=False)] += rng.choice([-90.0, 90.0], 9)
    _, answer = found(values)
    ids = [event.id for event in answer.events]
    assert len(ids) >= 4
    assert len(set(ids)) == len(ids)


@with_mirror
@pytest.mark.parametrize(
    ("disease", "first", "months"),
    [
        ("measles", "2000-01", ("2009-01", "2009-02")), ("measles", "2000-01", ("2014-01", "2014-02")),
        ("hfmd", "2011-01", ("2011-04", "2011-05")), ("hfmd", "2011-01", ("2012-02", "2012-03")),
    ],
)  # fmt: skip
def test_known_outbreaks_are_flagged_in_their_first_two_months(disease, first, months):
    series = ministry(Datasets(Path(MIRROR)), disease, first)
    names = series.axis.periods(0, len(series.values))
    answer = DETECTOR.predict([series], AnomalyOptions())[0]
    assert answer.is_anomaly[[names.index(month) for month in months]].any()


@with_mirror
@pytest.mark.parametrize("province", [None, "Dong Nai", "Ho Chi Minh", "An Giang"])
def test_the_year_in_which_rabies_was_not_reported_is_named_as_such(province):
    series = ministry(Datasets(Path(MIRROR)), "rabies", "2000-01", province)
    names = series.axis.periods(0, len(series.values))
    events = DETECTOR.predict([series], AnomalyOptions())[0].events
    gaps = {(e.start, e.end) for e in events if e.kind == "missing_report"}
    assert (names.index("2013-01"), names.index("2013-12")) in gaps
