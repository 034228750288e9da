"""The family of detectors of strange points: who is flagged too often, and whose anomalies are not found?

Decision: what is truly strange in real figures is not labelled, so recall is measured on anomalies of one standardised
size put into the same real series (Ministry of Health), and the rate of flags on the series as they are. A province
that is flagged more often than others may have more outbreaks; the funnel shows how far it stands out after the
variation between diseases, and the reader judges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from models.contract import Model
from models.errors import Note, PlatformError
from models.scores.anomaly import Bools
from models.scores.funnel import Units, compare_rates, delay_p, funnel, mantel_haenszel, uniformity
from models.scores.groups import Comparison, Verdict, compare_ratios
from models.values import AnomalyOptions, Findings, Floats, Series
from pipelines.bias import values
from pipelines.bias.forecast import CLUSTERED
from pipelines.bias.margins import rule_for
from pipelines.bias.panel import Division, Line, divisions, panel
from pipelines.bias.values import Axis, Harming, Measure, Untested
from pipelines.datasets import Datasets
from pipelines.training.labelled import MINISTRY

BATCH = 100
SIGMAS = 8.0
PLACES = (40, 71, 98, 119)
SHIFT_SIGMAS, SHIFT_MONTHS, SHIFT_AT = 6.0, 12, 108
SEED = 20_261_124
NEGATIVE_BINOMIAL = Note("nhị thức âm, chuỗi là đơn vị; t Student", "negative binomial, series as units; Student's t")
LOG_RANK, KOLMOGOROV = Note("log-rank", "log-rank"), Note("Kolmogorov–Smirnov", "Kolmogorov–Smirnov")
RATE = Note("số lần báo động trên mỗi tháng số liệu", "flags per month of data")
Log = Callable[[str], None]


def assess(model: Model[Any, Any, Any], data: Datasets, tier: str, log: Log, *, quick: bool) -> values.Findings:
    """Every test of a detector on the Ministry's panel."""
    lines = panel(data)[:: 12 if quick else 1]
    series = [_whole(line) for line in lines]
    flags = [one.is_anomaly for one in _found(model, series, AnomalyOptions())]
    log(f"{len(lines)} chuỗi, {sum(int(one.sum()) for one in flags)} báo động | lines, flags")
    spikes = PLACES[:: 2 if quick else 1]
    hits = np.array([_recall(model, series, at) for at in spikes]).T.reshape(len(lines), len(spikes))
    delays = _delays(model, series)
    clean = _clean_p_values(model, series)
    log("đã thử bất thường tiêm vào và số liệu sạch | injected anomalies and clean series tested")
    axes = [_axis(division, lines, flags, hits, delays, clean, tier) for division in divisions(lines)]
    facts = {
        "lines": float(len(lines)), "flag_rate": float(np.mean([one.mean() for one in flags])),
        "recall_injected": float(hits.mean()), "shift_found": float(np.mean(np.isfinite(delays))),
    }  # fmt: skip
    return values.Findings("anomaly", axes, HARMS, UNTESTED, (MINISTRY,), ("places",), facts)


def _whole(line: Line) -> Series:
    """The line as it is; a detector takes missing months as they are."""
    return replace(line.series, place=None)


def _found(model: Model[Any, Any, Any], series: Sequence[Series], options: AnomalyOptions) -> list[Findings]:
    """Findings in order. Raises the error of the first series that failed."""
    found: list[Findings] = []
    for first in range(0, len(series), BATCH):
        for one in model.predict(series[first : first + BATCH], options):
            if isinstance(one, PlatformError):
                raise one
            found.append(one)
    return found


def _noise(series: Series) -> float:
    """A line's own spread from year to year."""
    change = series.values[12:] - series.values[:-12]
    return max(float(np.nanstd(change)) / math.sqrt(2), 1.0)


def _recall(model: Model[Any, Any, Any], series: Sequence[Series], at: int) -> Bools:
    """Whether one reported month, that nearest to `at`, is flagged when raised by SIGMAS of the line's own spread."""
    raised, places = [], []
    for one in series:
        reported = np.flatnonzero(np.isfinite(one.values))
        places.append(int(reported[np.argmin(np.abs(reported - at))]))
        changed = one.values.copy()
        changed[places[-1]] += SIGMAS * _noise(one)
        raised.append(replace(one, values=changed))
    found = _found(model, raised, AnomalyOptions())
    return np.array([bool(one.is_anomaly[place]) for one, place in zip(found, places, strict=True)])


def _delays(model: Model[Any, Any, Any], series: Sequence[Series]) -> Floats:
    """Months until a lasting rise is flagged by what was known then; NaN where it is not within a year."""
    raised = []
    for one in series:
        changed = one.values.copy()
        place = slice(SHIFT_AT, SHIFT_AT + SHIFT_MONTHS)
        changed[place] += SHIFT_SIGMAS * _noise(one)
        raised.append(replace(one, values=changed))
    found = _found(model, raised, AnomalyOptions(mode="stream"))
    after = [one.is_anomaly[SHIFT_AT : SHIFT_AT + SHIFT_MONTHS] for one in found]
    return np.array([float(np.argmax(one)) if one.any() else np.nan for one in after])


def _clean_p_values(model: Model[Any, Any, Any], series: Sequence[Series]) -> list[Floats]:
    """P-values on each line's season with its own deviations in random order: real noise, nothing strange."""
    rng, made = np.random.default_rng(SEED), []
    for one in series:
        rows = one.values.reshape(-1, 12)
        rows = rows[np.isfinite(rows).any(axis=1)]
        season = np.nanmedian(rows, axis=0)
        noise = (rows - season - np.nanmedian(rows - season, axis=1, keepdims=True)).ravel()
        kept = noise[np.isfinite(noise)]
        years = len(one.values) // 12
        drawn = np.tile(np.nan_to_num(season), years) + rng.choice(kept, years * 12)
        made.append(replace(one, values=drawn, kind="real"))
    return [one.p_value[np.isfinite(one.p_value)] for one in _found(model, made, AnomalyOptions())]


def _axis(
    division: Division, lines: Sequence[Line], flags: Sequence[Bools], hits: Bools, delays: Floats,
    clean: Sequence[Floats], tier: str,
) -> Axis:  # fmt: skip
    of = np.array(division.of)
    exposure = np.array([np.isfinite(line.series.values).sum() for line in lines], np.float64)
    counts = np.array([one.sum() for one in flags], np.float64)
    units = [Units(group, counts[of == group], exposure[of == group]) for group in division.groups]
    rule = rule_for("flag_ratio", tier)
    rates = tuple(compare_rates(units, rule))
    shape = funnel([float(one.counts.sum()) for one in units], [float(one.exposures.sum()) for one in units])
    measures = (
        Measure("flag_rate", RATE, "flag_ratio", rule, "high", rates, NEGATIVE_BINOMIAL, "number", funnel=shape),
        _recalls(division, of, hits, lines, tier),
        _lateness(division, of, delays, tier),
        _uniform(division, of, clean, tier),
    )
    return Axis(
        division.id, division.title, measures, division.labels, places="34" if division.places else None
    )  # fmt: skip


def _recalls(division: Division, of: Any, hits: Bools, lines: Sequence[Line], tier: str) -> Measure:
    """Recall on injected anomalies against the others; the p-value is stratified by the share of empty months."""
    inside = (of[:, None] == np.array(division.groups)).astype(np.float64)
    rule = rule_for("accuracy", tier)
    above, below = hits.sum(1)[:, None] * inside, hits.shape[1] * inside
    found = compare_ratios(division.groups, above, below, [int(each) for each in below.sum(0)], rule)
    strata = np.array([int(line.zeros >= 0.1) + int(line.zeros > 0.5) for line in lines])
    rows = tuple(
        replace(one, p=_stratified(of == one.group, hits, strata)) for one in found
    )  # fmt: skip
    title = Note("bất thường tiêm vào được tìm thấy", "injected anomalies found")
    method = Note(
        f"{CLUSTERED.vi}; p: Cochran–Mantel–Haenszel theo tỷ lệ tháng trống",
        f"{CLUSTERED.en}; p: Cochran–Mantel–Haenszel by share of empty months",
    )
    return Measure("recall_injected", title, "accuracy", rule, "low", rows, method)


def _stratified(mine: Any, hits: Bools, strata: Any) -> float:
    """What is left of a difference within strata of completeness."""
    tables = []
    for stratum in range(3):
        a, c = hits[mine & (strata == stratum)], hits[~mine & (strata == stratum)]
        tables.append((float(a.sum()), float(a.size - a.sum()), float(c.sum()), float(c.size - c.sum())))
    return mantel_haenszel(tables)[1]


def _lateness(division: Division, of: Any, delays: Floats, tier: str) -> Measure:
    """Months until a lasting rise is found, by the log-rank test; what was not found in a year is censored."""
    clock, met = np.where(np.isfinite(delays), delays, SHIFT_MONTHS), np.isfinite(delays)
    rows = []
    for group in division.groups:
        mine = of == group
        p = delay_p(clock[mine], met[mine], clock[~mine], met[~mine]) if mine.any() and (~mine).any() else 1.0
        rows.append(_shown(group, int(mine.sum()), float(clock[mine].mean()), float(clock[~mine].mean()), p))
    title = Note("số tháng đến khi phát hiện mức tăng kéo dài", "months until a lasting rise is found")
    return Measure(
        "months_to_detection", title, "accuracy", rule_for("accuracy", tier), "high", tuple(rows), LOG_RANK,
        "number", confirmatory=False,
    )  # fmt: skip


def _uniform(division: Division, of: Any, clean: Sequence[Floats], tier: str) -> Measure:
    """How far p-values on clean series are from uniform: are scores comparable between groups."""
    rows = []
    for group in division.groups:
        mine = np.concatenate([clean[int(at)] for at in np.flatnonzero(of == group)])
        others = np.flatnonzero(of != group)
        rest = np.concatenate([clean[int(at)] for at in others]) if len(others) else mine
        distance, p = uniformity(mine[:: max(1, len(mine) // 500)])
        rows.append(_shown(group, len(mine), distance, uniformity(rest[:: max(1, len(rest) // 5000)])[0], p))
    title = Note("khoảng cách KS của p-value trên số liệu sạch", "KS distance of p-values on clean series")
    return Measure(
        "uniformity", title, "accuracy", rule_for("accuracy", tier), "high", tuple(rows), KOLMOGOROV,
        "number", confirmatory=False,
    )  # fmt: skip


def _shown(group: str, n: int, value: float, rest: float, p: float) -> Comparison:
    """A figure that is shown with its test and judged by nobody."""
    nothing = float("nan")
    return Comparison(
        group, n, value, rest, value - rest, nothing, nothing, nothing, p, Verdict.INSUFFICIENT, None
    )  # fmt: skip


HARMS = (
    Harming(
        Note("Đơn vị bị báo động nhiều", "Units that are flagged often"),
        Note("báo động thừa dồn vào một nơi", "false alarms fall on one place"),
        Note("mất công giải trình, mất uy tín", "work and reputation are lost in explaining"),
        "flag_rate",
    ),
    Harming(
        Note("Người dân nơi báo cáo thưa, nhiều tháng trống", "People where reports are sparse"),
        Note("bất thường thật không được phát hiện", "real anomalies are not found"),
        Note("dịch, sai phạm kéo dài mà không ai biết", "outbreaks and wrongs last unseen"),
        "recall_injected",
    ),
)
UNTESTED = (
    Untested(
        Note("Tỷ lệ báo động được xác nhận", "Share of flags confirmed"),
        Note("chưa có kết luận của người rà soát", "no reviewers' findings exist yet"),
    ),
    Untested(
        Note("Công sức rà soát, vòng phản hồi", "Reviewers' hours, feedback loop"),
        Note(
            "chưa vận hành; từ mức T2 phải rà soát ngẫu nhiên 5 % số không bị báo",
            "not in operation; from T2 a random 5 % of what is not flagged must be reviewed",
        ),
    ),
    Untested(
        Note("Kết nối mạng, dân số, cấp xã", "Connectivity, population, communes"),
        Note("dữ liệu theo tỉnh, không có các trường này", "the data are by province and lack these fields"),
    ),
    Untested(
        Note("Tỉnh không có trong bản dữ liệu", "Provinces absent in the copy"),
        Note("bản sao giữ lại một phần tỉnh để chấm độc lập", "the copy keeps a part of the provinces back"),
    ),
)  # fmt: skip
