"""How well a detector of single series does: ranking, alarm rates, known events, speed.

`Detect` is all that is asked of it, so peers are measured by the same lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from models.anomaly.rows import Floats
from models.anomaly.windows import period
from models.calendar import Axis
from models.scores.anomaly import auc_roc, average_precision, event_detection, vus_pr
from models.values import AnomalyOptions, Findings, Series
from pipelines.datasets import Datasets
from pipelines.recipes import Metric
from pipelines.training.labelled import (
    BULLETINS,
    KPI,
    MINISTRY,
    NAB,
    OUTBREAKS,
    UCR,
    Labelled,
    bulletins,
    kpi,
    ministry,
    nab,
    nab_held_back,
    outbreaks,
    ucr,
)  # fmt: skip

Mode = Literal["batch", "last", "stream"]
MODES: tuple[Mode, ...] = ("batch", "stream")
Detect = Callable[[Sequence[Series], AnomalyOptions], list[Findings]]
BASELINE = "distance from the mean"
SPIKES = 5
SPIKE_SIGMAS = (4.0, 8.0)
WIDEST = 100
RATE_YEARS = 20
KNOWN = (
    ("measles", "2000-01", "2009-01", "2009-02"),
    ("measles", "2000-01", "2014-01", "2014-02"),
    ("hfmd", "2011-01", "2011-04", "2011-05"),
    ("hfmd", "2011-01", "2012-02", "2012-03"),
)
"""Disease, first month given, and the first two months of a real outbreak, in which it had to be flagged."""
FAULTS = (("rabies", "2000-01", "2013-01", "2013-12", "missing_report"),)
"""Disease, first month given, the months of a fault of the data, and its name."""


def distance_from_mean(series: Series) -> Floats:
    """The trivial baseline: how far from the mean."""
    found: Floats = np.abs(series.values - series.values.mean())
    return found


def with_spikes(item: Labelled, rng: np.random.Generator) -> Labelled:
    """The series with five spikes of four to eight local deviations outside its labels; those alone are labelled.

    Its own anomalies no longer count: to rank them high is no mistake.
    """
    values, steps = item.series.values.copy(), np.arange(len(item.labels))
    quiet = np.flatnonzero(~item.labels & (steps > 10) & (steps < len(steps) - 10))
    places = rng.choice(quiet, SPIKES, replace=False)
    change = np.abs(np.diff(values))
    usual = float(np.median(change[change > 0])) if (change > 0).any() else 1.0
    around = np.array([max(float(np.std(values[max(0, at - 50) : at + 50])), usual) for at in places])
    values[places] += rng.choice([-1.0, 1.0], SPIKES) * rng.uniform(*SPIKE_SIGMAS, SPIKES) * around
    labels = np.zeros_like(item.labels)
    labels[places] = True
    return Labelled(replace(item.series, values=values), labels, ~item.labels)


def ranking(items: Sequence[Labelled], scores: Sequence[Floats], dataset: str, baseline: str | None) -> list[Metric]:
    """Mean VUS-PR, average precision and AUC over the series that have anomalies."""
    table = []
    for item, line in zip(items, scores, strict=True):
        if item.labels.any():
            window = min(period(item.series.values), WIDEST)
            labels, judged = item.judge(line)
            table.append((vus_pr(labels, judged, window), average_precision(labels, judged), auc_roc(labels, judged)))
    means = zip(("vus_pr", "auc_pr", "auc_roc"), np.mean(table, axis=0).tolist(), strict=True)
    return [Metric(name, mean, len(table), dataset, baseline=baseline) for name, mean in means]


def alarm_rates(detect: Detect, series: Sequence[Series], *, quick: bool) -> list[Metric]:
    """Alarms over the asked rate on clean series: seasons of real monthly indicators with their deviations shuffled."""
    rng = np.random.default_rng(5)
    clean = [_resampled(each, rng) for each in series[: 20 if quick else len(series)]]
    found = []
    for asked in (0.5, 1.0):
        for mode in MODES:
            answers = detect(clean, AnomalyOptions(mode=mode, false_alarms_per_year=asked))
            years = sum(len(each.values) for each in clean) / 12
            alarms = sum(int(each.is_anomaly.sum()) for each in answers)
            part = f"{mode}, {asked:g} a year"
            ratio = alarms / years / asked
            found.append(Metric("alarms_over_asked_rate", ratio, len(clean), f"{BULLETINS}#resampled", part))
    return found


def _resampled(series: Series, rng: np.random.Generator) -> Series:
    """Twenty years of the season of a series with its own deviations in random order: real noise, nothing strange."""
    values = series.values[: len(series.values) // 12 * 12].reshape(-1, 12)
    season = np.median(values, axis=0)
    noise = (values - season - np.median(values - season, axis=1, keepdims=True)).ravel()
    length = 12 * RATE_YEARS
    made = np.tile(season, RATE_YEARS) + rng.choice(noise, length)
    return Series(series.name, made, Axis.parse("M", "2000-01"), kind="real")


def known_events(detect: Detect, data: Datasets) -> list[Metric]:
    """Shares of the Ministry's outbreaks flagged in their first two months, and of its faults named as such."""
    hits, named = [], []
    for disease, first, begins, ends in KNOWN:
        series = ministry(data, disease, first)
        names = series.axis.periods(0, len(series.values))
        found = detect([series], AnomalyOptions())[0]
        hits.append(bool(found.is_anomaly[names.index(begins) : names.index(ends) + 1].any()))
    for disease, first, begins, ends, kind in FAULTS:
        series = ministry(data, disease, first)
        names = series.axis.periods(0, len(series.values))
        events = detect([series], AnomalyOptions())[0].events
        named.append((kind, names.index(begins), names.index(ends)) in {(e.kind, e.start, e.end) for e in events})
    return [
        Metric("known_events_flagged", float(np.mean(hits)), len(hits), MINISTRY),
        Metric("known_faults_named", float(np.mean(named)), len(named), MINISTRY),
    ]


def kinds_named(detect: Detect, series: Sequence[Series], *, quick: bool) -> list[Metric]:
    """For each kind the share of series, with one such event put into each, in which it is found under its name."""
    rng = np.random.default_rng(6)
    clean = [_lifted(_resampled(each, rng)) for each in series[: 8 if quick else len(series)]]
    found = []
    for kind, put in INJECTED.items():
        items = [replace(each, values=put(each.values.copy()), kind="positive") for each in clean]
        answers = detect(items, AnomalyOptions())
        named = [any(e.kind == kind and abs(e.start - PLACE) <= NEAR for e in each.events) for each in answers]
        found.append(Metric("kind_named", float(np.mean(named)), len(items), f"{BULLETINS}#resampled", kind))
    return found


def _lifted(series: Series) -> Series:
    """The series well above zero, so that it may be a positive quantity."""
    values = series.values - series.values.min() + 10 * max(float(series.values.std()), 1e-6)
    return replace(series, values=values)


def _moved(values: Floats, sizes: float, length: int) -> Floats:
    values[PLACE : PLACE + length] += sizes * _noise(values)
    return values


def _noise(values: Floats) -> float:
    return float(np.std(values[12:] - values[:-12]) / np.sqrt(2))


def _bent(values: Floats) -> Floats:
    values[PLACE:] += 0.4 * _noise(values) * np.arange(len(values) - PLACE)
    return values


def _turned(values: Floats) -> Floats:
    steps = np.arange(len(values))
    wave = 3 * _noise(values) * np.sin(steps * np.pi / 6)
    return values + np.where(steps < PLACE, wave, -wave)


def _missing(values: Floats, late: bool) -> Floats:
    lacking = float(values[PLACE : PLACE + 2].sum())
    values[PLACE : PLACE + 2] = np.nan
    if late:
        values[PLACE + 2] += lacking
    return values


def _scaled(values: Floats, factor: float) -> Floats:
    values[PLACE] *= factor
    return values


PLACE, NEAR = 120, 6
INJECTED: dict[str, Callable[[Floats], Floats]] = {
    "spike": lambda values: _moved(values, 10, 1),
    "dip": lambda values: _moved(values, -10, 1),
    "level_shift": lambda values: _moved(values, 6, len(values)),
    "trend_change": _bent,
    "season_change": _turned,
    "missing_report": lambda values: _missing(values, late=False),
    "backfilled_report": lambda values: _missing(values, late=True),
    "unit_change": lambda values: _scaled(values, 1000.0),
    "negative_correction": lambda values: _scaled(values, -0.5),
}
"""How an event of each kind is put into a clean series at step 120 (of 240)."""


def outbreak_detection(detect: Detect, items: Sequence[Labelled]) -> list[Metric]:
    """Marked weekly outbreaks: share met, weeks to the first alarm, alarms per quiet week; judged by the past alone."""
    series = [item.series for item in items]
    answers = detect(series, AnomalyOptions(mode="stream", direction="up", false_alarms_per_year=2.0))
    found = [event_detection(item.labels, each.is_anomaly) for item, each in zip(items, answers, strict=True)]
    events, met = sum(each.events for each in found), sum(each.detected for each in found)
    delays = [each.delay for each in found if each.detected]
    rate = float(np.mean([each.false_alarm_rate for each in found]))
    return [
        Metric("outbreaks_detected", met / events, events, OUTBREAKS, "stream"),
        Metric("weeks_to_detection", float(np.mean(delays)) if delays else 0.0, met, OUTBREAKS, "stream"),
        Metric("false_alarms_per_quiet_week", rate, len(items), OUTBREAKS, "stream"),
    ]


def speed(detect: Detect, items: Sequence[Series], mode: Mode) -> Metric:
    """Points a second in one process, the best of three runs."""
    points, seconds = sum(len(item.values) for item in items), []
    for _ in range(3):
        started = time.perf_counter()
        detect(items, AnomalyOptions(mode=mode))
        seconds.append(time.perf_counter() - started)
    return Metric("points_per_second", points / min(seconds), points, f"{NAB}#held-back", mode)


def measure(detect: Detect, data: Datasets, *, quick: bool) -> list[Metric]:
    """All figures of the card."""
    held = nab(data, nab_held_back(data.ids(NAB))[:: 8 if quick else 1])
    spiked = [with_spikes(item, np.random.default_rng(9)) for item in held]
    sets = [(held, f"{NAB}#held-back"), (spiked, f"{NAB}#held-back-spikes")]
    if not quick:
        sets += [(kpi(data), KPI), (ucr(data), UCR)]
    found = []
    for items, dataset in sets:
        series = [item.series for item in items]
        scores = [each.score for each in detect(series, AnomalyOptions())]
        found += ranking(items, scores, dataset, None)
        found += ranking(items, [distance_from_mean(each) for each in series], dataset, BASELINE)
    found += alarm_rates(detect, bulletins(data), quick=quick)
    found += known_events(detect, data)
    found += kinds_named(detect, bulletins(data), quick=quick)
    found += outbreak_detection(detect, outbreaks(data)[:: 6 if quick else 1])
    found += [speed(detect, [item.series for item in held], mode) for mode in MODES]
    return found
