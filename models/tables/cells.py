"""A file becomes sheets of cells, whatever office program wrote it: `read_workbook(path, file_name)`.

The format is told by the file's content, not by its name.
"""

from __future__ import annotations

from pathlib import Path, PurePath

from models.tables.archives import kind_of
from models.tables.delimited import read_delimited
from models.tables.grid import CellValue, Row, Sheet, Workbook, cell_name, column_name
from models.tables.records import is_json_lines, read_json_lines, read_parquet
from models.tables.refusals import web_page
from models.tables.workbooks import read_sheets

__all__ = ["CellValue", "Row", "Sheet", "Workbook", "cell_name", "column_name", "read_workbook"]


def read_workbook(path: Path, file_name: str) -> Workbook:
    """Open a file of any understood format. Raises InvalidInputError with a code (`models.tables.refusals`)."""
    title = PurePath(file_name).stem
    kind = kind_of(path)
    if kind in ("xls", "xlsx", "xlsb", "ods"):
        return Workbook(file_name, kind, read_sheets(path))
    if kind == "page":
        raise web_page()
    if kind == "parquet":
        return Workbook(file_name, "parquet", (Sheet(title, read_parquet(path)),))
    if is_json_lines(path):
        return Workbook(file_name, "jsonl", (Sheet(title, read_json_lines(path)),))
    rows, notes = read_delimited(path)
    return Workbook(file_name, "csv", (Sheet(title, rows),), notes)
