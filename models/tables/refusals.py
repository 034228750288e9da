"""Why a file is refused, in words for the one who sent it. Each function builds one error; codes are stable.

    file-empty            nothing in it
    file-not-table        a picture, a document, an archive, a program, whatever its name says
    file-web-page         a web page or XML that a program named .xls
    file-encrypted        a password is needed
    file-damaged          it begins like a workbook and does not go on like one
    file-bomb             an archive that would unpack to absurd size, or has too many parts
    file-too-complex      reading it takes too much memory or time
    too-many-cells, too-many-columns, cell-too-long, line-too-long
    unbalanced-quotes     a quotation mark that opens and never closes
    json-line-bad         a line that is not a JSON object

Sheets and rows are counted from 1 in sentences and from 0 in pointers (`/sheets/0/rows/16`).
"""

from __future__ import annotations

from models.errors import InvalidInputError


def refuse(code: str, vi: str, en: str, *, sheet: int | None = None, row: int | None = None) -> InvalidInputError:
    """The refusal of a file, with the place where it was found."""
    pointer = ("" if sheet is None else f"/sheets/{sheet}") + ("" if row is None else f"/rows/{row}")
    where_vi: list[str] = []
    where_en: list[str] = []
    if sheet is not None:
        where_vi.append(f"trang tính thứ {sheet + 1}")
        where_en.append(f"sheet {sheet + 1}")
    if row is not None:
        where_vi.append(f"hàng {row + 1}")
        where_en.append(f"row {row + 1}")
    place_vi = f" ({', '.join(where_vi)})" if where_vi else ""
    place_en = f" ({', '.join(where_en)})" if where_en else ""
    return InvalidInputError.at(pointer, vi.format(place=place_vi), en.format(place=place_en), code=code)


def not_table(what_vi: str, what_en: str) -> InvalidInputError:
    """The content is something else."""
    return refuse(
        "file-not-table",
        f"Tệp này là {what_vi}, không phải bảng số liệu; hãy gửi XLSX, XLS, XLSB, ODS, CSV, Parquet, JSON Lines.",
        f"This file is {what_en}, not a table; send XLSX, XLS, XLSB, ODS, CSV, Parquet or JSON Lines.",
    )


def web_page() -> InvalidInputError:
    """A page that a program saved under the name of a workbook."""
    return refuse(
        "file-web-page",
        "Tệp là trang web hoặc XML được đặt tên như bảng tính; hãy mở bằng phần mềm bảng tính rồi lưu thành XLSX.",
        "The file is a web page or XML named like a workbook; open it in a spreadsheet program and save it as XLSX.",
    )


def encrypted() -> InvalidInputError:
    """A password is needed."""
    return refuse(
        "file-encrypted",
        "Tệp được bảo vệ bằng mật khẩu nên không đọc được; hãy bỏ mật khẩu rồi gửi lại.",
        "The file is protected by a password and cannot be read; remove the password and send it again.",
    )


def damaged(sheet: int | None = None, row: int | None = None) -> InvalidInputError:
    """It does not go on as it begins."""
    return refuse(
        "file-damaged",
        "Tệp bị hỏng hoặc không đúng định dạng{place}; hãy mở bằng phần mềm bảng tính, lưu lại rồi gửi.",
        "The file is damaged or not of its format{place}; open it in a spreadsheet program, save it and send it again.",
        sheet=sheet,
        row=row,
    )


def bomb() -> InvalidInputError:
    """It would unpack to absurd size."""
    return refuse(
        "file-bomb",
        "Tệp nén bung ra lớn bất thường hoặc có quá nhiều phần nên bị từ chối; hãy lưu lại chỉ với các bảng cần dùng.",
        "The file unpacks to an absurd size or has too many parts and is refused; save it with the needed tables only.",
    )


def too_complex(sheet: int | None = None) -> InvalidInputError:
    """It takes too much memory or time."""
    return refuse(
        "file-too-complex",
        "Đọc tệp này cần quá nhiều bộ nhớ hoặc thời gian{place}: có thể một ô nằm rất xa vùng số liệu; "
        "hãy xoá các hàng, cột thừa rồi lưu lại.",
        "Reading this file takes too much memory or time{place}: a cell may lie far from the figures; "
        "delete the surplus rows and columns and save it again.",
        sheet=sheet,
    )


def too_many_cells(limit: int, sheet: int | None = None) -> InvalidInputError:
    """More cells than a workbook may have."""
    return refuse(
        "too-many-cells",
        f"Tệp có nhiều hơn {limit:,} ô có dữ liệu".replace(",", ".")
        + "{place}; hãy chia nhỏ hoặc gửi dạng CSV, Parquet.",
        f"The file has more than {limit:,} cells{{place}}; split it, or send it as CSV or Parquet.",
        sheet=sheet,
    )


def too_many_columns(limit: int, row: int | None = None) -> InvalidInputError:
    """More columns than a sheet may have."""
    return refuse(
        "too-many-columns",
        f"Bảng có nhiều hơn {limit:,} cột".replace(",", ".") + "{place}; hãy kiểm tra dấu phân cách hoặc bớt cột.",
        f"The table has more than {limit:,} columns{{place}}; check the delimiter or leave columns out.",
        row=row,
    )


def cell_too_long(limit: int, sheet: int | None = None, row: int | None = None) -> InvalidInputError:
    """More text than a cell may hold."""
    return refuse(
        "cell-too-long",
        f"Một ô dài hơn {limit:,} ký tự".replace(",", ".") + "{place}; hãy kiểm tra dấu ngoặc kép hoặc rút ngắn ô.",
        f"A cell is longer than {limit:,} characters{{place}}; check the quotation marks or shorten it.",
        sheet=sheet,
        row=row,
    )


def line_too_long(limit_mib: int, row: int | None = None) -> InvalidInputError:
    """A line that does not end."""
    return refuse(
        "line-too-long",
        f"Một dòng dài hơn {limit_mib} MiB{{place}}; tệp này có thể không phải CSV.",
        f"A line is longer than {limit_mib} MiB{{place}}; this may be no CSV.",
        row=row,
    )


def unbalanced_quotes(row: int) -> InvalidInputError:
    """A quotation mark that never closes."""
    return refuse(
        "unbalanced-quotes",
        "Có dấu ngoặc kép mở mà không đóng{place}; hãy sửa hàng đó rồi gửi lại.",
        "A quotation mark opens and never closes{place}; mend that row and send the file again.",
        row=row,
    )


def bad_json_line(row: int) -> InvalidInputError:
    """A line that is no JSON object."""
    return refuse(
        "json-line-bad",
        "Mỗi dòng của JSON Lines phải là một đối tượng JSON có tên trường; có dòng không phải{place}.",
        "Every line of JSON Lines must be a JSON object with named fields; one is not{place}.",
        row=row,
    )
