"""What a reading is: how a file was understood, table by table and column by column, with what is still open.

Decision: a reading holds rules, not data. `observe` applies it to the file again, so that a corrected reading, or one
kept as a pattern, yields the figures without anything of the first guess being left over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.values import Measure

LayoutName = Literal["long", "wide", "rows_are_series", "file_per_period"]
Role = Literal["time", "series", "place", "value", "group", "ignore"]
Source = Literal["title", "header", "file_name", "column"]
Conversion = Literal["none", "tcvn3", "vni", "nfc", "mixed"]
Marker = Literal["zero", "missing", "not_applicable"]
Revision = Literal["estimate", "preliminary", "final"]
ColumnType = Literal[
    "number", "text", "identifier", "date", "period", "year", "quarter", "month", "week", "day", "unit", "place"
]  # fmt: skip
NumberFormat = Literal["1.234,5", "1,234.5"]
DateOrder = Literal["dmy", "ymd", "mdy", "excel", "period"]
Totals = Literal["apart", "series"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; `index` counts from 0 over the whole sheet.

    A value column in whose heading the period stands carries it in `period` ("?-03" while the year is open), and in
    `series` the rest of its heading ("Trị giá").
    """

    index: int
    name: str
    role: Role
    type: ColumnType = "number"
    unit: str | None = None
    number_format: NumberFormat | None = None
    date_order: DateOrder | None = None
    measure: Measure | None = None
    period: str | None = None
    series: str | None = None
    revision: Revision | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Where the periods were found (`source` is "from" on the wire) and which they are."""

    source: Source
    first: str | None = None
    last: str | None = None
    frequency: str | None = None


@dataclass(frozen=True, slots=True)
class RowCounts:
    """How many rows hold data, totals, subtotals (regions) and notes."""

    data: int = 0
    total: int = 0
    subtotal: int = 0
    note: int = 0


@dataclass(frozen=True, slots=True)
class Sampled:
    """One of the first figures, as it was understood."""

    cell: str
    series: str
    place: str | None
    period: str | None
    value: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a sheet. `totals` says whether totals are kept apart or are series of their own."""

    sheet: str
    range: str
    layout: LayoutName
    header_rows: tuple[int, ...]
    """Row numbers as the sheet shows them, from 1."""
    columns: tuple[Column, ...]
    period: Coverage
    rows: RowCounts = RowCounts()
    text_conversion: Conversion = "none"
    markers: tuple[tuple[str, Marker], ...] = ()
    title: str = ""
    totals: Totals = "apart"
    sample: tuple[Sampled, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """One possible answer."""

    value: str
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the platform cannot know. `id` is the name under which an answer is given; `guess` holds until then."""

    id: str
    code: str
    vi: str
    en: str
    options: tuple[Option, ...] = ()
    guess: str | None = None
    tables: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Caution:
    """Something odd that needs no answer."""

    code: str
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How a whole file was understood."""

    confidence: float
    tables: tuple[Table, ...]
    questions: tuple[Question, ...] = ()
    warnings: tuple[Caution, ...] = ()
    name: str | None = None
