"""Figures put together to series on a regular axis, each point beside the cell that it came from."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from models.tables.guess import frequency_of
from models.tables.observing import Observation
from models.timeline import arrange
from models.values import Measure, Series


@dataclass(frozen=True, slots=True)
class TableSeries:
    """One series of a file: `cells` names the source of each point (`sheet!B7`), None where there is none."""

    name: str
    place: str | None
    series: Series
    cells: tuple[str | None, ...]
    measure: str | None
    unit: str | None


_Key = tuple[str, str | None, str | None, str | None, str]


def gather(observations: Iterable[Observation]) -> list[TableSeries]:
    """The series that the figures make, in the order of their first figure.

    Of several figures for one period the last one stands. Periods of different length are different series.
    """
    groups: defaultdict[_Key, list[Observation]] = defaultdict(list)
    for seen in observations:
        groups[seen.series, seen.place, seen.measure, seen.unit, frequency_of(seen.period)].append(seen)
    return [_series(key, found) for key, found in groups.items()]


def _series(key: _Key, found: list[Observation]) -> TableSeries:
    name, place, measure, unit, frequency = key
    periods = [seen.period for seen in found]
    if frequency == "D" and _monthly(periods):
        frequency = "M"
        periods = [period[:7] for period in periods]
    if frequency == "H":
        frequency = _clocked(periods)
    values = np.array([np.nan if seen.value is None else seen.value for seen in found], dtype=np.float64)
    line = arrange(periods, values, frequency)
    cells: list[str | None] = [None] * len(line.values)
    for at, seen in zip(line.index.tolist(), found, strict=True):
        cells[at] = f"{seen.sheet}!{seen.cell}"
    known: Measure | None = measure  # type: ignore[assignment]
    series = Series(name, line.values, line.axis, measure=known, unit=unit, place=place)
    return TableSeries(name, place, series, tuple(cells), measure, unit)


def _monthly(periods: list[str]) -> bool:
    """Days that stand for their months: at most one in each, and more than one month."""
    months = {period[:7] for period in periods}
    return len(months) == len(set(periods)) and (len(months) > 1 or all(period.endswith("-01") for period in periods))


def _clocked(periods: list[str]) -> str:
    """The step of times of day: hours, or the shortest step in minutes."""
    moments = sorted({datetime.fromisoformat(period) for period in periods})
    steps = [round((b - a).total_seconds() / 60) for a, b in itertools.pairwise(moments)]
    shortest = min(steps, default=60)
    return f"{shortest}min" if 0 < shortest < 60 else "H"
