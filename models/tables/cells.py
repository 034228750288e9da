"""A file becomes sheets of cells, whatever office program wrote it: `read_workbook(path, file_name)`.

The format is told by the file's content, not by its name.
"""

from __future__ import annotations

from pathlib import Path, PurePath

from models.errors import InvalidInputError
from models.tables.delimited import read_delimited
from models.tables.grid import CellValue, Row, Sheet, Workbook, cell_name, column_name
from models.tables.records import read_json_lines, read_parquet
from models.tables.workbooks import read_sheets

__all__ = ["CellValue", "Row", "Sheet", "Workbook", "cell_name", "column_name", "read_workbook"]

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def read_workbook(path: Path, file_name: str) -> Workbook:
    """Open a file of any understood format. Raises InvalidInputError with a code."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.strip():
        raise InvalidInputError.at("", "Tệp rỗng.", "The file is empty.", code="file-empty")
    suffix = PurePath(file_name).suffix.lower()
    title = PurePath(file_name).stem
    if head.startswith(_OLE):
        return Workbook(file_name, "xls", read_sheets(path))
    if head.startswith(b"PK\x03\x04"):
        return Workbook(file_name, suffix[1:] if suffix in (".xlsb", ".ods") else "xlsx", read_sheets(path))
    if head.startswith(b"PAR1"):
        return Workbook(file_name, "parquet", (Sheet(title, read_parquet(path)),))
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return Workbook(file_name, "jsonl", (Sheet(title, read_json_lines(path)),))
    return Workbook(file_name, "csv", (Sheet(title, read_delimited(path)),))
