"""What an event carries on the wire: times, what to check, peers, both forms of a cumulative figure."""

import numpy as np

from models.anomaly.detectors import Weights
from models.anomaly.series import SeriesDetector
from models.anomaly.tails import Prior
from models.calendar import Axis
from models.values import AnomalyOptions, Series
from services.series import Taken
from services.series_answers import anomaly_output

AXIS = Axis.parse("M", "2010-01")
DETECTOR = SeriesDetector(Prior(), Weights())


def told(values, **facts):
    series = Series("s", np.asarray(values, float), AXIS, **facts)
    found = DETECTOR.predict([series], AnomalyOptions())[0]
    return anomaly_output(Taken(series, len(values), None, ()), found, lambda error: {})


def flows():
    steps = np.arange(96)
    return np.round(2000 + 200 * np.sin(steps * np.pi / 6) + np.random.default_rng(5).normal(0, 50, 96))


def test_an_event_says_since_when_through_when_and_what_to_check():
    values = flows()
    values[67] += 1500
    event = next(one for one in told(values).events if one["first"] == 67)
    assert event["first_seen"] == event["start"] == "2015-08-01T00:00:00+07:00"
    assert event["data_through"] == "2017-12-01T00:00:00+07:00"
    assert event["checks"]
    assert all(set(check) == {"vi", "en"} for check in event["checks"])
    assert event["peers"] == []
    assert "as_sent" not in event


def test_a_cumulative_figure_is_told_in_both_forms():
    own = flows()
    own[67] += 1500
    sent = own.reshape(8, 12).cumsum(axis=1).ravel()
    event = next(one for one in told(sent, measure="ytd").events if one["first"] == 67)
    assert event["as_sent"] == {"expected": event["expected"], "actual": sent[67]}
    assert event["as_modelled"]["actual"] == own[67]
