"""From the caller's series to rows: what is modelled, of which nature, with which season."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.anomaly.baseline import Rows
from models.anomaly.flows import to_flows
from models.anomaly.rows import Floats
from models.errors import InvalidInputError
from models.values import AnomalyOptions, Series, Warned

LARGEST = 1e140
"""Beyond this a series is divided by a power of two, so that no sum overflows."""


@dataclass(frozen=True, slots=True)
class Task:
    """One usable series as modelled: `values` + `offset` is what was sent, divided by `unit`.

    `offset` is 0 but for `ytd`; `unit` is a power of two, 1 for all but gigantic numbers.
    """

    place: int
    series: Series
    values: Floats
    offset: Floats
    unit: float
    season: int
    warnings: tuple[Warned, ...]


def task_of(place: int, series: Series, options: AnomalyOptions) -> Task:
    """A series as it is modelled."""
    values = np.asarray(series.values, np.float64)
    largest = float(np.max(np.abs(values), initial=0.0, where=~np.isnan(values)))
    unit = 2.0 ** np.floor(np.log2(largest)) if largest > LARGEST else 1.0
    values, offset, warnings = values / unit, np.zeros(len(values)), []
    if series.measure == "ytd":
        values, offset = to_flows(values, series.axis)
        warnings.append(
            Warned(
                "modelled_as_flows",
                "Số cộng dồn từ đầu năm được đổi thành số từng kỳ trước khi phân tích.",
                "Figures cumulative from January were turned into flows before modelling.",
            )
        )
    season = options.season_length or series.axis.frequency.season
    return Task(place, series, values, offset, float(unit), max(1, season), tuple(warnings))


def matrix_of(group: Sequence[Task]) -> Rows:
    """Series of one length and season as rows, of the nature that the caller named."""
    values = np.stack([task.values for task in group])
    seen = ~np.isnan(values)
    kinds = [task.series.kind for task in group]
    positive = np.array([kind in ("count", "positive") for kind in kinds])
    counts = np.array([task.series.kind == "count" and task.unit == 1.0 for task in group])
    unnamed = np.array([task.series.kind is None and task.series.measure != "change_pct" for task in group])
    return Rows(np.where(seen, values, 0.0), seen, group[0].season, positive, counts, unnamed)


def check_options(options: AnomalyOptions) -> None:
    """Raise InvalidInputError when options exclude each other or leave their range."""
    asked = [options.sensitivity, options.false_alarms_per_year, options.alarm_budget]
    if sum(each is not None for each in asked) > 1:
        raise InvalidInputError.at(
            "/options",
            "Chỉ chọn một trong sensitivity, false_alarms_per_year, alarm_budget.",
            "Choose one of sensitivity, false_alarms_per_year, alarm_budget.",
        )
    if options.holidays not in (None, "VN"):
        raise InvalidInputError.at(
            "/options/holidays", "Chỉ hỗ trợ lịch nghỉ VN.", "Only the holidays VN are supported."
        )
    ranges = (
        ("sensitivity", options.sensitivity, 0, 99),
        ("false_alarms_per_year", options.false_alarms_per_year, 0, 1e6),
        ("alarm_budget", options.alarm_budget, 0, 1e9),
        ("min_effect/absolute", options.min_effect_absolute, 0, 1e300),
        ("min_effect/relative", options.min_effect_relative, 0, 1e300),
        ("suppress/window", options.suppress_window, 0, 1e9),
        ("season_length", options.season_length, 0, 1e9),
    )
    for name, value, low, high in ranges:
        if value is not None and not low <= value <= high:
            raise InvalidInputError.at(
                f"/options/{name}", f"Ngoài khoảng {low}–{high:g}.", f"Outside {low} to {high:g}."
            )
