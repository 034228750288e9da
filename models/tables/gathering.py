"""Figures put together to series on a regular axis, each point beside the cell that it came from."""

from __future__ import annotations

import itertools
import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import numpy as np

from models.tables.grid import cell_name
from models.tables.guess import frequency_of
from models.tables.observing import Figure
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


class _Line:
    """The figures of one series as they come; a point takes three numbers, its names are made when it is told."""

    __slots__ = ("columns", "periods", "rows", "sheets", "values")

    def __init__(self) -> None:
        self.periods: list[str] = []
        self.values = array("d")
        self.rows = array("l")
        self.columns = array("i")
        self.sheets: list[tuple[int, str]] = []
        """From which point on the figures stand on which sheet."""

    def add(self, figure: Figure, sheet: str) -> None:
        """Take a figure."""
        if not self.sheets or self.sheets[-1][1] is not sheet:
            self.sheets.append((len(self.periods), sheet))
        self.periods.append(figure.period)
        self.values.append(math.nan if figure.value is None else figure.value)
        self.rows.append(figure.row)
        self.columns.append(figure.column)

    def cells(self) -> Iterator[str]:
        """Where each figure stands: `sheet!B7`."""
        ends = [start for start, _ in self.sheets[1:]] + [len(self.rows)]
        for (start, sheet), end in zip(self.sheets, ends, strict=True):
            for row, column in zip(self.rows[start:end], self.columns[start:end], strict=True):
                yield f"{sheet}!{cell_name(row, column)}"


def gather(tables: Iterable[tuple[str, Iterable[Figure]]]) -> Iterator[TableSeries]:
    """The series that the figures of some sheets make, in the order of their first figure.

    Of several figures for one period the last one stands. Periods of different length are different series.
    """
    lines: defaultdict[_Key, _Line] = defaultdict(_Line)
    frequency = cache(frequency_of)
    for sheet, figures in tables:
        for figure in figures:
            key = (figure.series, figure.place, figure.measure, figure.unit, frequency(figure.period))
            lines[key].add(figure, sheet)
    for key in list(lines):
        yield _series(key, lines.pop(key))


def _series(key: _Key, found: _Line) -> TableSeries:
    name, place, measure, unit, frequency = key
    periods = found.periods
    if frequency == "D" and _monthly(periods):
        frequency = "M"
        periods = [period[:7] for period in periods]
    if frequency == "H":
        frequency = _clocked(periods)
    line = arrange(periods, np.array(found.values, dtype=np.float64), frequency)
    cells: list[str | None] = [None] * len(line.values)
    for at, cell in zip(line.index.tolist(), found.cells(), strict=True):
        cells[at] = cell
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
