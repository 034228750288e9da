"""What a file is once it is open: sheets of cells at their own addresses.

Decision: rows and columns are the sheet's absolute positions, counted from 0 and padded with None, so that
`rows[r][c]` is always the cell named `cell_name(r, c)` and a value can be followed from a report back into the file.
Every sheet is a rectangle; trailing empty rows and columns are cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from models.errors import Note

KEPT_TEXTS = 100_000

CellValue = str | int | float | bool | datetime | date | time | timedelta | None
Row = tuple[CellValue, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: `rows[r][c]` is the cell `cell_name(r, c)`; `merged` holds (top, left, bottom, right), inclusive."""

    name: str
    rows: tuple[Row, ...]
    visible: bool = True
    merged: tuple[tuple[int, int, int, int], ...] = ()

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.rows[0]) if self.rows else 0


@dataclass(frozen=True, slots=True)
class Workbook:
    """A file that was read: `format` is xls, xlsx, xlsb, ods, csv, parquet or jsonl; `notes` say what was odd."""

    file_name: str
    format: str
    sheets: tuple[Sheet, ...]
    notes: tuple[Note, ...] = ()


def cell_name(row: int, column: int) -> str:
    """The cell's name as a spreadsheet shows it: (6, 1) is B7."""
    return f"{column_name(column)}{row + 1}"


def column_name(column: int) -> str:
    """The column's letters: 0 is A, 27 is AB."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def even_rows(rows: Iterable[Sequence[CellValue]]) -> tuple[Row, ...]:
    """Rows made equally wide, trailing empty rows and columns cut, empty text made None.

    Texts that repeat (places, periods, codes) are kept once; the first KEPT_TEXTS different ones are remembered.
    """
    kept: list[Row] = []
    texts: dict[CellValue, CellValue] = {"": None}
    width = height = 0
    for row in rows:
        if len(texts) < KEPT_TEXTS:
            cells = tuple(texts.setdefault(cell, cell) if type(cell) is str else cell for cell in row)
        else:
            cells = tuple(texts.get(cell, cell) if type(cell) is str else cell for cell in row)
        kept.append(cells)
        used = len(cells)
        while used and cells[used - 1] is None:
            used -= 1
        if used:
            width, height = max(width, used), len(kept)
    empty: Row = (None,) * width
    del kept[height:]
    for index, cells in enumerate(kept):
        if len(cells) != width:
            kept[index] = cells[:width] + empty[len(cells) :]
    return tuple(kept)
