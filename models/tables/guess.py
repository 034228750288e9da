"""The first guess at a sheet: its tables, the roles of their columns, and what stays open in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from models.tables.blocks import MARKERS, Block, Layout, kind_of
from models.tables.body import body_rows, sort_rows
from models.tables.grid import Row, Sheet, cell_name
from models.tables.headers import header_paths
from models.tables.headings import Context, Heading, periods_in, split_title, understand
from models.tables.labels import Label, read_labels
from models.tables.numbers import POINT_GROUPS, decide
from models.tables.periods import Period, find_periods
from models.tables.phrases import plain, tidy
from models.tables.shape import Column, Coverage, LayoutName, Marker, Role, RowCounts, Source, Table
from models.tables.units import is_progress, is_unit, measure_of_title

_ORDINAL = re.compile(r"(?:so\s*)?(?:tt|stt|thu tu|no\.?|#)\.?")
_HEADLINE = re.compile(r"^\s*(?:(?:bieu|bang|table)\s*(?:so)?\s*)?\d{0,3}(?:\.\d{1,2})*\s*[.:)]?\s*", re.IGNORECASE)
_CONTINUED = re.compile(r"\(?\s*ti[eếÕ]p\s*(?:theo|bi[eể]u)?\s*\)?", re.IGNORECASE)
_SUM = re.compile(r"(?:tong(?: so| cong)?|cong|ca nam|total|t\. ?so)\b")
_CASES = {"m": "Mắc", "c": "Chết"}
"""The health service's headings: M(ắc) cases, C(hết) deaths, always as a pair."""


@dataclass(frozen=True, slots=True)
class FileDate:
    """What a file's name says of its period: the years that it names and perhaps a whole period."""

    years: tuple[int, ...] = ()
    period: Period | None = None

    @property
    def year(self) -> Period | None:
        """The one year that the name holds."""
        return Period("Y", self.years[0]) if len(self.years) == 1 else None


@dataclass(slots=True)
class Open:
    """What a table leaves open: columns by their index."""

    unnamed: list[int] = field(default_factory=list)
    yearless: bool = False
    undated: list[int] = field(default_factory=list)
    choices: tuple[Period, ...] = ()
    unmeasured: list[int] = field(default_factory=list)
    headless: bool = False
    unlabelled: list[int] = field(default_factory=list)
    abbreviated: bool = False
    swapped: bool = False
    unordered: list[int] = field(default_factory=list)
    unformed: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Guess:
    """A table as it was guessed."""

    table: Table
    open: Open


def guess_table(layout: Layout, block: Block, date: FileDate, before: str) -> Guess:
    """Understand one block; `before` is the title of the table above on the same sheet."""
    sheet = layout.sheet
    still = Open()
    title = _title(block.titles, before)
    paths = header_paths(sheet, block.header, block.first_value)
    labels, ignored = _label_columns(layout, block, paths)
    values = _value_columns(layout, block, paths, labels, still)
    found = read_labels(sheet.rows, *block.body, labels, _unit_column(ignored), values)
    role = _label_role(found)
    context, source = _context(title, block, date, sheet.name, still)
    timed = role == "time"
    columns = [Column(c, _name(paths, c), role, "period" if timed else "text") for c in labels]
    columns += ignored
    columns += _measured(sheet, [(c, paths[c]) for c in values], context, date, still, timed=timed)
    columns = [_formed(sheet, block, column, still) for column in _unswapped(columns, still)]
    columns += [Column(c, "", "ignore") for c in still.unnamed]
    columns.sort(key=lambda column: column.index)
    still.headless = not block.header
    table = Table(
        sheet.name, _range(block, sheet, columns), _layout(role, columns), tuple(row + 1 for row in block.header),
        tuple(_paired(columns, still)), Coverage("column" if timed else source), title=title,
    )  # fmt: skip
    table = _spanned(table, found, context, still) if timed else _covered(table, context)
    return Guess(_counted(table, sheet.rows, found, still), still)


def headline(title: str) -> str:
    """A title without its number, `(Tiếp theo)`, the periods in it and the prices in brackets."""
    text = _CONTINUED.sub(" ", title) if "ti" in plain(title[:20]) and "tiep" in plain(title) else title
    text = _HEADLINE.sub("", tidy(text), count=1)
    spans = [(a, b) for a, b, _ in find_periods(text)]
    kept = "".join(char for at, char in enumerate(text) if not any(a <= at < b for a, b in spans))
    kept = re.sub(r"(?:\s+(?:và|đến|từ|của|phân theo|ước|ước tính|so với|năm|thực hiện))+\s*$", "", tidy(kept))
    return re.sub(r"[\s\-–:;,.(]+$", "", kept)


def _title(titles: Sequence[str], before: str) -> str:
    text = tidy(" ".join(titles))
    bare = re.sub(r"[\W\d_]", "", plain(text))
    return before if before and bare in ("", "tieptheo", "tiep") else text


def _name(paths: dict[int, tuple[str, ...]], column: int) -> str:
    return tidy(" ".join(paths.get(column, ())))


def _label_columns(layout: Layout, block: Block, paths: dict[int, tuple[str, ...]]) -> tuple[list[int], list[Column]]:
    """The columns of labels, and those beside them that are units or running numbers."""
    labels: list[int] = []
    ignored: list[Column] = []
    for column in range(block.first_value):
        cells = [layout.sheet.rows[row][column] for row in range(*block.body)]
        texts = [tidy(str(value)) for value in cells if kind_of(value) in ("text", "time")]
        numbers = sum(kind_of(value) == "number" for value in cells)
        name = _name(paths, column)
        if _is_units(name, texts):
            ignored.append(Column(column, name, "ignore", "unit"))
        elif _ORDINAL.fullmatch(plain(name)) and numbers + len(texts):
            ignored.append(Column(column, name, "ignore", "identifier"))
        elif texts or numbers:
            labels.append(column)
    return labels, ignored


def _is_units(name: str, texts: Sequence[str]) -> bool:
    units = sum(is_unit(text) or text in ('"', "''", "”", "“", "nt") for text in texts)
    if plain(name).startswith(("don vi", "dvt", "dv tinh", "unit")):
        return units >= 0.3 * len(texts)
    return len(texts) >= 2 and units >= 0.8 * len(texts)


def _unit_column(ignored: Sequence[Column]) -> int | None:
    return next((column.index for column in ignored if column.type == "unit"), None)


def _value_columns(
    layout: Layout, block: Block, paths: dict[int, tuple[str, ...]], labels: Sequence[int], still: Open
) -> list[int]:
    """The columns of figures; those without a heading are left open."""
    found: list[int] = []
    empty, aside = 0, False  # figures beyond two empty columns are somebody's reckoning beside the table
    for column in range(block.first_value, layout.sheet.width):
        kinds = Counter(layout.kinds[row][column] for row in range(*block.body))
        empty = empty + 1 if not any(kinds[kind] for kind in kinds if kind) and column not in paths else 0
        if not kinds["number"] and not kinds["marker"]:
            aside = aside or (empty >= 2 and bool(found))
            continue
        if column in paths and not aside:
            found.append(column)
        elif kinds["number"]:
            still.unnamed.append(column)
    if not found and not block.header:
        found, still.unnamed[:] = list(still.unnamed), []
        paths.update(dict.fromkeys(found, ("",)))
    for row in range(*block.body):
        kinds_of_row = layout.kinds[row]
        bare = not any(kinds_of_row[column] for column in labels)
        if bare and any(kinds_of_row[column] == "number" for column in found):
            still.unlabelled.append(row)
    return found


def _label_role(labels: Sequence[Label]) -> Role:
    """What runs down the rows: periods, places or series."""
    figured = [label for label in labels if label.figures and not label.note]
    if not figured:
        return "series"
    if sum(label.period is not None for label in figured) >= 0.7 * len(figured):
        return "time"
    rows = sort_rows(list(labels), (), keep_totals=True)
    placed = sum(row.place is not None and len(row.path) == 0 for row in rows if row.kind == "data")
    return "place" if placed >= 3 and placed >= 0.6 * len(figured) else "series"


def _context(title: str, block: Block, date: FileDate, sheet: str, still: Open) -> tuple[Context, Source]:
    """What the title says of the periods, completed by the sheet's and the file's name."""
    words, base = split_title(title)
    found = periods_in(words)
    years = {period.year for period in found if period.year is not None}
    source: Source = "title"
    around = Period("Y", next(iter(years))) if len(years) == 1 else None
    if around is None and not years:
        named = {period.year for period in periods_in(sheet) if period.year is not None}
        around = Period("Y", next(iter(named))) if len(named) == 1 else date.year
        source = "title" if len(named) == 1 and not named & set(date.years) else "file_name"
    elif around is None:
        around = Period("Y", max(years))  # the year that is spoken of; an earlier one is what it is compared with
    complete = {period.within(around) for period in found}
    fine = {period for period in complete if period.unit != "Y"} or complete
    exact = {period for period in fine if period.unit == "D"} or fine
    period = next(iter(exact)) if len(exact) == 1 else None
    if period is not None and is_progress(title) and period.unit == "M" and period.cumulative:
        period = replace(period, cumulative=False)
    still.choices = tuple(sorted(exact, key=str)) if len(exact) > 1 else ()
    return Context(words or sheet, period, around, block.units, base), source


def _measured(
    sheet: Sheet, headed: Sequence[tuple[int, tuple[str, ...]]], context: Context, date: FileDate, still: Open, *,
    timed: bool,
) -> list[Column]:  # fmt: skip
    """The columns of figures, each heading understood; a guess fills what is left open."""
    columns: list[Column] = []
    known = [(index, tidy(" ".join(path)), understand(tidy(" ".join(path)), context)) for index, path in headed]
    dated = sum(heading.own for _, _, heading in known)
    for index, name, heading in known:
        if not timed and not heading.own and dated >= max(2, len(known) / 2) and _SUM.match(plain(name)):
            columns.append(Column(index, name, "ignore"))  # the sum over the periods beside it
            continue
        period = None if timed else _dated(index, heading, date, still)
        measure = heading.measure
        if measure is None and measure_of_title(sheet.name) is not None:
            measure = measure_of_title(sheet.name)
        if measure is None:
            still.unmeasured.append(index)
            measure = "ytd" if is_progress(context.title) else "flow"
        columns.append(
            Column(index, name, "value", "number", heading.unit, measure=measure, period=period,
                   series=heading.series or None, revision=heading.revision)
        )  # fmt: skip
    return columns


def _formed(sheet: Sheet, block: Block, column: Column, still: Open) -> Column:
    """The column with the form of its numbers, where they were typed as text."""
    cells = [sheet.rows[row][column.index] for row in range(*block.body)] if column.role == "value" else []
    if not any(isinstance(value, str) and kind_of(value) == "number" for value in cells):
        return column
    said = decide(cells)
    if said.ambiguous:
        still.unformed.append(column.index)
    return replace(column, number_format=said.form or POINT_GROUPS)


_ISO = re.compile(r"(?:19|20)\d\d-\d\d-\d\d")


def _unswapped(columns: list[Column], still: Open) -> list[Column]:
    """Dates in headings whose day and month a spreadsheet took the wrong way round (1/8/2013 as 8 January).

    The other columns tell the month that the table is about.
    """
    months = Counter(c.period for c in columns if c.period and frequency_of(c.period) == "M" and "?" not in c.period)
    if not months:
        return columns
    near = int(months.most_common(1)[0][0][5:7])
    fixed: list[Column] = []
    for column in columns:
        period = column.period or ""
        if _ISO.search(column.name) and frequency_of(period) == "D":
            month, day = int(period[5:7]), int(period[8:10])
            if abs(month - near) > 1 and abs(day - near) <= 1:
                column = replace(column, period=f"{period[:5]}{day:02d}-{month:02d}")
                still.swapped = True
        fixed.append(column)
    return fixed


def _dated(index: int, heading: Heading, date: FileDate, still: Open) -> str | None:
    """The period on the wire: `2011-03`, `?-03` without its year; a guess where the heading has none."""
    period = heading.period
    if period is None:
        still.undated.append(index)
        period = next((choice for choice in still.choices if choice.cumulative), None) or date.period or date.year
        return period.name if period else None
    if period.name is None:
        still.yearless = True
        return (replace(period, year=1).name or "").replace("0001", "?", 1)
    return period.name


def _paired(columns: Sequence[Column], still: Open) -> list[Column]:
    """Write out the pair M, C of the health service."""
    short = {plain(column.series or "") for column in columns if column.role == "value"}
    if short != set(_CASES):
        return list(columns)
    still.abbreviated = True
    still.unmeasured.clear()
    return [
        replace(column, series=_CASES[plain(column.series or "")], unit=column.unit or "ca", measure="flow")
        if column.role == "value"
        else column
        for column in columns
    ]


def _range(block: Block, sheet: Sheet, columns: Sequence[Column]) -> str:
    top = min((*block.header, block.body[0])) if block.header and block.header[0] <= block.body[0] else block.body[0]
    top = block.body[0] if block.continued else top
    bottom = block.body[1] - 1
    while bottom > block.body[0] and not any(value is not None for value in sheet.rows[bottom]):
        bottom -= 1
    return f"{cell_name(top, 0)}:{cell_name(bottom, max(column.index for column in columns))}"


def _layout(role: Role, columns: Sequence[Column]) -> LayoutName:
    if role == "time":
        return "long"
    periods = {column.period for column in columns if column.role == "value"}
    if role == "place":
        return "wide" if len(periods) > 1 else "file_per_period"
    return "rows_are_series"


def _covered(table: Table, context: Context) -> Table:
    """The first and last period and where they came from."""
    names = sorted({column.period for column in table.columns if column.period and column.role == "value"})
    if not names:
        return table
    own = any(re.search(r"(?:19|20)\d\d", column.name) for column in table.columns if column.role == "value")
    source: Source = "header" if own else table.period.source
    units = Counter(frequency_of(name) for name in names)
    return replace(table, period=Coverage(source, names[0], names[-1], units.most_common(1)[0][0]))


def _spanned(table: Table, labels: Sequence[Label], context: Context, still: Open) -> Table:
    """The periods that run down the rows; the surroundings give the year that none of them has."""
    rows = sort_rows(list(labels), table.columns, keep_totals=True, around=context.around)
    names = sorted({row.period.name for row in rows if row.period is not None and row.period.name is not None})
    still.unlabelled += [row.row for row in rows if row.kind == "data" and row.period is None]
    still.yearless = any(row.period is not None and row.period.name is None for row in rows)
    if not names:
        return table
    return replace(table, period=Coverage("column", names[0], names[-1], frequency_of(names[-1])))


def frequency_of(name: str) -> str:
    """The frequency code of a period's name."""
    if "T" in name:
        return "H"
    if "Q" in name:
        return "Q"
    if "W" in name:
        return "W"
    return {0: "Y", 1: "M"}.get(name.count("-"), "D")


def _counted(table: Table, rows: Sequence[Row], labels: Sequence[Label], still: Open) -> Table:
    kinds = Counter(row.kind for row in body_rows(table, rows))
    counts = RowCounts(kinds["data"], kinds["total"], kinds["subtotal"], kinds["note"])
    named = {label.row for label in labels if label.figures and label.path}
    if not any(column.role == "time" for column in table.columns):
        still.unlabelled[:] = [row for row in still.unlabelled if row not in named]
    return replace(table, rows=counts, markers=_markers(table, rows))


def _markers(table: Table, rows: Sequence[Row]) -> tuple[tuple[str, Marker], ...]:
    values = [column.index for column in table.columns if column.role == "value"]
    seen = {
        str(row[column]).strip()
        for row in rows
        for column in values
        if isinstance(row[column], str) and kind_of(row[column]) == "marker"
    }
    return tuple((sign, MARKERS[sign.lower()]) for sign in sorted(seen))  # type: ignore[misc]


__all__ = ["FileDate", "Guess", "Open", "frequency_of", "guess_table", "headline"]
