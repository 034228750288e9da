"""Spreadsheets (.xls, .xlsx, .xlsb, .ods) through python-calamine."""

from __future__ import annotations

from pathlib import Path

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from models.errors import InvalidInputError
from models.tables.grid import Sheet, rectangle


def read_sheets(path: Path) -> tuple[Sheet, ...]:
    """Every worksheet of a workbook, in its order. Raises InvalidInputError."""
    try:
        with CalamineWorkbook.from_path(str(path)) as book:
            return tuple(
                _sheet(book.get_sheet_by_name(facts.name), facts.visible == SheetVisibleEnum.Visible)
                for facts in book.sheets_metadata
                if facts.typ == SheetTypeEnum.WorkSheet
            )
    except PasswordError as error:
        raise _password() from error
    except (CalamineError, OSError, ValueError) as error:
        raise _damaged() from error


def _sheet(found: CalamineSheet, visible: bool) -> Sheet:
    merged = tuple((a[0], a[1], b[0], b[1]) for a, b in found.merged_cell_ranges or ())
    return Sheet(found.name, rectangle(found.to_python(skip_empty_area=False)), visible, merged)


def _password() -> InvalidInputError:
    return InvalidInputError.at(
        "",
        "Tệp đặt mật khẩu; hãy bỏ mật khẩu rồi gửi lại.",
        "The file is protected by a password; remove it and send the file again.",
        code="file-encrypted",
    )


def _damaged() -> InvalidInputError:
    return InvalidInputError.at(
        "",
        "Tệp bảng tính hỏng hoặc không đúng định dạng; hãy mở bằng phần mềm bảng tính rồi lưu lại.",
        "The workbook is damaged or not what its name says; open it in a spreadsheet program and save it again.",
        code="file-damaged",
    )
