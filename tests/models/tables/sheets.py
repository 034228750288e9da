"""Small made-up sheets, laid out as offices lay them out."""

from __future__ import annotations

from models.tables.cells import CellValue, Sheet, Workbook

PROVINCES = ["Hà Nội", "Hải Phòng", "Thái Bình", "Nam Định", "Hà Nam"]


def rows(text: str) -> list[list[CellValue]]:
    """Rows of cells divided by `|`; numbers become numbers."""
    return [[_cell(part.strip()) for part in line.split("|")] for line in text.strip("\n").splitlines()]


def _cell(text: str) -> CellValue:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def sheet(name: str, cells: list[list[CellValue]], merged: tuple[tuple[int, int, int, int], ...] = ()) -> Sheet:
    """A rectangular sheet."""
    width = max(len(row) for row in cells)
    return Sheet(name, tuple(tuple(row) + (None,) * (width - len(row)) for row in cells), merged=merged)


def book(*sheets: Sheet, file_name: str = "so lieu.xlsx") -> Workbook:
    """A workbook."""
    return Workbook(file_name, file_name.rsplit(".", 1)[-1], sheets)


def yearbook(file_name: str = "Nien giam 2011r.xls", name: str = "SXH") -> Workbook:
    """Provinces down, months across, cases and deaths under each month, the year only in the file's name."""
    head: list[CellValue] = ["Tỉnh/T.phố"]
    below: list[CellValue] = [None]
    for month in range(1, 13):
        head += [f"Tháng {month}", None]
        below += ["M", "C"]
    body: list[list[CellValue]] = [
        [place, *(float(100 * at + column) for column in range(24)), 6_733_676.88] for at, place in enumerate(PROVINCES)
    ]
    merged = tuple((0, 1 + 2 * at, 0, 2 + 2 * at) for at in range(12))
    return book(sheet(name, [[*head, None], [*below, None], *body], merged), file_name=file_name)


BULLETIN = """
9. Xuất khẩu tháng 7 và 7 tháng năm 2006


| | | | | | | | | Nghìn tấn, triệu USD
| | 6 tháng năm 2006 | | Ước tính tháng 7 năm 2006 | | Cộng dồn 7 tháng năm 2006 | | 7 tháng so với cùng kỳ (%) |
| | Lượng | Trị giá | Lượng | Trị giá | Lượng | Trị giá | Lượng | Trị giá

Tổng trị giá | | | 18838 | | 3500 | | 22338 | | 125.7
 | Khu vực trong nước | | 7908 | | 1460 | | 9368 | | 121.2
Mặt hàng chủ yếu
 | Dầu thô | 8240 | 4180 | 1400 | 740 | 9640 | 4920 | 94.2 | 122.4
 | Than đá | 13615 | 428 | 2200 | 70 | 15815 | 498 | - | …
 | (*) Nghìn chiếc
"""


def bulletin() -> Workbook:
    """A monthly table: two header rows, a section, cumulative columns, signs, a note."""
    return book(sheet("XK", rows(BULLETIN)), file_name="2006-07-31-Bieu0706.xls")
