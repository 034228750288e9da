"""Many series as one table: peers, the budget, and what was held back."""

from dataclasses import replace

import numpy as np

from models.anomaly.detectors import Weights
from models.anomaly.series import SeriesDetector
from models.anomaly.table import (
    chunk_options,
    comparables_of,
    heard,
    row_of,
    settle,
    settle_table,
    sighting_of,
    sightings_of,
)
from models.anomaly.tails import Prior
from models.calendar import Axis
from models.values import AnomalyOptions, Series

DETECTOR = SeriesDetector(Prior(), Weights())
MONTHS = Axis.parse("M", "2015-01")


def table(places=12, seed=0, *, shared=(), alone=(), length=120):
    """One indicator of several places; `shared` places have a spike at step 90, `alone` ones at a step of their own."""
    rng = np.random.default_rng(seed)
    made = []
    for at in range(places):
        values = 200 + 20 * np.sin(np.arange(length) * np.pi / 6) + rng.normal(0, 5, length)
        values[90] += 120 * (at in shared)
        values[20 + 3 * (at % 20)] += 120 * (at in alone)
        made.append(Series(f"ca bệnh {at}", values, MONTHS, measure="flow", unit="ca", place=f"{at:02d}", group="sởi"))
    return made


def events_of(answers):
    return [(at, event) for at, one in enumerate(answers) for event in one.events]


def test_a_spike_that_many_places_share_is_the_worlds_and_names_them():
    series = table(shared=range(5))
    answers = settle_table(series, DETECTOR.predict(series, AnomalyOptions()), AnomalyOptions())
    event = next(event for at, event in events_of(answers) if at == 0 and event.start == 90)
    assert event.likely == "world"
    assert set(event.peers) >= {"01", "02", "03", "04"}
    assert "nơi khác cũng vậy" in event.reason.vi


def test_a_spike_of_one_place_alone_says_so():
    series = table(alone=[3])
    answers = settle_table(series, DETECTOR.predict(series, AnomalyOptions()), AnomalyOptions())
    event = next(event for at, event in events_of(answers) if at == 3 and event.start == 29)
    assert event.peers == ()
    assert event.likely == "both"
    assert "Không nơi nào trong 11 nơi khác" in event.reason.vi


def test_series_of_other_indicators_are_no_peers():
    series = table(shared=range(6))
    series = [replace(one, group="dại") if at % 2 else one for at, one in enumerate(series)]
    answers = settle_table(series, DETECTOR.predict(series, AnomalyOptions()), AnomalyOptions())
    event = next(event for at, event in events_of(answers) if at == 0 and event.start == 90)
    assert set(event.peers) == {"02", "04"}


def test_the_budget_keeps_the_gravest_and_counts_what_it_holds_back():
    series = table(40, shared=range(20))
    options = AnomalyOptions(alarm_budget=5)
    answers = DETECTOR.predict(series, options)
    kept, held = len(events_of(answers)), sum(one.held_back for one in answers)
    assert kept == 5
    assert held >= 15
    assert all(event.start == 90 for _, event in events_of(answers))
    assert sum(int(one.is_anomaly.sum()) for one in answers) >= 5
    assert all(bool(one.events) or not one.is_anomaly.any() for one in answers)
    assert any(warning.code == "held_back_by_budget" for one in answers for warning in one.warnings)


def test_a_clean_table_gives_next_to_no_alarms_under_a_budget():
    total = sum(len(events_of(DETECTOR.predict(table(60, seed), AnomalyOptions(alarm_budget=50)))) for seed in range(3))
    assert total <= 3


def test_data_faults_are_facts_and_not_tested_for_chance():
    series = table(40)
    series[7].values[60] = np.nan
    answers = DETECTOR.predict(series, AnomalyOptions(alarm_budget=3))
    assert [(at, event.kind) for at, event in events_of(answers)][:1] == [(7, "missing_report")]


def test_a_budget_a_month_and_for_each_place():
    series = table(20, shared=range(20), alone=range(20))
    whole = AnomalyOptions(alarm_budget=2)
    monthly = replace(whole, budget_per="month")
    each = replace(whole, budget_scope="unit", alarm_budget=1)
    assert len(events_of(DETECTOR.predict(series, whole))) == 2
    by_month = events_of(DETECTOR.predict(series, monthly))
    assert 2 < len(by_month) <= 2 * len({event.start for _, event in by_month})
    assert len(events_of(DETECTOR.predict(series, each))) == 20


def test_chunks_settled_together_say_what_the_whole_says():
    series = table(30, shared=range(12), alone=range(15, 25))
    options = AnomalyOptions(alarm_budget=8)
    whole = DETECTOR.predict(series, options)
    sightings, events, points = [], [], 0
    for at in range(0, 30, 7):
        chunk = series[at : at + 7]
        for place, one in enumerate(DETECTOR.predict(chunk, chunk_options(options)), at):
            sightings += [sighting_of(row_of(each)) for each in sightings_of(place, series[place], one)]
            events += [(place, event) for event in one.events]
            points += len(one.score)
    verdicts = settle(sightings, points, comparables_of(series), options)
    kept = [
        (place, heard(event, verdict)) for (place, event), verdict in zip(events, verdicts, strict=True) if verdict.kept
    ]
    assert [(at, event.id) for at, event in kept] == [(at, event.id) for at, event in events_of(whole)]
    assert [event.peers for _, event in kept] == [event.peers for _, event in events_of(whole)]
