"""Measures of anomaly detection."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.scores.anomaly import auc_roc, average_precision, event_detection, soft_labels, stretches, vus_pr

labelled = st.integers(5, 80).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.bool_, n), hnp.arrays(np.float64, n, elements=st.integers(0, 6).map(float)), st.integers(1, 12)
    )
)


def test_known_values():
    labels, scores = np.array([0, 1, 0, 1], bool), np.array([0.1, 0.9, 0.8, 0.7])
    assert average_precision(labels, scores) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert auc_roc(labels, scores) == pytest.approx(0.75)


def test_a_perfect_ranking_is_one_and_no_anomaly_is_not_a_number():
    labels = np.zeros(50, bool)
    assert np.isnan(average_precision(labels, np.zeros(50)))
    assert np.isnan(vus_pr(labels, np.zeros(50), 5))
    labels[20:25] = True
    assert average_precision(labels, labels.astype(float)) == 1.0
    assert auc_roc(labels, labels.astype(float)) == 1.0


def test_vus_pr_agrees_with_the_reference_implementation():
    # computed once with the package vus 0.0.6: RangeAUC_volume_opt(labels, scores, 10)[-1]
    steps = np.arange(200)
    labels = ((steps >= 50) & (steps < 60)) | ((steps >= 120) & (steps < 123))
    scores = np.round(np.sin(steps * 0.7) + 2.0 * labels + 0.3 * np.cos(steps * 1.3), 1)
    assert vus_pr(labels, scores, 10) == pytest.approx(0.9112595967287697, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(labelled)
def test_measures_stay_in_range_and_ignore_monotone_changes_of_the_score(case):
    labels, scores, window = case
    if not labels.any() or labels.all():
        return
    for measure in (average_precision, auc_roc, lambda y, s: vus_pr(y, s, window)):
        value = measure(labels, scores)
        assert -1e-12 <= value <= 1 + 1e-9
        assert measure(labels, 3 * scores + 1) == pytest.approx(value)


def test_soft_labels_fall_away_from_an_anomaly():
    labels = np.zeros(21, bool)
    labels[10] = True
    soft = soft_labels(labels, 8)
    assert soft[10] == 1.0
    assert (np.diff(soft[10:15]) < 0).all()
    assert soft[:6].sum() == soft[15:].sum() == 0


def test_event_detection_counts_events_delays_and_false_alarms():
    labels = np.zeros(20, bool)
    labels[[3, 4, 5, 10, 11]] = True
    alarms = np.zeros(20, bool)
    alarms[[5, 15]] = True
    found = event_detection(labels, alarms)
    assert (found.events, found.detected, found.delay) == (2, 1, 2.0)
    assert found.false_alarm_rate == pytest.approx(1 / 15)
    assert stretches(labels) == [(3, 5), (10, 11)]
