"""Parquet and JSON Lines: row 0 of the sheet holds the names of the columns, the records follow.

Decision: a Parquet file is judged by its footer before a page is read: columns, rows, declared sizes. Values that no
cell holds (lists, structures, binary) become JSON text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.tables.grid import CellValue, Row, even_rows
from models.tables.refusals import (
    bad_json_line,
    bomb,
    cell_too_long,
    damaged,
    encrypted,
    line_too_long,
    too_many_cells,
    too_many_columns,
)

MOST_CELLS = 16_000_000
MOST_COLUMNS = 16_384
MOST_ROWS = 100_000_000
LONGEST_CELL = 100_000
LINE_MIB = 4
UNPACKED_BYTES = 4 << 30
SUSPECT_BYTES = 64 << 20
RATIO = 500
FOOTER_BYTES = 16 << 20
_BATCH_ROWS = 4096


def read_parquet(path: Path) -> tuple[Row, ...]:
    """The rows of a Parquet file under a row of names. Raises InvalidInputError."""
    rows, columns = check_parquet(path)
    if (rows + 1) * columns > MOST_CELLS:
        raise too_many_cells(MOST_CELLS)
    try:
        with pq.ParquetFile(path) as file:
            names: Row = tuple(str(name) for name in file.schema_arrow.names)
            batches = file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)
            return even_rows(chain([names], chain.from_iterable(map(_batch_rows, batches))))
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise damaged() from error


def check_parquet(path: Path) -> tuple[int, int]:
    """Rows and columns as the footer declares them, refused where they are absurd."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 8))
        tail = file.read()
    if tail[4:] == b"PARE":
        raise encrypted()
    length = int.from_bytes(tail[:4], "little")
    if size < 12 or tail[4:] != b"PAR1" or length > min(size - 12, FOOTER_BYTES):
        raise damaged()
    try:
        with pq.ParquetFile(
            path, thrift_string_size_limit=FOOTER_BYTES, thrift_container_size_limit=1 << 20
        ) as parquet:
            facts = parquet.metadata
            columns, rows = len(parquet.schema_arrow.names), facts.num_rows
            groups = [facts.row_group(index) for index in range(facts.num_row_groups)]
            unpacked = sum(group.total_byte_size for group in groups)
            counted = sum(group.num_rows for group in groups)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise damaged() from error
    if columns > MOST_COLUMNS:
        raise too_many_columns(MOST_COLUMNS)
    if rows < 0 or counted != rows or unpacked < 0:
        raise damaged()
    if rows > MOST_ROWS or unpacked > UNPACKED_BYTES or (unpacked > SUSPECT_BYTES and unpacked > RATIO * size):
        raise bomb()
    return rows, columns


def is_json_lines(path: Path) -> bool:
    """Whether a text begins like an object of JSON."""
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith((b'{"', b"{}")) or (head.startswith(b"{") and head[1:].lstrip()[:1] in (b'"', b"}"))


def read_json_lines(path: Path) -> tuple[Row, ...]:
    """The objects of a JSON Lines file under a row of their names. Raises InvalidInputError with the row."""
    names: dict[str, None] = {}
    records: list[dict[str, Any]] = []
    cells = 0
    for number, record in enumerate(json_records(path)):
        names.update(dict.fromkeys(record))
        cells += len(names)
        if len(names) > MOST_COLUMNS:
            raise too_many_columns(MOST_COLUMNS, number)
        if cells > MOST_CELLS:
            raise too_many_cells(MOST_CELLS)
        records.append(record)
    return even_rows(chain([tuple(names)], ([plain_cell(record.get(name)) for name in names] for record in records)))


def json_records(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file; empty lines are passed over. Raises InvalidInputError with the row."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline((LINE_MIB << 20) + 1):
            if len(line) > LINE_MIB << 20:
                raise line_too_long(LINE_MIB, number)
            text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 0 else line.strip()
            if text:
                yield _record(text, number)
            number += 1


def _record(text: bytes, number: int) -> dict[str, Any]:
    try:
        record = json.loads(text.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise bad_json_line(number) from error
    if not isinstance(record, dict):
        raise bad_json_line(number)
    for value in record.values():
        if isinstance(value, str) and len(value) > LONGEST_CELL:
            raise cell_too_long(LONGEST_CELL, row=number)
        if isinstance(value, float) and math.isinf(value):
            raise bad_json_line(number)
    return record


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _batch_rows(batch: Any) -> Iterator[tuple[CellValue, ...]]:
    columns = [[plain_cell(value) for value in column.to_pylist()] for column in batch.columns]
    for row, cells in enumerate(zip(*columns, strict=True)):
        if any(isinstance(cell, str) and len(cell) > LONGEST_CELL for cell in cells):
            raise cell_too_long(LONGEST_CELL, row=row)
        yield cells


def plain_cell(value: Any) -> CellValue:
    """A value as a cell holds it."""
    if value is None or isinstance(value, str | bool | date | time | timedelta):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else float(value)
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Decimal):
        return float(value) if value.is_finite() else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return json.dumps(value, ensure_ascii=False, default=str)
