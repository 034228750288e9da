"""Long files as columns, batch by batch, so that a million rows are never in memory as cells: `read_columns`.

    for first_row, batch in read_columns(path, header_rows=1):
        batch.column("C")       a pyarrow array; columns are called by their letters, as `cell_name` does
        cell_name(first_row + i, 2)

CSV gives text columns (empty cells null) from row `header_rows` on. Parquet and JSON Lines give their own types; their
row 0 is the row of names, so their first batch begins at row 1 whatever `header_rows` says. Memory is a few batches; a
million rows of eight columns take about 4 s and 190 MB (`cells.read_workbook`: 3.5 s and 380 MB).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.tables.archives import kind_of
from models.tables.delimited import Dialect, records, repaired, sniff
from models.tables.grid import column_name
from models.tables.records import check_parquet, is_json_lines, json_records, plain_cell
from models.tables.refusals import damaged, not_table

BATCH_ROWS = 65_536
Batch = tuple[int, Any]
"""The sheet's row of a batch's first row (from 0), and the `pyarrow.RecordBatch`."""


def read_columns(path: Path, header_rows: int = 1, batch_rows: int = BATCH_ROWS) -> Iterator[Batch]:
    """The rows of a CSV, Parquet or JSON Lines file below its headers. Raises InvalidInputError."""
    kind = kind_of(path)
    if kind == "parquet":
        return _parquet(path, batch_rows)
    if kind != "text":
        raise not_table("bảng tính, không phải tệp dạng cột", "a workbook and has no long columns")
    if is_json_lines(path):
        return _json_lines(path, batch_rows)
    return _delimited(path, sniff(path), header_rows, batch_rows)


def is_long(path: Path) -> bool:
    """Whether the file's format is one that `read_columns` reads."""
    return kind_of(path) in ("parquet", "text")


def _delimited(path: Path, dialect: Dialect, header_rows: int, batch_rows: int) -> Iterator[Batch]:
    rows: list[list[str]] = []
    at = header_rows
    width = 0
    for index, row in enumerate(records(path, dialect)):
        width = max(width, len(row))
        if index < header_rows:
            continue
        rows.append([repaired(cell) for cell in row] if dialect.mixed else row)
        if len(rows) == batch_rows:
            yield at, _text_batch(rows, width)
            at += len(rows)
            rows = []
    if rows:
        yield at, _text_batch(rows, width)


def _text_batch(rows: list[list[str]], width: int) -> Any:
    padding = [""] * width
    even = rows if all(len(row) == width for row in rows) else [row + padding[len(row) :] for row in rows]
    columns = zip(*even, strict=True) if width else ()
    arrays = [pa.array([cell or None for cell in column], pa.string()) for column in columns]
    return pa.RecordBatch.from_arrays(arrays, [column_name(index) for index in range(width)])


def _parquet(path: Path, batch_rows: int) -> Iterator[Batch]:
    check_parquet(path)
    at = 1
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=batch_rows, use_threads=False):
                yield at, batch.rename_columns([column_name(index) for index in range(batch.num_columns)])
                at += batch.num_rows
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise damaged() from error


def _json_lines(path: Path, batch_rows: int) -> Iterator[Batch]:
    names: dict[str, None] = {}
    for record in json_records(path):
        names.update(dict.fromkeys(record))
    rows: list[dict[str, Any]] = []
    at = 1
    for record in json_records(path):
        rows.append(record)
        if len(rows) == batch_rows:
            yield at, _record_batch(rows, list(names))
            at += len(rows)
            rows = []
    if rows:
        yield at, _record_batch(rows, list(names))


def _record_batch(rows: list[dict[str, Any]], names: list[str]) -> Any:
    arrays = []
    for name in names:
        cells = [plain_cell(row.get(name)) for row in rows]
        try:
            arrays.append(pa.array(cells))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            arrays.append(pa.array([None if cell is None else str(cell) for cell in cells], pa.string()))
    return pa.RecordBatch.from_arrays(arrays, [column_name(index) for index in range(len(names))])
