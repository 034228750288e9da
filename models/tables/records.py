"""Parquet and JSON Lines: the first row of the grid holds the names of the columns."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import InvalidInputError
from models.tables.grid import CellValue, Row, rectangle


def read_parquet(path: Path) -> tuple[Row, ...]:
    """The rows of a Parquet file under a row of names. Raises InvalidInputError."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInputError.at(
            "", "Tệp Parquet hỏng.", "The Parquet file is damaged.", code="file-damaged"
        ) from error
    columns = [[_cell(value) for value in column.to_pylist()] for column in table.columns]
    return rectangle([tuple(table.column_names), *zip(*columns, strict=True)])


def read_json_lines(path: Path) -> tuple[Row, ...]:
    """The objects of a JSON Lines file under a row of their names. Raises InvalidInputError."""
    names: dict[str, None] = {}
    records: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise _bad_line(number) from error
        if not isinstance(record, dict):
            raise _bad_line(number)
        names.update(dict.fromkeys(record))
        records.append(record)
    return rectangle([tuple(names), *([_cell(record.get(name)) for name in names] for record in records)])


def _bad_line(number: int) -> InvalidInputError:
    return InvalidInputError.at(
        f"/rows/{number}",
        f"Dòng {number} không phải một đối tượng JSON.",
        f"Line {number} is not a JSON object.",
        code="json-line-bad",
    )


def _cell(value: Any) -> CellValue:
    if isinstance(value, Decimal):
        return float(value)
    if value is None or isinstance(value, str | int | float | bool | datetime | date | time | timedelta):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
