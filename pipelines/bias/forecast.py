"""The forecasting family: is any group of series worse off than with no model, and whom do errors leave short?

Decision: forecasts are made from four origins, six months ahead, so that every month of the last two years is forecast
once by what was known before. A line (disease in a province) is a cluster: its months err together.

Decision: raw errors of small provinces are larger for no fault of a model. Each line's error is held against what lines
of its size have on average; a group fails when its errors exceed those of its size-peers by more than the margin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import kruskal

from models.contract import Model
from models.errors import Note, PlatformError
from models.scores.calibration import christoffersen, diebold_mariano, kupiec
from models.scores.groups import Comparison, Harm, Rule, compare_ratios
from models.values import Floats, Forecast, ForecastOptions, Series
from pipelines.bias.margins import rule_for
from pipelines.bias.panel import Division, Line, divisions, panel
from pipelines.bias.values import Axis, Findings, Harming, Measure, Untested
from pipelines.datasets import Datasets
from pipelines.training.forecast import naive_forecast
from pipelines.training.labelled import MINISTRY
from pipelines.training.panels import M3, competition

HORIZON, ORIGINS, SEASON = 6, 4, 12
LEVELS = (0.1, 0.5, 0.9)
BATCH = 20
PEERS = 10
CLUSTERED = Note("bootstrap theo chuỗi, 2000 lượt, t Student", "bootstrap over series, 2,000 draws, Student's t")
DIEBOLD = Note(f"{CLUSTERED.vi}; p: Diebold–Mariano–HLN", f"{CLUSTERED.en}; p: Diebold–Mariano–HLN")
COVERAGE = Note("độ phủ của khoảng 80 %", "coverage of the 80 % interval")
SKILL = Note(
    "log sai số so với lặp lại mùa trước (dưới 0 là tốt hơn)", "log error over the seasonal naive (below 0: better)"
)
Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Steps:
    """Forecast months in rows by line: actual, forecast, naive forecast, bounds, and the line's scale; NaN: unknown.

    All arrays have shape (lines, months); `lead` has shape (months,).
    """

    actual: Floats
    mean: Floats
    naive: Floats
    low: Floats
    high: Floats
    scale: Floats
    lead: Floats

    @property
    def known(self) -> Floats:
        """1 where the truth is known."""
        return np.isfinite(self.actual).astype(np.float64)

    def error(self) -> Floats:
        """Absolute errors, 0 where nothing is known."""
        return np.nan_to_num(np.abs(self.actual - self.mean))


def run(model: Model[Any, Any, Any], lines: Sequence[Line], origins: int) -> Steps:
    """Forecast every line from every origin. Raises the error of the first series that failed."""
    months = len(lines[0].series.values)
    shape = (len(lines), origins * HORIZON)
    table = {name: np.full(shape, np.nan) for name in ("actual", "mean", "naive", "low", "high", "scale")}
    for number in range(origins):
        cut = months - HORIZON * (origins - number)
        place = slice(number * HORIZON, (number + 1) * HORIZON)
        histories = [_history(line, cut) for line in lines]
        for at, answer in enumerate(_answers(model, histories, ForecastOptions(HORIZON, LEVELS, season_length=SEASON))):
            history = histories[at].values
            filled = np.where(np.isnan(history), np.nanmean(history), history)
            table["actual"][at, place] = lines[at].series.values[cut : cut + HORIZON]
            table["mean"][at, place], table["naive"][at, place] = answer.mean, naive_forecast(filled, SEASON, HORIZON)
            table["low"][at, place], table["high"][at, place] = answer.quantiles[0.1], answer.quantiles[0.9]
            table["scale"][at, place] = max(float(np.nanmean(np.abs(history[SEASON:] - history[:-SEASON]))), 1e-9)
    return Steps(**table, lead=np.tile(np.arange(1, HORIZON + 1), origins).astype(np.float64))


def _history(line: Line, cut: int) -> Series:
    return Series(line.series.name, line.series.values[:cut], line.series.axis, kind="count")


def _answers(model: Model[Any, Any, Any], series: Sequence[Series], options: ForecastOptions) -> list[Forecast]:
    found: list[Forecast] = []
    for first in range(0, len(series), BATCH):
        for one in model.predict(series[first : first + BATCH], options):
            if isinstance(one, PlatformError):
                raise one
            found.append(one)
    return found


def assess(
    model: Model[Any, Any, Any], data: Datasets, tier: str, log: Log, *, quick: bool, slow: bool = False
) -> Findings:
    """Every test of a forecasting model; `slow` models are asked for two origins of every third line."""
    lines = panel(data)[:: 12 if quick else 3 if slow else 1]
    steps = run(model, lines, 2 if slow or quick else ORIGINS)
    log(f"{len(lines)} chuỗi, {int(steps.known.sum())} tháng | lines, months")
    axes = [_axis(steps, division, tier) for division in divisions(lines)]
    axes.append(_leads(steps, tier))
    axes.append(_lengths(model, data, tier, every=60 if quick else 24 if slow else 4))
    return Findings("forecast", axes, HARMS, UNTESTED, (MINISTRY, M3), ("places",), _facts(steps))


def _facts(steps: Steps) -> dict[str, float]:
    """Overall: skill, coverage and the tests of the interval's promise."""
    held = steps.known > 0
    outside = (steps.actual < steps.low) | (steps.actual > steps.high)
    scaled, naive = (np.nan_to_num(np.abs(steps.actual - line) / steps.scale) for line in (steps.mean, steps.naive))
    return {
        "lines": float(len(steps.actual)), "months": float(held.sum()),
        "skill_vs_seasonal_naive": 1 - float(scaled.sum() / naive.sum()),
        "coverage_80": 1 - float(outside[held].mean()),
        "kupiec_p": kupiec(int(outside[held].sum()), int(held.sum()), 0.2),
        "lines_with_runs_of_misses": float(np.mean([christoffersen(row[kept]) < 0.05 for row, kept in zip(
            outside, held, strict=True) if kept.sum() > 2])),
    }  # fmt: skip


def _axis(steps: Steps, division: Division, tier: str) -> Axis:
    inside = (np.array(division.of)[:, None] == np.array(division.groups)).astype(np.float64)
    measures = _measures(steps, inside, division.groups, tier)
    return Axis(
        division.id, division.title, measures, division.labels, places="34" if division.places else None
    )  # fmt: skip


def _measures(steps: Steps, inside: Floats, groups: Sequence[str], tier: str) -> tuple[Measure, ...]:
    """The questions of GOVERNANCE 3.5 by group of lines; `inside` has shape (lines, groups)."""
    known, actual = steps.known, np.nan_to_num(steps.actual)
    counts = [int(each) for each in (known.sum(1)[:, None] * inside).sum(0)]
    covered = ((steps.actual >= steps.low) & (steps.actual <= steps.high)).astype(np.float64)
    missed = (steps.actual > steps.high).astype(np.float64)
    error, naive = steps.error() / steps.scale, np.nan_to_num(np.abs(steps.actual - steps.naive)) / steps.scale
    under = np.where(known > 0, np.maximum(actual - steps.mean, 0.0), 0.0)
    forecast = np.where(known > 0, steps.mean, 0.0)

    def ratios(above: Floats, below: Floats, rule: Rule, harm: Harm, **more: Any) -> tuple[Comparison, ...]:
        over, below_it = (one.sum(1)[:, None] * inside for one in (above, below))
        return tuple(compare_ratios(groups, over, below_it, counts, rule, harm, **more))

    skill_rule, peer_rule = rule_for("skill", tier), rule_for("size_peers", tier)
    coverage_rule, missed_rule = rule_for("coverage", tier), rule_for("accuracy", tier)
    skill = ratios(error, naive, skill_rule, "high", logarithm=True, nominal=0.0)
    peers = _expected(steps)
    wape = ratios(steps.error(), peers, peer_rule, "high", logarithm=True, nominal=0.0)
    return (
        Measure(
            "coverage_80", COVERAGE, "coverage", coverage_rule, "low",
            ratios(covered, known, coverage_rule, "low", nominal=0.8), CLUSTERED,
        ),
        Measure(
            "log_error_ratio_to_seasonal_naive", SKILL, "skill", skill_rule, "high",
            _with_diebold(skill, error, naive, inside), DIEBOLD, "number",
        ),
        Measure(
            "log_wape_to_size_peers", Note("log WAPE so với chuỗi cùng quy mô", "log WAPE against size-peers"),
            "size_peers", peer_rule, "high", wape, CLUSTERED, "number", remark=_kruskal(steps.error(), peers, inside),
        ),
        Measure(
            "missed_above_90", Note("số thật vượt ngưỡng 90 %", "truth above the 90 % bound"), "accuracy", missed_rule,
            "high", ratios(missed, known, missed_rule, "high", nominal=0.1), CLUSTERED,
        ),
        Measure(
            "under_forecast_share", Note("phần dự báo thiếu trên tổng", "under-forecast over the total"), "accuracy",
            missed_rule, "high", ratios(under, actual, missed_rule, "high"), CLUSTERED, confirmatory=False,
        ),
        Measure(
            "log_allocation", Note("log phần chia theo dự báo so với thực tế", "log share by forecast over true share"),
            "size_peers", peer_rule, "low", ratios(forecast, actual, peer_rule, "low", logarithm=True), CLUSTERED,
            "number", confirmatory=False,
        ),
    )  # fmt: skip


def _expected(steps: Steps) -> Floats:
    """The errors that lines of like size have on average, month by month."""
    totals, errors = np.nan_to_num(steps.actual).sum(1), steps.error().sum(1)
    tenths = np.argsort(np.argsort(totals)) * PEERS // len(totals)
    shares = np.array([errors[tenths == at].sum() / max(totals[tenths == at].sum(), 1e-9) for at in range(PEERS)])
    return np.asarray(np.nan_to_num(steps.actual) * shares[tenths][:, None], np.float64)


def _with_diebold(found: Sequence[Comparison], ours: Floats, theirs: Floats, inside: Floats) -> tuple[Comparison, ...]:
    """The p-value that the group's mean scaled error, month by month, exceeds the naive forecast's."""
    made = []
    for at, one in enumerate(found):
        held = inside[:, at] > 0
        p = diebold_mariano(ours[held].mean(0), theirs[held].mean(0), HORIZON)[1] if held.any() else 1.0
        made.append(replace(one, p=p))
    return tuple(made)


def _kruskal(errors: Floats, peers: Floats, inside: Floats) -> Note | None:
    """Kruskal–Wallis over the groups' lines."""
    ratio = errors.sum(1) / np.maximum(peers.sum(1), 1e-9)
    parts = [ratio[inside[:, at] > 0] for at in range(inside.shape[1])]
    parts = [part for part in parts if len(part) > 1]
    if len(parts) < 2:
        return None
    p = float(kruskal(*parts).pvalue)
    return Note(f"Kruskal–Wallis giữa các nhóm: p = {p:.3g}", f"Kruskal–Wallis between groups: p = {p:.3g}")


def _leads(steps: Steps, tier: str) -> Axis:
    """Coverage month by month ahead."""
    rule = rule_for("coverage", tier)
    groups = [str(at) for at in range(1, HORIZON + 1)]
    covered = ((steps.actual >= steps.low) & (steps.actual <= steps.high)).astype(np.float64)
    columns = [steps.lead == at for at in range(1, HORIZON + 1)]
    above, below = (np.column_stack([one[:, at].sum(1) for at in columns]) for one in (covered, steps.known))
    found = compare_ratios(groups, above, below, [int(each) for each in below.sum(0)], rule, nominal=0.8)
    measure = Measure("coverage_80", Note("độ phủ của khoảng 80 %", "coverage of the 80 % interval"), "coverage", rule,
                      "low", tuple(found), CLUSTERED)  # fmt: skip
    labels = {name: Note(f"{name} tháng tới", f"{name} months ahead") for name in groups}
    return Axis("lead", Note("Xa bao nhiêu tháng", "Months ahead"), (measure,), labels)


def _lengths(model: Model[Any, Any, Any], data: Datasets, tier: str, every: int) -> Axis:
    """Short and long histories, on monthly series of the M3 competition."""
    tasks = [task for task in competition(data, M3) if task.group == "MONTHLY"][::every]
    options = ForecastOptions(tasks[0].horizon, LEVELS, season_length=tasks[0].season)
    answers = _answers(model, [task.series for task in tasks], options)
    labels = {
        "1": Note("dưới 72 tháng", "below 72 months"), "2": Note("72–119 tháng", "72–119 months"),
        "3": Note("từ 120 tháng", "120 months and more"),
    }  # fmt: skip
    groups = list(labels)
    above, below = np.zeros((len(tasks), 3)), np.zeros((len(tasks), 3))
    error, naive = np.zeros((len(tasks), 3)), np.zeros((len(tasks), 3))
    for row, (task, answer) in enumerate(zip(tasks, answers, strict=True)):
        n = len(task.series.values)
        at = int(n >= 72) + int(n >= 120)
        inside = (task.actual >= answer.quantiles[0.1]) & (task.actual <= answer.quantiles[0.9])
        above[row, at], below[row, at] = inside.sum(), len(inside)
        scale = float(np.mean(np.abs(np.diff(task.series.values)))) or 1.0
        error[row, at] = np.abs(task.actual - answer.mean).sum() / scale
        naive[row, at] = (
            np.abs(task.actual - naive_forecast(task.series.values, task.season, task.horizon)).sum() / scale
        )
    counts, rule, skill = [int(each) for each in below.sum(0)], rule_for("coverage", tier), rule_for("skill", tier)
    skilled = compare_ratios(groups, error, naive, counts, skill, "high", logarithm=True, nominal=0.0)
    measures = (
        Measure(
            "coverage_80", COVERAGE, "coverage", rule, "low",
            tuple(compare_ratios(groups, above, below, counts, rule, nominal=0.8)), CLUSTERED,
        ),
        Measure(
            "log_error_ratio_to_seasonal_naive", SKILL, "skill", skill, "high", tuple(skilled), CLUSTERED, "number"
        ),
    )  # fmt: skip
    return Axis("history", Note("Độ dài lịch sử (M3, theo tháng)", "Length of history (M3, monthly)"), measures, labels)


HARMS = (
    Harming(
        Note("Tỉnh mà dự báo thấp hơn thực tế", "Provinces whose cases are under-forecast"),
        Note("số thật vượt khoảng dự báo", "the truth exceeds the interval"),
        Note("thiếu thuốc, giường, người; dịch đến khi chưa chuẩn bị", "drugs, beds and staff are short when it comes"),
        "missed_above_90",
    ),
    Harming(
        Note("Tỉnh nhỏ, vùng sâu, vùng xa, báo cáo thiếu", "Small and remote provinces, incomplete reports"),
        Note("mô hình kém hơn không dùng mô hình", "the model is worse than none"),
        Note("kế hoạch dựa trên số sai", "plans rest on wrong figures"),
        "log_error_ratio_to_seasonal_naive",
    ),
    Harming(
        Note("Mọi tỉnh", "Every province"),
        Note("khoảng dự báo hẹp hơn lời hứa", "the interval is narrower than promised"),
        Note("lãnh đạo tin chắc hơn mức được phép", "leaders are surer than they may be"),
        "coverage_80",
    ),
)
UNTESTED = (
    Untested(
        Note("Dân số, thành thị – nông thôn, hải đảo", "Population, urban and rural, islands"),
        Note(
            "dữ liệu theo tỉnh, không có dân số và cấp xã", "the data are by province, without population or communes"
        ),
    ),
    Untested(
        Note("Độ trễ báo cáo", "Delay of reports"),
        Note("dữ liệu là số chốt, không có các lần báo cáo trước", "the data are final, earlier reports are not kept"),
    ),
    Untested(
        Note("34 đơn vị sau 1/7/2025", "The 34 units after 1 July 2025"),
        Note("dữ liệu dừng ở 2015; quy đổi từ 63 tỉnh", "the data end in 2015; counted from the 63"),
    ),
    Untested(
        Note("Tỉnh không có trong bản dữ liệu", "Provinces absent in the copy"),
        Note("bản sao giữ lại một phần tỉnh để chấm độc lập", "the copy keeps a part of the provinces back"),
    ),
    Untested(
        Note("Chi phí thiếu so với thừa", "Cost of too little against too much"),
        Note("cơ quan sử dụng chưa cho biết tỷ lệ chi phí", "the deploying agency has not stated the ratio"),
    ),
)
