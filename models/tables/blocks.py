"""Where the tables of a sheet lie: titles, header rows, body, notes; one sheet may hold several tables.

Decision: the first row that has a label and a figure begins the body; the rows above it that have text over the
figures are the header; what stands above those is the title. A row of headings after figures begins the next table.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from models.tables.grid import CellValue, Row, Sheet
from models.tables.periods import FIRST_YEAR, LAST_YEAR, find_periods
from models.tables.phrases import is_number, plain, tidy
from models.tables.units import is_unit, unit_list

MARKERS = {
    "-": "zero", "--": "zero", "- -": "zero", "…": "missing", "...": "missing", "..": "missing", "....": "missing",
    ".": "missing", "…..": "missing", "na": "missing", "n/a": "missing", "nan": "missing", "null": "missing",
    "none": "missing", "#n/a": "missing", "#ref!": "missing", "#div/0!": "missing", "#value!": "missing",
    "#name?": "missing", "#num!": "missing", "#null!": "missing", "*": "missing", "**": "missing", "***": "missing",
    "x": "not_applicable", "xx": "not_applicable", "kxd": "not_applicable",
}  # fmt: skip
"""The conventional signs of statistical tables: "-" nothing happened, "…" not known yet, "x" cannot be."""

_NUMERIC = re.compile(r"[+-]?\d[\d.,\s]*(?:[eE][+-]?\d+)?\s*%?|[+-]?[.,]\d+|\(\d[\d.,]*\)")
_TITLE = re.compile(r"\s*(?:\d{1,3}(?:\.\d{1,2})*\s*[.)/]|bieu|bang|table|phu luc|\(?tiep)\s*\S", re.ASCII)


@lru_cache(maxsize=65536)
def kind_of_text(text: str) -> str:
    """`number`, `marker` or `text`."""
    flat = text.strip()
    if not flat:
        return ""
    if flat.lower() in MARKERS:
        return "marker"
    return "number" if _NUMERIC.fullmatch(flat) else "text"


def kind_of(value: CellValue) -> str:
    """What a cell is: `number`, `marker`, `text`, `time`, or "" when empty."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return kind_of_text(value)
    if isinstance(value, datetime | date):
        return "time"
    return "number" if is_number(value) else "text"


@dataclass(frozen=True, slots=True)
class Block:
    """One table: rows are counted from 0; `header` holds the header's rows, the body is `body` (first, last + 1)."""

    titles: tuple[str, ...]
    header: tuple[int, ...]
    body: tuple[int, int]
    first_value: int
    units: tuple[str, ...]
    continued: bool = False
    """Whether the header was taken over from the table before."""


class Layout:
    """The kinds of all cells of a sheet and the column in which the figures begin."""

    def __init__(self, sheet: Sheet) -> None:
        """Look at every cell once."""
        self.sheet = sheet
        self.kinds = [tuple(kind_of(value) for value in row) for row in sheet.rows]

    def first_value(self, start: int, end: int) -> int:
        """The leftmost column that holds figures to the right of a label; years are labels where nothing else is."""
        found = self._leftmost(start, end, years=False)
        return found if found > 0 else self._leftmost(start, end, years=True)

    def _leftmost(self, start: int, end: int, *, years: bool) -> int:
        support: Counter[int] = Counter()
        for row in range(start, end):
            seen = False
            for column, kind in enumerate(self.kinds[row]):
                if kind in ("text", "time") or (
                    kind == "number" and not seen and years and _is_year(self.sheet.rows[row][column])
                ):
                    seen = True
                elif kind == "number" and seen:
                    support[column] += 1
                    break
        total = sum(support.values())
        strong = [column for column, count in support.items() if count >= max(1, 0.04 * total)]
        return min(strong, default=-1)

    def texts(self, row: int) -> list[int]:
        """The columns of a row that hold text."""
        return [column for column, kind in enumerate(self.kinds[row]) if kind in ("text", "time")]

    def numbers(self, row: int) -> list[int]:
        """The columns of a row that hold figures."""
        return [column for column, kind in enumerate(self.kinds[row]) if kind == "number"]

    def is_blank(self, row: int) -> bool:
        """Whether a row is empty."""
        return not any(self.kinds[row])


def find_blocks(layout: Layout) -> tuple[list[Block], list[str]]:
    """The tables of a sheet, and the texts that belong to none of them."""
    height = len(layout.kinds)
    blocks: list[Block] = []
    loose: list[str] = []
    start = 0
    while start < height:
        first = layout.first_value(start, min(height, start + 400))
        body = _first_data(layout, start, first) if first > 0 else None
        if body is None:
            loose += [_line(layout.sheet.rows[row]) for row in range(start, height) if not layout.is_blank(row)]
            break
        end = _next_header(layout, body, first)
        exact = layout.first_value(start, end)
        if exact > 0 and exact != first:
            first = exact
            body = _first_data(layout, start, first) or body
            end = _next_header(layout, body, first)
        blocks.append(_block(layout, start, body, end, first, blocks[-1] if blocks else None))
        start = end
    return blocks, loose


def _first_data(layout: Layout, start: int, first: int) -> int | None:
    for row in range(start, len(layout.kinds)):
        numbers = [column for column in layout.numbers(row) if column >= first]
        labels = [column for column in range(first) if layout.kinds[row][column] in ("text", "number", "time")]
        if numbers and labels and not _is_numbering(layout, row, first, numbers) and not _has_years(layout, row, first):
            return row
    return None


def _is_numbering(layout: Layout, row: int, first: int, numbers: list[int]) -> bool:
    """A header of years, or the row "A B 1 2 3" that numbers the columns of a form."""
    cells = layout.sheet.rows[row]
    values = [_whole(cells[column]) for column in numbers]
    if len(values) < 2 or None in values:
        return False
    whole = [value for value in values if value is not None]
    labels = [tidy(str(cells[column])) for column in layout.texts(row) if column < first]
    if all(FIRST_YEAR <= value <= LAST_YEAR for value in whole):
        return len(set(whole)) == len(whole) and not any(_names_period(label) for label in labels)
    steps = all(b - a == 1 for a, b in itertools.pairwise(whole))
    return steps and all(len(label) <= 2 for label in labels) and len(whole) >= 2


def _has_years(layout: Layout, row: int, first: int) -> bool:
    """A header's row in which some years are numbers: `11 tháng | 2016 | so với`."""
    numbers = layout.numbers(row)
    beside = any(column >= first for column in layout.texts(row))
    return beside and all(_is_year(layout.sheet.rows[row][column]) for column in numbers)


def _names_period(label: str) -> bool:
    return any(True for _ in find_periods(label))


def _is_year(value: CellValue) -> bool:
    whole = _whole(value)
    return whole is not None and FIRST_YEAR <= whole <= LAST_YEAR


def _whole(value: CellValue) -> int | None:
    if is_number(value):
        return int(value) if value == int(value) else None  # type: ignore[arg-type]
    if isinstance(value, str) and value.strip().isdigit() and len(value.strip()) <= 9:
        return int(value)
    return None


def _next_header(layout: Layout, body: int, first: int) -> int:
    """Where the next table's rows (its title or its header) begin; the sheet's end when there is none."""
    height = len(layout.kinds)
    for row in range(body + 1, height):
        if not _is_heading(layout, row, first):
            continue
        top = row
        while top - 1 > body and not layout.numbers(top - 1) and not _ends(layout, top - 1, first):
            top -= 1
        marks = [at for at in range(top, row) if is_title(_label(layout, at))]
        top = marks[0] if marks else row
        return top
    return height


def _ends(layout: Layout, row: int, first: int) -> bool:
    """A row that still belongs to the table above: a note, or a row of markers."""
    return "marker" in layout.kinds[row] or _label(layout, row).startswith(("(*", "*", "Ghi chú", "Nguồn"))


def _is_heading(layout: Layout, row: int, first: int) -> bool:
    if layout.numbers(row) and not (
        _is_numbering(layout, row, first, layout.numbers(row)) and not any(layout.kinds[row][:first])
    ):
        return False
    cells = [tidy(str(layout.sheet.rows[row][column])) for column in layout.texts(row) if column >= first]
    labels = [column for column in layout.texts(row) if column < first]
    cells = [cell for cell in cells if not unit_list(cell)]
    if not cells or (labels and len(cells) < 2):
        return False
    return len(cells) >= 2 or any(_names_period(cell) or "so voi" in plain(cell) for cell in cells)


def _label(layout: Layout, row: int) -> str:
    return _line(layout.sheet.rows[row][:3])


def _line(row: Row) -> str:
    return tidy(" ".join(str(value) for value in row if value is not None))


def is_title(text: str) -> bool:
    """Whether a line is numbered or worded like a table's title: `12. Giá trị …`, `Biểu 3`, `(Tiếp theo)`."""
    flat = plain(text)
    return bool(_TITLE.match(flat)) or "(tiep theo)" in flat


def _block(layout: Layout, start: int, body: int, end: int, first: int, before: Block | None) -> Block:
    """Tell title, unit line and header apart in the rows above the body."""
    heady = [row for row in range(start, body) if _over_figures(layout, row, first)]
    units: list[str] = []
    header: list[int] = []
    for row in reversed(heady):
        named = _unit_line(layout, row)
        if named:
            units = units or named
        elif not header or _joins(layout, row, header[0], first):
            header.insert(0, row)
        else:
            break
    if header:
        header = [row for row in range(header[0], header[-1] + 1) if row in heady and not _unit_line(layout, row)]
    top = header[0] if header else body
    lines = [_title_line(layout, row) for row in range(start, top) if not _unit_line(layout, row)]
    titles = tuple(line for line in lines if line)
    after = header[-1] + 1 if header else start
    opening = next((row for row in range(after, body) if not layout.is_blank(row) and row not in heady), body)
    if not header:
        opening = body
        if before is not None and before.first_value == first:
            return Block(titles, before.header, (opening, end), first, tuple(units) or before.units, continued=True)
    return Block(titles, tuple(header), (opening, end), first, tuple(units))


def _over_figures(layout: Layout, row: int, first: int) -> bool:
    """Whether a row has text or years over the figures, and is not a section with its units."""
    kinds = layout.kinds[row]
    columns = [column for column in range(first, len(kinds)) if kinds[column] in ("text", "number", "time")]
    if not columns:
        return False
    cells = [tidy(str(layout.sheet.rows[row][column])) for column in columns]
    labelled = any(kinds[column] == "text" for column in range(first))
    return not (labelled and all(is_unit(cell) for cell in cells))


def _unit_line(layout: Layout, row: int) -> list[str]:
    texts = layout.texts(row)
    if len(texts) != 1 or layout.numbers(row):
        return []
    return unit_list(tidy(str(layout.sheet.rows[row][texts[0]])))


def _joins(layout: Layout, row: int, below: int, first: int) -> bool:
    """Whether a row over figures belongs to the header that starts further down."""
    if below - row == 1:
        return not _is_wide_title(layout, row, first)
    gap = all(layout.is_blank(at) for at in range(row + 1, below))
    return gap and below - row <= 2 and sum(column >= first for column in layout.texts(row)) >= 2


def _is_wide_title(layout: Layout, row: int, first: int) -> bool:
    texts = layout.texts(row)
    if len(texts) != 1 or layout.numbers(row):
        return False
    text = tidy(str(layout.sheet.rows[row][texts[0]]))
    spans = any(top == row and left == texts[0] and right >= layout.sheet.width - 2
                for top, left, _, right in layout.sheet.merged) and texts[0] < first  # fmt: skip
    return is_title(text) or spans or len(text) > 90


def _title_line(layout: Layout, row: int) -> str:
    return _line(layout.sheet.rows[row]) if layout.texts(row) else ""
