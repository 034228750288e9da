"""A table as columns: from rows of cells to arrays, with each column's type.

Decision: a number is a number or missing, never text that looks like one. Text of a category is kept only as a list of
distinct words; the rows hold places in that list.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.calendar import parse_instant
from models.errors import InvalidInputError
from models.values import Column, Table

LARGEST = 1e30
MISSING = -1
Cell = str | int | float | bool | None


def table_of(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Table:
    """A table from its rows. Raises InvalidInputError with the pointer of the first cell that breaks its column's type.

    `rows` are as long as there are columns; None is missing.
    """
    names = [column.name for column in columns]
    if len(set(names)) != len(names):
        raise InvalidInputError.at(
            "/columns", "Tên cột phải khác nhau.", "Names of columns must differ.", code="duplicate-name"
        )
    width = len(columns)
    for at, row in enumerate(rows):
        if len(row) != width:
            vi, en = f"Mỗi dòng phải có {width} ô.", f"Every row must have {width} cells."
            raise InvalidInputError.at(f"/rows/{at}", vi, en, code="ragged-rows")
    lines = list(zip(*rows, strict=True)) if rows else [()] * width
    read = [_column(column, line, place) for place, (column, line) in enumerate(zip(columns, lines, strict=True))]
    return Table(tuple(columns), tuple(cells for cells, _ in read), tuple(words for _, words in read), len(rows))


def _column(column: Column, line: Sequence[Cell], place: int) -> tuple[Any, tuple[str, ...]]:
    if column.type == "category":
        return _categories(line, place)
    if column.type == "boolean":
        allowed: tuple[type, ...] = (bool,)
    elif column.type == "date":
        allowed = (str,)
    else:
        allowed = (int, float)
    for at, cell in enumerate(line):
        if cell is not None and type(cell) not in allowed:
            raise _mismatch(column, at, place)
    if column.type == "date":
        line = [None if cell is None else _days(str(cell), at, place) for at, cell in enumerate(line)]
    values = np.array([math.nan if cell is None else _held(cell) for cell in line], np.float64)
    if not (np.abs(values[~np.isnan(values)]) <= LARGEST).all():
        at = int(np.argmax(~(np.abs(values) <= LARGEST) & ~np.isnan(values)))
        vi, en = f"Số quá lớn; cho phép đến {LARGEST:g}.", f"The number is too large; allowed up to {LARGEST:g}."
        raise InvalidInputError.at(f"/rows/{at}/{place}", vi, en, code="number-out-of-range")
    return values, ()


def _held(cell: Any) -> float:
    """A whole number too large for a float is infinite, and refused as such."""
    return float(cell) if abs(cell) <= 2 * LARGEST else math.inf


def _categories(line: Sequence[Cell], place: int) -> tuple[Any, tuple[str, ...]]:
    known: dict[str, int] = {}
    codes = np.full(len(line), MISSING, np.int64)
    for at, cell in enumerate(line):
        if isinstance(cell, float) and not isinstance(cell, bool) and not math.isfinite(cell):
            vi, en = "Số phải hữu hạn.", "Numbers must be finite."
            raise InvalidInputError.at(f"/rows/{at}/{place}", vi, en, code="number-out-of-range")
        if cell is not None:
            codes[at] = known.setdefault(str(cell), len(known))
    return codes, tuple(known)


def _days(text: str, at: int, place: int) -> float:
    moment = parse_instant(text, f"/rows/{at}/{place}")
    return float((np.datetime64(moment, "s") - np.datetime64(0, "s")).astype(np.int64) / 86_400)


def _mismatch(column: Column, at: int, place: int) -> InvalidInputError:
    return InvalidInputError.at(
        f"/rows/{at}/{place}",
        f"Ô này không thuộc kiểu {column.type} của cột.",
        f"This cell is not of its column's type {column.type}.",
        code="type-mismatch",
    )


def part(table: Table, rows: Any) -> Table:
    """The table with some of its rows: a slice or places."""
    cells = tuple(line[rows] for line in table.cells)
    return Table(table.columns, cells, table.words, len(cells[0]) if cells else 0)
