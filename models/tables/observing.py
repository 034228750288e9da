"""A reading applied to its file: every figure with its series, place, period, measure and cell.

Decision: a figure is a plain tuple with the numbers of its row and column while it is on its way to a series, because a
file has a million of them; an `Observation`, with the names of sheet and cell, is what a person looks at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from models.tables.blocks import MARKERS, kind_of_text
from models.tables.body import BodyRow, body_rows
from models.tables.grid import CellValue, Row, cell_name
from models.tables.guess import headline
from models.tables.numbers import parse, plainly
from models.tables.phrases import is_number, plain, tidy
from models.tables.shape import Column, Table
from models.tables.units import is_percent, is_ratio, measure_of_words
from models.values import Measure

SEPARATOR = " / "


@dataclass(frozen=True, slots=True)
class Observation:
    """One figure. `value` is None where the cell holds a marker for missing; `marker` keeps the sign itself."""

    table: int
    series: str
    place: str | None
    place_name: str | None
    period: str
    measure: str | None
    unit: str | None
    value: float | None
    marker: str | None
    sheet: str
    cell: str


class Figure(NamedTuple):
    """One figure on its way; `row` and `column` count from 0."""

    series: str
    place: str | None
    place_name: str | None
    period: str
    measure: str | None
    unit: str | None
    value: float | None
    marker: str | None
    row: int
    column: int

    def seen(self, table: int, sheet: str) -> Observation:
        """The figure for people to look at."""
        return Observation(table, *self[:8], sheet, cell_name(self.row, self.column))


def figures_of_grid(table: Table, rows: tuple[Row, ...], *, totals: bool) -> Iterator[Figure]:
    """The figures of a table whose headings or rows carry the periods."""
    base = headline(table.title) or table.sheet
    values = [column for column in table.columns if column.role == "value"]
    signs = dict(table.markers)
    for body in body_rows(table, rows):
        if body.kind != "data" and not (totals and body.kind in ("total", "subtotal")):
            continue
        units = dict(body.column_units)
        for column in values:
            cell = rows[body.row][column.index]
            if cell is None:
                continue
            period = (body.period.name if body.period else None) if column.period is None else column.period
            if period is None or period.startswith("?"):
                continue
            value, marker = read_value(cell, column, signs)
            if value is None and marker is None:
                continue
            unit = _unit(body, column, units)
            measure = _measure(body, column, unit)
            yield Figure(
                _name(base, body, column, measure), body.place.code if body.place else None,
                body.place.name if body.place else None, period, measure, unit, value, marker, body.row, column.index,
            )  # fmt: skip


def _name(base: str, body: BodyRow, column: Column, measure: Measure | None) -> str:
    summed = (
        "cộng dồn" if column.measure == "ytd" and measure != "ytd" else None
    )  # a mean since January is its own series
    return SEPARATOR.join(part for part in (base, *body.path, column.series, summed) if part)


def _unit(body: BodyRow, column: Column, units: Mapping[int, str]) -> str | None:
    """A percentage of the column stands; otherwise the row's own unit, the section's, then the column's."""
    if is_percent(column.unit) or column.measure in ("index_prev", "index_same_period"):
        return column.unit
    return body.unit or units.get(column.index) or column.unit


def _measure(body: BodyRow, column: Column, unit: str | None) -> Measure | None:
    """The column's measure, unless the row's own words say rate or stock."""
    if column.measure not in ("flow", "ytd", "stock", None) or not body.path:
        return column.measure
    said = next((found for text in reversed(body.path) if (found := measure_of_words(text)) is not None), None)
    if said in ("rate", "change_pct") or (said == "stock" and column.measure == "flow" and not _is_money(unit)):
        return said
    if is_percent(unit) or is_ratio(unit):
        return "rate"
    return column.measure


def _is_money(unit: str | None) -> bool:
    return unit is not None and any(word in plain(unit) for word in ("dong", "usd", "vnd"))


def read_value(cell: CellValue, column: Column, signs: Mapping[str, str]) -> tuple[float | None, str | None]:
    """A cell's figure, or the sign that stands for it."""
    if is_number(cell):
        number = float(cell)  # type: ignore[arg-type]
        return (number, None) if number == number and abs(number) != float("inf") else (None, None)
    if not isinstance(cell, str):
        return None, None
    quick = plainly(cell, column.number_format)
    if quick is not None:
        return quick, None
    text = tidy(cell)
    kind = kind_of_text(text)
    if kind == "marker":
        meaning = signs.get(text) or MARKERS.get(text.lower())
        return (0.0 if meaning == "zero" else None), text
    return (parse(text, column.number_format) if kind == "number" else None), None
