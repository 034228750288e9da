"""Lists: one heading per column, one record per row, a column of times. Most CSV files are lists.

Decision: every column has one role, found from its heading and all its cells; identifiers (codes with leading zeros,
telephone and tax numbers) stay text. Records whose place is the country, or whose name is a sum, are totals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from models.places.gazetteer import Division
from models.places.names import find_place, vintage_of
from models.tables.blocks import MARKERS, kind_of
from models.tables.dates import read_time, time_column
from models.tables.grid import CellValue, Row, Sheet, cell_name
from models.tables.guess import Open, frequency_of
from models.tables.numbers import POINT_GROUPS, decide
from models.tables.observing import SEPARATOR, Figure, read_value
from models.tables.periods import Period
from models.tables.phrases import plain, tidy
from models.tables.shape import Column, Coverage, Marker, RowCounts, Table
from models.tables.units import bracketed_unit, is_percent, is_unit, measure_of_words, without_unit

_IDENTIFIER = re.compile(
    r"(?:ma|code|id|stt|tt|so tt|sdt|so dien thoai|dien thoai|phone|mst|ma so thue|cccd|cmnd|so hieu|so ho so)\b"
)
_GENERIC = re.compile(r"(?:gia tri|value|so lieu|so luong|y|values)$")
_PROBE = 400


def guess_list(sheet: Sheet) -> tuple[Table, Open] | None:
    """The sheet as a list; None when it is none."""
    header = _header(sheet)
    if header is None:
        return None
    still = Open()
    columns = [_column(sheet, header, index, still) for index in range(sheet.width)]
    if not any(column.role == "time" for column in columns) or not any(column.role == "value" for column in columns):
        return None
    columns = _one_place(columns)
    table = Table(
        sheet.name, f"{cell_name(header, 0)}:{cell_name(sheet.height - 1, sheet.width - 1)}", "long", (header + 1,),
        tuple(columns), Coverage("column"), markers=_signs(sheet, header, columns), title="",
    )  # fmt: skip
    return _covered(table, sheet.rows), still


def _header(sheet: Sheet) -> int | None:
    """The row of headings: full, all text, different from each other, with records below."""
    for row in range(min(6, sheet.height - 1)):
        cells = sheet.rows[row]
        filled = [value for value in cells if value is not None]
        if len(filled) < max(2, sheet.width):
            if len(filled) > 1:
                return None
            continue
        names = [tidy(str(value)) for value in filled if kind_of(value) == "text"]
        below = sheet.rows[row + 1 : row + 41]
        full = sum(sum(value is not None for value in record) >= 0.6 * sheet.width for record in below)
        good = len(names) == sheet.width == len(set(names)) and full >= 0.8 * len(below)
        return row if good and not any(top == row for top, *_ in sheet.merged) else None
    return None


def _column(sheet: Sheet, header: int, index: int, still: Open) -> Column:
    name = tidy(str(sheet.rows[header][index]))
    flat = re.sub(r"[_\W]+", " ", plain(name)).strip()
    cells = [row[index] for row in sheet.rows[header + 1 :]]
    probe = cells if len(cells) <= 5 * _PROBE else cells[: 2 * _PROBE] + cells[:: max(1, len(cells) // _PROBE)]
    timed = time_column(name, probe)
    if timed is not None:
        if timed.unsure:
            timed = time_column(name, dict.fromkeys(cells)) or timed
        if timed.unsure:
            still.unordered.append(index)
        return Column(index, name, "time", timed.type, date_order=timed.order)
    kinds = [kind_of(value) for value in probe if value is not None]
    numeric = kinds.count("number")
    if _IDENTIFIER.match(flat) or (numeric and _leading_zeros(probe)):
        return Column(index, name, "ignore", "identifier")
    if numeric + kinds.count("marker") >= 0.8 * max(1, len(kinds)) and numeric:
        return _value(index, name, cells, still)
    return _text(index, name, probe)


def _leading_zeros(cells: Sequence[CellValue]) -> bool:
    texts = [value.strip() for value in cells if isinstance(value, str)]
    return sum(len(t) > 1 and t[0] == "0" and t.isdigit() for t in texts) > 0.02 * max(1, len(texts))


def _value(index: int, name: str, cells: Sequence[CellValue], still: Open) -> Column:
    form = decide(cells)
    if form.kind == "identifier":
        return Column(index, name, "ignore", "identifier")
    if form.ambiguous:
        still.unformed.append(index)
    unit = bracketed_unit(name)
    measure = measure_of_words(re.sub(r"_+", " ", name)) or ("rate" if is_percent(unit) else None)
    if measure is None:
        still.unmeasured.append(index)
    return Column(index, name, "value", "number", unit, form.form or POINT_GROUPS, measure=measure or "flow",
                  series=without_unit(name))  # fmt: skip


def _text(index: int, name: str, cells: Sequence[CellValue]) -> Column:
    texts = [tidy(str(value)) for value in cells if value is not None]
    distinct = set(texts)
    if not texts:
        return Column(index, name, "ignore", "text")
    if all(is_unit(text) for text in list(distinct)[:50]):
        return Column(index, name, "ignore", "unit")
    if sum(find_place(text) is not None for text in distinct) >= 0.8 * len(distinct):
        return Column(index, name, "place", "place")
    named = re.match(r"(?:ghi chu|note|nguoi|nguon|dia chi|email)\b", plain(name).replace("_", " "))
    if named or (len(distinct) > 0.9 * len(texts) and len(texts) > 20):
        return Column(index, name, "ignore", "text")
    return Column(index, name, "group", "text")


def _one_place(columns: list[Column]) -> list[Column]:
    """Of several columns of places the last is the place itself, those before it are what it lies in."""
    places = [column.index for column in columns if column.role == "place"]
    return [
        Column(column.index, column.name, "ignore", "text") if column.index in places[:-1] else column
        for column in columns
    ]


def _signs(sheet: Sheet, header: int, columns: Sequence[Column]) -> tuple[tuple[str, Marker], ...]:
    values = [column.index for column in columns if column.role == "value"]
    seen = {
        sign
        for row in islice(sheet.rows, header + 1, None)
        for index in values
        if isinstance(cell := row[index], str) and (sign := cell.strip()).lower() in MARKERS
    }
    return tuple((sign, MARKERS[sign.lower()]) for sign in sorted(seen))  # type: ignore[misc]


def _covered(table: Table, rows: Sequence[Row]) -> Table:
    """Count the records and find the first and last period."""
    counts = {"data": 0, "total": 0, "subtotal": 0, "note": 0}
    periods: set[str] = set()
    for record in _records(table, rows):
        counts[record.kind] += 1
        if record.kind == "data" and record.period is not None:
            periods.add(record.period)
    first, last = min(periods, default=None), max(periods, default=None)
    frequency = None if first is None else frequency_of(first)
    return Table(
        table.sheet, table.range, table.layout, table.header_rows, table.columns,
        Coverage("column", first, last, frequency), RowCounts(**counts), table.text_conversion, table.markers,
    )  # fmt: skip


class _Record(NamedTuple):
    row: int
    kind: str
    period: str | None
    place: tuple[str | None, str | None]
    groups: tuple[str, ...]


_Known = tuple[str, tuple[str | None, str | None], tuple[str, ...]]


def _records(table: Table, rows: Sequence[Row]) -> Iterator[_Record]:
    """Every record below the headings, with its kind; what different cells say is found out once."""
    times = [column for column in table.columns if column.role == "time"]
    stamps = _picker([column.index for column in times])
    labels = _picker([column.index for column in table.columns if column.role in ("group", "series")])
    figures = _picker([column.index for column in table.columns if column.role == "value"])
    place = next((column.index for column in table.columns if column.role == "place"), None)
    vintage = None if place is None else vintage_of({str(row[place]) for row in rows if row[place] is not None})
    provinces = place is not None and _has_provinces(rows, place, vintage)
    periods: dict[Row, str | None] = {}
    known: dict[tuple[CellValue, Row], _Known] = {}
    for at in range(max(table.header_rows, default=0), len(rows)):
        row = rows[at]
        if not any(value is not None for value in figures(row)):
            if any(value is not None for value in row):
                yield _Record(at, "note", None, (None, None), ())
            continue
        stamp, name = stamps(row), (None if place is None else row[place], labels(row))
        if stamp not in periods:
            periods[stamp] = _period(stamp, times)
        if name not in known:
            known[name] = _named(*name, vintage, provinces)
        period, (kind, where, groups) = periods[stamp], known[name]
        yield _Record(at, "note" if period is None and kind == "data" else kind, period, where, groups)


def _picker(indexes: Sequence[int]) -> Callable[[Row], Row]:
    """How to take some cells of a row; always a tuple."""
    if len(indexes) == 1:
        (at,) = indexes
        return lambda row: (row[at],)
    return itemgetter(*indexes) if indexes else lambda _: ()


def _named(cell: CellValue, labels: Row, vintage: Division | None, provinces: bool) -> _Known:
    """What the place and the groups of a record make it."""
    kind, where = ("data", (None, None)) if cell is None else _placed(str(cell), vintage, provinces)
    groups = tuple(tidy(str(label)) for label in labels if label is not None)
    return ("total" if kind == "data" and any(map(_is_sum, groups)) else kind), where, groups


def _has_provinces(rows: Sequence[Row], place: int, vintage: Division | None) -> bool:
    return any((found := find_place(str(row[place]), vintage)) is not None and found.kind == "province"
               for row in rows[1:2000] if row[place] is not None)  # fmt: skip


def _placed(text: str, vintage: Division | None, provinces: bool) -> tuple[str, tuple[str | None, str | None]]:
    found = find_place(text, vintage)
    if found is None:
        return "data", (None, tidy(text))
    kind = "total" if found.kind == "total" else "subtotal" if found.kind == "region" and provinces else "data"
    return kind, (found.code, found.name)


def _is_sum(name: str) -> bool:
    return plain(name).rstrip(": ") in ("tong", "tong so", "tong cong", "cong", "total", "grand total", "toan bo")


def _period(stamp: tuple[CellValue, ...], times: Sequence[Column]) -> str | None:
    """The period of one record: a year column completes a month, quarter or week column beside it."""
    if len(times) == 1 and times[0].type not in ("month", "quarter", "week", "day"):
        found = read_time(stamp[0], times[0].date_order)
        return found if isinstance(found, str) or found is None else found.name
    parts: dict[str, int] = {}
    whole: Period | None = None
    for value, column in zip(stamp, times, strict=True):
        number = _part(value)
        if number is not None and column.type in ("year", "month", "quarter", "week", "day") and number < 10_000:
            parts[column.type] = number
            continue
        found = read_time(value, column.date_order)
        if isinstance(found, str):
            return found
        if found is not None:
            whole = found if whole is None or found.unit != "Y" else whole
            if found.unit == "Y" and found.year is not None:
                parts.setdefault("year", found.year)
    return _joined(parts, whole)


def _joined(parts: dict[str, int], whole: Period | None) -> str | None:
    year = parts.get("year")
    if whole is not None and whole.unit != "Y":
        return whole.within(Period("Y", year) if year else None).name
    if year is None:
        return whole.name if whole is not None else None
    if "month" in parts:
        if "day" in parts:
            return Period("D", year, parts["month"], parts["day"]).name
        return Period("M", year, parts["month"]).name
    if "quarter" in parts:
        return Period("Q", year, parts["quarter"]).name
    return Period("W", year, parts["week"]).name if "week" in parts else Period("Y", year).name


def _part(value: CellValue) -> int | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        return int(value)
    return int(value) if isinstance(value, str) and value.strip().isdigit() else None


def figures_of_list(table: Table, rows: Sequence[Row], *, totals: bool) -> Iterator[Figure]:
    """The figures of a list."""
    values = [column for column in table.columns if column.role == "value"]
    unit = next((column.index for column in table.columns if column.type == "unit"), None)
    named = [_naming(column, alone=len(values) == 1) for column in values]
    signs = dict(table.markers)
    for record in _records(table, rows):
        if record.period is None or (record.kind != "data" and not (totals and record.kind != "note")):
            continue
        row = rows[record.row]
        for column, name in zip(values, named, strict=True):
            cell = row[column.index]
            if cell is None:
                continue
            value, marker = read_value(cell, column, signs)
            if value is None and marker is None:
                continue
            rated = column.unit if unit is None or row[unit] is None else tidy(str(row[unit]))
            yield Figure(
                name(record.groups), *record.place, record.period, column.measure, rated, value, marker, record.row,
                column.index,
            )  # fmt: skip


def _naming(column: Column, *, alone: bool) -> Callable[[tuple[str, ...]], str]:
    """How the series of a column is called: by the record's groups and its heading, unless that says nothing."""
    heading = column.series or column.name
    mute = alone and _GENERIC.match(plain(heading).replace("_", " ")) is not None

    @cache
    def name(groups: tuple[str, ...]) -> str:
        return SEPARATOR.join(groups if groups and mute else (*groups, heading))

    return name


def is_list(table: Table) -> bool:
    """Whether a table was read as a list: its column of times says how times are written."""
    return any(column.role == "time" and column.date_order is not None for column in table.columns)
