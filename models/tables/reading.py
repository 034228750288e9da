"""From a workbook to how it was understood: `read`, and with it `observe`, `series_of`, `correct` and the wire form.

Decision: the first guess is kept whole, with what is open in it as questions; nothing is asked that the file answers,
and nothing is guessed in silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from models.tables.blocks import Layout, find_blocks
from models.tables.correcting import apply_pattern, correct
from models.tables.filenames import file_date
from models.tables.gathering import TableSeries, gather
from models.tables.grid import Row, Sheet, Workbook
from models.tables.guess import FileDate, Guess, guess_table
from models.tables.legacy import convert_all
from models.tables.lists import figures_of_list, guess_list, is_list
from models.tables.observing import Figure, Observation, figures_of_grid
from models.tables.phrases import is_number, plain, tidy
from models.tables.questions import ask, warn
from models.tables.shape import Caution, Conversion, Question, Reading, Sampled, Table
from models.tables.wire import reading_from_dict, reading_to_dict

__all__ = [
    "Observation", "Question", "Reading", "Table", "TableSeries", "apply_pattern", "correct", "fingerprint", "observe",
    "read", "reading_from_dict", "reading_to_dict", "series_of",
]  # fmt: skip

_SAMPLE = 4
_WEIGHTS = {"headless": 0.8, "yearless": 0.5, "undated": 0.5, "unmeasured": 0.3, "unlabelled": 0.2, "unordered": 0.4,
            "unformed": 0.4, "unnamed": 0.05}  # fmt: skip
_MANY = 3
"""So many figures on a sheet without a table are worth a question; one or two are a page number."""


def read(workbook: Workbook) -> Reading:
    """Understand every visible sheet of a file, and say what is open."""
    date = file_date(workbook.file_name)
    guesses: list[Guess] = []
    cautions: list[Caution] = []
    strange: list[str] = []
    for sheet, conversion in convert_all(workbook.sheets):
        found = _read_sheet(sheet, conversion, date)
        if not sheet.visible and found:
            cautions.append(hidden(sheet.name))
        elif not found and sheet.rows:
            strange += [sheet.name] if _figures(sheet) >= _MANY else []
            cautions.append(unread(sheet))
        guesses += found if sheet.visible else []
    questions = ask(guesses, strange)
    tables = tuple(guess.table for guess in guesses)
    return Reading(_confidence(guesses, len(questions)), tables, questions, (*warn(guesses), *cautions))


def _read_sheet(sheet: Sheet, conversion: Conversion, date: FileDate) -> list[Guess]:
    listed = guess_list(sheet)
    if listed is not None:
        table, still = listed
        return [Guess(_sampled(replace(table, text_conversion=conversion), sheet), still)]
    layout = Layout(sheet)
    blocks, _ = find_blocks(layout)
    guesses: list[Guess] = []
    for block in blocks:
        before = guesses[-1].table.title if guesses else ""
        guess = guess_table(layout, block, date, before)
        if any(column.role == "value" for column in guess.table.columns):
            guesses.append(replace(guess, table=_sampled(replace(guess.table, text_conversion=conversion), sheet)))
    return guesses


def _figures(sheet: Sheet) -> int:
    return sum(is_number(value) for row in sheet.rows for value in row)


def _sampled(table: Table, sheet: Sheet) -> Table:
    found: list[Sampled] = []
    for figure in _figures_of(table, sheet.rows, totals=False):
        seen = figure.seen(0, table.sheet)
        found.append(Sampled(seen.cell, seen.series, seen.place_name, seen.period, seen.value))
        if len(found) == _SAMPLE:
            break
    return replace(table, sample=tuple(found))


def _figures_of(table: Table, rows: tuple[Row, ...], *, totals: bool) -> Iterator[Figure]:
    return (figures_of_list if is_list(table) else figures_of_grid)(table, rows, totals=totals)


def observe(reading: Reading, workbook: Workbook, *, totals: bool = False) -> Iterator[Observation]:
    """Every figure of a file as the reading understands it; with `totals` also the rows that are set apart."""
    for index, table, figures in _tables_of(reading, workbook, totals=totals):
        yield from (figure.seen(index, table.sheet) for figure in figures)


def series_of(reading: Reading, workbook: Workbook) -> Iterator[TableSeries]:
    """The series that a file's figures make, in the order of their first figure, one at a time."""
    return gather((table.sheet, figures) for _, table, figures in _tables_of(reading, workbook, totals=False))


def _tables_of(reading: Reading, workbook: Workbook, *, totals: bool) -> Iterator[tuple[int, Table, Iterator[Figure]]]:
    """Every table of a reading with its place among them and its figures."""
    names = {table.sheet for table in reading.tables}
    rows = {sheet.name: sheet.rows for sheet, _ in convert_all(workbook.sheets) if sheet.name in names}
    for index, table in enumerate(reading.tables):
        if table.sheet in rows:
            yield index, table, _figures_of(table, rows[table.sheet], totals=totals)


def _confidence(guesses: list[Guess], questions: int) -> float:
    """The mean over the tables of what is settled in each: every open point takes its weight."""
    if not guesses:
        return 0.0
    found = sum(
        max(0.0, 1 - sum(weight for name, weight in _WEIGHTS.items() if getattr(g.open, name))) for g in guesses
    )
    return round(max(0.0, found / len(guesses) - (0.01 if questions else 0.0)), 2)


def hidden(sheet: str) -> Caution:
    """A hidden sheet with figures is left out."""
    return Caution("hidden_sheet", f"Trang ẩn «{sheet}» không được đọc.", f"The hidden sheet '{sheet}' was left out.")


def unread(sheet: Sheet) -> Caution:
    """A sheet without a table: a cover, a note, an empty form."""
    return Caution(
        "no_table",
        f"Trang «{sheet.name}» không có bảng số liệu (trang bìa, ghi chú hoặc biểu trống).",
        f"The sheet '{sheet.name}' has no table of figures (a cover, a note or an empty form).",
    )


def fingerprint(workbook: Workbook) -> str:
    """A digest of the file's headings without the periods in them, by which the next file of its kind is known."""
    digest = hashlib.sha256()
    for sheet, _ in convert_all(workbook.sheets):
        layout = Layout(sheet)
        for block in find_blocks(layout)[0]:
            cells = [str(value) for row in block.header for value in sheet.rows[row] if isinstance(value, str)]
            text = "|".join("".join(c for c in plain(tidy(cell)) if not c.isdigit()) for cell in cells)
            digest.update(f"{block.first_value}:{text}\n".encode())
    return digest.hexdigest()
