"""Spreadsheets (.xls, .xlsx, .xlsb, .ods), opened by python-calamine in a cage (`cage`) and put on a grid.

Bounds: MEMORY_BYTES for the cage, processor time by the size of the file, MOST_CELLS filled cells and
PADDED_CELLS with the empty ones between them. An empty row costs nothing: all of them are one tuple.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from models.errors import InvalidInputError
from models.tables.grid import CellValue, Row, Sheet
from models.tables.refusals import cell_too_long, damaged, encrypted, too_complex, too_many_cells

CAGE = Path(__file__).with_name("cage.py")
MEMORY_BYTES = 1 << 30
MOST_CELLS = 4_000_000
PADDED_CELLS = 16_000_000
LONGEST_CELL = 100_000
SECONDS = 1.3
BYTES_PER_SECOND = 2_000_000
_PATIENCE = 20
"""The cage counts its own processor time; on a busy machine the clock on the wall runs so many times longer."""
_READERS: dict[str, Any] = {"datetime": datetime.fromisoformat, "date": date.fromisoformat, "time": time.fromisoformat}


def read_sheets(path: Path) -> tuple[Sheet, ...]:
    """Every worksheet of a workbook, in its order. Raises InvalidInputError."""
    seconds = SECONDS + path.stat().st_size / BYTES_PER_SECOND
    limits = (seconds, MEMORY_BYTES, MOST_CELLS, LONGEST_CELL)
    try:
        run = subprocess.run(  # noqa: S603 - our own program with our own arguments
            [sys.executable, "-I", str(CAGE), str(path), *map(str, limits)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8", "RUST_BACKTRACE": "0"}, timeout=seconds * _PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise too_complex() from error
    pages = list(_pages(run.stdout, finished=run.returncode == 0))
    return tuple(page.sheet() for page in pages)


class _Page:
    """A sheet while its rows arrive."""

    def __init__(self, index: int, name: str, visible: bool) -> None:
        self.index, self.name, self.visible = index, name, visible
        self.merged: tuple[tuple[int, int, int, int], ...] = ()
        self.filled: list[tuple[int, int, list[Any]]] = []

    def sheet(self) -> Sheet:
        """The rows at their own places, in a rectangle."""
        width = max((column + len(values) for _, column, values in self.filled), default=0)
        height = self.filled[-1][0] + 1 if self.filled else 0
        if width * len(self.filled) > PADDED_CELLS or height > 1 << 20:
            raise too_complex(self.index)
        empty: Row = (None,) * width
        rows: list[Row] = []
        for row, column, values in self.filled:
            rows.extend([empty] * (row - len(rows)))
            cells: list[CellValue] = [_cell(value) for value in values]
            rows.append((*empty[:column], *cells, *empty[column + len(cells) :]))
        return Sheet(self.name, tuple(rows), self.visible, self.merged)


def _pages(printed: bytes, *, finished: bool) -> Iterator[_Page]:
    """The sheets that the cage printed. Raises InvalidInputError for what it refused or died of."""
    page: _Page | None = None
    lines = printed.split(b"\n")
    if lines[-1] and not finished:
        lines.pop()
    for line in filter(None, lines):
        said: Any = json.loads(line)
        if isinstance(said, list):
            if page is not None:
                page.filled.append((said[0], said[1], said[2]))
        elif "sheet" in said and "name" in said:
            if page is not None:
                yield page
            page = _Page(said["sheet"], said["name"], said["visible"])
        elif "merged" in said and page is not None:
            page.merged = tuple((r[0], r[1], r[2], r[3]) for r in said["merged"])
        elif "refused" in said:
            raise _refusal(said["refused"], said.get("sheet"), said.get("row"))
        elif "end" in said:
            if page is not None:
                yield page
            return
    raise too_complex(page.index if page else None)


def _refusal(code: str, sheet: int | None, row: int | None) -> InvalidInputError:
    if code == "encrypted":
        return encrypted()
    if code == "cells":
        return too_many_cells(MOST_CELLS, sheet)
    if code == "long":
        return cell_too_long(LONGEST_CELL, sheet, row)
    return too_complex(sheet) if code == "complex" else damaged(sheet, row)


def _cell(value: Any) -> CellValue:
    if type(value) is not list:
        cell: CellValue = value
        return cell
    kind, told = value
    read: CellValue = timedelta(seconds=told) if kind == "timedelta" else _READERS[kind](told)
    return read
