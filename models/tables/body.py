"""The rows of a table told apart: data, totals, subtotals, notes; and the place and period that a row is of.

Decision: in a table of places the country is a total and a region a subtotal, unless there are only regions. In a
table whose rows are series of their own a "Tổng số" at the top is a series that its readers look for; only a sum at
the very end is a total. `totals="series"` of a table lets all of them through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.places.gazetteer import Division
from models.places.names import Match, find_place, vintage_of
from models.tables.grid import Row
from models.tables.labels import Label, read_labels
from models.tables.periods import Period
from models.tables.phrases import plain
from models.tables.shape import Column, Table

Kind = Literal["data", "total", "subtotal", "note", "section"]


@dataclass(frozen=True, slots=True)
class BodyRow:
    """One row: `path` names its series without the place; `period` is set where periods run down the rows."""

    row: int
    kind: Kind
    path: tuple[str, ...]
    place: Match | None = None
    period: Period | None = None
    unit: str | None = None
    column_units: tuple[tuple[int, str], ...] = ()


def bounds(table: Table) -> tuple[int, int, int, int]:
    """The rows and columns of a table's range, counted from 0: top, left, bottom, right, all inclusive."""
    start, _, end = table.range.partition(":")
    (top, left), (bottom, right) = _cell(start), _cell(end or start)
    return top, left, bottom, right


def _cell(name: str) -> tuple[int, int]:
    letters = name.rstrip("0123456789")
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter.upper()) - 64
    return int(name[len(letters) :]) - 1, column - 1


def body_rows(table: Table, rows: Sequence[Row]) -> list[BodyRow]:
    """The rows below the header, each with its kind. `rows` are the sheet's, in Unicode."""
    top, _, bottom, _ = bounds(table)
    header = [row for row in table.header_rows if top < row <= bottom + 1]
    first = max(header, default=top)
    labels = [column.index for column in table.columns if column.role in ("series", "place", "time", "group")]
    unit = next((column.index for column in table.columns if column.type == "unit"), None)
    values = [column.index for column in table.columns if column.role == "value"]
    last = min(bottom + 1, len(rows))
    found = read_labels(rows, first, last, labels, unit, values)
    year = (table.period.first or "")[:4]
    around = Period("Y", int(year)) if year.isdigit() else None
    return sort_rows(found, table.columns, keep_totals=table.totals == "series", around=around)


def sort_rows(
    labels: list[Label], columns: Sequence[Column], *, keep_totals: bool, around: Period | None = None
) -> list[BodyRow]:
    """Give each label its kind, place and period."""
    kinds = {column.role for column in columns}
    return _dated(labels, around) if "time" in kinds else _placed(labels, "place" in kinds, keep_totals)


def _dated(labels: list[Label], around: Period | None) -> list[BodyRow]:
    """Rows that are periods: a year standing above its quarters completes them."""
    found: list[BodyRow] = []
    for label in labels:
        period = label.period.within(around) if label.period else None
        if period is not None and period.year is not None:
            around = period
        kind: Kind = "note" if label.note else "data" if label.figures else "section"
        path = tuple(text for text in label.path[:-1] if not _is_period_text(text, labels))
        found.append(BodyRow(label.row, kind, path, None, period, label.unit, label.column_units))
    return found


def _is_period_text(text: str, labels: list[Label]) -> bool:
    return any(label.period is not None and label.text == text for label in labels)


def _placed(labels: list[Label], places: bool, keep_totals: bool) -> list[BodyRow]:
    figured = [label for label in labels if label.figures and not label.note]
    vintage = vintage_of(label.text for label in figured)
    matches = {label.row: find_place(label.text, vintage) for label in figured}
    kinds = Counter(match.kind for match in matches.values() if match is not None)
    regions_are_data = kinds["province"] == 0
    known = kinds["province"] + kinds["region"] >= 3
    last = figured[-1].row if figured else -1
    found: list[BodyRow] = []
    for label in labels:
        if label.note or not label.figures:
            found.append(BodyRow(label.row, "note" if label.note else "section", label.path))
            continue
        match = matches[label.row]
        kind: Kind = "data"
        if match is not None and places and not keep_totals:
            kind = _kind(match, regions_are_data)
        elif label.row == last and _closes(label, match) and len(figured) > 2 and not keep_totals:
            kind = "total" if kinds["total"] == 1 else "data"
        place, path = _split(label, match, places or known, vintage)
        found.append(BodyRow(label.row, kind, path, place, None, label.unit, label.column_units))
    return found


def _closes(label: Label, match: Match | None) -> bool:
    """Whether a last row is the sum of all above it: `Tổng cộng` under no section."""
    named = plain(label.text).startswith(("tong", "cong", "toan"))
    return match is not None and match.kind == "total" and named and len(label.path) == 1


def _kind(match: Match, regions_are_data: bool) -> Kind:
    if match.kind == "total":
        return "total"
    return "subtotal" if match.kind == "region" and not regions_are_data else "data"


def _split(
    label: Label, match: Match | None, known: bool, vintage: Division | None
) -> tuple[Match | None, tuple[str, ...]]:
    """The place that a row is of (its own or that of the head above it), and its path without places."""
    if not known:
        return None, label.path
    found = [find_place(text, vintage) for text in label.path]
    if match is not None and match.kind != "total":
        return match, tuple(text for text, place in zip(label.path, found, strict=True) if place is None)
    heads = [at for at, place in enumerate(found[:-1]) if place is not None and place.kind == "province"]
    if not heads:
        return None, label.path
    return found[heads[-1]], tuple(text for at, text in enumerate(label.path) if at not in heads)
