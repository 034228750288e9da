"""A file of rows as a table of columns: read once as a stream, each column kept in the type that its cells have.

Decisions
- A delimited file is never held as cells: batches of rows become arrays, so a million rows cost what their columns
  cost. Other formats come from `models.tables` as sheets; the largest visible sheet is the table.
- A column's type is found in its first rows and, where it turns out wrong, in all of them by a second reading.
  Identifiers (codes with leading zeros, numbers of persons) are no measure of anything and are left out, as is what a
  reading ignores.
- A number form that nothing decides is a question, unless the guess was accepted or a reading settles it.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from models.errors import InvalidInputError
from models.tables.archives import kind_of
from models.tables.cells import read_workbook
from models.tables.delimited import Dialect, is_mixed, records, repaired, sniff
from models.tables.grid import CellValue, column_name
from models.tables.numbers import COMMA_GROUPS, NumberForm, Tally, parse
from models.tables.records import is_json_lines
from models.tabular.columns import LARGEST
from models.values import Column, Table
from registry.objects import Objects

SAMPLE_ROWS: Final = 2_000
BATCH_ROWS: Final = 20_000
WRONG_SHARE: Final = 0.2
MOST_WORDS_SHARE: Final = 0.5
FEW_ROWS: Final = 50
EPOCH: Final = date(1970, 1, 1)
_DATE: Final = re.compile(r"(?:(\d{4})-(\d\d?)-(\d\d?)|(\d\d?)[/.-](\d\d?)[/.-](\d{4}))(?:[T ].*)?")

Kind = Literal["number", "category", "date", "boolean", "ignore"]
Row = Sequence[CellValue]
Rows = Callable[[], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class FileTable:
    """A file's table: `first` is the sheet's number of its first row of data, counted from 1; or open questions."""

    table: Table
    sheet: str
    first: int
    questions: tuple[Mapping[str, Any], ...] = ()


@dataclass(slots=True)
class _Plan:
    """One column on its way: its name, type and number form, and what was gathered."""

    place: int
    name: str
    kind: Kind
    form: NumberForm | None = COMMA_GROUPS
    ambiguous: bool = False


def table_of_file(objects: Objects, facts: Mapping[str, Any]) -> FileTable:
    """The table of the job's file. Raises InvalidInputError, NotFoundError when the file is gone."""
    file = facts["file"]
    path = objects.check(file["object"], file["sha256"])
    sheet, rows, head = _source(path, str(file["filename"]), facts.get("reading"))
    plans = _plans(rows, head, _settled(facts.get("reading"), sheet))
    guessed = facts.get("reading") is None and not facts.get("accept_guess")
    if guessed and any(plan.ambiguous for plan in plans):
        asked = tuple(_question(plan) for plan in plans if plan.ambiguous)
        return FileTable(Table((), (), (), 0), sheet, head + 2, asked)
    table = _gathered(rows, head, plans)
    if not table.columns or not table.count:
        vi, en = "Tệp không có bảng nào để xét.", "The file holds no table to look at."
        raise InvalidInputError.at("/input/file_id", vi, en, code="no-table")
    return FileTable(table, sheet, head + 2)


def _source(path: Path, name: str, reading: Mapping[str, Any] | None) -> tuple[str, Rows, int]:
    """The sheet's name, its rows (to be walked again), and the row of the header, counted from 0."""
    tables = (reading or {}).get("tables") or []
    head = int(max(tables[0]["header_rows"], default=1)) - 1 if tables and tables[0].get("header_rows") else None
    if kind_of(path) == "text" and not is_json_lines(path):
        dialect = sniff(path)
        return Path(name).stem[:31], lambda: _lines(path, dialect), 0 if head is None else head
    sheets = [sheet for sheet in read_workbook(path, name).sheets if sheet.visible and sheet.rows]
    if not sheets:
        vi, en = "Tệp không có bảng nào để xét.", "The file holds no table to look at."
        raise InvalidInputError.at("/input/file_id", vi, en, code="no-table")
    wanted = [sheet for sheet in sheets if tables and sheet.name == tables[0]["sheet"]]
    best = wanted[0] if wanted else max(sheets, key=lambda sheet: sheet.height)
    return best.name, lambda: iter(best.rows), _header(best.rows) if head is None else head


def _lines(path: Path, dialect: Dialect) -> Iterator[Row]:
    """The records of a delimited file; bytes of another encoding are read as `read_workbook` reads them."""
    for row in records(path, dialect):
        yield [repaired(cell) for cell in row] if dialect.mixed and is_mixed(row) else row


def _header(rows: Sequence[Row]) -> int:
    """The first row that names most of its columns."""
    width = max(len(row) for row in rows[:50])
    for number, row in enumerate(rows[:50]):
        named = sum(isinstance(cell, str) for cell in row)
        if named * 2 > width:
            return number
    return 0


def _settled(reading: Mapping[str, Any] | None, sheet: str) -> Mapping[int, Mapping[str, Any]]:
    """What a reading says of the table's columns, by their place."""
    tables = (reading or {}).get("tables") or []
    found = next((table for table in tables if table["sheet"] == sheet), tables[0] if tables else None)
    return {} if found is None else {int(column["index"]): column for column in found["columns"]}


def _plans(rows: Rows, head: int, settled: Mapping[int, Mapping[str, Any]]) -> list[_Plan]:
    walk = iter(rows())
    header = next(islice(walk, head, None), ())
    sample = list(islice(walk, SAMPLE_ROWS))
    width = max([len(header), *(len(row) for row in sample[:200])], default=0)
    taken: set[str] = set()
    plans = []
    for place in range(width):
        name = str(header[place]).strip() if place < len(header) and header[place] not in (None, "") else ""
        name = name or column_name(place)
        while name in taken:
            name += " ·"
        taken.add(name)
        plans.append(_plan(place, name[:256], [row[place] for row in sample if place < len(row)], settled.get(place)))
    return plans


def _plan(place: int, name: str, cells: Sequence[CellValue], settled: Mapping[str, Any] | None) -> _Plan:
    """The type of a column from its first cells, and what a reading says of it."""
    full = [cell for cell in cells if cell not in (None, "")]
    if settled is not None and settled["role"] == "ignore":
        return _Plan(place, name, "ignore")
    if full and all(isinstance(cell, bool) for cell in full):
        return _Plan(place, name, "boolean")
    if full and sum(_days(cell) is not None for cell in full) >= (1 - WRONG_SHARE) * len(full):
        return _Plan(place, name, "date")
    found = Tally().add(full).decide()
    form = (settled or {}).get("number_format") or found.form
    if found.kind == "number":
        told = (settled or {}).get("number_format") is not None
        return _Plan(place, name, "number", form or COMMA_GROUPS, found.ambiguous and not told)
    return _Plan(place, name, "ignore" if found.kind in ("identifier", "empty") else "category")


def _gathered(rows: Rows, head: int, plans: list[_Plan]) -> Table:
    """All rows as columns; a column whose type does not hold is read once more as what it is."""
    for _ in range(2):
        columns = [_Gathering(plan) for plan in plans if plan.kind != "ignore"]
        count = 0
        walk = islice(iter(rows()), head + 1, None)
        while batch := list(islice(walk, BATCH_ROWS)):
            count += len(batch)
            for column in columns:
                column.add(batch)
        wrong = [column for column in columns if column.wrong > WRONG_SHARE * max(column.seen, 1)]
        if not wrong:
            break
        for column in wrong:
            column.plan.kind = "category"
    kept = [column for column in columns if not column.tells_nothing(count)]
    return Table(
        tuple(Column(column.plan.name, column.plan.kind) for column in kept),  # type: ignore[arg-type]
        tuple(column.cells() for column in kept), tuple(tuple(column.words) for column in kept), count,
    )  # fmt: skip


class _Gathering:
    """One column's cells as they come."""

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan
        self.words: dict[str, int] = {}
        self.wrong = self.seen = 0
        self._numbers = array("d")
        self._codes = array("q")

    def add(self, batch: Sequence[Row]) -> None:
        """Take the column's cells of some rows."""
        place = self.plan.place
        cells: Iterable[CellValue] = (row[place] if place < len(row) else None for row in batch)
        if self.plan.kind == "category":
            self._codes.extend([-1 if cell in (None, "") else self._code(str(cell).strip()) for cell in cells])
            return
        read = {"number": self._number, "date": _days, "boolean": _truth}[self.plan.kind]
        for cell in cells:
            if cell is None or cell == "":
                self._numbers.append(float("nan"))
                continue
            value = read(cell)
            self.seen += 1
            self.wrong += value is None
            self._numbers.append(float("nan") if value is None else value)

    def cells(self) -> Any:
        """The column as an array."""
        if self.plan.kind == "category":
            return np.frombuffer(self._codes, np.int64).copy() if self._codes else np.zeros(0, np.int64)
        return np.frombuffer(self._numbers, np.float64).copy() if self._numbers else np.zeros(0)

    def tells_nothing(self, count: int) -> bool:
        """Whether nearly every cell is a word of its own: a name or a number of a person or thing."""
        return self.plan.kind == "category" and count > FEW_ROWS and len(self.words) > MOST_WORDS_SHARE * count

    def _code(self, word: str) -> int:
        return self.words.setdefault(word, len(self.words))

    def _number(self, cell: CellValue) -> float | None:
        if isinstance(cell, int | float):
            return float(cell) if abs(cell) <= LARGEST else None
        value = parse(str(cell), self.plan.form)
        return value if value is None or abs(value) <= LARGEST else None


def _days(cell: CellValue) -> float | None:
    """A date as days since 1970; the day stands before the month."""
    if isinstance(cell, datetime):
        return float((cell.date() - EPOCH).days)
    if isinstance(cell, date):
        return float((cell - EPOCH).days)
    found = _DATE.fullmatch(cell.strip()) if isinstance(cell, str) else None
    if found is None:
        return None
    year, month, day = (found[1], found[2], found[3]) if found[1] else (found[6], found[5], found[4])
    try:
        return float((date(int(year), int(month), int(day)) - EPOCH).days)
    except ValueError:
        return None


def _truth(cell: CellValue) -> float | None:
    return float(cell) if isinstance(cell, bool) else None


def _question(plan: _Plan) -> dict[str, Any]:
    """What the file cannot tell: thousands or fractions."""
    return {
        "id": f"number-{plan.place}", "code": "number_format",
        "vi": f"Ở cột «{plan.name}», dấu chấm và dấu phẩy ngăn cách hàng nghìn hay phần lẻ?",
        "en": f"In column '{plan.name}', do point and comma set apart thousands or fractions?",
        "options": [
            {"value": "1.234,5", "vi": "1.234 là một nghìn hai trăm ba mươi tư", "en": "1.234 is over a thousand"},
            {"value": "1,234.5", "vi": "1.234 là một phẩy hai", "en": "1.234 is little more than one"},
        ],
        "guess": plan.form, "columns": [plan.place],
    }  # fmt: skip
